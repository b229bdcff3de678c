/** A page that could not be had just now: ask for it again, later each time, and not all phones at once. */
import { find } from "../parts/find";

const LONGEST_WAIT_S = 60;
const FORGET_MS = 120_000;

const said = find("[data-retry]");
const key = `retry:${location.pathname}`;

interface Tries {
  count: number;
  at: number;
}

function tries(): Tries {
  try {
    const known = JSON.parse(sessionStorage.getItem(key) ?? "null") as Tries | null;
    return known && Date.now() - known.at < FORGET_MS ? known : { count: 0, at: 0 };
  } catch {
    return { count: 0, at: 0 };
  }
}

function remember(count: number): void {
  try {
    sessionStorage.setItem(key, JSON.stringify({ count, at: Date.now() }));
  } catch {
    // Without storage every wait is the first one.
  }
}

const { count } = tries();
const asked_s = Number(said.dataset["retry"] ?? "5");
let left_s = Math.ceil(Math.min(LONGEST_WAIT_S, asked_s * 2 ** Math.min(count, 5)) * (1 + Math.random() / 2));

const clock = window.setInterval(() => {
  if (document.hidden) return;
  left_s -= 1;
  said.textContent =
    left_s > 0
      ? (said.dataset["words"] ?? "").replace("{seconds}", String(left_s))
      : (said.dataset["trying"] ?? "");
  if (left_s > 0) return;
  window.clearInterval(clock);
  remember(count + 1);
  location.reload();
}, 1000);
// Every second would be too much to hear.
said.removeAttribute("role");
