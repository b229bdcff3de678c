/** The camera as this page uses it: on, off, the other one, and why it does not start. */

export type Trouble = "denied" | "missing" | "busy" | "insecure" | "broken";
type Facing = "user" | "environment";

/** A prompt that an app's browser swallows is never answered. */
const LONGEST_START_MS = 45_000;

export function troubleOf(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  return name === "NotReadableError" ? "busy" : "broken";
}

/** Why there is no use in asking for a camera; undefined where there may be one. */
export function unusable(): Trouble | undefined {
  if (!window.isSecureContext) return "insecure";
  // Browsers inside other apps may have no such interface at all.
  return (navigator.mediaDevices as MediaDevices | undefined) ? undefined : "missing";
}

export async function permission(): Promise<PermissionStatus | undefined> {
  try {
    return await navigator.permissions.query({ name: "camera" as PermissionName });
  } catch {
    return undefined; // not every browser tells
  }
}

export class Lens {
  private stream: MediaStream | undefined;
  private facing: Facing = "user";
  private deviceId: string | undefined;
  private starts = 0;
  cameras = 0;

  /** `onLost`: the camera went away by itself: a call, another app, a cable. */
  constructor(private readonly video: HTMLVideoElement, private readonly onLost: () => void) {}

  get isOn(): boolean {
    return this.stream !== undefined;
  }

  /** Whether the picture is to be shown as in a mirror: one that looks at whoever holds the device. */
  get isMirrored(): boolean {
    return this.facing === "user";
  }

  /** Throws what `getUserMedia` throws. Returns false where it was turned off, or started anew, before it came on. */
  async start(): Promise<boolean> {
    this.stop();
    const mine = ++this.starts;
    const which = this.deviceId ? { deviceId: { exact: this.deviceId } } : { facingMode: this.facing };
    const asked = navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { ...which, width: { ideal: 1920 }, height: { ideal: 1440 } },
    });
    const stream = await within(asked, LONGEST_START_MS);
    if (mine !== this.starts) {
      stop(stream);
      return false;
    }
    this.stream = stream;
    this.video.srcObject = stream;
    for (const track of stream.getTracks()) track.addEventListener("ended", () => this.stream === stream && this.lose());
    await this.video.play();
    this.cameras = (await navigator.mediaDevices.enumerateDevices()).filter((each) => each.kind === "videoinput").length;
    return mine === this.starts;
  }

  stop(): void {
    this.starts += 1;
    if (this.stream) stop(this.stream);
    this.stream = undefined;
    this.video.srcObject = null;
  }

  /** Take the other camera from now on: the other side of a phone, the next one of a computer. */
  async turn(): Promise<void> {
    const now = this.stream?.getVideoTracks()[0]?.getSettings();
    if (now?.facingMode) {
      this.facing = now.facingMode === "user" ? "environment" : "user";
      return;
    }
    const ids = (await navigator.mediaDevices.enumerateDevices())
      .filter((each) => each.kind === "videoinput")
      .map((each) => each.deviceId);
    this.deviceId = ids[(ids.indexOf(now?.deviceId ?? "") + 1) % ids.length];
  }

  private lose(): void {
    this.stop();
    this.onLost();
  }
}

function stop(stream: MediaStream): void {
  stream.getTracks().forEach((track) => track.stop());
}

async function within(asked: Promise<MediaStream>, longest_ms: number): Promise<MediaStream> {
  let timer = 0;
  const late = new Promise<never>((_, reject) => {
    timer = window.setTimeout(() => {
      void asked.then(stop, () => undefined);
      reject(new DOMException("", "TimeoutError"));
    }, longest_ms);
  });
  return Promise.race([asked, late]).finally(() => window.clearTimeout(timer));
}
