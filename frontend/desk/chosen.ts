import type { Rows } from "./rows";

/** Which photos are chosen, and from where a range begins. */
export class Chosen {
  readonly ids = new Set<string>();
  private anchor: string | undefined;
  /** What the last range covered, so that a shorter one gives photos back. */
  private range: string[] = [];

  constructor(private readonly rows: Rows, private readonly changed: () => void) {}

  toggle(id: string): void {
    if (!this.ids.delete(id)) this.ids.add(id);
    this.begin(id);
  }

  begin(id: string): void {
    this.anchor = id;
    this.range = [];
    this.changed();
  }

  /** Everything from where the range began up to here. */
  extend(id: string, from?: string): void {
    if (this.anchor === undefined || this.rows.at(this.anchor) < 0) this.anchor = from ?? id;
    const [a, b] = [this.rows.at(this.anchor), this.rows.at(id)].sort((one, other) => one - other) as [number, number];
    for (const before of this.range) this.ids.delete(before);
    const covered = this.rows.list.slice(Math.max(0, a), b + 1).map((row) => row.id);
    this.range = covered.filter((each) => !this.ids.has(each));
    for (const each of covered) this.ids.add(each);
    this.changed();
  }

  all(): void {
    for (const row of this.rows.list) this.ids.add(row.id);
    this.range = [];
    this.changed();
  }

  clear(): void {
    this.ids.clear();
    this.anchor = undefined;
    this.range = [];
    this.changed();
  }

  /** Let go of photos that are no longer in the list. */
  prune(): void {
    for (const id of this.ids) if (this.rows.at(id) < 0) this.ids.delete(id);
  }
}
