/** Only what is near the screen holds pictures: thousands of them, even unpainted, make each frame of scrolling long. */

// Filled beyond the edges of the screen, in screens: more than a fling passes between two frames.
const MARGIN = 1.5;
// Looked at anew after so much of a screen.
const STEP = 0.5;
// A short list is left as it is.
const FEW = 120;

interface Kept {
  picture: Node[];
  heart: HTMLElement | null;
}

const emptied = new WeakMap<Element, Kept>();
const linkOf = (tile: Element): HTMLElement | null => tile.querySelector<HTMLElement>("a[data-view]");
const imageIn = (nodes: Iterable<Node>): HTMLImageElement | undefined =>
  [...nodes].find((node): node is HTMLImageElement => node instanceof HTMLImageElement && !node.matches(".tile__blur"));

/** The picture of a tile's link, also of one that is far away. */
export function imageOf(link: HTMLElement): HTMLImageElement | undefined {
  const tile = link.closest("[data-id]");
  const kept = tile && emptied.get(tile);
  return kept ? imageIn(kept.picture) : (link.querySelector<HTMLImageElement>("img:not(.tile__blur)") ?? undefined);
}

/** Leave a tile its place, its link and the link's name. */
export function empty(tile: HTMLElement): void {
  const link = linkOf(tile);
  if (!link || emptied.has(tile) || tile.contains(document.activeElement)) return;
  const heart = tile.querySelector<HTMLElement>("[data-heart]");
  const picture = [...link.childNodes];
  link.setAttribute("aria-label", imageIn(picture)?.alt ?? "");
  link.replaceChildren();
  heart?.remove();
  emptied.set(tile, { picture, heart });
}

function fill(tile: HTMLElement): void {
  const kept = emptied.get(tile);
  const link = kept && linkOf(tile);
  if (!link) return;
  emptied.delete(tile);
  link.replaceChildren(...kept.picture);
  link.removeAttribute("aria-label");
  if (!kept.heart) return;
  kept.heart.setAttribute("aria-pressed", String(tile.hasAttribute("data-liked")));
  tile.append(kept.heart);
}

/** Fill and empty the tiles of a list as one scrolls. Their size must not depend on what is in them. */
export function onlyNear(list: HTMLElement): void {
  let framed = false;
  let seen: { at: number; tiles: number; width: number } | undefined;

  const draw = (): void => {
    framed = false;
    const tiles = [...list.children] as HTMLElement[];
    const now = { at: scrollY, tiles: tiles.length, width: innerWidth };
    const moved = !seen || Math.abs(now.at - seen.at) > innerHeight * STEP;
    if (!moved && seen?.tiles === now.tiles && seen.width === now.width) return;
    seen = now;
    // Tiles lie in the order of the list, so the first one and the last are found in a dozen looks.
    const find = (holds: (box: DOMRect) => boolean): number => {
      let [low, high] = [0, tiles.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (holds((tiles[middle] as HTMLElement).getBoundingClientRect())) high = middle;
        else low = middle + 1;
      }
      return low;
    };
    const margin = innerHeight * MARGIN;
    const first = tiles.length > FEW ? find((box) => box.bottom >= -margin) : 0;
    const end = tiles.length > FEW ? find((box) => box.top > innerHeight + margin) : tiles.length;
    tiles.forEach((tile, at) => (at >= first && at < end ? fill(tile) : empty(tile)));
  };
  const ask = (): void => {
    if (framed) return;
    framed = true;
    requestAnimationFrame(draw);
  };
  addEventListener("scroll", ask, { passive: true });
  addEventListener("resize", ask);
  new MutationObserver(ask).observe(list, { childList: true });
  ask();
}
