/** Faces in the live frame, where the browser itself finds some (the Shape Detection API). */
import type { Face } from "./advice";
import { shownPart } from "./look";

interface Detector {
  detect(image: HTMLVideoElement): Promise<{ boundingBox: DOMRectReadOnly }[]>;
}
type Detectors = new (options: { fastMode: boolean; maxDetectedFaces: number }) => Detector;

export class FaceFinder {
  private detector: Detector | undefined;

  constructor() {
    const Detectors = (window as { FaceDetector?: Detectors }).FaceDetector;
    try {
      if (Detectors) this.detector = new Detectors({ fastMode: true, maxDetectedFaces: 5 });
    } catch {
      this.detector = undefined;
    }
  }

  /** As fractions of what the viewer sees, un-mirrored; null where nobody can tell. */
  async find(video: HTMLVideoElement): Promise<Face[] | null> {
    if (!this.detector) return null;
    try {
      const part = shownPart(video.videoWidth, video.videoHeight);
      const found = await this.detector.detect(video);
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
      this.detector = undefined;
      return null;
    }
  }
}

/** Whether its middle is where the viewer sees it. */
function isInside(face: Face): boolean {
  const [x, y] = [face.left + face.width / 2, face.top + face.height / 2];
  return x > 0 && x < 1 && y > 0 && y < 1;
}
