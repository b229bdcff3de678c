import { ENDED, type Item, type State, STATES } from "./item";

/** Sums over all files of a queue, kept while files change state, so that thousands need not be counted at each move. */
export class Tally {
  readonly count: Record<State, number> = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<State, number>;
  files = 0;
  bytes = 0;
  /** Bytes of those that are not ended, less what of them was sent. */
  left_bytes = 0;

  add(item: Item): void {
    this.files++;
    this.bytes += item.file.size;
    this.enter(item);
  }

  remove(item: Item): void {
    this.files--;
    this.bytes -= item.file.size;
    this.leave(item);
  }

  move(item: Item, state: State): void {
    this.leave(item);
    item.state = state;
    this.enter(item);
  }

  sent(item: Item, sent_bytes: number): void {
    this.left_bytes -= this.left(item);
    item.sent_bytes = sent_bytes;
    this.left_bytes += this.left(item);
  }

  of(...states: readonly State[]): number {
    return states.reduce((sum, state) => sum + this.count[state], 0);
  }

  private enter(item: Item): void {
    this.count[item.state]++;
    this.left_bytes += this.left(item);
  }

  private leave(item: Item): void {
    this.count[item.state]--;
    this.left_bytes -= this.left(item);
  }

  private left(item: Item): number {
    return ENDED.has(item.state) ? 0 : item.file.size - item.sent_bytes;
  }
}
