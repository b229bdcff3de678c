/**
 * What a guest saw last of their own photos, for when there is no network.
 *
 * Kept for one guest in one session at a time, under the word that the server's answers carry. The server's list decides
 * what stays. Whatever is doubtful is cleared: it comes back by itself, and nobody sees another's.
 */
import { LIST, TOO_OLD_MS, WHOSE, WRITTEN, type Kept, type Told } from "./names";
import { dropOldFiles, store } from "./statics";

declare const self: ServiceWorkerGlobalScope;

const OFTEN_MS = 10_000;
const AT_ONCE = 4;
/** The viewer is not who they were, or what they saw is not there any more. */
const REFUSED = [401, 403, 404, 410];

/** Counts what must make an answer that was asked for before it void. */
let turn = 0;
let last: string | null | undefined;
let lastLook = 0;
let from: string | undefined;
let again = false;
let looking: Promise<void> | undefined;
let soon: Promise<void> | undefined;
/** Thumbnails that are to be fetched, and those that come by themselves. */
const wanted = new Set<string>();
const coming = new Set<string>();

interface Mine {
  name: string;
  cache: Cache;
  list: Kept;
}

export const pathOf = (address: string): string => {
  const url = new URL(address, location.origin);
  return url.pathname + url.search;
};

/** Two workers may be there for a moment, the old one and the new one: the lock is the browser's. */
function alone<T>(run: () => Promise<T>): Promise<T> {
  return navigator.locks.request("kept", run) as Promise<T>;
}

async function names(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(WRITTEN));
}

async function drop(but?: string): Promise<void> {
  for (const name of await names()) if (name !== but) await caches.delete(name);
}

/** Forget everything about guests. */
export async function clear(): Promise<void> {
  turn += 1;
  wanted.clear();
  await alone(() => drop());
}

async function mine(): Promise<Mine | undefined> {
  for (const name of await names()) {
    const cache = await caches.open(name);
    const answer = await cache.match(LIST);
    if (answer) return { name, cache, list: (await answer.json()) as Kept };
  }
  return undefined;
}

/** Whether anything is kept; what was not confirmed for too long goes. */
async function present(): Promise<Mine | undefined> {
  const found = await mine();
  if (!found || Date.now() - found.list.at <= TOO_OLD_MS) return found;
  await clear();
  return undefined;
}

/** Whether there is a guest whose photos are kept. */
export async function lookedAfter(): Promise<boolean> {
  return (await names()).length > 0;
}

/** Take note of whose answer this is, before anybody reads it: nobody else's photos stay. */
export async function heed(answer: Response): Promise<void> {
  // An answer that says "not now" was perhaps given before anybody looked who asks.
  if (!answer.ok && !REFUSED.includes(answer.status)) return;
  const whose = answer.headers.get(WHOSE);
  if (whose !== last) turn += 1;
  last = whose;
  if ((await names()).some((name) => name !== WRITTEN + whose)) await clear();
}

/** Keep a thumbnail that the guest has just been shown, if it is one of their own photos. */
export async function take(address: string, answer: Response): Promise<void> {
  const path = pathOf(address);
  coming.add(path);
  await (soon ?? looking);
  await put(path, answer);
  coming.delete(path);
}

async function put(path: string, answer: Response): Promise<void> {
  const whose = answer.headers.get(WHOSE);
  await alone(async () => {
    const here = await mine();
    const photo = here?.list.photos.find((each) => each.thumb === path);
    if (!here || !photo || here.name !== WRITTEN + whose) return;
    if (bare(answer.headers.get("ETag")) === bare(photo.tag)) await here.cache.put(path, answer);
    else await here.cache.delete(path);
  }).catch(() => undefined); // The disk is full: then this one is not there later.
}

/** A proxy may weaken a tag. */
const bare = (tag: string | null): string => (tag ?? "").replace(/^W\//, "");

/** Take a thumbnail away that the server refuses. */
export async function refuse(address: string, status: number): Promise<void> {
  if (!REFUSED.includes(status)) return;
  await alone(async () => (await mine())?.cache.delete(pathOf(address)));
  if (status === 401) await look();
}

/** Keep these thumbnails too, which a page shows: it had them in another size, or before the list was here. */
export async function seen(thumbs: string[]): Promise<void> {
  thumbs.forEach((each) => wanted.add(each));
  await (soon ?? looking);
  const here = await present();
  if (here) await fillThumbs(here).catch(() => undefined); // No network: the next look at them asks again.
}

async function fillThumbs(here: Mine): Promise<void> {
  const keys = new Set((await here.cache.keys()).map((each) => pathOf(each.url)));
  const missing = here.list.photos.map((each) => each.thumb)
    .filter((each) => wanted.has(each) && !keys.has(each) && !coming.has(each));
  wanted.clear();
  const few = async (): Promise<void> => {
    for (let next = missing.pop(); next; next = missing.pop()) {
      const answer = await fetch(next);
      if (answer.ok) await put(next, answer);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, few));
}

/** Something that is kept, while there is no network. */
export async function find(address: string): Promise<Response | undefined> {
  return (await present())?.cache.match(pathOf(address), { ignoreVary: true });
}

/** The page that stands in for those of an event whose photos are here. */
export async function standIn(code: string): Promise<Response | undefined> {
  const here = await present();
  if (here?.list.from.split("/")[2]?.toUpperCase() !== code.toUpperCase()) return undefined;
  return await here.cache.match(here.list.page, { ignoreVary: true });
}

/**
 * Ask the server what may be kept, and do as it says. Those who ask meanwhile are served by one more round.
 *
 * `address`: where a guest's list is; without it, that of what is kept.
 */
export function look(address?: string): Promise<void> {
  from = address ?? from;
  again = true;
  looking ??= rounds().finally(() => (looking = undefined));
  return looking;
}

/** The same, but not as often as photos come in. */
export function lookSoon(): Promise<void> {
  const wait_ms = Math.max(0, lastLook + OFTEN_MS - Date.now());
  soon ??= new Promise((done) => setTimeout(done, wait_ms)).then(() => look()).finally(() => (soon = undefined));
  return soon;
}

async function rounds(): Promise<void> {
  while (again) {
    again = false;
    lastLook = Date.now();
    // No network, or none any more; the next page asks again.
    await round().catch(() => undefined);
  }
}

async function round(): Promise<void> {
  const address = from ?? (await present())?.list.from;
  if (!address) return;
  const before = turn;
  const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store" });
  const whose = answer.headers.get(WHOSE);
  if (REFUSED.includes(answer.status) || (answer.ok && !whose)) {
    from = undefined;
    await clear();
    if (answer.status === 404 || answer.status === 410) await leaveWithTheServer();
    return;
  }
  if (!answer.ok) return;
  const list: Kept = { ...((await answer.json()) as Told), from: address, at: Date.now() };
  const here = await alone(async () => (before === turn ? await write(WRITTEN + whose, list) : undefined));
  if (here) await fill(here);
}

/** Put a list in force: what it does not name, or names with other bytes, goes. */
async function write(name: string, list: Kept): Promise<Mine> {
  await drop(name);
  const cache = await caches.open(name);
  const tags = new Map(list.photos.map((each) => [each.thumb, bare(each.tag)]));
  for (const request of await cache.keys()) {
    const path = pathOf(request.url);
    if ([LIST, list.page, list.theme].includes(path)) continue;
    const tag = tags.get(path);
    const known = tag === undefined ? undefined : await cache.match(request, { ignoreVary: true });
    if (known && bare(known.headers.get("ETag")) === tag) continue;
    await cache.delete(request);
    // It was seen once and is still theirs, in other bytes.
    if (tag !== undefined) wanted.add(path);
  }
  await cache.put(LIST, Response.json(list));
  return { name, cache, list };
}

/** Fetch what is missing of a list that has just been put in force. */
async function fill(here: Mine): Promise<void> {
  // The page comes last: where it is, all that it needs is.
  await store(here.list.files);
  if (!(await here.cache.match(here.list.page))) {
    await fetchInto(here, here.list.theme);
    await fetchInto(here, here.list.page);
  }
  await dropOldFiles();
  await fillThumbs(here);
}

async function fetchInto(here: Mine, path: string): Promise<void> {
  const before = turn;
  const answer = await fetch(path, { cache: path === here.list.page ? "no-store" : "default" });
  const whose = answer.headers.get(WHOSE);
  // A style sheet is the event's, and carries nobody's word.
  if (!answer.ok || (whose !== null && here.name !== WRITTEN + whose)) return;
  await alone(async () => {
    if (before === turn && (await caches.has(here.name))) await (await caches.open(here.name)).put(path, answer);
  });
}

/** A server that knows no worker (an older release, or another program) shall not be served by this one. */
async function leaveWithTheServer(): Promise<void> {
  const script = await fetch("/sw.js", { cache: "no-store" });
  if (script.status !== 404 && script.status !== 410) return;
  for (const name of await caches.keys()) await caches.delete(name);
  await self.registration.unregister();
}
