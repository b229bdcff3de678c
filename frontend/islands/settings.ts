/** An event's settings: a likely time zone, and pictures that come and go without touching what is typed above. */
import { post } from "../parts/ask";
import { find } from "../parts/find";
import { snack } from "../parts/snack";

const FOLLOW_MS = 1500;

// There are no pictures before there is an event.
const texts = document.querySelector<HTMLElement>(".dress")?.dataset ?? {};

/** An organiser's own time zone is the likely one, until they have an event to take it from. */
function guessZone(list: HTMLSelectElement): void {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!list.value && [...list.options].some((option) => option.value === here)) list.value = here;
}

/** Put a part of the page as it is by now in place of itself. */
async function renew(id: string): Promise<void> {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  const news = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
  if (!news) return;
  find(`#${id}`).replaceWith(news);
  follow(news);
}

/** Ask again while a worker is at it. */
function follow(part: HTMLElement): void {
  if (!part.matches("[data-waiting]")) return;
  const again = (): void => void renew(part.id).catch(() => setTimeout(again, FOLLOW_MS));
  setTimeout(again, FOLLOW_MS);
}

async function send(form: HTMLFormElement, part: HTMLElement, button: HTMLElement | null): Promise<void> {
  button?.setAttribute("aria-busy", "true");
  try {
    await post(form.action, new FormData(form));
    await renew(part.id);
  } catch (error) {
    snack((error instanceof Error && error.name !== "TypeError" && error.message) || (texts["failed"] ?? ""));
    button?.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  const part = form.closest<HTMLElement>(".dress__one");
  if (!part) return;
  event.preventDefault();
  void send(form, part, event.submitter);
});

document.querySelectorAll<HTMLSelectElement>("select[data-zone=guess]").forEach(guessZone);
document.querySelectorAll<HTMLElement>(".dress__one").forEach(follow);
