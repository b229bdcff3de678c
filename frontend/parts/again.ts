const WAITS_MS = [2_000, 5_000, 10_000, 20_000, 40_000];

/**
 * Ask again for pictures that did not come through: of dozens at once a party's network drops some.
 *
 * One that is refused five times is given up, until the phone has been offline and is back.
 */
export function askAgain(place: HTMLElement): void {
  const tries = new WeakMap<HTMLImageElement, number>();
  const broken = new Set<HTMLImageElement>();

  const ask = (image: HTMLImageElement): void => {
    if (!broken.delete(image)) return;
    // Setting what it has already makes the browser load it anew.
    if (image.srcset) image.srcset = image.getAttribute("srcset") ?? "";
    else image.src = image.getAttribute("src") ?? "";
  };
  const note = (image: HTMLImageElement): void => {
    broken.add(image);
    const wait_ms = WAITS_MS[tries.get(image) ?? 0];
    tries.set(image, (tries.get(image) ?? 0) + 1);
    if (wait_ms !== undefined) window.setTimeout(() => ask(image), wait_ms * (0.5 + Math.random()));
  };
  // Such events don't rise, but they can be caught on their way down.
  place.addEventListener("error", ({ target }) => target instanceof HTMLImageElement && note(target), true);
  // Some were lost before this script was there.
  for (const image of place.querySelectorAll("img")) if (image.complete && !image.naturalWidth) note(image);
  addEventListener("online", () => {
    for (const image of [...broken]) {
      tries.delete(image);
      ask(image);
    }
  });
}
