/** The desk of one event: photos go up, numbers move, the grid follows. */
import { startPhotos } from "../desk/start";
import { find, spell } from "../parts/find";
import { warmUp } from "../parts/lightbox";
import { listen } from "../parts/live";
import { Tray } from "../parts/tray";
import { filesOf, Uploads, withoutClutter } from "../parts/uploads";

type Progress = Record<"total" | "ready" | "waiting" | "failed" | "faces" | "put_off" | "guests" | "enrolled", number>;

const root = find("#desk");
const texts = root.dataset;
const base = texts["base"] ?? "";
const photos = startPhotos(base);

const uploads: Uploads = new Uploads(
  `${base}/uploads`,
  { noAnswer: texts["noAnswer"] ?? "", refused: texts["refused"] ?? "" },
  () => tray.draw(),
);
const tray = new Tray(texts, () => uploads);

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

function takeFiles(files: File[]): void {
  if (!uploads.busy) uploads.clear();
  if (files.length) uploads.add(files);
}

function enableUpload(): void {
  const form = find<HTMLFormElement>("[data-drop]", root);
  form.classList.add("drop--ready");
  for (const part of form.querySelectorAll<HTMLElement>("[data-no-script]")) part.hidden = true;
  find("[data-drop-hint]", form).hidden = false;
  find("[data-folder]", form).hidden = false;
  for (const input of form.querySelectorAll<HTMLInputElement>("input[type=file]")) {
    input.addEventListener("change", () => {
      takeFiles(withoutClutter(input.files ?? []));
      form.reset();
    });
  }
}

/** The whole page is the target, so that nobody has to aim. */
function enableDrop(): void {
  const veil = find("[data-drag]", root);
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => (veil.hidden = !carriesFiles(event)));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  veil.addEventListener("dragleave", () => (veil.hidden = true));
  addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!event.dataTransfer || !carriesFiles(event)) return;
    event.preventDefault();
    void filesOf(event.dataTransfer).then(takeFiles);
  });
}

addEventListener("beforeunload", (event) => {
  if (uploads.busy) event.preventDefault();
});
addEventListener("online", () => tray.draw());
addEventListener("offline", () => tray.draw());
enableUpload();
enableDrop();
listen(`${base}/live`, { progress: onProgress }, () => photos.look());
warmUp();
