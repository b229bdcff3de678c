/** One photo as the grid knows it; `marks` are letters: waiting, failed, held, hidden (x), not in general (g), deleted. */
export interface Row {
  id: string;
  name: string;
  marks: string;
  faces: number;
  width: number;
  height: number;
  /** What photos are ordered by in time, in microseconds. */
  moment: number;
  /** Why it could not be read. */
  problem: string;
}

type Sent = [string, string, string, number, number | null, number | null, number, string | null];
type Tally = Record<string, number>;

interface Answer {
  rows: Sent[];
  next: string | null;
  seen: string;
}

interface Changed {
  rows: Sent[];
  others: string[];
  seen: string;
  anew: boolean;
  tally: Tally;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byTime = (a: Row, b: Row): number => a.moment - b.moment || compareText(a.id, b.id);

/**
 * The server's orders (photos/listing.py), so that what arrives finds its place. Names are compared by their characters,
 * as our own database does; one that orders them by a language puts what has arrived elsewhere at the next visit.
 */
const ORDERS: Record<string, (a: Row, b: Row) => number> = {
  newest: (a, b) => byTime(b, a),
  oldest: byTime,
  added: (a, b) => byTime(b, a),
  name: (a, b) => compareText(a.name, b.name) || compareText(a.id, b.id),
  faces: (a, b) => b.faces - a.faces || compareText(b.id, a.id),
};

const rowOf = ([id, name, marks, faces, width, height, moment, problem]: Sent): Row => ({
  id, name, marks, faces, width: width ?? 3, height: height ?? 2, moment, problem: problem ?? "",
});

async function ask<T>(url: string): Promise<T> {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`the desk answered ${answer.status}`);
  return (await answer.json()) as T;
}

/** All photos that fit the page's filter, in order: loaded in pieces, then kept as they are on the server. */
export class Rows {
  list: Row[] = [];
  tally: Tally | undefined;
  /** Whether everything is here, not only the first of it. */
  complete = false;
  private places = new Map<string, number>();
  private seen = "0";
  private loading: Promise<void> | undefined;
  private readonly watchers = new Set<(arrived: ReadonlySet<string>) => void>();
  private looking = false;
  private lookAgain = false;

  constructor(
    private readonly url: string,
    private readonly query: string,
    private readonly sort: string,
    private readonly pause_ms: number,
  ) {}

  /** Hear of every change; returns what ends that. */
  onChange(run: (arrived: ReadonlySet<string>) => void): () => void {
    this.watchers.add(run);
    return () => void this.watchers.delete(run);
  }

  private changed(arrived: ReadonlySet<string>): void {
    for (const run of this.watchers) run(arrived);
  }

  at(id: string): number {
    return this.places.get(id) ?? -1;
  }

  get(id: string): Row | undefined {
    return this.list[this.at(id)];
  }

  /** Whether a photo is here, or comes within a while. */
  comes(id: string, patience_ms: number): Promise<boolean> {
    if (this.at(id) >= 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (isHere: boolean): void => {
        window.clearTimeout(timer);
        forget();
        resolve(isHere);
      };
      const timer = window.setTimeout(() => end(false), patience_ms);
      const forget = this.onChange(() => this.at(id) >= 0 && end(true));
    });
  }

  /** Load everything, in pieces; what is here is drawn as it comes. */
  load(): Promise<void> {
    this.loading ??= this.loadAll().finally(() => (this.loading = undefined));
    return this.loading;
  }

  /** Have everything here. */
  async whole(): Promise<void> {
    if (!this.complete) await this.load();
  }

  private async loadAll(): Promise<void> {
    let next: string | null = null;
    let seen: string | undefined;
    const found: Row[] = [];
    const first = this.list.length === 0;
    do {
      const answer: Answer = await ask(`${this.url}?${this.query}${next ? `&after=${next}` : ""}`);
      seen ??= answer.seen;
      found.push(...answer.rows.map(rowOf));
      next = answer.next;
      if (first) this.put(found.slice());
    } while (next);
    this.seen = seen;
    this.complete = true;
    this.put(found);
  }

  /** Ask what changed; several wishes within a moment are one question. */
  async look(): Promise<void> {
    if (this.looking) {
      this.lookAgain = true;
      return;
    }
    this.looking = true;
    try {
      await this.loading;
      await (this.complete ? this.lookNow() : this.load());
    } catch {
      // The next message or the next poll asks again.
    }
    setTimeout(() => {
      this.looking = false;
      if (!this.lookAgain) return;
      this.lookAgain = false;
      void this.look();
    }, this.pause_ms);
  }

  private async lookNow(): Promise<void> {
    const changes: Changed = await ask(`${this.url}/changes?${this.query}&seen=${this.seen}`);
    this.tally = changes.tally;
    if (changes.anew) return this.load();
    this.seen = changes.seen;
    const news = changes.rows.map(rowOf);
    const arrived = new Set(news.filter((row) => !this.places.has(row.id)).map((row) => row.id));
    this.merge(news, changes.others);
    this.changed(arrived);
    // What was removed for good is in no list of changes; it shows in the number.
    if (this.list.length !== changes.tally["fitting"]) await this.load();
  }

  private merge(news: Row[], others: string[]): void {
    if (!news.length && !others.some((id) => this.places.has(id))) return;
    const out = new Set([...others, ...news.map((row) => row.id)]);
    const compare = ORDERS[this.sort] ?? byTime;
    const rest = this.list.filter((row) => !out.has(row.id));
    const coming = news.sort(compare);
    const merged: Row[] = [];
    let from = 0;
    for (const row of coming) {
      let low = from;
      let high = rest.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (compare(rest[middle] as Row, row) < 0) low = middle + 1;
        else high = middle;
      }
      for (; from < low; from++) merged.push(rest[from] as Row);
      merged.push(row);
    }
    this.list = merged.concat(rest.slice(from));
    this.number();
  }

  private put(list: Row[]): void {
    this.list = list;
    this.number();
    this.changed(new Set());
  }

  private number(): void {
    this.places = new Map(this.list.map((row, index) => [row.id, index]));
  }
}
