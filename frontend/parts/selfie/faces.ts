/**
 * Faces in the live frame: by the browser itself where it can (the Shape Detection API), else by a small network on this
 * device. Nothing leaves it.
 */
import type { Face } from "./advice";
import type { FinderAnswer } from "./finder";
import { shownPart } from "./look";
import { FRAME } from "./yunet";

interface Detector {
  detect(image: HTMLVideoElement): Promise<{ boundingBox: DOMRectReadOnly }[]>;
}
type Detectors = new (options: { fastMode: boolean; maxDetectedFaces: number }) => Detector;

// A look that takes longer than this goes on beside the next hint; one that takes much longer is the last.
const LONGEST_LOOK_MS = 600;
const LONGEST_LOAD_MS = 8000;

export class FaceFinder {
  private browsers: Detector | undefined;
  private own: OwnFinder | undefined;

  constructor() {
    const Detectors = (window as { FaceDetector?: Detectors }).FaceDetector;
    try {
      if (Detectors) this.browsers = new Detectors({ fastMode: true, maxDetectedFaces: 5 });
    } catch {
      this.browsers = undefined;
    }
  }

  /** Whether faces will be found in a moment, so that it pays to wait. */
  get isComing(): boolean {
    return this.own?.isComing ?? false;
  }

  /** As fractions of what the viewer sees, un-mirrored; null where nobody can tell, or not yet. */
  async find(video: HTMLVideoElement): Promise<Face[] | null> {
    if (!this.browsers) return (this.own ??= new OwnFinder()).find(video);
    try {
      const part = shownPart(video.videoWidth, video.videoHeight);
      const found = await this.browsers.detect(video);
      return found
        .map(({ boundingBox: box }) => ({
          left: (box.x - part.x) / part.width,
          top: (box.y - part.y) / part.height,
          width: box.width / part.width,
          height: box.height / part.height,
        }))
        .filter(isInside);
    } catch {
      // Some systems have the interface and nothing behind it.
      this.browsers = undefined;
      return null;
    }
  }
}

/** The network, in a worker; it gives up for good where the browser or the connection does. */
class OwnFinder {
  isComing = true;
  private worker: Worker | undefined;
  private pen: CanvasRenderingContext2D | null = null;
  private last: Face[] | null = null;
  private asking: { answer: Promise<FinderAnswer>; since_ms: number } | undefined;

  constructor() {
    try {
      this.worker = new Worker(new URL("./finder.ts", import.meta.url), { type: "module" });
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [FRAME.width, FRAME.height];
      this.pen = canvas.getContext("2d", { willReadFrequently: true });
      if (this.pen) this.pen.imageSmoothingQuality = "high";
    } catch {
      this.giveUp();
    }
  }

  /** While the weights are on their way there is no waiting for them: light and sharpness have their say meanwhile. */
  async find(video: HTMLVideoElement): Promise<Face[] | null> {
    if (!this.worker || !this.pen) return null;
    this.asking ??= { answer: this.ask(video, this.worker), since_ms: performance.now() };
    const given = await Promise.race([this.asking.answer, this.isComing ? soon() : after(LONGEST_LOOK_MS)]);
    if (!given) {
      const waited_ms = performance.now() - this.asking.since_ms;
      if (waited_ms > LONGEST_LOAD_MS) this.giveUp();
      return this.last;
    }
    this.asking = undefined;
    this.isComing = false;
    if ("broken" in given) {
      this.giveUp();
      return null;
    }
    this.last = given.faces
      .map((face) => ({
        left: face.x / FRAME.width,
        top: face.y / FRAME.height,
        width: face.width / FRAME.width,
        height: face.height / FRAME.height,
        turned: face.turned,
      }))
      .filter(isInside);
    return this.last;
  }

  private ask(video: HTMLVideoElement, worker: Worker): Promise<FinderAnswer> {
    const part = shownPart(video.videoWidth, video.videoHeight);
    this.pen?.drawImage(video, part.x, part.y, part.width, part.height, 0, 0, FRAME.width, FRAME.height);
    const frame = this.pen?.getImageData(0, 0, FRAME.width, FRAME.height).data.buffer ?? new ArrayBuffer(0);
    return new Promise((resolve) => {
      worker.onmessage = (event: MessageEvent<FinderAnswer>) => resolve(event.data);
      worker.onerror = () => resolve({ broken: true });
      worker.postMessage(frame, [frame]);
    });
  }

  private giveUp(): void {
    this.worker?.terminate();
    this.worker = undefined;
    this.isComing = false;
    this.last = null;
  }
}

function after(wait_ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), wait_ms));
}

function soon(): Promise<undefined> {
  return after(0);
}

/** Whether its middle is where the viewer sees it. */
function isInside(face: Face): boolean {
  const [x, y] = [face.left + face.width / 2, face.top + face.height / 2];
  return x > 0 && x < 1 && y > 0 && y < 1;
}
