/** From what the camera sees to the one thing that is worth changing. */
import { HEIGHT, type Light, OVAL, WIDTH as WIDTH_PX } from "./look";

export type Advice = "dark" | "backlit" | "bright" | "look" | "two" | "far" | "near" | "middle" | "still" | "good";

/** A face as fractions of what the viewer sees. */
export interface Face {
  left: number;
  top: number;
  width: number;
  height: number;
  /** How far the nose is off the middle between the eyes, by their distance; not every finder can tell. */
  turned?: number;
}

const DARK = 38;
const BRIGHT = 238;
const BACKLIT = { below: 70, times: 2.2 };
// A lens that is covered or a bare wall; the plainest of faces has twice as much.
const PLAIN = 9;
const BLURRED = 1.04;
// The server asks who is who from 0.6 of the most prominent face on.
const RIVAL = 0.6;
const WIDTH = { far: 0.26, near: 0.82 };
const OFF_MIDDLE = 0.17;
// A head that is turned by some 30 degrees; the server takes a selfie until about 40.
const TURNED = 0.45;

/** `faces`: null where this browser can't find faces; then only light and sharpness are judged. */
export function advise(light: Light, faces: readonly Face[] | null): Advice {
  if (light.oval < BACKLIT.below && light.around > Math.max(BACKLIT.below, BACKLIT.times * light.oval)) return "backlit";
  if (light.oval < DARK) return "dark";
  if (light.oval > BRIGHT) return "bright";
  const placed = faces ? place(faces) : light.contrast < PLAIN ? "look" : "good";
  if (placed !== "good") return placed;
  return light.sharpness < BLURRED ? "still" : "good";
}

function place(faces: readonly Face[]): Advice {
  const [first, second] = faces.map((face) => ({ face, weight: prominence(face) })).sort((a, b) => b.weight - a.weight);
  if (!first) return "look";
  if (second && second.weight >= RIVAL * first.weight) return "two";
  if (first.face.width < WIDTH.far) return "far";
  if (first.face.width > WIDTH.near) return "near";
  const [x, y] = offMiddle(first.face);
  if (Math.hypot(x, y) > OFF_MIDDLE) return "middle";
  return Math.abs(first.face.turned ?? 0) > TURNED ? "look" : "good";
}

function offMiddle(face: Face): [number, number] {
  return [
    face.left + face.width / 2 - (OVAL.left + OVAL.right) / 2,
    face.top + face.height / 2 - (OVAL.top + OVAL.bottom) / 2,
  ];
}

/** As the server weighs faces: the width, less the further out. */
function prominence(face: Face): number {
  const [x, y] = offMiddle(face);
  const down = (y * HEIGHT) / WIDTH_PX;
  return face.width / (1 + 8 * (x * x + down * down));
}

/** Lets an advice through once it has stood for a while, so that words don't flicker. */
export class Steady {
  private since_ms = 0;
  private seen: Advice | undefined;
  shown: Advice | undefined;

  constructor(private readonly stands_ms: number) {}

  /** Returns whether what is shown has changed. */
  hear(advice: Advice, now_ms: number): boolean {
    if (advice !== this.seen) {
      this.seen = advice;
      this.since_ms = now_ms;
    }
    if (advice === this.shown || now_ms - this.since_ms < this.stands_ms) return false;
    this.shown = advice;
    return true;
  }

  forget(): void {
    this.seen = this.shown = undefined;
  }
}
