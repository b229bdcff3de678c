/**
 * Lets one tab of this browser send to an event at a time, so that two don't send the same photos.
 *
 * Where the browser has no locks (a page without HTTPS) every tab has its turn at once, and the server tells by their
 * bytes that photos are the same.
 */
export class Turn {
  has = false;
  /** Another tab is sending; this one is next. */
  waits = false;
  private asking: AbortController | null = null;
  private release: (() => void) | null = null;

  constructor(private readonly scope: string, private readonly changed: () => void) {}

  want(): void {
    if (this.has || this.asking) return;
    if (!("locks" in navigator)) {
      this.has = true;
      this.changed();
      return;
    }
    void this.ask((this.asking = new AbortController()));
  }

  leave(): void {
    this.asking?.abort();
    this.asking = null;
    this.release?.();
    this.release = null;
    this.has = this.waits = false;
  }

  /** Say to the other tabs that what is remembered is in this one's hands, for as long as it is so. */
  static keep(scope: string): () => void {
    let release = (): void => undefined;
    const kept = new Promise<void>((resolve) => (release = resolve));
    if ("locks" in navigator) void navigator.locks.request(`${scope} kept`, { mode: "shared" }, () => kept);
    return release;
  }

  static async isKeptElsewhere(scope: string): Promise<boolean> {
    if (!("locks" in navigator)) return false;
    const { held } = await navigator.locks.query();
    return held?.some((lock) => lock.name === `${scope} kept`) ?? false;
  }

  private async ask(asking: AbortController): Promise<void> {
    const hold = (lock: Lock | null): Promise<void> | undefined => {
      if (asking.signal.aborted || !lock) return undefined;
      this.has = true;
      this.waits = false;
      this.changed();
      return new Promise((resolve) => (this.release = resolve));
    };
    try {
      await navigator.locks.request(this.scope, { ifAvailable: true }, hold);
      if (this.asking === asking && !this.has) {
        this.waits = true;
        this.changed();
        await navigator.locks.request(this.scope, { signal: asking.signal }, hold);
      }
    } catch {
      // Given up while waiting.
    }
    if (this.asking === asking) this.asking = null;
  }
}
