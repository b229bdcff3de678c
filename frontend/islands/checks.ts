/** Says, while somebody types, whether an event has a code, and whether a username and an address are still free there.
 *  The forms do without it: the server checks all of it again when they are sent. */
import { iconMarkup } from "../parts/find";

interface Said {
  good: boolean;
  detail: string;
}

type Ask = (value: string, signal: AbortSignal) => Promise<Response>;
type Read = (answer: unknown) => Said | null;

const PAUSE_MS = 350;
/** Nothing is asked before this moment, in the browser's own time: the server said that it is asked too often. */
let quietUntil_ms = 0;

function tell(line: HTMLElement, said: Said | null): void {
  line.classList.toggle("field__said--good", said?.good ?? false);
  line.innerHTML = said ? iconMarkup(said.good ? "circle-check" : "circle-alert") : "";
  if (said) line.append(said.detail);
}

async function answerOf(asked: Promise<Response>, read: Read): Promise<Said | null> {
  const answer = await asked;
  if (answer.status === 429) quietUntil_ms = Date.now() + 1000 * Number(answer.headers.get("Retry-After") ?? 5);
  const body: unknown = await answer.json();
  if (answer.ok) return read(body);
  return { good: false, detail: (body as { detail?: string }).detail ?? "" };
}

/** Ask about a field's value once nothing was typed for a moment, and say the answer below `anchor`. */
function watch(input: HTMLInputElement, anchor: Element, isWorthAsking: (value: string) => boolean, ask: Ask, read: Read) {
  const line = document.createElement("p");
  line.className = "field__said";
  line.setAttribute("role", "status");
  anchor.after(line);
  let timer = 0;
  let present = new AbortController();

  async function check(value: string): Promise<void> {
    present = new AbortController();
    const { signal } = present;
    try {
      const said = await answerOf(ask(value, signal), read);
      if (!signal.aborted) tell(line, said);
    } catch {
      // Away, or overtaken by the next sign: the form itself will say what is wrong.
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    present.abort();
    tell(line, null);
    document.getElementById(`${input.name}-error`)?.remove();
    input.removeAttribute("aria-invalid");
    const value = input.value.trim();
    if (isWorthAsking(value) && Date.now() > quietUntil_ms) timer = window.setTimeout(() => void check(value), PAUSE_MS);
  });
}

const code = document.querySelector<HTMLInputElement>("input[data-check-code]");
if (code) {
  watch(
    code,
    code.closest(".code__row") ?? code,
    (value) => value.length >= 4,
    (value, signal) => fetch(`/api/v1/check-code?${new URLSearchParams({ code: value })}`, { signal }),
    (body) => {
      const { valid, detail } = body as { valid: boolean; detail: string };
      return { good: valid, detail };
    },
  );
}

function watchNames(form: HTMLFormElement): void {
  const askAbout = (name: string): Ask => (value, signal) => fetch("/api/v1/check-availability", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code: form.dataset["checkNames"], [name]: value }),
    signal,
  });
  const worth: Record<string, (value: string) => boolean> = {
    username: (value) => value.length >= 3,
    email: (value) => /^[^@\s]+@[^@\s]+\.[^@\s.]+$/.test(value),
  };
  for (const [name, isWorthAsking] of Object.entries(worth)) {
    const input = form.querySelector<HTMLInputElement>(`input[name=${name}]`);
    if (!input) continue;
    watch(input, input, isWorthAsking, askAbout(name), (body) => {
      const answer = (body as Record<string, { available: boolean; detail: string } | null>)[name];
      return answer ? { good: answer.available, detail: answer.detail } : null;
    });
  }
}

document.querySelectorAll<HTMLFormElement>("form[data-check-names]").forEach(watchNames);
