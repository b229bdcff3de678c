import { count, iconMarkup } from "../parts/find";
import type { Chosen } from "./chosen";
import type { Row, Rows } from "./rows";

const WIDE = matchMedia("(min-width: 700px)");
const GAP_PX = 3;
const NARROW_COLUMNS = 3;
const WIDE_TILE_PX = 176;
// Drawn beyond the edges of the screen, in screens.
const MARGIN = 0.75;
// A tile that flies past asks for no picture.
const SETTLE_MS = 90;

/** The windowed grid: as high as all photos, with tiles only where somebody looks. */
export class Shelf {
  private readonly tiles = new Map<string, HTMLElement>();
  private readonly waiting = new Map<HTMLElement, string>();
  private columns = NARROW_COLUMNS;
  private size = 0;
  private framed = false;
  private settling: number | undefined;
  private current: string | undefined;
  /** Where the current photo was in the list, for when it is no longer there. */
  private place = 0;
  /** The first photo in view, and its line. */
  private top: { id: string; line: number } | undefined;
  private arrived: ReadonlySet<string> = new Set();

  constructor(
    readonly element: HTMLElement,
    private readonly rows: Rows,
    private readonly chosen: Chosen,
    private readonly texts: DOMStringMap,
  ) {
    addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(element);
    element.addEventListener("focusin", (event) => {
      const id = (event.target as Element).closest<HTMLElement>("[data-id]")?.dataset["id"];
      if (id === undefined || id === this.current) return;
      this.current = id;
      this.draw();
    });
  }

  /** The photo that keys act on. */
  get focus(): string | undefined {
    return this.current !== undefined && this.rows.at(this.current) >= 0 ? this.current : this.rows.list[0]?.id;
  }

  get perRow(): number {
    return this.columns;
  }

  get perScreen(): number {
    return Math.max(1, Math.floor(innerHeight / (this.size + GAP_PX))) * this.columns;
  }

  tileOf(id: string): HTMLElement | undefined {
    return this.tiles.get(id);
  }

  /** Go to a photo: into view, drawn, and with the focus on it. */
  goTo(id: string, focus = true): void {
    const at = this.rows.at(id);
    if (at < 0) return;
    this.current = id;
    const top = this.element.getBoundingClientRect().top + Math.floor(at / this.columns) * (this.size + GAP_PX);
    const foot = innerHeight - (this.chosen.ids.size ? 96 : 24);
    if (top < 24) scrollBy(0, top - 24);
    else if (top + this.size > foot) scrollBy(0, top + this.size - foot);
    this.drawNow();
    if (focus) this.tiles.get(id)?.focus({ preventScroll: true });
  }

  /** The list changed: what is in view stays where it is, and the focus goes to a neighbour of what has left. */
  update(arrived: ReadonlySet<string>): void {
    this.arrived = arrived;
    const held = document.activeElement instanceof HTMLElement && this.element.contains(document.activeElement);
    const { list } = this.rows;
    const left = this.current !== undefined && this.rows.at(this.current) < 0;
    if (left) this.current = list[Math.min(this.place, list.length - 1)]?.id;
    this.element.hidden = list.length === 0;
    const stays = this.element.getBoundingClientRect().top < 0 && this.top ? this.top : undefined;
    this.measure();
    const line = stays ? Math.floor(this.rows.at(stays.id) / this.columns) : -1;
    if (stays && line >= 0 && line !== stays.line) scrollBy(0, (line - stays.line) * (this.size + GAP_PX));
    if (held && left && this.current !== undefined) this.goTo(this.current);
  }

  private measure(): void {
    const width = this.element.clientWidth;
    if (!width) return;
    this.columns = WIDE.matches ? Math.max(4, Math.floor((width + GAP_PX) / (WIDE_TILE_PX + GAP_PX))) : NARROW_COLUMNS;
    this.size = (width - GAP_PX * (this.columns - 1)) / this.columns;
    const lines = Math.ceil(this.rows.list.length / this.columns);
    this.element.style.height = `${Math.max(0, lines * (this.size + GAP_PX) - GAP_PX)}px`;
    this.element.style.setProperty("--tile", `${this.size}px`);
    this.drawNow();
  }

  draw(): void {
    if (this.framed) return;
    this.framed = true;
    requestAnimationFrame(() => {
      this.framed = false;
      this.drawNow();
    });
  }

  private drawNow(): void {
    if (!this.size) return;
    const step = this.size + GAP_PX;
    const above = -this.element.getBoundingClientRect().top;
    const margin = innerHeight * MARGIN;
    const first = Math.max(0, Math.floor((above - margin) / step)) * this.columns;
    const end = Math.min(this.rows.list.length, Math.ceil((above + innerHeight + margin) / step) * this.columns);
    const keep = new Set<string>();
    const fresh = document.createDocumentFragment();
    const focus = this.focus;
    if (focus !== undefined) this.place = this.rows.at(focus);
    const line = Math.max(0, Math.ceil(above / step));
    const topmost = this.rows.list[line * this.columns];
    this.top = topmost && { id: topmost.id, line };
    for (let index = first; index < end; index++) this.show(index, step, keep, fresh);
    // The one that has the focus stays, or the keyboard would lose its place.
    if (focus !== undefined) this.show(this.rows.at(focus), step, keep, fresh);
    for (const [id, tile] of this.tiles) if (!keep.has(id)) this.drop(id, tile);
    if (fresh.childElementCount) this.element.append(fresh);
    window.clearTimeout(this.settling);
    if (this.waiting.size) this.settling = window.setTimeout(() => this.fetchPictures(), SETTLE_MS);
  }

  private show(index: number, step: number, keep: Set<string>, fresh: DocumentFragment): void {
    const row = this.rows.list[index];
    if (!row || keep.has(row.id)) return;
    keep.add(row.id);
    let tile = this.tiles.get(row.id);
    if (!tile) {
      tile = this.make(row);
      this.tiles.set(row.id, tile);
      fresh.append(tile);
    }
    const [x, y] = [(index % this.columns) * step, Math.floor(index / this.columns) * step];
    const place = `translate(${x}px, ${y}px)`;
    if (tile.style.transform !== place) tile.style.transform = place;
    this.dress(tile, row, index);
  }

  private make(row: Row): HTMLElement {
    const tile = document.createElement("div");
    tile.className = this.arrived.has(row.id) ? "slot slot--new" : "slot";
    tile.id = `photo-${row.id}`;
    tile.dataset["id"] = row.id;
    tile.tabIndex = -1;
    tile.setAttribute("role", "option");
    tile.innerHTML = '<span class="slot__check" data-check></span>';
    return tile;
  }

  /** Bring a tile up to date, touching only what is different. */
  private dress(tile: HTMLElement, row: Row, index: number): void {
    const chosen = this.chosen.ids.has(row.id);
    const tab = row.id === this.focus ? 0 : -1;
    if (tile.tabIndex !== tab) tile.tabIndex = tab;
    const state = `${index}/${this.rows.list.length}/${chosen}`;
    if (tile.dataset["state"] !== state) {
      tile.dataset["state"] = state;
      tile.setAttribute("aria-posinset", String(index + 1));
      tile.setAttribute("aria-setsize", String(this.rows.list.length));
      tile.setAttribute("aria-selected", String(chosen));
    }
    const look = `${row.marks}/${row.faces}/${row.name}/${row.problem}`;
    if (tile.dataset["look"] === look) return;
    tile.dataset["look"] = look;
    tile.setAttribute("aria-label", [`${row.name} ${row.problem}`.trim(), ...this.words(row)].join(", "));
    const pending = /[wf]/.test(row.marks);
    tile.classList.toggle("slot--dim", /[xhd]/.test(row.marks));
    tile.querySelector(".slot__blank")?.remove();
    const picture = tile.querySelector("img");
    if (pending) {
      picture?.remove();
      tile.prepend(this.blank(row));
    } else if (!picture) {
      this.waiting.set(tile, `${this.texts["pictures"]}${row.id}/thumb`);
    }
    tile.querySelector(".slot__badges")?.remove();
    tile.append(this.badges(row));
  }

  private blank(row: Row): HTMLElement {
    const blank = document.createElement("span");
    blank.className = row.marks.includes("f") ? "slot__blank slot__blank--bad" : "slot__blank";
    blank.ariaHidden = "true";
    blank.innerHTML = iconMarkup(row.marks.includes("f") ? "circle-alert" : "clock");
    for (const text of [row.name, row.problem].filter(Boolean)) blank.append(Object.assign(document.createElement("span"), { textContent: text }), " ");
    return blank;
  }

  private badges(row: Row): HTMLElement {
    const badges = document.createElement("span");
    badges.className = "slot__badges";
    badges.ariaHidden = "true"; // the tile's name says it in words
    const icons = [
      row.marks.includes("x") ? "eye-off" : "",
      row.marks.includes("h") ? "clock" : "",
      row.marks.includes("g") ? "lock" : "",
    ].filter(Boolean);
    badges.innerHTML = icons.map(iconMarkup).join("");
    if (row.faces && !/[wf]/.test(row.marks)) badges.insertAdjacentHTML("beforeend", `<span class="slot__faces">${iconMarkup("users-round")}${row.faces}</span>`);
    return badges;
  }

  private words(row: Row): string[] {
    const { waiting, failedWord, held, hidden, notGeneral, faceOne, faceMany } = this.texts;
    const said: [string, string | undefined][] = [["w", waiting], ["f", failedWord], ["h", held], ["x", hidden], ["g", notGeneral]];
    const words = said.filter(([mark]) => row.marks.includes(mark)).map(([, word]) => word ?? "");
    if (row.faces) words.push(count(row.faces, faceOne ?? "", faceMany ?? ""));
    return words;
  }

  private drop(id: string, tile: HTMLElement): void {
    this.tiles.delete(id);
    this.waiting.delete(tile);
    // Otherwise a picture that nobody sees any more is still fetched.
    tile.querySelector("img:not([data-here])")?.removeAttribute("src");
    tile.remove();
  }

  private fetchPictures(): void {
    for (const [tile, address] of this.waiting) {
      const picture = document.createElement("img");
      picture.alt = "";
      picture.decoding = "async";
      picture.className = "slot__picture";
      picture.draggable = false;
      picture.addEventListener("load", () => (picture.dataset["here"] = ""), { once: true });
      picture.src = address;
      tile.prepend(picture);
    }
    this.waiting.clear();
  }
}
