import { Awake } from "./awake";
import { ENDED, type Found, type Item, itemOf, keyOf, ON_THE_WAY, type State, UNSENT } from "./item";
import { Checks } from "./checks";
import type { Memory } from "./memory";
import { Pace } from "./pace";
import type { Plan, Usage } from "./room";
import type { Outcome } from "./send";
import { Tally } from "./tally";
import { Turn } from "./turn";

/** Why nothing is sent until somebody does something about it. */
export type Block =
  | { kind: "paused" }
  | { kind: "signed-out" }
  | { kind: "stopped"; reason: string }
  /** Not all of it fits: which part is to be sent? */
  | { kind: "room"; plan: Plan; settle: (wanted: boolean) => void };

export interface Words {
  noAnswer: string;
  refused: string;
  unreadable: string;
  noRoom: (plan: Plan) => string;
}

// Browsers open six connections to a server; the page needs one for itself and one for what it hears live.
const PARALLEL = 4;
const STUMBLES = 4;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
// After sleep or a change of network, a connection may be dead without a word.
const SILENCE_MS = 60_000;

/**
 * Sends files, a few at a time, and does not lose any: what breaks off goes on where it ended, what the page forgets is
 * remembered by the browser, and each file that did not make it is told by name.
 */
export class Queue {
  readonly items: Item[] = [];
  readonly tally = new Tally();
  readonly pace = new Pace();
  block: Block | null = null;
  usages: readonly Usage[] = [];
  /** When the server is asked again, after it could not be reached; nothing while it answers. */
  again_ms: number | null = null;
  private readonly active = new Set<Item>();
  private readonly waiting = new Set<Item>();
  private readonly byKey = new Map<string, Item>();
  private readonly awake = new Awake();
  private readonly turn: Turn;
  private readonly checks: Checks;
  private failuresInARow = 0;
  private timer: number | undefined;
  private letGo: (() => void) | null = null;

  constructor(
    readonly url: string,
    /** Whose photos these become. */
    readonly viewer: string,
    private readonly scope: string,
    private readonly words: Words,
    private readonly memory: Memory,
    private readonly changed: () => void,
  ) {
    this.turn = new Turn(scope, () => this.onTurn());
    this.checks = new Checks(this);
    addEventListener("online", () => this.onOnline());
    addEventListener("offline", () => this.changed());
  }

  /** Something is being sent, or would be if the way were free. */
  get busy(): boolean {
    return this.tally.of(...ON_THE_WAY) > 0 && this.block?.kind !== "paused";
  }

  /** Some files are neither here nor given up. */
  get unfinished(): boolean {
    return this.tally.of(...ON_THE_WAY, "held") > 0;
  }

  get elsewhere(): boolean {
    return this.turn.waits;
  }

  /** Whether the server may be asked for something now. */
  get open(): boolean {
    return !this.block && this.turn.has && this.again_ms === null;
  }

  /** Take files in; one that is on its way already is left alone, one that did not make it is tried again. */
  add(found: Iterable<Found>, addresses: ReadonlyMap<string, string> = new Map()): void {
    const retried: Item[] = [];
    for (const each of found) {
      const key = keyOf(each);
      const known = this.byKey.get(key);
      if (known) {
        if (UNSENT.has(known.state)) retried.push(known);
        continue;
      }
      const item = itemOf(each);
      item.address = addresses.get(key) ?? null;
      this.items.push(item);
      this.byKey.set(key, item);
      this.tally.add(item);
      this.memory.keep(item);
    }
    this.retry(retried);
  }

  retry(items: readonly Item[]): void {
    for (const item of items) {
      Object.assign(item, { reason: "", stumbles: 0 });
      this.tally.sent(item, 0);
      this.move(item, "checking");
      this.memory.keep(item);
    }
    if (this.block?.kind === "stopped") this.block = null;
    this.step();
  }

  retryAll(): void {
    this.retry(this.items.filter((item) => UNSENT.has(item.state)));
  }

  pause(): void {
    if (this.block?.kind === "room") return;
    this.block = { kind: "paused" };
    for (const item of this.active) item.stop?.();
    this.step();
  }

  /** Go on after a pause, a refusal, or a sign-in. */
  resume(): void {
    if (this.block?.kind === "room") return;
    this.block = null;
    this.tryNow();
  }

  tryNow(): void {
    this.again_ms = null;
    this.step();
  }

  pauseOne(item: Item): void {
    if (!ON_THE_WAY.has(item.state)) return;
    const stop = item.stop;
    this.move(item, "held");
    stop?.();
    this.step();
  }

  resumeOne(item: Item): void {
    if (item.state === "held") this.retry([item]);
  }

  /** Forget what is done, and what did not make it; a new batch then counts from one. */
  clear(): void {
    if (!this.unfinished) this.remove(this.items);
  }

  remove(items: readonly Item[]): void {
    for (const item of items) {
      this.byKey.delete(keyOf(item));
      this.tally.remove(item);
      this.waiting.delete(item);
      this.memory.drop(item);
      item.state = "refused";
      item.stop?.();
    }
    const kept = this.items.filter((item) => this.has(item));
    this.items.length = 0;
    for (const item of kept) this.items.push(item);
    this.step();
  }

  /** Stop, and forget all that did not arrive yet. */
  discard(): void {
    this.block = null;
    this.remove(this.items.filter((item) => !ENDED.has(item.state)));
  }

  private has(item: Item): boolean {
    return this.byKey.get(keyOf(item)) === item;
  }

  move(item: Item, state: State): void {
    this.waiting.delete(item);
    this.tally.move(item, state);
    if (state === "queued") this.waiting.add(item);
  }

  end(item: Item, state: State, reason = ""): void {
    item.reason = reason;
    this.move(item, state);
    if (UNSENT.has(state)) this.memory.keep(item, "refused");
    else this.memory.drop(item);
  }

  /** The event has it: by us, perhaps by a request whose answer was lost on the way, or since before. */
  endHere(item: Item, byUs: boolean, id: string | null): void {
    item.photo = id;
    this.end(item, byUs ? "added" : "duplicate");
    if (byUs) document.dispatchEvent(new CustomEvent("trouvaille:photo-added", { detail: { id } }));
  }

  /** Those that will take room, and that the server does not count yet. */
  onTheWay(): Item[] {
    return [...this.waiting, ...this.active];
  }

  /** Ask somebody which part is to be sent, as not all of it fits. */
  choose(plan: Plan): void {
    const settle = (wanted: boolean): void => {
      this.block = null;
      const kept = wanted ? plan.over : [...plan.fits, ...plan.over];
      const reason = this.words.noRoom(plan);
      for (const item of kept) if (item.state === "checking") this.end(item, "refused", reason);
      for (const item of plan.fits) if (item.state === "checking") this.move(item, "queued");
      this.step();
    };
    // Nothing is there to be chosen where nothing fits.
    if (plan.fits.length === 0) settle(true);
    else this.block = { kind: "room", plan, settle };
    this.step();
  }

  /** Do what can be done now, and give up what is not needed: the turn, the screen's light. */
  step(): void {
    if (this.busy && (!this.block || this.block.kind === "room")) this.turn.want();
    else if (this.active.size === 0) this.turn.leave();
    if (this.open) {
      this.checks.step(this.items);
      this.pump();
    } else this.checks.wake();
    this.pace.run(this.active.size > 0 && this.again_ms === null);
    this.awake.want(this.busy && !this.block);
    if (this.unfinished) this.letGo ??= Turn.keep(this.scope);
    else this.finish();
    this.changed();
  }

  /** What an answer means for all the others. */
  heed(outcome: Outcome | "answered"): void {
    const kind = outcome === "answered" ? outcome : outcome.kind;
    if (kind !== "away" && kind !== "stopped") {
      this.failuresInARow = 0;
      this.again_ms = null;
    }
    if (outcome === "answered") return;
    if (outcome.kind === "away") this.waitFor(outcome.after_ms);
    else if (outcome.kind === "signed-out") this.block = { kind: "signed-out" };
    else if (outcome.kind === "stop") this.block = { kind: "stopped", reason: outcome.reason || this.words.refused };
  }

  private pump(): void {
    // While the server is out of reach, one file knocks for all.
    const slots = (this.failuresInARow ? 1 : PARALLEL) - this.active.size;
    for (const item of [...take(this.waiting, slots)]) {
      this.move(item, "sending");
      this.active.add(item);
      void this.send(item).then((outcome) => {
        this.active.delete(item);
        item.stop = null;
        this.settle(item, outcome);
        this.step();
      });
    }
  }

  private async send(item: Item): Promise<Outcome> {
    const { deliver } = await import("./send");
    let heard_ms = Date.now();
    let watch: number | undefined;
    // What an earlier visit sent is not this one's speed.
    let counts = item.address === null || item.sent_bytes > 0;
    const delivered = deliver(this.url, item.file, {
      resumeAt: item.address,
      onAddress: (url) => {
        item.address = url;
        this.memory.keep(item);
      },
      onProgress: (sent_bytes) => {
        heard_ms = Date.now();
        if (counts) this.pace.moved(sent_bytes - item.sent_bytes);
        counts = true;
        this.tally.sent(item, sent_bytes);
        this.changed();
      },
      onStart: (stop) => {
        item.stop = stop;
        watch = window.setInterval(() => Date.now() - heard_ms > SILENCE_MS && stop(), 5000);
        if (item.state !== "sending" || this.block?.kind === "paused") stop();
      },
    });
    const outcome = await delivered.finally(() => window.clearInterval(watch));
    return outcome.kind === "away" && !(await isReadable(item.file)) ? { kind: "refused", reason: this.words.unreadable } : outcome;
  }

  private settle(item: Item, outcome: Outcome): void {
    this.heed(outcome);
    if (!this.has(item)) return;
    // Paused it may be meanwhile.
    const goesOn = item.state === "sending";
    switch (outcome.kind) {
      case "added":
        return this.endHere(item, true, outcome.id);
      case "duplicate":
        return this.endHere(item, item.unanswered, outcome.id);
      case "refused":
        return this.end(item, "refused", outcome.reason || this.words.refused);
      case "full":
        this.end(item, "refused", outcome.reason);
        return this.checkAgain();
      case "stumbled":
        item.address = null;
        if (++item.stumbles >= STUMBLES) return this.end(item, "failed", this.words.noAnswer);
        break;
      case "away":
      case "stopped":
        item.unanswered = true;
    }
    if (!item.address) this.tally.sent(item, 0);
    if (goesOn) this.move(item, "queued");
  }

  /** Another tab may have sent some of it meanwhile, and there may be less room. */
  private checkAgain(): void {
    for (const item of [...this.waiting]) this.move(item, "checking");
  }

  private onTurn(): void {
    if (this.turn.has) this.checkAgain();
    this.step();
  }

  private onOnline(): void {
    for (const item of this.active) item.stop?.();
    this.tryNow();
  }

  /** Later each time, and at a moment of one's own, so that a server that comes back is not met by all at once. */
  private waitFor(asked_ms: number): void {
    // Four requests that break off together are one failure.
    if (this.again_ms === null) this.failuresInARow++;
    const own_ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.failuresInARow - 1)) * (0.5 + Math.random() / 2);
    const wait_ms = Math.max(asked_ms, own_ms);
    this.again_ms = Date.now() + wait_ms;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.tryNow(), wait_ms);
  }

  get away(): boolean {
    return this.failuresInARow > 0;
  }

  private finish(): void {
    if (!this.letGo) return;
    this.letGo();
    this.letGo = null;
    this.pace.forget();
    void this.memory.tidy();
  }

  /** Whether all that was asked for has come to an end, one or the other. */
  get done(): boolean {
    return this.items.length > 0 && this.items.length === this.tally.of(...ENDED);
  }
}

function* take<T>(from: Iterable<T>, n: number): Iterable<T> {
  let taken = 0;
  for (const each of from) {
    if (taken++ >= n) return;
    yield each;
  }
}

/** Whether a file can still be read: a card may have been taken out, a program may have saved it anew. */
async function isReadable(file: File): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
