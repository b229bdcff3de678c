/** The selfie: camera, picture, answer. Everything that fails leads to choosing a file instead. */
import { Problem, post } from "../parts/ask";
import { find } from "../parts/find";
import { listen } from "../parts/live";
import { burst, draw, encode } from "../parts/selfie/burst";
import { Lens, permission, type Trouble, troubleOf, unusable } from "../parts/selfie/lens";
import { Watch } from "../parts/selfie/watch";

type State =
  | "none" | "asking" | "blocked" | "live" | "taking" | "review" | "sending" | "waiting" | "refused" | "accepted"
  | "choosing";
interface Answer {
  state: State;
  reason?: string | null;
  advice?: string | null;
}

const ASK_AGAIN_MS = 2000;
/** A stream that has just told the place in the queue works, and will tell the rest, too. */
const TRUST_MS = 8000;
const PICTURE_STATES = ["review", "sending", "waiting"];

const root = find("#selfie");
const texts = root.dataset;
const base = texts["base"] ?? "";
const video = find<HTMLVideoElement>("[data-video]", root);
const shot = find<HTMLCanvasElement>("[data-shot]", root);
const camera = find("[data-camera]", root);
const switcher = find("[data-switch]", root);
const problem = find("[data-problem]", root);
const said = find("[data-said]", root);
const fileForm = find<HTMLFormElement>("[data-file-form]", root);
const fileName = find("[data-file-name]", root);
const fileInput = find<HTMLInputElement>("[data-file]", root);

let pictures: Blob[] = [];
let cameraWorks = true;
let listening = false;

const lens = new Lens(video, () => {
  watch.stop();
  if (state() !== "live" && state() !== "taking") return;
  go("none");
  say(texts["lost"] ?? "");
});
const watch = new Watch(video, root, (words) => (said.textContent = words), () => void takePicture());

function state(): State {
  return texts["state"] as State;
}

function go(next: State): void {
  texts["state"] = next;
  for (const part of root.querySelectorAll<HTMLElement>("[data-when]")) {
    part.hidden = !part.dataset["when"]?.split(" ").includes(next);
  }
  camera.hidden = next === "accepted" || next === "blocked" || (!cameraWorks && !PICTURE_STATES.includes(next));
  video.hidden = next !== "live" && next !== "taking";
  shot.hidden = !PICTURE_STATES.includes(next);
  if (next === "waiting") awaitAnswer();
  // Words that replace others are read out; the first view of the page is not.
  const words = [...root.querySelectorAll<HTMLElement>(".selfie__words [data-when]")].find((part) => !part.hidden);
  said.textContent = words?.innerText ?? "";
}

function say(text: string): void {
  problem.textContent = text;
  problem.hidden = !text;
}

function block(trouble: Trouble): void {
  lens.stop();
  watch.stop();
  cameraWorks = false;
  find("[data-trouble]", root).textContent = texts[trouble] ?? "";
  const system = /iPhone|iPad/.test(navigator.userAgent) ? "ios" : /Android/.test(navigator.userAgent) ? "android" : "desktop";
  for (const way of root.querySelectorAll<HTMLElement>("[data-for]")) {
    const [what, where] = (way.dataset["for"] ?? "").split(" ");
    way.hidden = what !== trouble || (where !== undefined && where !== system);
  }
  find("[data-retry]", root).hidden = trouble === "missing" || trouble === "insecure";
  go("blocked");
  fileInput.focus({ preventScroll: true });
}

async function startCamera(): Promise<void> {
  say("");
  const trouble = unusable();
  if (trouble) return block(trouble);
  go("asking");
  camera.hidden = false;
  try {
    if (!(await lens.start())) return;
  } catch (error) {
    return block(troubleOf(error));
  }
  cameraWorks = true;
  video.classList.toggle("camera__view--mirrored", lens.isMirrored);
  go("live");
  switcher.hidden = lens.cameras < 2;
  watch.start();
}

async function takePicture(): Promise<void> {
  if (state() !== "live" || !lens.isOn || !video.videoWidth) return;
  watch.stop();
  go("taking");
  watch.show("taking", texts["taking"] ?? "");
  shot.classList.toggle("camera__shot--mirrored", lens.isMirrored);
  fileName.textContent = "";
  pictures = await burst(video, shot, () => lens.isOn);
  if (state() !== "taking") return;
  lens.stop();
  if (!pictures.length) return block("broken");
  go("review");
  find("[data-send]", root).focus({ preventScroll: true });
}

async function turnCamera(): Promise<void> {
  watch.stop();
  await lens.turn();
  await startCamera();
}

async function chooseFile(): Promise<void> {
  const file = fileInput.files?.[0];
  if (!file) return;
  fileInput.value = ""; // so that choosing the same file again is a change too
  lens.stop();
  watch.stop();
  say("");
  shot.classList.remove("camera__shot--mirrored");
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    draw(shot, bitmap, bitmap.width, bitmap.height);
    pictures = [(await encode(shot)) ?? file];
    fileName.textContent = "";
  } catch {
    // This browser can't show the file (HEIC, say); the server may be able to read it all the same.
    pictures = [file];
    shot.width = shot.height = 1;
    fileName.textContent = file.name;
  }
  go("review");
  find("[data-send]", root).focus({ preventScroll: true });
}

async function send(): Promise<void> {
  if (!pictures.length || state() === "sending") return;
  say("");
  const before = state();
  go("sending");
  const form = new FormData();
  for (const picture of pictures) {
    form.append("selfie", picture, picture instanceof File ? picture.name : "selfie.jpg");
  }
  try {
    settle((await (await post(`${base}/selfie`, form)).json()) as Answer);
  } catch (error) {
    say(error instanceof Problem && error.message ? error.message : (texts["offline"] ?? ""));
    go(before === "review" ? "review" : "none");
  }
}

/** Show what the server thinks of the selfie; it may think for a while. */
function settle(answer: Answer): void {
  if (answer.state === "accepted") {
    location.assign(`${base}/photos`);
  } else if (answer.state === "choosing") {
    location.assign(`${base}/selfie`);
  } else if (answer.state === "refused") {
    if (answer.reason) find("[data-reason]", root).textContent = answer.reason;
    if (answer.advice) find("[data-advice]", root).textContent = answer.advice;
    pictures = [];
    fileForm.reset();
    go("refused");
  } else if (answer.state === "waiting") {
    go("waiting");
  }
}

async function ask(): Promise<void> {
  if (state() !== "waiting") return;
  const answer = await fetch(`${base}/selfie/status`, { headers: { Accept: "application/json" } });
  const known = (await answer.json()) as Answer;
  if (!answer.ok || state() !== "waiting") return;
  if (known.state !== "waiting") settle(known);
  // It waits for longer than usual, and this is why.
  if (known.reason) find("[data-wait]", root).textContent = known.reason;
  if (known.advice) find("[data-wait-advice]", root).textContent = known.advice;
}

function prepare(): void {
  root.classList.add("selfie--ready");
  for (const part of root.querySelectorAll<HTMLElement>("[data-no-script]")) part.hidden = true;
  for (const [part, act] of [
    ["[data-start]", startCamera],
    ["[data-retry]", startCamera],
    ["[data-shutter]", takePicture],
    ["[data-switch]", turnCamera],
    ["[data-send]", send],
  ] as const) {
    find(part, root).addEventListener("click", () => void act());
  }
  find("[data-retake]", root).addEventListener("click", () => (cameraWorks ? void startCamera() : go("blocked")));
  fileInput.addEventListener("change", () => void chooseFile());
  fileForm.addEventListener("submit", (event) => {
    event.preventDefault();
    void chooseFile();
  });
  window.addEventListener("pagehide", () => {
    lens.stop();
    watch.stop();
    if (state() === "live" || state() === "taking" || state() === "asking") go("none");
  });
  go(state());
  const trouble = unusable();
  // On a slow network somebody has chosen a photo before this script was there.
  if (fileInput.files?.length && ["none", "refused"].includes(state())) void chooseFile();
  else if (trouble && ["none", "refused"].includes(state())) block(trouble);
  else void begin();
}

/** Who comes from the form has just asked for it: the camera starts by itself, unless it was refused before. */
async function begin(): Promise<void> {
  const allowed = await permission();
  // Whoever allows it in the browser's settings need not find the button again.
  allowed?.addEventListener("change", () => {
    if (allowed.state === "granted" && state() === "blocked") void startCamera();
  });
  if (!("begin" in texts) || state() !== "none") return;
  if (allowed?.state === "denied") block("denied");
  else await startCamera();
}

/** Hear the answer when it is there; ask for it too, should the stream be held up on the way. */
function awaitAnswer(): void {
  if (listening) return;
  listening = true;
  const tryAsking = (): void => void ask().catch(() => undefined);
  let told = -TRUST_MS;
  const stands = (at: { words: string | null }): void => {
    told = performance.now();
    if (at.words) find("[data-wait-advice]", root).textContent = at.words;
  };
  // What became of it may not get through at the first attempt.
  const decided = (): void => {
    told = -TRUST_MS;
    tryAsking();
  };
  listen(`${base}/live?place=true`, { enrolment: decided, place: stands }, tryAsking, tryAsking);
  setInterval(() => performance.now() - told >= TRUST_MS && tryAsking(), ASK_AGAIN_MS);
}

prepare();
