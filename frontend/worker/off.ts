/** Served in place of the worker where it is switched off: browsers that have one take this for its update. */

declare const self: ServiceWorkerGlobalScope;

/** What the worker before was in the middle of may still write for a while: then it is cleared again, so many ms later. */
const AGAIN_MS = [1000, 3000, 9000];

async function clear(): Promise<void> {
  for (const name of await caches.keys()) await caches.delete(name);
}

async function leave(): Promise<void> {
  await clear();
  await self.registration.unregister();
  for (const wait_ms of AGAIN_MS) {
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
    await clear();
  }
}

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(leave()));

export {};
