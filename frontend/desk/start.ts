/** The desk's photos as an app: the windowed grid, choosing, verbs, keys, and what changes meanwhile. */
import { count, find, spell } from "../parts/find";
import { Acts, fits } from "./acts";
import { Chosen } from "./chosen";
import { Rows } from "./rows";
import { Shelf } from "./shelf";
import { view } from "./viewer";

// While photos stream in, a page asks at most so often what changed.
const PAUSE_MS = 1500;
// How long a photo that was sent this moment may take to be in the list.
const PATIENCE_MS = 4000;
const HOLD_MS = 450;
const SLIP_PX = 10;
const ASKS_FOR_TEXT = "input, textarea, select, [contenteditable]";

export interface Photos {
  /** Ask what changed, soon. */
  look: () => void;
}

export function startPhotos(base: string): Photos {
  const root = find("[data-photos]");
  const texts = root.dataset;
  const fixed = "fixed" in texts;
  const rows = new Rows(`${base}/photos`, texts["query"] ?? "", texts["sort"] ?? "", PAUSE_MS);
  const chosen = new Chosen(rows, () => drawChosen());
  const shelf = new Shelf(find("[data-shelf]", root), rows, chosen, texts);
  const acts = new Acts(base, rows, texts, () => drawChosen());
  const bar = find("[data-actbar]", root);
  const undo = find<HTMLButtonElement>("[data-undo-last]", root);

  const idsInHand = (): string[] => (chosen.ids.size ? [...chosen.ids] : shelf.focus ? [shelf.focus] : []);

  /** Do a verb with those of the photos that it is about. */
  async function act(what: string, ids: string[]): Promise<void> {
    const some = ids.filter((id) => {
      const row = rows.get(id);
      return row && fits(what, row);
    });
    if (fixed || !some.length) return;
    if (what === "move") {
      const dialog = find<HTMLDialogElement>("[data-move]", root);
      if (!(await asked(dialog))) return;
      const to = find<HTMLSelectElement>("select", dialog);
      await acts.move(to.value, to.selectedOptions[0]?.text ?? "", some);
    } else if (what === "cover") {
      if (some.length === 1 && "manages" in texts) await acts.cover(some[0] as string);
    } else if (what !== "erase" || (await asked(find<HTMLDialogElement>("[data-erase]", root)))) {
      await acts.run(what, some);
    }
  }

  /** Buttons for what can be done with some photos, and their keys. */
  function verbsFor(place: HTMLElement, ids: () => string[]): { draw: () => void; key: (event: KeyboardEvent) => boolean } {
    place.append(find<HTMLTemplateElement>("template[data-verbs]", root).content.cloneNode(true));
    const buttons = [...place.querySelectorAll<HTMLButtonElement>("[data-act]")];
    for (const button of buttons) button.addEventListener("click", () => void act(button.dataset["act"] ?? "", ids()));
    const offered = (): Set<string> => {
      const found = new Set<string>();
      const of = ids();
      for (const id of of) {
        const row = rows.get(id);
        if (row) for (const button of buttons) if (fits(button.dataset["act"] ?? "", row)) found.add(button.dataset["act"] ?? "");
      }
      if (of.length !== 1 || !("manages" in texts)) found.delete("cover");
      return fixed ? new Set() : found;
    };
    return {
      draw: () => {
        const now = offered();
        for (const button of buttons) button.hidden = !now.has(button.dataset["act"] ?? "");
      },
      key: (event) => {
        if (event.ctrlKey || event.metaKey) {
          if (event.key.toLowerCase() !== "z" || event.shiftKey) return false;
          void acts.undo();
          return true;
        }
        const now = offered();
        const wishes: Record<string, string[]> = {
          h: ["hide", "show"], g: ["general", "not_general"], p: ["publish"], r: ["retry"], m: ["move"],
          delete: ["delete", "erase"], backspace: ["delete"], u: ["undelete"],
        };
        const what = wishes[event.key.toLowerCase()]?.find((each) => now.has(each));
        if (!what || event.altKey) return false;
        void act(what, ids());
        return true;
      },
    };
  }

  const inHand = verbsFor(find("[data-verbs-here]", bar), idsInHand);

  function drawChosen(): void {
    const n = chosen.ids.size;
    bar.hidden = n === 0;
    root.classList.toggle("desk--choosing", n > 0);
    if (n) find("[data-count]", bar).textContent = count(n, texts["one"] ?? "", texts["many"] ?? "");
    undo.disabled = !acts.canUndo;
    inHand.draw();
    shelf.draw();
  }

  function drawTally(): void {
    for (const part of root.querySelectorAll<HTMLElement>("[data-part]")) {
      const n = rows.tally?.[part.dataset["part"] ?? ""];
      if (n === undefined) continue;
      find("[data-tally]", part).textContent = spell(n);
      part.hidden = n === 0 && part.dataset["part"] !== "all" && !part.hasAttribute("aria-current");
    }
  }

  rows.onChange((arrived) => {
    chosen.prune();
    shelf.update(arrived);
    const empty = rows.list.length === 0;
    find("[data-none]", root).hidden = !empty;
    find("[data-tools]", root).hidden = empty;
    find("[data-fitting]", root).textContent = rows.complete ? spell(rows.list.length) : "";
    drawTally();
    drawChosen();
  });

  const open = (id: string): void => view(id, rows, shelf, texts, verbsFor);
  pointing(shelf, chosen, open);
  keys(root, rows, shelf, chosen, open, inHand.key, () => void acts.undo());

  const chooseAll = (): void => void rows.whole().then(() => chosen.all());
  for (const button of root.querySelectorAll("[data-all]")) button.addEventListener("click", chooseAll);
  find("[data-end]", bar).addEventListener("click", () => {
    chosen.clear();
    if (shelf.focus) shelf.goTo(shelf.focus);
  });
  undo.addEventListener("click", () => void acts.undo());
  find("[data-help]", root).addEventListener("click", () => find<HTMLDialogElement>("[data-keys]", root).showModal());
  find("[data-retry-all]", root).addEventListener("click", () => void retryAll(base, acts));
  for (const select of root.querySelectorAll<HTMLSelectElement>("[data-filter] select")) {
    select.addEventListener("change", () => select.form?.requestSubmit());
  }
  // Until the first photos are here, the page's own stay.
  const place = find("[data-desk-grid]", root);
  const begun = rows.onChange(() => {
    place.remove();
    begun();
    void openWanted();
  });

  /** Open the photo of the address; one that this part of the photos lacks is looked for among all. */
  async function openWanted(): Promise<void> {
    const wanted = new URLSearchParams(location.hash.slice(1)).get("photo");
    if (!wanted) return;
    if (rows.at(wanted) < 0) void rows.look();
    const isHere = await rows.comes(wanted, PATIENCE_MS);
    if (!isHere && location.search) return location.replace(location.pathname + location.hash);
    // The same link may be followed again.
    history.replaceState(history.state, "", location.pathname + location.search);
    if (isHere) open(wanted);
  }
  window.addEventListener("hashchange", () => void openWanted());
  void rows.look();
  return { look: () => void rows.look() };
}

/** Everything that failed, whether this page shows it or not. */
async function retryAll(base: string, acts: Acts): Promise<void> {
  const failed = new Rows(`${base}/photos`, "show=failed", "added", PAUSE_MS);
  await failed.load();
  await acts.run("retry", failed.list.map((row) => row.id));
}

function asked(dialog: HTMLDialogElement): Promise<boolean> {
  dialog.returnValue = "";
  // An open lightbox keeps the focus to itself, so the question is asked inside it.
  const home = dialog.parentElement;
  document.querySelector(".pswp")?.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      home?.append(dialog);
      resolve(dialog.returnValue === "yes");
    }, { once: true });
  });
}

/** Mouse and finger: a tap opens; holding, the corner or a modifier chooses; while some are chosen, taps choose. */
function pointing(shelf: Shelf, chosen: Chosen, open: (id: string) => void): void {
  const grid = shelf.element;
  const idAt = (target: EventTarget | null): string | undefined => (target as Element | null)?.closest<HTMLElement>("[data-id]")?.dataset["id"];
  let holding: number | undefined;
  let held = false;
  let start = { x: 0, y: 0 };
  const letGo = (): void => window.clearTimeout(holding);

  grid.addEventListener("pointerdown", (event) => {
    held = false;
    if (event.pointerType === "mouse") return;
    const id = idAt(event.target);
    start = { x: event.clientX, y: event.clientY };
    letGo();
    holding = window.setTimeout(() => {
      held = true;
      navigator.vibrate?.(10);
      if (id) chosen.toggle(id);
    }, HOLD_MS);
  });
  grid.addEventListener("pointermove", (event) => {
    if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > SLIP_PX) letGo();
  });
  for (const end of ["pointerup", "pointercancel"] as const) grid.addEventListener(end, letGo);
  grid.addEventListener("contextmenu", (event) => {
    if ((event as PointerEvent).pointerType !== "mouse") event.preventDefault();
  });
  grid.addEventListener("click", (event) => {
    const id = idAt(event.target);
    if (!id || held) return;
    const before = shelf.focus;
    shelf.goTo(id);
    const corner = (event.target as Element).closest("[data-check]") !== null;
    if (event.shiftKey) chosen.extend(id, before);
    else if (event.ctrlKey || event.metaKey || corner || chosen.ids.size) chosen.toggle(id);
    else open(id);
  });
}

function keys(
  root: HTMLElement, rows: Rows, shelf: Shelf, chosen: Chosen, open: (id: string) => void,
  verb: (event: KeyboardEvent) => boolean, undo: () => void,
): void {
  const step = (event: KeyboardEvent): number | undefined => {
    const at = rows.at(shelf.focus ?? "");
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - shelf.perRow, ArrowDown: at + shelf.perRow,
      PageUp: at - shelf.perScreen, PageDown: at + shelf.perScreen, Home: 0, End: rows.list.length - 1 }[event.key];
    if (to === undefined) return undefined;
    if (event.key.startsWith("Page")) return Math.min(rows.list.length - 1, Math.max(0, to));
    return to >= 0 && to < rows.list.length ? to : at;
  };

  const inGrid = (event: KeyboardEvent): boolean => {
    const focus = shelf.focus;
    if (focus === undefined) return false;
    const to = step(event);
    if (to !== undefined && !event.ctrlKey && !event.metaKey) {
      const id = rows.list[to]?.id ?? focus;
      shelf.goTo(id);
      if (event.shiftKey) chosen.extend(id, focus);
      return true;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "a") {
      void rows.whole().then(() => chosen.all());
      return true;
    }
    if (event.ctrlKey || event.metaKey) return false;
    if (event.key === "Enter") open(focus);
    else if (event.key === " " || event.key === "x") chosen.toggle(focus);
    else return verb(event);
    return true;
  };

  document.addEventListener("keydown", (event) => {
    const target = event.target as Element;
    if (target.matches(ASKS_FOR_TEXT) || document.querySelector("dialog[open], .pswp--open")) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !event.shiftKey) {
      event.preventDefault();
      undo();
    } else if (event.key === "?") find<HTMLDialogElement>("[data-keys]", root).showModal();
    else if (event.key === "Escape" && chosen.ids.size) chosen.clear();
    else if (shelf.element.contains(target) && inGrid(event)) event.preventDefault();
  });
}
