import { post } from "./ask";
import { snack } from "./snack";

/** Favourites: a heart turns at once; it turns back, and says so, when the network did not bring it through. */
export interface Likes {
  has: (id: string) => boolean;
  set: (id: string, on: boolean, say?: boolean) => Promise<void>;
  onChange: (tell: () => void) => void;
}

export function likesOf(grid: HTMLElement, base: string, texts: DOMStringMap): Likes {
  const known = new Map<string, boolean>();
  const tellers: (() => void)[] = [];

  const tileOf = (id: string): HTMLElement | null => grid.querySelector(`[data-id="${CSS.escape(id)}"]`);
  const has = (id: string): boolean => known.get(id) ?? tileOf(id)?.hasAttribute("data-liked") ?? false;

  const draw = (id: string, on: boolean): void => {
    known.set(id, on);
    const tile = tileOf(id);
    tile?.toggleAttribute("data-liked", on);
    tile?.querySelector("[data-heart]")?.setAttribute("aria-pressed", String(on));
    tellers.forEach((tell) => tell());
  };

  async function set(id: string, on: boolean, say = true): Promise<void> {
    draw(id, on);
    try {
      await post(`${base}/photos/${id}/favourite`, { on: on ? "yes" : "no" });
    } catch {
      draw(id, !on);
      snack(texts["failed"] ?? "", { label: texts["again"] ?? "↻", run: () => void set(id, on, say) });
      return;
    }
    if (say && !on) snack(texts["unliked"] ?? "", { label: texts["undo"] ?? "", run: () => void set(id, true, false) });
  }

  grid.addEventListener("click", (event) => {
    const heart = (event.target as Element).closest<HTMLElement>("[data-heart]");
    const id = heart?.closest<HTMLElement>("[data-id]")?.dataset["id"];
    if (id) void set(id, !has(id));
  });
  grid.classList.add("grid--liked"); // before that a heart would do nothing, and is not shown
  return { has, set, onChange: (tell) => void tellers.push(tell) };
}
