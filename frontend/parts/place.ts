import { find } from "./find";

interface Place {
  id: string;
  top: number;
}

const SETTLED_MS = 120;

/**
 * Come back to the photo that one left from, however far down the list it is.
 *
 * @param through loads the list as far as a photo, and resolves when its tile is there.
 */
export function keepPlace(list: HTMLElement, through: (id: string) => Promise<void>): void {
  history.scrollRestoration = "manual";
  const tileOf = (id: string): HTMLElement | null => list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  let timer = 0;
  let restoring = false;

  const note = (): void => {
    if (restoring) return;
    const line = find(".header").offsetHeight + 40;
    const tile = [0.25, 0.5, 0.75]
      .map((part) => document.elementFromPoint(innerWidth * part, line)?.closest<HTMLElement>("[data-id]"))
      .find((each) => each && list.contains(each));
    const place = tile && scrollY > 0 ? { id: tile.dataset["id"] ?? "", top: tile.getBoundingClientRect().top } : undefined;
    history.replaceState({ ...(history.state as object | null), place }, "");
  };

  addEventListener(
    "scroll",
    () => {
      clearTimeout(timer);
      timer = window.setTimeout(note, SETTLED_MS);
    },
    { passive: true },
  );
  addEventListener("pagehide", note);

  const place = (history.state as { place?: Place } | null)?.place;
  if (!place) return;
  restoring = true;
  void (async () => {
    try {
      if (!tileOf(place.id)) await through(place.id);
      const tile = tileOf(place.id);
      if (tile) scrollTo({ top: scrollY + tile.getBoundingClientRect().top - place.top, behavior: "instant" });
    } finally {
      restoring = false;
    }
  })();
}
