import { count, find, spell } from "../parts/find";
import { chosen, filesBelow, type Handle } from "./files";
import { type Found, markOf } from "./item";
import type { Memory, Note } from "./memory";
import { Turn } from "./turn";

type GoOn = (found: Found[], addresses: ReadonlyMap<string, string>) => void;

const markOfNote = (note: Note): string => markOf({ name: note.name, size: note.size, lastModified: note.modified });

/** Says after a reload or a crash what was not sent yet, and goes on with it: by handle, or once the folder is chosen again. */
export class Remembered {
  private readonly banner = find("[data-remembered]");
  private readonly words = find("[data-remembered-words]", this.banner);
  private readonly open = find("[data-remembered-open]", this.banner);
  private readonly field = find<HTMLInputElement>("[data-remembered-folder]", this.banner);
  private readonly refused = find("[data-remembered-refused]", this.banner);
  private notes: Note[] = [];
  private handles: Handle[] = [];

  constructor(private readonly memory: Memory, private readonly scope: string, private readonly goOn: GoOn) {
    this.open.addEventListener("click", () => void this.openHandles());
    this.field.addEventListener("change", () => {
      const found = chosen(this.field.files ?? []);
      this.field.value = "";
      if (found.length) this.take(found);
    });
    find("[data-remembered-forget]", this.banner).addEventListener("click", () => void this.forget());
  }

  /** Look what is remembered; another tab that has it in hand is left to it. */
  async look(): Promise<void> {
    if (await Turn.isKeptElsewhere(this.scope)) return;
    this.notes = await this.memory.notes();
    this.handles = await this.memory.handles();
    this.draw();
  }

  /** Of files that were found: those that wait, and where the server has a part of them. The banner is done with. */
  match(found: readonly Found[]): { addresses: Map<string, string>; missing: Found[] } {
    const waiting = new Map(this.notes.filter((note) => note.state === "waiting").map((note) => [markOfNote(note), note]));
    const addresses = new Map<string, string>();
    const missing: Found[] = [];
    for (const each of found) {
      const note = waiting.get(markOf(each.file));
      if (!note) continue;
      missing.push(each);
      if (note.address) addresses.set(markOf(each.file), note.address);
    }
    // Kept under the path that it has now.
    const seen = new Set(missing.map(({ file }) => markOf(file)));
    void this.memory.forget(this.notes.filter((note) => note.state === "refused" || seen.has(markOfNote(note))));
    this.notes = this.notes.filter((note) => note.state === "waiting" && !seen.has(markOfNote(note)));
    this.draw();
    return { addresses, missing };
  }

  private take(found: Found[]): void {
    const { addresses, missing } = this.match(found);
    const known = new Set(missing);
    // What is missing first; the rest of the folder is looked at, for it may hold new photos.
    this.goOn([...missing, ...found.filter((each) => !known.has(each))], addresses);
  }

  private async openHandles(): Promise<void> {
    const found: Found[] = [];
    for (const handle of this.handles) {
      const may = await handle.requestPermission?.({ mode: "read" }).catch(() => "denied");
      if (may === undefined || may === "granted") found.push(...(await filesBelow(handle)));
    }
    const { addresses, missing } = this.match(found);
    if (missing.length) this.goOn(missing, addresses);
    // What the handles don't lead to has to be chosen.
    this.handles = [];
    this.draw();
  }

  private async forget(): Promise<void> {
    await this.memory.forget(this.notes);
    this.notes = [];
    this.draw();
  }

  private draw(): void {
    const texts = this.banner.dataset;
    const waiting = this.notes.filter((note) => note.state === "waiting");
    const refused = this.notes.filter((note) => note.state === "refused");
    this.banner.hidden = this.notes.length === 0;
    this.open.hidden = !this.handles.length || !waiting.length;
    const way = this.open.hidden ? "choose" : "open";
    this.words.textContent = waiting.length
      ? count(waiting.length, texts[`${way}One`] ?? "", texts[`${way}Many`] ?? "") : "";
    find("[data-remembered-choose]", this.banner).hidden = !waiting.length;
    this.refused.hidden = !refused.length;
    find("summary", this.refused).textContent = count(refused.length, texts["refusedOne"] ?? "", texts["refusedMany"] ?? "");
    const rows = refused.slice(0, 200).map((note) => {
      const row = document.createElement("li");
      const name = document.createElement("strong");
      name.textContent = note.name;
      row.append(name, ` ${note.reason}`);
      return row;
    });
    if (refused.length > rows.length) {
      const more = document.createElement("li");
      more.textContent = `… +${spell(refused.length - rows.length)}`;
      rows.push(more);
    }
    find("ul", this.refused).replaceChildren(...rows);
  }
}
