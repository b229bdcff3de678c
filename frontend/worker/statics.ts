/** The built files: their names change with their bytes, so what is here is right. */
import { STATICS } from "./names";

declare global {
  /** Stands for the built files of this server; it changes the worker's bytes with every release. */
  var BUILD: string;
}

const HASHED = /^\/static\/assets\/[^/]+-[\w-]{8}\.\w+$/;

export function isStatic(path: string): boolean {
  return HASHED.test(path);
}

async function fetched(request: Request, keep: (done: Promise<unknown>) => void): Promise<Response> {
  const cache = await caches.open(STATICS + BUILD);
  const known = await cache.match(request, { ignoreVary: true });
  if (known) return known;
  const answer = await fetch(request).catch(async (away: unknown) => {
    // The release before may have had it; this page may be of that release.
    const older = await caches.match(request, { ignoreVary: true });
    if (older) return older;
    throw away;
  });
  // A full disk is no reason to do without the file.
  if (answer.status === 200) keep(cache.put(request, answer.clone()).catch(() => undefined));
  return answer;
}

/** Answer with a built file. */
export function serveStatic(event: FetchEvent): void {
  event.respondWith(fetched(event.request, (done) => event.waitUntil(done)));
}

/** Do without the files of other releases. */
export async function dropOldFiles(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(STATICS) && name !== STATICS + BUILD) await caches.delete(name);
  }
}

/** Have these files here for when there is no network. Throws TypeError when there is none now. */
export async function store(paths: string[]): Promise<void> {
  for (const path of paths) {
    let kept: Promise<unknown> | undefined;
    await fetched(new Request(path), (done) => (kept = done));
    await kept;
  }
}
