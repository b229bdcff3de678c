import { count, fill, find, spell } from "./find";
import type { Upload, Uploads } from "./uploads";

const percent = (share: number): string =>
  new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(share);

/** The small window at the foot of the desk that says how far an upload is and which files did not make it. */
export class Tray {
  private readonly tray = find("[data-tray]");
  private readonly title = find("[data-tray-title]", this.tray);
  private readonly said = find("[data-tray-said]", this.tray);
  private readonly bar = find<HTMLProgressElement>("[data-tray-bar]", this.tray);
  private readonly list = find("[data-tray-list]", this.tray);
  private readonly close = find("[data-tray-close]", this.tray);
  private readonly retryAll = find("[data-tray-retry]", this.tray);
  private drawing = false;

  constructor(private readonly texts: DOMStringMap, private readonly uploads: () => Uploads) {
    this.close.addEventListener("click", () => {
      this.uploads().clear();
      this.tray.hidden = true;
    });
    this.retryAll.addEventListener("click", () => this.uploads().retry(this.failed()));
  }

  /** Draw at most once a frame, however often files move. */
  draw(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.drawNow();
    });
  }

  private failed(): Upload[] {
    return this.uploads().items.filter((item) => item.state === "failed");
  }

  private drawNow(): void {
    const { items, busy, stopped } = this.uploads();
    if (items.length === 0) return;
    this.tray.hidden = false;
    this.close.hidden = busy;
    this.bar.hidden = !busy;
    this.bar.max = items.reduce((sum, item) => sum + item.file.size, 0) || 1;
    this.bar.value = items.reduce((sum, item) => sum + item.file.size * item.share, 0);
    this.title.textContent = busy ? this.progress(items) : stopped || this.summary(items);
    // Read out once at the end, not at each of a thousand files.
    this.said.textContent = busy ? "" : this.title.textContent;
    this.retryAll.hidden = busy || (!stopped && this.failed().length < 2);
    const shown = items.filter((item) => ["sending", "refused", "failed"].includes(item.state));
    this.list.replaceChildren(...shown.map((item) => this.row(item)));
  }

  private progress(items: readonly Upload[]): string {
    if (!navigator.onLine) return this.texts["offline"] ?? "";
    const done = items.filter((item) => item.state !== "queued" && item.state !== "sending").length;
    return fill(this.texts["sending"] ?? "", { done: spell(done), all: spell(items.length) });
  }

  private summary(items: readonly Upload[]): string {
    const of = (...states: string[]): number => items.filter((item) => states.includes(item.state)).length;
    const { sentOne, sentMany, duplicatesOne, duplicatesMany, refusedOne, refusedMany } = this.texts;
    const [sent, duplicates, refused] = [of("added"), of("duplicate"), of("refused", "failed")];
    return [
      sent || (!duplicates && !refused) ? count(sent, sentOne ?? "", sentMany ?? "") : "",
      duplicates ? count(duplicates, duplicatesOne ?? "", duplicatesMany ?? "") : "",
      refused ? count(refused, refusedOne ?? "", refusedMany ?? "") : "",
    ].filter(Boolean).join(" · ");
  }

  private row(item: Upload): HTMLElement {
    const row = document.createElement("li");
    row.className = "tray__item";
    const name = document.createElement("span");
    name.className = "tray__name";
    name.textContent = name.title = item.file.name;
    row.append(name);
    if (item.state === "sending") {
      const state = document.createElement("span");
      state.className = "tray__state";
      state.textContent = percent(item.share);
      row.append(state);
      return row;
    }
    const again = document.createElement("button");
    again.type = "button";
    again.className = "button button--plain button--small";
    again.textContent = this.texts["retry"] ?? "";
    again.addEventListener("click", () => this.uploads().retry([item]));
    const reason = document.createElement("span");
    reason.className = "tray__reason";
    reason.textContent = item.reason;
    row.append(again, reason);
    return row;
  }
}
