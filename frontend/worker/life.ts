/** How one version of the worker takes over from another. */
import { look, lookedAfter } from "./kept";
import { STATICS, WRITTEN } from "./names";
import { dropOldFiles } from "./statics";

/** Caches in a form that this version does not know. */
async function dropUnknown(): Promise<void> {
  for (const name of await caches.keys()) {
    if (!name.startsWith(STATICS) && !name.startsWith(WRITTEN)) await caches.delete(name);
  }
}

/**
 * A new worker serves at once: pages name their files by hash, so an open page gets what it was made with or nothing.
 * The files of the release before stay until the page without a network has those of this one.
 */
async function takeOver(scope: ServiceWorkerGlobalScope): Promise<void> {
  await dropUnknown();
  await scope.clients.claim();
  if (await lookedAfter()) await look();
  else await dropOldFiles();
}

export function listenForLife(scope: ServiceWorkerGlobalScope): void {
  scope.addEventListener("install", () => void scope.skipWaiting());
  scope.addEventListener("activate", (event) => event.waitUntil(takeOver(scope)));
}
