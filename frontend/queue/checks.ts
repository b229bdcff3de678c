import { Problem } from "../parts/ask";
import type { Item } from "./item";
import { alike, ASKED_AT_ONCE, hash, type Hashed, room, whereAre } from "./known";
import type { Queue } from "./queue";
import { plan } from "./room";
import type { Outcome } from "./send";

// So many photos at most are in memory at once.
const HASHED_AT_ONCE = 2;
// Many enough that a question costs little, few enough that one sees how it goes.
const HANDFUL = 25;

/** Looks, before a byte of a file is sent, whether the event has it already and whether it fits. */
export class Checks {
  private running = false;
  private waiters: (() => void)[] = [];

  constructor(private readonly queue: Queue) {}

  step(items: readonly Item[]): void {
    this.wake();
    if (this.running || !this.queue.tally.count.checking) return;
    this.running = true;
    void this.check(items.filter((item) => item.state === "checking")).finally(() => {
      this.running = false;
      this.queue.step();
    });
  }

  wake(): void {
    this.waiters.splice(0).forEach((go) => go());
  }

  private async check(batch: Item[]): Promise<void> {
    const unsure: Item[] = [];
    const clear: Item[] = [];
    for (let start = 0; start < batch.length; start += ASKED_AT_ONCE) {
      const part = batch.slice(start, start + ASKED_AT_ONCE);
      const answers = await this.insist(() => alike(this.queue.url, part.map((item) => item.file)));
      part.forEach((item, index) => (answers[index] === "maybe" ? unsure : clear).push(item));
    }
    // What goes up at once is decided as if all of the doubtful needed room, so that no question comes in the middle.
    if (await this.admit(clear, unsure)) {
      await this.compare(unsure, (item) => this.queue.move(item, "queued"));
      return;
    }
    await this.compare(unsure, () => undefined);
    const offered = batch.filter((item) => item.state === "checking");
    const made = plan(this.queue.usages, this.queue.onTheWay(), offered);
    if (made.over.length) this.queue.choose(made);
    else for (const item of offered) this.queue.move(item, "queued");
    while (this.queue.block?.kind === "room") await this.woken();
  }

  /** Let files through if all of them, with these others, fit. */
  private async admit(clear: readonly Item[], others: readonly Item[]): Promise<boolean> {
    this.queue.usages = await this.insist(async () => {
      const { viewer, usages } = await room(this.queue.url);
      // Somebody else signed in meanwhile; the photos are not theirs.
      if (viewer !== this.queue.viewer) throw new Problem(401, "");
      return usages;
    });
    if (plan(this.queue.usages, this.queue.onTheWay(), [...clear, ...others]).over.length) return false;
    for (const item of clear) if (item.state === "checking") this.queue.move(item, "queued");
    this.queue.step();
    return true;
  }

  /** Look at files that are alike by their bytes, a handful at a time. */
  private async compare(unsure: readonly Item[], onOther: (item: Item) => void): Promise<void> {
    for (let start = 0; start < unsure.length; start += HANDFUL) {
      const part = unsure.slice(start, start + HANDFUL).filter((item) => item.state === "checking");
      while (!this.queue.open) await this.woken();
      const hashed = await hashAll(part.map((item) => item.file));
      const answers = await this.insist(() => whereAre(this.queue.url, hashed));
      part.forEach((item, index) => {
        if (item.state !== "checking") return;
        const answer = answers[index];
        if (answer?.here) this.queue.endHere(item, item.unanswered, answer.id);
        else onOther(item);
      });
      this.queue.step();
    }
  }

  /** Ask until there is an answer, when the way is free. */
  private async insist<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      while (!this.queue.open) await this.woken();
      try {
        const answer = await ask();
        this.queue.heed("answered");
        return answer;
      } catch (error) {
        this.queue.heed(meaningOf(error));
        this.queue.step();
      }
    }
  }

  private woken(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }
}

function meaningOf(error: unknown): Outcome {
  if (!(error instanceof Problem)) return { kind: "away", after_ms: 0 };
  if (error.status === 401) return { kind: "signed-out" };
  if (error.status >= 500 || error.status === 429) return { kind: "away", after_ms: 0 };
  return { kind: "stop", reason: error.message };
}

async function hashAll(files: readonly File[]): Promise<Hashed[]> {
  const hashed: Hashed[] = [];
  const next = files.entries();
  const hashNext = async (): Promise<void> => {
    for (const [index, file] of next) hashed[index] = await hash(file);
  };
  await Promise.all(Array.from({ length: HASHED_AT_ONCE }, hashNext));
  return hashed;
}
