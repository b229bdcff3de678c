import { fragment, mayPass } from "./ask";
import { empty } from "./near";

/** What a merge did to a list of tiles. */
export interface Merged {
  added: HTMLElement[];
  removed: HTMLElement[];
}

const idOf = (tile: HTMLElement): string => tile.dataset["id"] ?? "";
const tilesOf = (place: ParentNode): HTMLElement[] => [...place.querySelectorAll<HTMLElement>("[data-id]")];

/**
 * Bring a list up to date with the newest first page of it, touching only what changed.
 *
 * Tiles that the first page no longer has are removed as far down as the page reaches; what was loaded below stays.
 * `news` is used up. With `place` "end" new tiles are put after all others, so that nothing moves.
 */
export function merge(list: HTMLElement, news: DocumentFragment, place: "order" | "end"): Merged {
  const fresh = tilesOf(news);
  const ids = new Set(fresh.map(idOf));
  const here = tilesOf(list);
  const present = new Map(here.map((tile) => [idOf(tile), tile]));
  const goesOn = news.querySelector("[data-next]") !== null;
  const reach = goesOn ? here.findLastIndex((tile) => ids.has(idOf(tile))) : here.length - 1;

  if (goesOn && reach < 0) {
    // A whole page of news: what is below could have a gap before it, so the list starts anew.
    list.replaceChildren(news);
    return { added: fresh.filter((tile) => !present.has(idOf(tile))), removed: here };
  }
  const removed = here.slice(0, reach + 1).filter((tile) => !ids.has(idOf(tile)));
  removed.forEach((tile) => tile.remove());

  const added = fresh.filter((tile) => !present.has(idOf(tile)));
  const end = list.querySelector("[data-next]");
  let before: Element | null = end;
  for (const tile of [...fresh].reverse()) {
    const known = present.get(idOf(tile));
    if (known) before = known;
    else {
      list.insertBefore(tile, place === "end" ? end : before);
      if (place === "order") before = tile;
    }
  }
  return { added, removed };
}

const FIRST_WAIT_MS = 3_000;
const LONGEST_WAIT_MS = 48_000;

/** Load the next page of a list when its end comes near; again and again, where the network does not bring it through. */
export function endless(list: HTMLElement, dress: (tile: HTMLElement) => void) {
  let loading: Promise<HTMLElement[]> | undefined;
  let wait_ms = FIRST_WAIT_MS;
  const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && void load(), {
    rootMargin: "1200px",
  });

  async function fetchNext(through?: string): Promise<HTMLElement[]> {
    const end = list.querySelector<HTMLElement>("[data-next]");
    if (!end) return [];
    try {
      const next = end.dataset["next"] ?? "";
      const news = await fragment(through ? `${next}&through=${through}` : next);
      const here = new Set(tilesOf(list).map(idOf));
      const added = tilesOf(news).filter((tile) => !here.has(idOf(tile)));
      tilesOf(news).filter((tile) => here.has(idOf(tile))).forEach((tile) => tile.remove());
      added.forEach(dress);
      // Thousands that come at once are empty before they are in the page: what is near is filled there.
      if (through) added.forEach(empty);
      end.replaceWith(news);
      list.classList.add("grid--endless");
      wait_ms = FIRST_WAIT_MS;
      watch();
      // A page whose photos have all gone leads on to the next one.
      if (!added.length && list.querySelector("[data-next]")) return await fetchNext();
      return added.flatMap((tile) => [...tile.querySelectorAll<HTMLElement>("a[data-view]")]);
    } catch (error) {
      // The link at the end shows meanwhile, for a press of those who don't wait.
      list.classList.remove("grid--endless");
      if (mayPass(error)) window.setTimeout(watch, wait_ms * (0.5 + Math.random()));
      wait_ms = Math.min(2 * wait_ms, LONGEST_WAIT_MS);
      return [];
    }
  }

  function load(): Promise<HTMLElement[]> {
    loading ??= fetchNext().finally(() => (loading = undefined));
    return loading;
  }

  /** Load all pages as far as one photo, in one request, and the one below: a last photo can't be scrolled up to its place. */
  async function through(id: string): Promise<void> {
    await loading;
    loading = fetchNext(id).finally(() => (loading = undefined));
    await loading;
    await load();
  }

  function watch(): void {
    observer.disconnect();
    const end = list.querySelector("[data-next]");
    if (end) observer.observe(end);
  }

  list.classList.add("grid--endless");
  watch();
  addEventListener("online", watch);
  return { load, through, watch };
}
