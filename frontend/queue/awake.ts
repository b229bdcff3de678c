/** Keeps the screen, and with it the computer, from going to sleep while it is wanted. Where the browser can't, nothing happens. */
export class Awake {
  private wanted = false;
  private asking = false;
  private lock: WakeLockSentinel | null = null;

  constructor() {
    // The browser takes the lock back when the page is hidden.
    document.addEventListener("visibilitychange", () => void this.settle());
  }

  want(wanted: boolean): void {
    this.wanted = wanted;
    void this.settle();
  }

  private async settle(): Promise<void> {
    if (!this.wanted) {
      await this.lock?.release();
      this.lock = null;
      return;
    }
    if (this.asking || document.hidden || (this.lock && !this.lock.released) || !("wakeLock" in navigator)) return;
    this.asking = true;
    try {
      this.lock = await navigator.wakeLock.request("screen");
    } catch {
      // Saving power, or not allowed to this page.
    }
    this.asking = false;
    if (!this.wanted) await this.settle();
  }
}
