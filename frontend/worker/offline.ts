/** Which requests the worker answers. All others pass it by: streams, forms, downloads, the API, signing in, the studio. */
import { find, heed, look, lookSoon, refuse, seen, standIn, take } from "./kept";
import type { Word } from "./names";
import { isStatic, serveStatic } from "./statics";

const PAGE = /^\/e\/([^/]+)(?:\/photos(?:\/[0-9a-f-]{36})?|\/me|\/contact)?\/?$/;
const LIST_OF_TILES = /^\/e\/[^/]+\/photos$/;
const THUMB = /^\/e\/[^/]+\/p\/[0-9a-f-]{36}\/thumb$/;
const THEME = /^\/e\/[^/]+\/theme\.css$/;
/** A page that takes longer is not waited for by somebody who can look at something else meanwhile. */
const PATIENCE_MS = 6000;
/** After the server answered again, so long nothing stands in for a page that is only slow. */
const TRUST_MS = 60_000;
/** What a proxy says whose server is not there; the server itself never says so. */
const AWAY = [502, 504];

let trusted = 0;

interface WithSync extends ServiceWorkerRegistration {
  /** In Chromium alone. */
  sync?: { register(tag: string): Promise<void> };
}

/** Take care of pages and pictures of events. */
export function listenForRequests(scope: ServiceWorkerGlobalScope): void {
  scope.addEventListener("fetch", (event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method !== "GET" || url.origin !== location.origin) return;
    if (isStatic(url.pathname)) serveStatic(event);
    else if (THUMB.test(url.pathname)) event.respondWith(thumbnail(event));
    else if (THEME.test(url.pathname)) event.respondWith(orKept(request));
    else if (request.mode === "navigate") {
      const code = PAGE.exec(url.pathname)?.[1];
      if (code) event.respondWith(page(event, code, scope.registration));
    } else if (request.headers.has("X-Fragment") && LIST_OF_TILES.test(url.pathname)) event.waitUntil(lookSoon());
  });
  scope.addEventListener("message", (event) => {
    const word = event.data as Word;
    if (word.kind === "look") event.waitUntil(look(word.from));
    else if (word.kind === "seen") event.waitUntil(seen(word.thumbs));
    else if (word.kind === "answers") trusted = Date.now() + TRUST_MS;
  });
  // Back online, perhaps with no page open: what was hidden meanwhile goes.
  scope.addEventListener("sync" as "message", (event) => event.waitUntil(look()));
}

async function orKept(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch {
    return (await find(request.url)) ?? Response.error();
  }
}

async function thumbnail(event: FetchEvent): Promise<Response> {
  const { request } = event;
  let answer: Response;
  try {
    answer = await fetch(request);
  } catch {
    return (await find(request.url)) ?? Response.error();
  }
  if (answer.status === 200) event.waitUntil(take(request.url, answer.clone()));
  else event.waitUntil(refuse(request.url, answer.status));
  return answer;
}

async function page(event: FetchEvent, code: string, registration: WithSync): Promise<Response> {
  const waiting = fetch(event.request);
  const answer = await inTime(waiting).catch(() => undefined);
  if (answer && !AWAY.includes(answer.status)) {
    await heed(answer);
    return answer;
  }
  const instead = await standIn(code);
  if (!instead) return await waiting;
  waiting.catch(() => undefined);
  event.waitUntil(registration.sync?.register("look").catch(() => undefined) ?? Promise.resolve());
  return instead;
}

/** Nothing when it takes too long, unless the server has just shown that it answers. */
function inTime(waiting: Promise<Response>): Promise<Response | undefined> {
  if (Date.now() < trusted) return waiting;
  return Promise.race([waiting, new Promise<undefined>((done) => setTimeout(done, PATIENCE_MS, undefined))]);
}
