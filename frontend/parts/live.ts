const POLL_MS = 10_000;
const HIDDEN_MS = 30_000;
const LONGEST_WAIT_MS = 30_000;
/** The server says something every 20 s: longer than two of them, and nobody is there any more. */
const SILENCE_MS = 45_000;

type Handlers = Record<string, (data: never) => void>;

/**
 * Hear what the server has to say, for as long as somebody looks at the page.
 *
 * A stream that breaks is opened again, later each time; while there is none, `poll` is called every ten seconds.
 * `opened` is called whenever it is open, for what happened before. A page in the background lets its stream go, since
 * browsers allow six connections to a server in all. A phone that changes its network is not told that a stream has
 * died with the old one: one that is silent is taken for dead, and all are when the phone is online again.
 */
export function listen(url: string, handlers: Handlers, poll: () => void, opened?: () => void): void {
  let source: EventSource | undefined;
  let failures = 0;
  let reopening: number | undefined;
  let hiding: number | undefined;
  let heard = 0;

  const close = (): void => {
    window.clearTimeout(reopening);
    source?.close();
    source = undefined;
  };

  const open = (): void => {
    close();
    source = new EventSource(url);
    const hear = (): void => void (heard = Date.now());
    hear();
    source.onopen = () => {
      hear();
      failures = 0;
      opened?.();
    };
    source.addEventListener("ping", hear);
    source.onerror = () => {
      // Any error ends this stream: waiting between attempts is ours, so that a thousand phones don't come back at once.
      close();
      const wait_ms = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** failures++);
      reopening = window.setTimeout(open, wait_ms * (0.5 + Math.random()));
    };
    for (const [event, handle] of Object.entries(handlers)) {
      source.addEventListener(event, (message) => {
        hear();
        handle(JSON.parse((message as MessageEvent<string>).data) as never);
      });
    }
  };

  document.addEventListener("visibilitychange", () => {
    window.clearTimeout(hiding);
    if (document.hidden) hiding = window.setTimeout(close, HIDDEN_MS);
    else if (!source) open();
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && open());
  window.addEventListener("online", () => !document.hidden && open());
  window.setInterval(() => {
    if (document.hidden) return;
    if (source?.readyState !== EventSource.OPEN) poll();
    else if (Date.now() - heard > SILENCE_MS) open();
  }, POLL_MS);
  open();
}
