import { post, Problem } from "./ask";
import { count, find } from "./find";
import type { Likes } from "./likes";
import { snack } from "./snack";

export interface Marking {
  /** Whether taps choose photos now, rather than open them. */
  on: () => boolean;
}

/** Choosing several photos, to do the same with all of them. */
export function marking(
  root: HTMLElement,
  grid: HTMLElement,
  likes: Likes | undefined,
  notMe: (ids: string[]) => Promise<void>,
): Marking {
  const texts = root.dataset;
  const start = document.querySelector<HTMLButtonElement>("[data-mark-start]");
  const bar = find("[data-markbar]", root);
  let on = false;

  const marked = (): HTMLElement[] => [...grid.querySelectorAll<HTMLElement>(".tile--marked")];
  const idsOf = (tiles: HTMLElement[]): string[] => tiles.map((tile) => tile.dataset["id"] ?? "");

  const say = (): void => {
    const tiles = marked();
    find("[data-mark-count]", bar).textContent = count(tiles.length, texts["markedOne"] ?? "", texts["markedMany"] ?? "");
    for (const button of bar.querySelectorAll<HTMLButtonElement>("button:not([data-mark-end])")) {
      button.disabled = button.matches("[data-mark-not-me]")
        ? !tiles.some((tile) => tile.hasAttribute("data-mine"))
        : tiles.length === 0;
    }
  };

  const draw = (tile: HTMLElement, yes: boolean): void => {
    tile.classList.toggle("tile--marked", yes);
    tile.querySelector("a")?.setAttribute("aria-checked", String(yes));
  };

  const switchTo = (to: boolean): void => {
    on = to;
    root.classList.toggle("marking", on);
    bar.hidden = !on;
    for (const tile of grid.querySelectorAll<HTMLElement>(".tile")) {
      const link = tile.querySelector("a");
      if (on) link?.setAttribute("role", "checkbox");
      else link?.removeAttribute("role");
      draw(tile, false);
      if (!on) link?.removeAttribute("aria-checked");
    }
    say();
    if (!on) start?.focus();
  };

  const toggle = (tile: HTMLElement): void => {
    tile.querySelector("a")?.setAttribute("role", "checkbox");
    draw(tile, !tile.classList.contains("tile--marked"));
    say();
  };

  grid.addEventListener(
    "click",
    (event) => {
      const tile = (event.target as Element).closest<HTMLElement>(".tile");
      if (!on || !tile) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      toggle(tile);
    },
    true,
  );
  grid.addEventListener("keydown", (event) => {
    const tile = (event.target as Element).closest<HTMLElement>(".tile");
    if (!on || !tile || event.key !== " ") return;
    event.preventDefault();
    toggle(tile);
  });
  document.addEventListener("keydown", (event) => on && event.key === "Escape" && switchTo(false));

  const act = (selector: string, run: (tiles: HTMLElement[]) => Promise<void>): void => {
    bar.querySelector(selector)?.addEventListener("click", () => {
      const tiles = marked();
      void run(tiles).then(
        () => switchTo(false),
        (error: unknown) => snack((error instanceof Problem && error.message) || (texts["failed"] ?? "")),
      );
    });
  };
  act("[data-mark-zip]", async (tiles) => {
    const answer = await post(`${texts["base"]}/zip`, { ids: idsOf(tiles).join(",") });
    const { url } = (await answer.json()) as { url: string };
    snack(texts["packing"] ?? "");
    location.assign(url); // a download: the page stays
  });
  act("[data-mark-like]", async (tiles) => {
    await Promise.all(idsOf(tiles).map((id) => likes?.set(id, true, false)));
    snack(texts["liked"] ?? "");
  });
  act("[data-mark-not-me]", (tiles) => notMe(idsOf(tiles.filter((tile) => tile.hasAttribute("data-mine")))));
  find("[data-mark-end]", bar).addEventListener("click", () => switchTo(false));
  if (start) {
    start.hidden = false;
    start.addEventListener("click", () => switchTo(!on));
  }
  return { on: () => on };
}
