import { iconMarkup } from "../parts/find";
import { openSlides, sizeShown, type Shown, type Slide } from "../parts/lightbox";
import type { Row, Rows } from "./rows";
import type { Shelf } from "./shelf";

const SHORTCUTS = /^[hgprm]$/i;

function slideOf(row: Row, pictures: string): Slide {
  const address = `${pictures}${row.id}`;
  const common = {
    id: row.id, name: row.name, file: `${address}/original`, small: undefined, bytes: "", page: `${address}/view`,
    mine: false, alt: row.name, thumbCropped: true,
  };
  if (!/[wf]/.test(row.marks)) return { ...common, src: `${address}/view`, msrc: `${address}/thumb`, ...sizeShown(row.width, row.height) };
  const blank = document.createElement("div");
  blank.className = "pswp__blank";
  blank.innerHTML = iconMarkup(row.marks.includes("f") ? "circle-alert" : "clock");
  for (const text of [row.name, row.problem].filter(Boolean)) blank.append(Object.assign(document.createElement("p"), { textContent: text }));
  return { ...common, html: blank.outerHTML };
}

/** Photos one at a time, with the same verbs as in the grid. */
export function view(
  id: string,
  rows: Rows,
  shelf: Shelf,
  texts: DOMStringMap,
  verbsFor: (place: HTMLElement, ids: () => string[]) => { draw: () => void; key: (event: KeyboardEvent) => boolean },
): void {
  const { list } = rows;
  const slides = list.map((row) => slideOf(row, texts["pictures"] ?? ""));
  const verbs = (bar: HTMLElement, shown: Shown): void => {
    bar.classList.add("pswp__actions--desk");
    const place = document.createElement("div");
    place.className = "pswp__verbs";
    bar.append(place);
    const current = (): string | undefined => shown.slide()?.id;
    const { draw, key } = verbsFor(place, () => (current() === undefined ? [] : [current() as string]));
    shown.onChange(() => {
      draw();
      const now = current();
      if (now) shelf.goTo(now, false);
    });
    shown.onKey((event) => {
      const typed = event.ctrlKey || event.metaKey ? /^z$/i.test(event.key) : SHORTCUTS.test(event.key) || event.key === "Delete";
      if (typed && key(event)) event.preventDefault();
    });
    // What left the list leaves here too, and what changed shows its other verbs.
    const stop = rows.onChange(() => {
      const slide = shown.slide();
      if (slide && rows.at(slide.id) < 0) shown.leave(slide);
      else draw();
    });
    shown.onClose(() => {
      stop();
      const last = current();
      if (last) shelf.goTo(last);
    });
  };
  void openSlides(slides, rows.at(id), { texts, names: true, verbs, thumbOf: (each) => shelf.tileOf(each) });
}
