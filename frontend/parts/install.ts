/** The offer to put the event on the home screen. Quiet: it stands below the photos, and "Not now" is remembered. */

/** Chromium's event; it is in no standard yet, and so not in TypeScript's library. */
interface InstallEvent extends Event {
  prompt(): Promise<{ outcome: "accepted" | "dismissed" }>;
}

const LEFT = "trouvaille:no-app";

/** Storage may be closed to a page; then the offer is made again, which is the lesser evil. */
function wasLeft(scope: string): boolean {
  try {
    return localStorage.getItem(`${LEFT}:${scope}`) !== null;
  } catch {
    return false;
  }
}

function leave(scope: string): void {
  try {
    localStorage.setItem(`${LEFT}:${scope}`, "1");
  } catch {
    // Nothing to remember it in.
  }
}

/** Safari on an iPhone or iPad, which has no way to ask; an iPad calls itself a Mac, but is touched. */
export function onIos(): boolean {
  return /iPhone|iPod|iPad/.test(navigator.userAgent) || (/Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
}

/** Make the offer where this browser can install and nobody has declined it here. */
export function offerApp(): void {
  const offer = document.querySelector<HTMLElement>("[data-app]");
  if (!offer || matchMedia("(display-mode: standalone)").matches) return;
  const scope = offer.dataset["app"] ?? "";
  if (wasLeft(scope)) return;
  const part = (name: string): HTMLElement | null => offer.querySelector<HTMLElement>(`[data-app-${name}]`);
  const close = (): void => {
    leave(scope);
    offer.hidden = true;
  };
  part("no")?.addEventListener("click", close);
  if (onIos()) {
    part("ios")?.removeAttribute("hidden");
    offer.hidden = false;
    return;
  }
  const yes = part("yes");
  let asked: InstallEvent | undefined;
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    asked = event as InstallEvent;
    yes?.removeAttribute("hidden");
    offer.hidden = false;
  });
  addEventListener("appinstalled", close);
  yes?.addEventListener("click", () => {
    const asking = asked;
    // An event asks once; after a "no" in the browser's own window the browser decides when it may be asked again.
    asked = undefined;
    offer.hidden = true;
    void asking?.prompt();
  });
}
