/** The operator's page: the figures as they are now, every few seconds, while somebody looks. */
import { find } from "../parts/find";

const EVERY_MS = 5000;
const LONGEST_MS = 60_000;

let wait_ms = EVERY_MS;

/** Somebody is about to press something there; it must not move away. */
function inUse(part: HTMLElement): boolean {
  return part.contains(document.activeElement) || part.matches(":has(button:hover)");
}

async function refresh(): Promise<void> {
  const part = find("[data-figures]");
  if (document.hidden || inUse(part)) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-figures]");
  if (fresh && !inUse(part)) part.replaceWith(document.adoptNode(fresh));
}

function again(): void {
  window.setTimeout(() => {
    void refresh()
      .then(() => (wait_ms = EVERY_MS))
      .catch(() => (wait_ms = Math.min(LONGEST_MS, wait_ms * 2)))
      .finally(() => {
        find("[data-stale]").hidden = wait_ms === EVERY_MS;
        again();
      });
  }, wait_ms);
}

again();
