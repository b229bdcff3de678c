/** The service worker, which shows guests their photos where there is no network. Only guests' pages install it. */
import type { Word } from "../worker/names";

const TOGETHER_MS = 500;
const TILE = "img.tile__image";

const { worker, kept } = document.documentElement.dataset;

async function registration(): Promise<ServiceWorkerRegistration | undefined> {
  if (!worker) return await navigator.serviceWorker.getRegistration();
  await navigator.serviceWorker.register(worker, { scope: "/", updateViaCache: "none" });
  return await navigator.serviceWorker.ready;
}

// A browser that is told to keep nothing refuses; then there is nothing without a network.
const registered = registration().catch(() => undefined);

function say(word: Word): void {
  void registered.then((there) => there?.active?.postMessage(word));
}

/** Tell which tiles have come, those that are there and those that come while one looks. */
function tellSeen(): void {
  let fresh: string[] = [];
  let timer: number | undefined;
  const note = (image: HTMLImageElement): void => {
    fresh.push(image.getAttribute("src") ?? "");
    timer ??= window.setTimeout(() => {
      say({ kind: "seen", thumbs: fresh });
      [fresh, timer] = [[], undefined];
    }, TOGETHER_MS);
  };
  const tiles = document.querySelectorAll<HTMLImageElement>(TILE);
  tiles.forEach((image) => image.complete && image.naturalWidth > 0 && note(image));
  document.addEventListener("load", (event) => {
    if (event.target instanceof HTMLImageElement && event.target.matches(TILE)) note(event.target);
  }, { capture: true });
}

// Every page says that it is there: whoever looks at it now, nobody else's photos may stay on this device.
say({ kind: "look", ...(kept ? { from: kept } : {}) });
if (kept) tellSeen();
