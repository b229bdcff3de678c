/**
 * The service worker. Each part adds its own listeners; the server writes `BUILD` before the first line.
 *
 * Built by itself into one classic script (vite.worker.config.ts), and served at /sw.js for the whole site.
 */
import { listenForLife } from "./life";
import { listenForRequests } from "./offline";
import { listenForPush } from "./push";

declare const self: ServiceWorkerGlobalScope;

listenForLife(self);
listenForRequests(self);
listenForPush(self);
