/** A guest's photos: they arrive while one looks, open in a lightbox, and go when they show somebody else. */
import { fragment, post } from "../parts/ask";
import { keepFaceInView, markFace } from "../parts/faces";
import { count, find, spell } from "../parts/find";
import { openLightbox, warmUp } from "../parts/lightbox";
import { listen } from "../parts/live";
import { snack } from "../parts/snack";
import { endless, merge } from "../parts/tiles";

interface Counts {
  mine?: number;
  maybe?: number;
  all?: number;
  processing?: number;
}

const NEAR_TOP_PX = 160;
const REFRESH_MS = 1500;

const root = find("#gallery");
const texts = root.dataset;
const show = texts["show"] ?? "mine";
const base = texts["base"] ?? "";
const grid = find("[data-grid]", root);
const fresh = find<HTMLButtonElement>("[data-fresh]", root);
const more = endless(grid, dress);

let waiting: DocumentFragment | undefined;
let known: Counts | undefined;
let fetching = false;
let fetchAgain = false;

function dress(tile: HTMLElement): void {
  if (show === "maybe") markFace(tile);
  else keepFaceInView(tile);
}

function links(): HTMLElement[] {
  return [...grid.querySelectorAll<HTMLElement>("a[data-view]")];
}

function showOrHideEmpty(): void {
  const empty = links().length === 0;
  grid.hidden = empty;
  find("[data-empty]", root).hidden = !empty;
}

function showCounts(counts: Counts): void {
  for (const badge of document.querySelectorAll<HTMLElement>("[data-count]")) {
    const value = counts[badge.dataset["count"] as keyof Counts];
    if (value === undefined) continue;
    badge.textContent = spell(value);
    badge.hidden = value === 0;
  }
  const status = document.querySelector<HTMLElement>("[data-processing]");
  if (status && counts.processing !== undefined) {
    const { one, many } = status.dataset;
    status.hidden = counts.processing === 0;
    find("[data-processing-text]", status).textContent = count(counts.processing, one ?? "", many ?? "");
  }
}

/** The counts that the page was rendered with; a first message that says the same needs no new tiles. */
function renderedCounts(): Counts {
  const shown = [...document.querySelectorAll<HTMLElement>("[data-count]")].map(
    (badge) => [badge.dataset["count"], Number(badge.textContent?.replace(/\D/g, "") || 0)] as const,
  );
  return Object.fromEntries(shown) as Counts;
}

function apply(news: DocumentFragment): void {
  const merged = merge(grid, news, show === "maybe" ? "end" : "order");
  merged.added.forEach((tile) => {
    dress(tile);
    tile.classList.add("tile--new");
  });
  if (merged.added.length) {
    const { newOne, newMany } = texts;
    find("[data-said]", root).textContent = count(merged.added.length, newOne ?? "", newMany ?? "");
  }
  waiting = undefined;
  fresh.hidden = true;
  showOrHideEmpty();
  more.watch();
}

async function refresh(): Promise<void> {
  if (fetching) {
    fetchAgain = true;
    return;
  }
  fetching = true;
  try {
    const news = await fragment(`${base}/photos?show=${show}`);
    const here = new Set([...grid.querySelectorAll<HTMLElement>("[data-id]")].map((tile) => tile.dataset["id"]));
    const unseen = [...news.querySelectorAll<HTMLElement>("[data-id]")].filter((tile) => !here.has(tile.dataset["id"]));
    const looksElsewhere = scrollY > NEAR_TOP_PX && show !== "maybe";
    if (!looksElsewhere || unseen.length === 0) {
      if (!looksElsewhere) apply(news);
    } else {
      // Rows would move under the reader's eyes: say that there is more, and wait.
      waiting = news;
      find("[data-fresh-text]", fresh).textContent = count(unseen.length, texts["newOne"] ?? "", texts["newMany"] ?? "");
      fresh.hidden = false;
    }
  } catch {
    // The next message or the next poll tries again.
  } finally {
    setTimeout(() => {
      fetching = false;
      if (fetchAgain) {
        fetchAgain = false;
        void refresh();
      }
    }, REFRESH_MS);
  }
}

function onCounts(counts: Counts): void {
  const before = known ?? renderedCounts();
  known = counts;
  showCounts(counts);
  // During an upload messages come twice a second to everybody; only a change of what is shown is worth a request.
  const keys: (keyof Counts)[] = show === "all" ? ["all"] : ["mine", "maybe"];
  if (keys.some((key) => counts[key] !== before[key])) void refresh();
}

function onEnrolment(answer: { state?: string }): void {
  // The words of an empty page depend on the selfie; they are the server's to say.
  if (answer.state && answer.state !== texts["enrolment"] && links().length === 0) location.reload();
}

/** Record an answer; the tile leaves at once and comes back if the answer is taken back or did not get through. */
async function answer(id: string, verdict: "yes" | "no"): Promise<boolean> {
  const tile = grid.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`);
  const url = `${base}/photos/${id}/verdict`;
  const place = tile?.nextSibling ?? null;
  const putBack = (): void => {
    // A message from the server may have brought the photo back already.
    if (tile && !grid.querySelector(`[data-id="${CSS.escape(id)}"]`)) {
      tile.classList.remove("question--leaving");
      grid.insertBefore(tile, place?.parentNode === grid ? place : null);
    }
    showOrHideEmpty();
  };
  try {
    await post(url, { answer: verdict });
  } catch (error) {
    snack((error instanceof Error && error.name !== "TypeError" && error.message) || (texts["failed"] ?? ""));
    return false;
  }
  tile?.classList.add("question--leaving");
  setTimeout(() => {
    tile?.remove();
    showOrHideEmpty();
  }, 180);
  snack((verdict === "yes" ? texts["saidYes"] : texts["saidNo"]) ?? "", {
    label: texts["undo"] ?? "",
    run: () => void post(url, { answer: "undo" }).then(putBack, () => snack(texts["failed"] ?? "")),
  });
  return true;
}

grid.addEventListener("click", (event) => {
  const link = (event.target as Element).closest<HTMLElement>("a[data-view]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const shown = links();
  void openLightbox(shown, shown.indexOf(link), {
    texts,
    more: more.load,
    ...(show === "mine" ? { notMe: (id: string) => answer(id, "no") } : {}),
  });
});

document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  if (!form.matches("[data-verdict]")) return;
  event.preventDefault();
  const id = form.closest<HTMLElement>("[data-id]")?.dataset["id"] ?? "";
  void answer(id, (event.submitter as HTMLButtonElement).value === "yes" ? "yes" : "no");
});

fresh.addEventListener("click", () => {
  if (waiting) apply(waiting);
  scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth" });
});
addEventListener("scroll", () => waiting && scrollY < NEAR_TOP_PX / 2 && apply(waiting), { passive: true });

grid.querySelectorAll<HTMLElement>("[data-id]").forEach(dress);
// In some languages the tabs are wider than a phone.
document.querySelector(".tab[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
// Somebody who only looks in has no stream of their own.
if ("live" in texts) listen(`${base}/live`, { photos: onCounts, enrolment: onEnrolment }, () => void refresh());
warmUp();
