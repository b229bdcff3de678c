/** The desk of one event: photos go up, numbers move, the grid follows. */
import { startPhotos } from "../desk/start";
import { find, spell } from "../parts/find";
import { warmUp } from "../parts/lightbox";
import { listen } from "../parts/live";
import { startQueue } from "../queue/start";

type Progress = Record<"total" | "ready" | "waiting" | "failed" | "faces" | "put_off" | "guests" | "enrolled", number>;

const root = find("#desk");
const texts = root.dataset;
const base = texts["base"] ?? "";
const photos = startPhotos(base);

/** The same reading of the numbers as the template's: what is done, and what is next. */
function showSteps(done: Record<1 | 2 | 3, boolean>): void {
  const next = !done[1] ? 1 : !done[2] ? 2 : 3;
  for (const title of root.querySelectorAll<HTMLElement>("[data-step]")) {
    const step = Number(title.dataset["step"]) as 1 | 2 | 3;
    find("[data-step-number]", title).classList.toggle("plan__number--now", step === next);
    find("[data-step-todo]", title).hidden = done[step];
    for (const mark of title.querySelectorAll<HTMLElement>("[data-step-done]")) mark.hidden = !done[step];
  }
}

function onProgress(progress: Progress): void {
  for (const figure of root.querySelectorAll<HTMLElement>("[data-number]")) {
    figure.textContent = spell(progress[figure.dataset["number"] as keyof Progress] ?? 0);
  }
  for (const part of root.querySelectorAll<HTMLElement>("[data-some]")) {
    part.hidden = !progress[part.dataset["some"] as keyof Progress];
  }
  const bar = find<HTMLProgressElement>("[data-bar]", root);
  bar.max = Math.max(1, progress.total);
  bar.value = progress.ready + progress.failed;
  bar.hidden = progress.waiting === 0;
  showSteps({ 1: progress.guests > 0, 2: progress.total > 0, 3: progress.enrolled > 0 });
  photos.look();
}

startQueue(base);
listen(`${base}/live`, { progress: onProgress }, () => photos.look());
warmUp();
