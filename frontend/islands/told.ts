/** Telling this browser when there are more photos: what it can do, what it was allowed, and the switch. */
import { fragment, post, Problem } from "../parts/ask";
import { find } from "../parts/find";
import { onIos } from "../parts/install";
import { canPush, fields, held, isKnown, subscribe } from "../parts/push";

type State = "off" | "on" | "blocked" | "blocked-app" | "home" | "never";

const root = find("[data-push]");
const base = root.dataset["push"] ?? "";
const key = root.dataset["key"] ?? "";
const turnOn = find<HTMLButtonElement>("[data-push-on]", root);
const turnOff = find<HTMLButtonElement>("[data-push-off]", root);
const wrong = find("[data-push-wrong]", root);
const LONGEST_MS = 20_000;

function show(state: State): void {
  const sentences = [...root.querySelectorAll<HTMLElement>("[data-push-is]")];
  for (const each of sentences) each.hidden = each.dataset["pushIs"] !== state;
  turnOn.hidden = state !== "off";
  turnOff.hidden = state !== "on";
  wrong.hidden = true;
  root.hidden = sentences.every((each) => each.hidden);
  // Elsewhere than under "Me" this may be all that is said of it.
  const around = root.closest<HTMLElement>("[data-told]");
  if (around && !root.hidden) around.hidden = false;
}

function complain(text: string): void {
  wrong.textContent = text;
  wrong.hidden = false;
}

/** What is on the home screen has no address bar; the device's settings hold what it may do. */
function blocked(): State {
  return matchMedia("(display-mode: standalone)").matches ? "blocked-app" : "blocked";
}

/** Have the server know this browser's subscription. */
async function register(): Promise<void> {
  const subscription = await subscribe(key);
  const answer = await post(`${base}/push`, fields(subscription));
  root.dataset["here"] = ((await answer.json()) as { id: string }).id;
}

async function present(): Promise<State> {
  if (!canPush()) return onIos() ? "home" : "never";
  if (Notification.permission === "denied") return blocked();
  if (!root.dataset["here"] || Notification.permission !== "granted") return "off";
  // The browser may have lost it, or been given another one, since it was switched on here.
  if (!(await isKnown(await held(), root.dataset["mark"] ?? ""))) await register();
  return "on";
}

/** The list of devices under "Me", as it is now. */
async function freshenList(): Promise<void> {
  const list = document.querySelector("[data-told-list]");
  if (!list) return;
  const fresh = (await fragment(location.pathname)).querySelector("[data-told-list]");
  if (fresh) list.replaceWith(fresh);
}

async function start(): Promise<State> {
  if ((await Notification.requestPermission()) !== "granted") return Notification.permission === "denied" ? blocked() : "off";
  const late = new Promise<never>((_, refuse) => setTimeout(() => refuse(new DOMException("", "AbortError")), LONGEST_MS));
  await Promise.race([register(), late]);
  return "on";
}

async function end(): Promise<State> {
  const answer = await post(`${base}/push/${root.dataset["here"] ?? ""}/remove`, {});
  root.dataset["here"] = "";
  if (((await answer.json()) as { last: boolean }).last) await (await held())?.unsubscribe();
  return "off";
}

async function press(button: HTMLButtonElement, act: () => Promise<State>): Promise<void> {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  wrong.hidden = true;
  try {
    const hadFocus = document.activeElement === button;
    show(await act());
    // The button is gone, and the other one stands in its place.
    if (hadFocus) (turnOn.hidden ? turnOff.hidden ? find("[tabindex]", root) : turnOff : turnOn).focus();
    await freshenList();
  } catch (error) {
    if (error instanceof Problem && error.message) complain(error.message);
    // The browser's own push service did not answer; some builds have none.
    else complain((error instanceof DOMException ? root.dataset["noService"] : root.dataset["failed"]) ?? "");
  } finally {
    button.removeAttribute("aria-busy");
  }
}

turnOn.addEventListener("click", () => void press(turnOn, start));
turnOff.addEventListener("click", () => void press(turnOff, end));
void present().catch((): State => "off").then(show);
