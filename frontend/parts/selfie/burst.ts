/** Pictures of one moment: together they say more of a face than each alone. */
import { HEIGHT, measure, shownPart, WIDTH } from "./look";

const FRAMES = 5;
const EVERY_MS = 220;
const KEPT = 3;
// The face then is 400 to 600 px wide, four times what a template is made of.
const LONGEST_SIDE_PX = 1280;
const JPEG_QUALITY = 0.9;

/** Draw a picture as others see us, un-mirrored, no larger than is of use. */
export function draw(canvas: HTMLCanvasElement, source: CanvasImageSource, width: number, height: number): void {
  const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d")?.drawImage(source, 0, 0, canvas.width, canvas.height);
}

export function encode(canvas: HTMLCanvasElement): Promise<Blob | null> {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
}

const small = document.createElement("canvas");
small.width = WIDTH;
small.height = HEIGHT;
const pen = small.getContext("2d", { willReadFrequently: true });

/** The part of a picture that the viewer sees, made small for measuring. */
export function sample(source: CanvasImageSource, width: number, height: number): Uint8ClampedArray {
  const part = shownPart(width, height);
  pen?.drawImage(source, part.x, part.y, part.width, part.height, 0, 0, WIDTH, HEIGHT);
  return pen?.getImageData(0, 0, WIDTH, HEIGHT).data ?? new Uint8ClampedArray(WIDTH * HEIGHT * 4);
}

/**
 * Five frames within a second; the sharpest three, the best first. Empty where the camera went away.
 *
 * @param shot is left showing the best one.
 */
export async function burst(video: HTMLVideoElement, shot: HTMLCanvasElement, isOn: () => boolean): Promise<Blob[]> {
  const frames: { canvas: HTMLCanvasElement; sharpness: number }[] = [];
  for (let taken = 0; taken < FRAMES; taken += 1) {
    if (taken) await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    if (!isOn() || !video.videoWidth) break;
    const canvas = document.createElement("canvas");
    draw(canvas, video, video.videoWidth, video.videoHeight);
    frames.push({ canvas, sharpness: measure(sample(canvas, canvas.width, canvas.height)).sharpness });
  }
  const best = frames.sort((a, b) => b.sharpness - a.sharpness).slice(0, KEPT);
  const pictures: Blob[] = [];
  for (const { canvas } of best) {
    const picture = await encode(canvas);
    if (picture) pictures.push(picture);
  }
  if (best[0]) draw(shot, best[0].canvas, best[0].canvas.width, best[0].canvas.height);
  // Phones give canvases little memory in all, and take it back late.
  for (const { canvas } of frames) canvas.width = canvas.height = 0;
  return pictures;
}
