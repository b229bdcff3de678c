import type { Outcome } from "./send";

export type FileState = "queued" | "sending" | "added" | "duplicate" | "refused" | "failed";

/** One file on its way. `share` is how much of it has left this computer, 0-1. */
export interface Upload {
  file: File;
  state: FileState;
  share: number;
  reason: string;
  /** Where the server keeps what it has of it. */
  address: string | null;
  stumbles: number;
  /** A request of it went unanswered, so the server may have it already. */
  unanswered: boolean;
}

interface Words {
  noAnswer: string;
  refused: string;
}

// Browsers open six connections to a server; the page needs one for itself and one for what it hears live.
const PARALLEL = 4;
const STUMBLES = 4;
const ASKED_AT_ONCE = 1000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
// After sleep or a change of network, a connection may be dead without a word.
const SILENCE_MS = 60_000;

/** Sends files, a few at a time, and does not lose any: what breaks off goes on where it ended, each file is told by name. */
export class Uploads {
  readonly items: Upload[] = [];
  /** Why nothing more is sent until somebody tries again; empty while all is well. */
  stopped = "";
  private sending = 0;
  private asking = 0;
  private failuresInARow = 0;
  private notBefore_ms = 0;

  constructor(
    private readonly url: string,
    private readonly words: Words,
    private readonly changed: () => void,
  ) {
    addEventListener("online", () => {
      this.notBefore_ms = 0;
      this.pump();
    });
  }

  get busy(): boolean {
    return this.asking > 0 || this.sending > 0 || (!this.stopped && this.items.some((item) => item.state === "queued"));
  }

  /** Files that the event has already are not sent. */
  add(files: Iterable<File>): void {
    const items = [...files].map((file): Upload => ({
      file, state: "queued", share: 0, reason: "", address: null, stumbles: 0, unanswered: false,
    }));
    this.items.push(...items);
    this.stopped = "";
    void this.askFor(items);
  }

  retry(items: readonly Upload[]): void {
    for (const item of items) Object.assign(item, { state: "queued", share: 0, reason: "", stumbles: 0 });
    this.stopped = "";
    this.pump();
  }

  /** Forget what is done; a new batch then counts from one. */
  clear(): void {
    if (!this.busy) this.items.length = 0;
  }

  private async askFor(items: readonly Upload[]): Promise<void> {
    this.asking++;
    this.changed();
    const { known } = await import("./send");
    for (let start = 0; start < items.length; start += ASKED_AT_ONCE) {
      const batch = items.slice(start, start + ASKED_AT_ONCE);
      const answers = await known(this.url, batch.map((item) => item.file));
      batch.forEach((item, index) => answers[index] && this.end(item, "duplicate", ""));
    }
    this.asking--;
    this.pump();
  }

  private pump(): void {
    this.changed();
    const wait_ms = this.notBefore_ms - Date.now();
    if (this.stopped || this.asking) return;
    if (wait_ms > 0) {
      setTimeout(() => this.pump(), wait_ms);
      return;
    }
    // While the server is out of reach, one file knocks for all.
    const slots = (this.failuresInARow ? 1 : PARALLEL) - this.sending;
    if (slots <= 0) return;
    for (const item of this.items.filter((one) => one.state === "queued").slice(0, slots)) {
      item.state = "sending";
      this.sending++;
      void this.send(item).then((outcome) => {
        this.sending--;
        this.settle(item, outcome);
        this.pump();
      });
    }
  }

  private async send(item: Upload): Promise<Outcome> {
    const { deliver } = await import("./send");
    let heard_ms = Date.now();
    let stop = (): void => undefined;
    let watch: number | undefined;
    const silence = new Promise<Outcome>((resolve) => {
      watch = window.setInterval(() => {
        if (Date.now() - heard_ms < SILENCE_MS) return;
        stop();
        resolve({ kind: "away", after_ms: 0 });
      }, 5000);
    });
    const delivered = deliver(this.url, item.file, {
      resumeAt: item.address,
      onAddress: (url) => (item.address = url),
      onProgress: (share) => {
        heard_ms = Date.now();
        item.share = share;
        this.changed();
      },
      onStart: (way) => (stop = way),
    });
    return Promise.race([delivered, silence]).finally(() => window.clearInterval(watch));
  }

  private settle(item: Upload, outcome: Outcome): void {
    if (outcome.kind !== "away") this.failuresInARow = 0;
    switch (outcome.kind) {
      case "added":
        return this.end(item, "added", "");
      case "duplicate":
        // The answer to our own earlier request was lost on the way.
        return this.end(item, item.unanswered ? "added" : "duplicate", "");
      case "refused":
        return this.end(item, "refused", outcome.reason || this.words.refused);
      case "stop":
        this.stopped = outcome.reason || this.words.refused;
        Object.assign(item, { state: "queued", share: 0 });
        return;
      case "stumbled":
        item.address = null;
        if (++item.stumbles >= STUMBLES) return this.end(item, "failed", this.words.noAnswer);
        Object.assign(item, { state: "queued", share: 0 });
        return;
      case "away":
        Object.assign(item, { state: "queued", share: 0, unanswered: true });
        this.waitFor(outcome.after_ms);
    }
  }

  /** Later each time, and at a moment of one's own, so that a server that comes back is not met by all at once. */
  private waitFor(asked_ms: number): void {
    const own_ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failuresInARow++) * (0.5 + Math.random() / 2);
    this.notBefore_ms = Math.max(this.notBefore_ms, Date.now() + Math.max(asked_ms, own_ms));
  }

  private end(item: Upload, state: FileState, reason: string): void {
    Object.assign(item, { state, reason, share: 1 });
  }
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
