/** The page without a network: the thumbnails that this device keeps, and the way back as soon as the server answers. */
import { find } from "../parts/find";
import { LIST, WRITTEN, type Kept, type KeptPhoto, type Word } from "../worker/names";

const FIRST_MS = 3000;
const LONGEST_MS = 30_000;
const GROWS = 1.6;

const head = find("#offline");
const texts = head.dataset;
const grid = find("[data-photos]");
const said = find("[data-said]");
// A link to this very address, so that it also works while this script is not there.
const link = find<HTMLAnchorElement>("[data-again]");

let wait_ms = FIRST_MS;
let timer: number | undefined;
let asking = false;

/** The class that gives a tile its shape; `ratio` in web/templates/components.html. */
function shape(photo: KeptPhoto): string {
  const share = Math.round(((photo.width || 3) / (photo.height || 2)) * 20) * 5;
  return `r${Math.min(Math.max(share, 40), 300)}`;
}

async function tile(cache: Cache, photo: KeptPhoto): Promise<HTMLElement | undefined> {
  const answer = await cache.match(photo.thumb, { ignoreVary: true });
  if (!answer) return undefined;
  const image = document.createElement("img");
  image.className = "tile__image";
  image.src = URL.createObjectURL(await answer.blob());
  image.alt = photo.about;
  image.width = photo.width || 3;
  image.height = photo.height || 2;
  image.decoding = "async";
  const item = document.createElement("li");
  item.className = `tile ${shape(photo)}`;
  item.append(image);
  return item;
}

async function showKept(): Promise<void> {
  const name = (await caches.keys()).find((each) => each.startsWith(WRITTEN));
  const cache = name ? await caches.open(name) : undefined;
  const list = (await (await cache?.match(LIST))?.json()) as Kept | undefined;
  for (const photo of list?.photos ?? []) {
    const made = cache && (await tile(cache, photo));
    if (made) grid.append(made);
  }
  const nothing = grid.children.length === 0;
  grid.hidden = nothing;
  find("[data-nothing]").hidden = !nothing;
}

/** Whether the server answers; if so, this page is asked for again, and waited for. */
async function ask(): Promise<boolean> {
  if (asking) return false;
  asking = true;
  try {
    const answer = await fetch("/livez", { cache: "no-store" });
    if (!answer.ok) throw new Error("the server is not ready");
    const word: Word = { kind: "answers" };
    navigator.serviceWorker.controller?.postMessage(word);
    location.reload();
    return true;
  } catch {
    asking = false;
    return false;
  }
}

function askLater(): void {
  window.clearTimeout(timer);
  // Not all phones of a party at once.
  timer = window.setTimeout(() => void again(), wait_ms * (0.75 + Math.random() / 2));
  wait_ms = Math.min(LONGEST_MS, wait_ms * GROWS);
}

async function again(): Promise<void> {
  const hopeless = document.hidden || !navigator.onLine;
  if (hopeless || !(await ask())) askLater();
}

link.addEventListener("click", (event) => {
  event.preventDefault();
  said.textContent = texts["trying"] ?? "";
  link.setAttribute("aria-busy", "true");
  void ask().then((came) => {
    if (came) return;
    link.removeAttribute("aria-busy");
    said.textContent = texts["still"] ?? "";
  });
});
addEventListener("online", () => void ask());
document.addEventListener("visibilitychange", () => document.hidden || void ask());
// The network is there, so it is the server that does not answer.
if (navigator.onLine) find("h1", head).textContent = texts["away"] ?? "";
void showKept();
askLater();
