import { post, Problem } from "../parts/ask";
import { fill, spell } from "../parts/find";
import { snack } from "../parts/snack";
import type { Row, Rows } from "./rows";

// A request names at most so many photos.
const NAMED_AT_ONCE = 2000;
const MOVED_AT_ONCE = 100;

/** Something that takes an act back; moving touches two events. */
interface Step {
  base: string;
  act: string;
  ids: string[];
}

interface Done {
  changed: number;
  undo: Record<string, string[]>;
}

interface Moved {
  changed: number;
  undo: { event_id: string; act: string; photos: string[] }[];
}

/** Which verbs have something to do with a photo. */
export function fits(act: string, row: Row): boolean {
  const has = (mark: string): boolean => row.marks.includes(mark);
  if (has("d")) return act === "undelete" || act === "erase";
  switch (act) {
    case "publish": return has("h");
    case "show": return has("x");
    case "hide": return !has("x");
    case "general": return has("g");
    case "not_general": return !has("g");
    case "retry": return has("f");
    case "cover": return !/[wfhx]/.test(row.marks);
    case "move": case "delete": return true;
    default: return false;
  }
}

/** The verbs of the desk on many photos, each with its way back. */
export class Acts {
  private readonly stack: Step[][] = [];
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly base: string,
    private readonly rows: Rows,
    private readonly texts: DOMStringMap,
    private readonly changed: () => void,
  ) {}

  get canUndo(): boolean {
    return this.stack.length > 0;
  }

  /** Do it, say it, and remember how to undo it. Acts follow each other, however fast they are asked for. */
  run(act: string, ids: string[]): Promise<void> {
    return this.inTurn(async () => {
      const undo: Step[] = [];
      let changed = 0;
      for (let start = 0; start < ids.length; start += NAMED_AT_ONCE) {
        const done = await this.send(this.base, act, ids.slice(start, start + NAMED_AT_ONCE));
        changed += done.changed;
        for (const [back, some] of Object.entries(done.undo)) undo.push({ base: this.base, act: back, ids: some });
      }
      this.say(this.texts[`did${act[0]?.toUpperCase() ?? ""}${act.slice(1)}`] ?? "", changed, undo);
    });
  }

  move(to: string, name: string, ids: string[]): Promise<void> {
    return this.inTurn(async () => {
      const undo: Step[] = [];
      let changed = 0;
      for (let start = 0; start < ids.length; start += MOVED_AT_ONCE) {
        const photos = ids.slice(start, start + MOVED_AT_ONCE).join(" ");
        const moved = (await (await post(`${this.base}/photos/move`, { to, photos })).json()) as Moved;
        changed += moved.changed;
        undo.push(...moved.undo.map((step) => ({ base: `/studio/${step.event_id}`, act: step.act, ids: step.photos })));
        if (ids.length > MOVED_AT_ONCE) {
          snack(fill(this.texts["moving"] ?? "", { done: spell(Math.min(start + MOVED_AT_ONCE, ids.length)), n: spell(ids.length) }));
        }
      }
      this.say(fill(this.texts["didMove"] ?? "", { event: name }), changed, undo);
    });
  }

  cover(id: string): Promise<void> {
    return this.inTurn(async () => {
      await post(`${this.base}/cover/photo`, { photo: id });
      snack(this.texts["didCover"] ?? "");
    });
  }

  undo(): Promise<void> {
    return this.inTurn(async () => {
      const steps = this.stack.at(-1);
      if (!steps) return snack(this.texts["nothingLeft"] ?? "");
      for (const step of steps) {
        for (let start = 0; start < step.ids.length; start += NAMED_AT_ONCE) {
          await this.send(step.base, step.act, step.ids.slice(start, start + NAMED_AT_ONCE));
        }
      }
      this.stack.pop();
      snack(this.texts["undone"] ?? "", this.way());
    });
  }

  private way(): { label: string; run: () => void } | undefined {
    return this.canUndo ? { label: this.texts["undo"] ?? "", run: () => void this.undo() } : undefined;
  }

  private say(text: string, changed: number, undo: Step[]): void {
    if (changed && undo.length) this.stack.push(undo);
    snack(fill(text, { n: spell(changed) }), changed && undo.length ? this.way() : undefined);
  }

  private async send(base: string, act: string, ids: string[]): Promise<Done> {
    return (await (await post(`${base}/photos/acts`, { act, photos: ids.join(" ") })).json()) as Done;
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.queue.then(work).catch((error: unknown) => {
      snack((error instanceof Problem && error.message) || (this.texts["failed"] ?? ""));
    }).then(async () => {
      this.changed();
      await this.rows.look();
    });
    this.queue = turn;
    return turn;
  }
}
