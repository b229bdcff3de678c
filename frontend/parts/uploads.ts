import { detailOf } from "./ask";

export type FileState = "queued" | "sending" | "added" | "duplicate" | "refused" | "failed";

/** One file on its way. `share` is how much of it has left this computer, 0-1. */
export interface Upload {
  file: File;
  state: FileState;
  share: number;
  reason: string;
}

interface Results {
  accepted: { file_name: string }[];
  duplicates: { file_name: string }[];
  refused: { file_name: string; reason: string }[];
}

interface Words {
  noAnswer: string;
  refused: string;
}

const PARALLEL = 2;
const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 1000;

class Away extends Error {}
class Refused extends Error {}

/** Sends files one by one, two at a time, and does not lose any: a broken connection is tried again, each file is told by name. */
export class Uploads {
  readonly items: Upload[] = [];

  constructor(
    private readonly url: string,
    private readonly words: Words,
    private readonly changed: () => void,
  ) {}

  get busy(): boolean {
    return this.items.some((item) => item.state === "queued" || item.state === "sending");
  }

  add(files: Iterable<File>): void {
    for (const file of files) this.items.push({ file, state: "queued", share: 0, reason: "" });
    this.pump();
  }

  retry(items: readonly Upload[]): void {
    for (const item of items) Object.assign(item, { state: "queued", share: 0, reason: "" });
    this.pump();
  }

  /** Forget what is done; a new batch then counts from one. */
  clear(): void {
    if (!this.busy) this.items.length = 0;
  }

  private pump(): void {
    const sending = this.items.filter((item) => item.state === "sending").length;
    for (const item of this.items.filter((one) => one.state === "queued").slice(0, PARALLEL - sending)) {
      item.state = "sending";
      void this.deliver(item).finally(() => this.pump());
    }
    this.changed();
  }

  private async deliver(item: Upload): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.settle(item, await this.send(item));
        return;
      } catch (error) {
        item.share = 0;
        if (error instanceof Refused) return this.end(item, "refused", error.message || this.words.refused);
        if (attempt === ATTEMPTS) return this.end(item, "failed", this.words.noAnswer);
        this.changed();
        await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1));
      }
    }
  }

  private settle(item: Upload, results: Results): void {
    const refusal = results.refused[0];
    if (refusal) this.end(item, "refused", refusal.reason);
    else this.end(item, results.duplicates.length ? "duplicate" : "added", "");
  }

  private end(item: Upload, state: FileState, reason: string): void {
    Object.assign(item, { state, reason, share: 1 });
  }

  /** One request. fetch can't tell how far an upload is, XMLHttpRequest can. */
  private send(item: Upload): Promise<Results> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const form = new FormData();
      form.append("photos", item.file, item.file.name);
      request.open("POST", this.url);
      request.setRequestHeader("Accept", "application/json");
      request.upload.onprogress = (event) => {
        item.share = event.lengthComputable ? event.loaded / event.total : 0;
        this.changed();
      };
      request.onerror = request.onabort = request.ontimeout = () => reject(new Away());
      request.onload = () => {
        if (request.status >= 500 || request.status === 429 || request.status === 408) return reject(new Away());
        if (request.status >= 400) return reject(new Refused(detailOf(request.responseText)));
        try {
          resolve(JSON.parse(request.responseText) as Results);
        } catch {
          reject(new Away());
        }
      };
      request.send(form);
    });
  }
}

/** Wait, but not longer than until the network is back. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    }
    addEventListener("online", done);
  });
}

const NOT_PHOTOS = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

/** The files of a drop, those in its folders too; the system's own hidden files are left out. */
export async function filesOf(transfer: DataTransfer): Promise<File[]> {
  // The list is emptied when the event ends, so the entries are taken before anything is awaited.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found = entries.length ? (await Promise.all(entries.map(walk))).flat() : [...transfer.files];
  return withoutClutter(found);
}

export function withoutClutter(files: Iterable<File>): File[] {
  return [...files].filter((file) => !NOT_PHOTOS.test(file.name));
}

async function walk(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    return new Promise((resolve) => (entry as FileSystemFileEntry).file((file) => resolve([file]), () => resolve([])));
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: File[] = [];
  // A reader hands out a hundred entries at a time, and an empty list at the end.
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (batch.length === 0) return files;
    for (const child of batch) files.push(...(await walk(child)));
  }
}
