/** The desk of one event: photos go up, numbers move, the grid follows. */
import { fragment, post } from "../parts/ask";
import { find, spell } from "../parts/find";
import { openLightbox, warmUp } from "../parts/lightbox";
import { listen } from "../parts/live";
import { snack } from "../parts/snack";
import { Tray } from "../parts/tray";
import { filesOf, Uploads, withoutClutter } from "../parts/uploads";

type Progress = Record<"total" | "ready" | "waiting" | "failed" | "faces" | "put_off" | "guests" | "enrolled", number>;

const REFRESH_MS = 1000;

const root = find("#desk");
const texts = root.dataset;
const base = texts["base"] ?? "";
const place = find("[data-desk-grid]", root);

let refreshing = false;
let refreshAgain = false;
let known: string | undefined;

const uploads: Uploads = new Uploads(
  `${base}/uploads`,
  { noAnswer: texts["noAnswer"] ?? "", refused: texts["refused"] ?? "" },
  () => tray.draw(),
);
const tray = new Tray(texts, () => uploads);

/** Put the grid as it is now in place of the old one, keeping tiles that did not change (and their pictures). */
function replaceGrid(news: DocumentFragment): void {
  const focused = document.activeElement;
  const old = new Map([...place.querySelectorAll<HTMLElement>("[data-id]")].map((tile) => [tile.outerHTML, tile]));
  for (const tile of news.querySelectorAll<HTMLElement>("[data-id]")) {
    const same = old.get(tile.outerHTML);
    if (same) tile.replaceWith(same);
  }
  place.replaceChildren(news);
  if (focused instanceof HTMLElement && focused.isConnected && focused !== document.activeElement) focused.focus();
}

async function refresh(): Promise<void> {
  if (refreshing) {
    refreshAgain = true;
    return;
  }
  refreshing = true;
  try {
    replaceGrid(await fragment(location.pathname.startsWith(`${base}/`) ? base : location.pathname + location.search));
  } catch {
    // The next message or the next poll tries again.
  }
  setTimeout(() => {
    refreshing = false;
    if (refreshAgain) {
      refreshAgain = false;
      void refresh();
    }
  }, REFRESH_MS);
}

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
  const { total, ready, waiting, failed, faces } = progress;
  const state = [total, ready, waiting, failed, faces].join();
  if (state !== known) void refresh();
  known = state;
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

async function sendQuietly(form: HTMLFormElement): Promise<void> {
  try {
    await post(form.action, {});
    if (form.action.endsWith("/delete")) {
      const back = form.action.replace(/delete$/, "undelete");
      snack(texts["deleted"] ?? "", {
        label: texts["undo"] ?? "",
        run: () => void post(back, {}).then(() => refresh(), () => snack(texts["failed"] ?? "")),
      });
    }
  } catch (error) {
    snack((error instanceof Error && error.name !== "TypeError" && error.message) || (texts["failed"] ?? ""));
    delete form.dataset["sure"];
  }
  void refresh();
}

document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  if (!form.matches("[data-quiet]")) return;
  event.preventDefault();
  void sendQuietly(form);
});

place.addEventListener("click", (event) => {
  const link = (event.target as Element).closest<HTMLElement>("a[data-view]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const shown = [...place.querySelectorAll<HTMLElement>("a[data-view]")];
  void openLightbox(shown, shown.indexOf(link), { texts, names: true });
});

addEventListener("beforeunload", (event) => {
  if (uploads.busy) event.preventDefault();
});
addEventListener("online", () => tray.draw());
addEventListener("offline", () => tray.draw());
enableUpload();
enableDrop();
listen(`${base}/live`, { progress: onProgress }, () => void refresh());
warmUp();
