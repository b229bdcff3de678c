/** A guest's photos: they arrive while one looks, open in a lightbox, and go when they show somebody else. */
import { askAgain } from "../parts/again";
import { fragment, mayPass, post } from "../parts/ask";
import { keepFaceInView, markFace } from "../parts/faces";
import { count, find, spell } from "../parts/find";
import { offerApp } from "../parts/install";
import { openLightbox, warmUp } from "../parts/lightbox";
import { likesOf } from "../parts/likes";
import { listen } from "../parts/live";
import { marking } from "../parts/marking";
import { onlyNear } from "../parts/near";
import { keepPlace } from "../parts/place";
import { snack } from "../parts/snack";
import { answerByKey, swipeable } from "../parts/swipe";
import { endless, merge } from "../parts/tiles";

interface Counts {
  mine?: number;
  maybe?: number;
  favourites?: number;
  all?: number;
  processing?: number;
  /** Stands for which photos these are. */
  mark?: string;
}

const NEAR_TOP_PX = 160;
const REFRESH_MS = 1500;
const RETRY_MS = 5000;
const LONGEST_RETRY_MS = 60_000;
const MOST_ASKED = 5000;

const root = find("#gallery");
const texts = root.dataset;
const show = texts["show"] ?? "mine";
const base = texts["base"] ?? "";
const here = texts["here"] ?? `${base}/photos?show=${show}`;
const isGuest = "live" in texts;
const grid = find("[data-grid]", root);
const fresh = find<HTMLButtonElement>("[data-fresh]", root);
const more = endless(grid, dress);
const likes = isGuest ? likesOf(grid, base, texts) : undefined;
const marks = marking(root, grid, likes, notMeAll);

let waiting: DocumentFragment | undefined;
let known: Counts | undefined;
let fetching = false;
let fetchAgain = false;
let retry_ms = RETRY_MS;
let goOnNow: (() => void) | undefined;
let undo: (() => void) | undefined;

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
  if (!empty) document.querySelector("[data-tools]")?.removeAttribute("hidden");
  find("[data-empty]", root).hidden = !empty;
}

function showCounts(counts: Counts): void {
  for (const badge of document.querySelectorAll<HTMLElement>("[data-count]")) {
    const value = counts[badge.dataset["count"] as Exclude<keyof Counts, "mark">];
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
  return { ...(Object.fromEntries(shown) as Counts), mark: texts["mark"] ?? "" };
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

function ids(): string[] {
  return [...grid.querySelectorAll<HTMLElement>("[data-id]")].map((tile) => tile.dataset["id"] ?? "");
}

/** Take away what is hidden or deleted below the first page; a first page shows by itself what it no longer has. */
async function removeGone(): Promise<void> {
  const loaded = ids();
  if (loaded.length <= Number(texts["first"])) return;
  const answer = await post(here.replace("/photos?", "/photos/gone?"), { ids: loaded.slice(0, MOST_ASKED).join(",") });
  for (const id of (await answer.json()) as string[]) {
    grid.querySelector(`[data-id="${CSS.escape(id)}"]`)?.remove();
  }
  showOrHideEmpty();
}

/** In the order of time new photos come at the end, which may be the end that is loaded. */
async function appendLater(): Promise<void> {
  const last = ids().at(-1);
  if (texts["sort"] !== "time" || !last || grid.querySelector("[data-next]")) return;
  const later = await fragment(`${here}&after=${last}`);
  const known = new Set(ids());
  for (const tile of later.querySelectorAll<HTMLElement>("[data-id]")) {
    if (known.has(tile.dataset["id"] ?? "")) continue;
    grid.append(tile);
    dress(tile);
    tile.classList.add("tile--new");
  }
}

async function refresh(): Promise<void> {
  if (fetching) {
    fetchAgain = true;
    return;
  }
  fetching = true;
  let wait_ms = REFRESH_MS;
  try {
    const news = await fragment(here);
    const present = new Set(ids());
    const unseen = [...news.querySelectorAll<HTMLElement>("[data-id]")].filter(
      (tile) => !present.has(tile.dataset["id"] ?? ""),
    );
    const looksElsewhere = scrollY > NEAR_TOP_PX && show !== "maybe" && texts["sort"] !== "time";
    await removeGone();
    if (!looksElsewhere || unseen.length === 0) {
      if (!looksElsewhere) apply(news);
      await appendLater();
    } else {
      // Rows would move under the reader's eyes: say that there is more, and wait.
      waiting = news;
      find("[data-fresh-text]", fresh).textContent = count(unseen.length, texts["newOne"] ?? "", texts["newMany"] ?? "");
      fresh.hidden = false;
    }
    retry_ms = RETRY_MS;
  } catch (error) {
    // The counts are known already, so no message would bring what did not get through. Not all phones come at once,
    // and to a server that is busy each comes the later, the longer it is.
    fetchAgain = mayPass(error);
    wait_ms = retry_ms * (0.5 + Math.random());
    retry_ms = Math.min(2 * retry_ms, LONGEST_RETRY_MS);
  } finally {
    const goOn = (): void => {
      clearTimeout(timer);
      goOnNow = undefined;
      fetching = false;
      if (fetchAgain) {
        fetchAgain = false;
        void refresh();
      }
    };
    const timer = setTimeout(goOn, wait_ms);
    goOnNow = goOn;
  }
}

/** What of the counts stands for the photos of this page: another part's are no reason to ask for tiles. */
function shownBy(counts: Counts): string {
  const [all, mine, maybe] = (counts.mark ?? "").split(":");
  if (show === "mine") return mine ?? "";
  if (show === "maybe") return maybe ?? "";
  return show === "all" ? (all ?? "") : `${counts.favourites} ${counts.mark}`;
}

function onCounts(counts: Counts): void {
  const before = known ?? renderedCounts();
  known = counts;
  showCounts(counts);
  // During an upload messages come twice a second to everybody; only a change of what is shown is worth a request.
  if (shownBy(counts) !== shownBy(before)) void refresh();
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
  const wasMine = tile?.hasAttribute("data-mine") ?? false;
  const putBack = (): void => {
    // A message from the server may have brought the photo back already.
    if (tile && !grid.querySelector(`[data-id="${CSS.escape(id)}"]`)) {
      tile.classList.remove("question--leaving");
      grid.insertBefore(tile, place?.parentNode === grid ? place : null);
    }
    showOrHideEmpty();
  };
  const leaves = show === "maybe" || (show === "mine" && verdict === "no");
  if (leaves) tile?.classList.add("question--leaving");
  try {
    await post(url, { answer: verdict });
  } catch (error) {
    tile?.classList.remove("question--leaving");
    snack((error instanceof Error && error.name !== "TypeError" && error.message) || (texts["failed"] ?? ""));
    return false;
  }
  if (leaves) {
    setTimeout(() => {
      tile?.remove();
      showOrHideEmpty();
    }, 180);
  } else tile?.toggleAttribute("data-mine", verdict === "yes");
  undo = () => {
    undo = undefined;
    tile?.toggleAttribute("data-mine", wasMine);
    void post(url, { answer: "undo" }).then(putBack, () => snack(texts["failed"] ?? ""));
  };
  snack((verdict === "yes" ? texts["saidYes"] : texts["saidNo"]) ?? "", { label: texts["undo"] ?? "", run: () => undo?.() });
  return leaves;
}

/** The same for several photos, taken back together. */
async function notMeAll(chosen: string[]): Promise<void> {
  const undos: (() => void)[] = [];
  for (const id of chosen) {
    await answer(id, "no");
    if (undo) undos.push(undo);
  }
  undo = undefined;
  const run = (): void => undos.reverse().forEach((each) => each());
  snack(texts["saidNo"] ?? "", { label: texts["undo"] ?? "", run });
}

grid.addEventListener("click", (event) => {
  const link = (event.target as Element).closest<HTMLElement>("a[data-view]");
  if (!link || marks.on() || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const shown = links();
  void openLightbox(shown, shown.indexOf(link), {
    texts,
    more: more.load,
    guest: isGuest,
    ...(likes && show !== "maybe" ? { likes } : {}),
    ...(isGuest && show !== "maybe" ? { notMe: (id: string) => answer(id, "no") } : {}),
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
askAgain(grid);
addEventListener("online", () => goOnNow?.());
// In some languages the tabs are wider than a phone. This comes before going back to one's place: it scrolls the page, too.
document.querySelector(".tab[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
if (show === "maybe") {
  swipeable(grid, answer);
  answerByKey(grid, answer, () => undo?.());
} else {
  onlyNear(grid);
  keepPlace(grid, more.through);
}
// A choice takes effect at once; the button is for browsers without scripts.
const filters = document.querySelector<HTMLFormElement>("[data-filters]");
const lists = [...(filters?.querySelectorAll("select") ?? [])];
function applyFilters(): void {
  // What is not chosen stays out of the address.
  for (const list of lists) list.disabled = list.value === "" || list.value === "newest";
  filters?.submit();
}
filters?.addEventListener("change", applyFilters);
// On a slow network somebody has chosen before this script was there.
const rendered = (list: HTMLSelectElement): number => Math.max(0, [...list.options].findIndex((each) => each.defaultSelected));
if (lists.some((list) => list.selectedIndex !== rendered(list))) applyFilters();
addEventListener("pageshow", () => lists.forEach((list) => (list.disabled = false)));
document.querySelector("[data-zip]")?.addEventListener("click", () => snack(texts["packing"] ?? ""));
// Somebody who only looks in has no stream of their own.
if (isGuest) listen(`${base}/live`, { photos: onCounts, enrolment: onEnrolment }, () => void refresh());
offerApp();
warmUp();
