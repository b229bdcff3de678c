import type { Handle } from "./files";
import { type Item, keyOf } from "./item";

/** What is remembered of a file that did not arrive yet. */
export interface Note {
  scope: string;
  key: string;
  name: string;
  size: number;
  modified: number;
  state: "waiting" | "refused";
  reason: string;
  /** Where the server keeps what it has of it. */
  address: string | null;
  at_ms: number;
}

const DAYS_30_MS = 30 * 24 * 3600 * 1000;
const FLUSH_MS = 400;

/**
 * What waits, in this browser's own database, so that a page that was closed, or a browser that crashed, can go on.
 *
 * It holds names, sizes and dates, no picture, of one member of staff and one event. Where the browser has no such
 * database nothing is remembered, and all else goes on.
 */
export class Memory {
  private readonly opened: Promise<IDBDatabase | null>;
  private readonly puts = new Map<string, Note>();
  private readonly drops = new Set<string>();
  private flushing: number | undefined;

  constructor(private readonly scope: string) {
    this.opened = open().catch(() => null);
    void this.forgetOld();
    addEventListener("pagehide", () => void this.flush());
    document.addEventListener("visibilitychange", () => document.hidden && void this.flush());
  }

  keep(item: Item, state: Note["state"] = "waiting"): void {
    const key = keyOf(item);
    const { name, size, lastModified: modified } = item.file;
    this.drops.delete(key);
    this.puts.set(key, {
      scope: this.scope, key, name, size, modified, state, reason: item.reason, address: item.address, at_ms: Date.now(),
    });
    this.soon();
  }

  drop(item: Item): void {
    const key = keyOf(item);
    this.puts.delete(key);
    this.drops.add(key);
    this.soon();
  }

  async notes(): Promise<Note[]> {
    return await this.all<Note>("files");
  }

  async handles(): Promise<Handle[]> {
    return (await this.all<{ handle: Handle }>("handles")).map(({ handle }) => handle);
  }

  async keepHandles(handles: readonly Handle[]): Promise<void> {
    await this.write("handles", (store) => {
      for (const handle of handles) store.put({ scope: this.scope, key: crypto.randomUUID(), handle, at_ms: Date.now() });
    });
  }

  /** Forget some of it. */
  async forget(notes: readonly Note[]): Promise<void> {
    await this.write("files", (store) => notes.forEach(({ key }) => store.delete([this.scope, key])));
    await this.tidy();
  }

  /** Handles are of no use once no file waits. */
  async tidy(): Promise<void> {
    await this.flush();
    const waits = (await this.notes()).some(({ state }) => state === "waiting");
    if (!waits) await this.write("handles", (store) => store.delete(this.range()));
  }

  async flush(): Promise<void> {
    window.clearTimeout(this.flushing);
    this.flushing = undefined;
    if (!this.puts.size && !this.drops.size) return;
    const [puts, drops] = [[...this.puts.values()], [...this.drops]];
    this.puts.clear();
    this.drops.clear();
    await this.write("files", (store) => {
      for (const note of puts) store.put(note);
      for (const key of drops) store.delete([this.scope, key]);
    });
  }

  private soon(): void {
    this.flushing ??= window.setTimeout(() => void this.flush(), FLUSH_MS);
  }

  private range(): IDBKeyRange {
    return IDBKeyRange.bound([this.scope], [this.scope, []]);
  }

  private async all<T>(name: string): Promise<T[]> {
    const database = await this.opened;
    if (!database) return [];
    return new Promise((resolve) => {
      const asked = database.transaction(name).objectStore(name).getAll(this.range());
      asked.onsuccess = () => resolve(asked.result as T[]);
      asked.onerror = () => resolve([]);
    });
  }

  private async write(name: string, act: (store: IDBObjectStore) => void): Promise<void> {
    const database = await this.opened;
    if (!database) return;
    await new Promise<void>((resolve) => {
      try {
        const transaction = database.transaction(name, "readwrite");
        transaction.oncomplete = transaction.onerror = transaction.onabort = () => resolve();
        act(transaction.objectStore(name));
      } catch {
        resolve(); // a handle that can't be kept, or a disk that is full: sending matters more
      }
    });
  }

  private async forgetOld(): Promise<void> {
    const since_ms = Date.now() - DAYS_30_MS;
    for (const name of ["files", "handles"]) {
      await this.write(name, (store) => {
        const walking = store.openCursor();
        walking.onsuccess = () => {
          const cursor = walking.result;
          if (!cursor) return;
          if ((cursor.value as { at_ms: number }).at_ms < since_ms) cursor.delete();
          cursor.continue();
        };
      });
    }
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("trouvaille-queue", 1);
    opening.onupgradeneeded = () => {
      for (const name of ["files", "handles"]) opening.result.createObjectStore(name, { keyPath: ["scope", "key"] });
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(new Error("no database"));
  });
}
