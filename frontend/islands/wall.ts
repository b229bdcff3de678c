/** The slideshow on a big screen. Nobody stands beside it: it goes on through lost networks and restarts of the server,
 *  shows what is new first, and never shows again what was taken away. */
import { find } from "../parts/find";
import { listen } from "../parts/live";

interface Photo {
  id: string;
  url: string;
}

interface Answer {
  seconds: number;
  shows_code: boolean;
  photos: Photo[];
}

const LOOK_AGAIN_MS = 60_000;
const STILL_MS = 3000;

const root = find("#wall");
const base = root.dataset["base"] ?? "";
const [first, second] = [...root.querySelectorAll<HTMLElement>("[data-slide]")] as [HTMLElement, HTMLElement];

let photos = new Map<string, Photo>();
/** What has not been shown since it came. */
let fresh: string[] = [];
/** The order of this round; when it is empty, a new round is shuffled. */
let round: string[] = [];
let seconds = Number(root.dataset["seconds"]);
let front = first;
let shown = "";
let paused = false;
let timer = 0;
let looking = false;

function shuffled(ids: string[]): string[] {
  for (let last = ids.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [ids[last], ids[other]] = [ids[other] as string, ids[last] as string];
  }
  return ids;
}

function take(answer: Answer, isFirst: boolean): void {
  const present = new Map(answer.photos.map((photo) => [photo.id, photo]));
  // The newest of the first look are only some of the round; later ones go first, in the order in which they came.
  if (!isFirst) fresh.push(...answer.photos.filter((photo) => !photos.has(photo.id)).map((photo) => photo.id).reverse());
  fresh = fresh.filter((id) => present.has(id));
  round = round.filter((id) => present.has(id));
  photos = present;
  seconds = answer.seconds;
  find("[data-empty]", root).hidden = photos.size > 0;
  find("[data-card]", root).hidden = !answer.shows_code || photos.size === 0;
  if (shown && !photos.has(shown)) void next();
  if (!photos.size) hideAll();
}

function hideAll(): void {
  shown = "";
  for (const slide of [first, second]) slide.classList.remove("wall__slide--now");
}

async function look(): Promise<void> {
  if (looking) return;
  looking = true;
  try {
    const answer = await fetch(`${base}/photos`, { headers: { Accept: "application/json" } });
    if (answer.status === 404 || answer.status === 410 || answer.status === 403) return over();
    if (!answer.ok) return;
    const isFirst = photos.size === 0 && !shown;
    take((await answer.json()) as Answer, isFirst);
    find("[data-over]", root).hidden = true;
    if (!shown && photos.size) await next();
  } catch {
    // No network: what is there goes on, and the next look comes by itself.
  } finally {
    looking = false;
  }
}

/** The link was taken back, or the event is over: nothing of it stays on the screen. */
function over(): void {
  photos = new Map();
  hideAll();
  for (const slide of [first, second]) find<HTMLImageElement>("img", slide).removeAttribute("src");
  find("[data-empty]", root).hidden = true;
  find("[data-card]", root).hidden = true;
  find("[data-over]", root).hidden = false;
}

function choose(): { id: string; isNew: boolean } | null {
  const id = fresh.shift();
  if (id) return { id, isNew: true };
  if (!round.length) round = shuffled([...photos.keys()]);
  const following = round.find((each) => each !== shown || photos.size === 1);
  if (!following) return null;
  round.splice(round.indexOf(following), 1);
  return { id: following, isNew: false };
}

async function next(): Promise<void> {
  window.clearTimeout(timer);
  const chosen = choose();
  const photo = chosen && photos.get(chosen.id);
  if (chosen && photo) {
    const back = front === first ? second : first;
    const image = find<HTMLImageElement>("img", back);
    image.src = photo.url;
    try {
      await image.decode();
      // It may have been taken away while its bytes came.
      if (photos.has(photo.id)) {
        back.classList.add("wall__slide--now");
        back.classList.toggle("wall__slide--new", chosen.isNew);
        front.classList.remove("wall__slide--now");
        [front, shown] = [back, photo.id];
        root.dataset["shown"] = photo.id;
      }
    } catch {
      // It did not come: the one on the screen stays, and another has its turn.
    }
  }
  window.clearTimeout(timer);
  if (!paused && photos.size) timer = window.setTimeout(() => void next(), seconds * 1000);
}

function onKey(event: KeyboardEvent): void {
  if (event.key === " ") {
    event.preventDefault();
    paused = !paused;
    if (paused) window.clearTimeout(timer);
    else void next();
  } else if (event.key === "ArrowRight") void next();
  else if (event.key === "f") toggleFullScreen();
}

function toggleFullScreen(): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void document.documentElement.requestFullscreen?.().catch(() => undefined);
}

/** A screen that falls asleep shows nothing; browsers let the lock go when the page was hidden. */
function stayAwake(): void {
  if (!document.hidden && "wakeLock" in navigator) void navigator.wakeLock.request("screen").catch(() => undefined);
}

let still = 0;
function onMove(): void {
  root.classList.remove("wall--still");
  window.clearTimeout(still);
  still = window.setTimeout(() => root.classList.add("wall--still"), STILL_MS);
}

document.addEventListener("keydown", onKey);
document.addEventListener("dblclick", toggleFullScreen);
document.addEventListener("pointermove", onMove);
document.addEventListener("visibilitychange", stayAwake);
onMove();
stayAwake();
void look();
listen(`${base}/live`, { photos: () => void look() }, () => void look());
window.setInterval(() => void look(), LOOK_AGAIN_MS);
