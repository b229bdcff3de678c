const APART_MS = 8000;
const PROGRESS_MS = 30_000;

/** Tells screen readers how it goes: what happens soon after it happened, progress every half minute, the last word always. */
export class Announcer {
  private said_ms = -Infinity;
  private last = "";
  private timer: number | undefined;

  constructor(private readonly place: HTMLElement) {}

  say(text: string, kind: "event" | "progress"): void {
    if (text === this.last) return;
    const wait_ms = this.said_ms + (kind === "event" ? APART_MS : PROGRESS_MS) - performance.now();
    if (kind === "progress" && wait_ms > 0) return;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.said_ms = performance.now();
      this.last = this.place.textContent = text;
    }, Math.max(0, wait_ms));
  }
}
