const WINDOW_MS = 30_000;
const SAMPLE_MS = 1000;
// Before that, a first file that fits into a socket's buffer looks like the speed of light.
const LEAST_MS = 4000;

interface Sample {
  at_ms: number;
  bytes: number;
}

/**
 * How fast bytes go, over the last half minute of sending. What it takes to answer counts, pauses don't:
 * `at_ms` runs only while files are being sent.
 */
export class Pace {
  private samples: Sample[] = [];
  private bytes = 0;
  private active_ms = 0;
  private since_ms: number | null = null;

  /** Sending goes on, or rests. */
  run(running: boolean, now_ms = performance.now()): void {
    if (running === (this.since_ms !== null)) return;
    if (running) this.since_ms = now_ms;
    else {
      this.active_ms = this.clock(now_ms);
      this.since_ms = null;
    }
  }

  moved(bytes: number): void {
    this.bytes += Math.max(0, bytes);
  }

  /** Bytes a second; nothing while it is too early to say. */
  speed(now_ms = performance.now()): number | null {
    const at_ms = this.clock(now_ms);
    const last = this.samples.at(-1);
    if (!last || at_ms - last.at_ms >= SAMPLE_MS) {
      this.samples.push({ at_ms, bytes: this.bytes });
      while ((this.samples[1]?.at_ms ?? at_ms) <= at_ms - WINDOW_MS) this.samples.shift();
    }
    const first = this.samples[0];
    const span_ms = first ? at_ms - first.at_ms : 0;
    return first && span_ms >= LEAST_MS ? ((this.bytes - first.bytes) / span_ms) * 1000 : null;
  }

  forget(): void {
    this.samples = [];
  }

  private clock(now_ms: number): number {
    return this.active_ms + (this.since_ms === null ? 0 : now_ms - this.since_ms);
  }
}

/** Seconds that are left, in steps that don't flicker: minutes, from ten on fives, from an hour on quarters. */
export function rounded(seconds: number): { hours: number; minutes: number } {
  const minutes = Math.ceil(seconds / 60);
  const step = minutes <= 10 ? 1 : minutes <= 60 ? 5 : 15;
  const whole = Math.ceil(minutes / step) * step;
  return { hours: Math.floor(whole / 60), minutes: whole % 60 };
}
