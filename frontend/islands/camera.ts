/** The selfie: camera, picture, answer. Everything that fails leads to choosing a file instead. */
import { Problem, post } from "../parts/ask";
import { find } from "../parts/find";
import { listen } from "../parts/live";

type State = "none" | "start" | "live" | "review" | "sending" | "waiting" | "refused" | "accepted" | "choosing";
interface Answer {
  state: State;
  reason?: string | null;
  advice?: string | null;
}

const LONGEST_SIDE_PX = 1600;
const JPEG_QUALITY = 0.92;
const ASK_AGAIN_MS = 2000;
const BURST = 3;
const BURST_EVERY_MS = 250;

const root = find("#selfie");
const texts = root.dataset;
const base = texts["base"] ?? "";
const video = find<HTMLVideoElement>("[data-video]", root);
const shot = find<HTMLCanvasElement>("[data-shot]", root);
const camera = find("[data-camera]", root);
const switcher = find("[data-switch]", root);
const problem = find("[data-problem]", root);
const fileForm = find<HTMLFormElement>("[data-file-form]", root);
const fileInput = find<HTMLInputElement>("[data-file]", root);

let stream: MediaStream | undefined;
let facing: "user" | "environment" = "user";
let pictures: Blob[] = [];
let taking = false;
let cameraWorks = true;
let listening = false;

function go(state: State): void {
  texts["state"] = state;
  for (const part of root.querySelectorAll<HTMLElement>("[data-when]")) {
    part.hidden = !part.dataset["when"]?.split(" ").includes(state);
  }
  camera.hidden = state === "accepted" || (!cameraWorks && !["review", "sending", "waiting"].includes(state));
  video.hidden = state !== "live";
  shot.hidden = !["review", "sending", "waiting"].includes(state);
  if (state === "waiting") awaitAnswer();
  // Words that replace others are read out; the first view of the page is not.
  const words = [...root.querySelectorAll<HTMLElement>(".selfie__words [data-when]")].find((part) => !part.hidden);
  find("[data-said]", root).textContent = words?.innerText ?? "";
}

function say(text: string): void {
  problem.textContent = text;
  problem.hidden = !text;
}

function stopCamera(): void {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  video.srcObject = null;
}

function explain(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return texts["denied"] ?? "";
  if (name === "NotFoundError" || name === "OverconstrainedError") return texts["missing"] ?? "";
  return texts["broken"] ?? "";
}

async function startCamera(): Promise<void> {
  say("");
  stopCamera();
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { facingMode: facing, width: { ideal: 1920 }, height: { ideal: 1440 } },
    });
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    stopCamera();
    cameraWorks = false;
    say(explain(error));
    go("none");
    return;
  }
  video.classList.toggle("camera__view--mirrored", facing === "user");
  go("live");
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  switcher.hidden = cameras.length < 2;
}

function encode(): Promise<Blob | null> {
  return new Promise((resolve) => shot.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
}

/** Draw a frame as the camera sees it: others know us un-mirrored, and so do the photos. */
function draw(source: CanvasImageSource, width: number, height: number): void {
  const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(width, height));
  shot.width = Math.round(width * scale);
  shot.height = Math.round(height * scale);
  shot.getContext("2d")?.drawImage(source, 0, 0, shot.width, shot.height);
}

/** A short burst: together the pictures say more of a face than each alone. The last one is shown. */
async function takePicture(): Promise<void> {
  if (!video.videoWidth || taking) return;
  taking = true;
  pictures = [];
  shot.classList.toggle("camera__shot--mirrored", facing === "user");
  for (let taken = 0; taken < BURST && stream; taken += 1) {
    if (taken) await new Promise((resolve) => setTimeout(resolve, BURST_EVERY_MS));
    draw(video, video.videoWidth, video.videoHeight);
    const picture = await encode();
    if (picture) pictures.push(picture);
  }
  taking = false;
  stopCamera();
  go("review");
  find("[data-send]", root).focus();
}

async function chooseFile(): Promise<void> {
  const file = fileInput.files?.[0];
  if (!file) return;
  fileInput.value = ""; // so that choosing the same file again is a change too
  stopCamera();
  say("");
  shot.classList.remove("camera__shot--mirrored");
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    draw(bitmap, bitmap.width, bitmap.height);
    pictures = [(await encode()) ?? file];
    go("review");
  } catch {
    // This browser can't show the file (HEIC, say); the server may be able to read it all the same.
    pictures = [file];
    await send();
  }
}

async function send(): Promise<void> {
  if (!pictures.length) return;
  say("");
  const before = texts["state"] as State;
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
  if (texts["state"] !== "waiting") return;
  const answer = await fetch(`${base}/selfie/status`, { headers: { Accept: "application/json" } });
  const known = (await answer.json()) as Answer;
  if (!answer.ok || texts["state"] !== "waiting") return;
  if (known.state !== "waiting") settle(known);
  // It waits for longer than usual, and this is why.
  if (known.reason) find("[data-wait]", root).textContent = known.reason;
  if (known.advice) find("[data-wait-advice]", root).textContent = known.advice;
}

function prepare(): void {
  root.classList.add("selfie--ready");
  for (const part of root.querySelectorAll<HTMLElement>("[data-no-script]")) part.hidden = true;
  if (!window.isSecureContext || !navigator.mediaDevices) {
    cameraWorks = false;
    if (texts["state"] !== "accepted") say((window.isSecureContext ? texts["missing"] : texts["insecure"]) ?? "");
  }
  go(texts["state"] as State);
  find("[data-start]", root).addEventListener("click", () => void startCamera());
  find("[data-shutter]", root).addEventListener("click", () => void takePicture());
  find("[data-retake]", root).addEventListener("click", () => (cameraWorks ? void startCamera() : go("none")));
  find("[data-send]", root).addEventListener("click", () => void send());
  switcher.addEventListener("click", () => {
    facing = facing === "user" ? "environment" : "user";
    void startCamera();
  });
  fileInput.addEventListener("change", () => void chooseFile());
  fileForm.addEventListener("submit", (event) => {
    event.preventDefault();
    void chooseFile();
  });
  window.addEventListener("pagehide", stopCamera);
}

/** Hear the answer when it is there; ask for it too, should the stream be held up on the way. */
function awaitAnswer(): void {
  if (listening) return;
  listening = true;
  const tryAsking = (): void => void ask().catch(() => undefined);
  const stands = (at: { words: string | null }): void => {
    if (at.words) find("[data-wait-advice]", root).textContent = at.words;
  };
  listen(`${base}/live?place=true`, { enrolment: tryAsking, place: stands }, tryAsking);
  setInterval(tryAsking, ASK_AGAIN_MS);
}

prepare();
