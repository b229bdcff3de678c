/** Notices that the server sends by web push while no page is open: shown, opened, ended. */

/** As `news/notices.py` writes it. */
interface Notice {
  title: string;
  body: string;
  lang: string;
  tag: string;
  icon: string;
  /** Where a tap leads, on this server. */
  url: string;
  /** The button that ends these notices in this browser. */
  stop: { title: string; url: string };
}

/** Of the newer parts of these interfaces TypeScript's library knows nothing yet. */
interface Options extends NotificationOptions {
  actions?: { action: string; title: string }[];
  renotify?: boolean;
  timestamp?: number;
}

const STOP = "stop";

function read(data: PushMessageData | null): Notice | undefined {
  try {
    return data?.json() as Notice;
  } catch {
    return undefined;
  }
}

/** Browsers take the permission away from whoever shows nothing, so something is shown whatever came. */
async function show(scope: ServiceWorkerGlobalScope, notice: Notice | undefined): Promise<void> {
  if (!notice) return await scope.registration.showNotification("Trouvaille", { tag: "more" });
  const options: Options = {
    body: notice.body,
    lang: notice.lang,
    tag: notice.tag,
    // A newer one takes the place of the older one, and is heard.
    renotify: true,
    icon: notice.icon,
    data: { url: notice.url, stop: notice.stop.url },
    actions: [{ action: STOP, title: notice.stop.title }],
  };
  await scope.registration.showNotification(notice.title, options);
}

/** An address of this server; whatever else came leads to the start. */
function ours(scope: ServiceWorkerGlobalScope, address: unknown): URL {
  const origin = scope.location.origin;
  const url = new URL(typeof address === "string" ? address : "/", origin);
  return url.origin === origin ? url : new URL("/", origin);
}

/** Go to the photos in a tab that shows this event already, or open one. */
async function open(scope: ServiceWorkerGlobalScope, url: URL): Promise<void> {
  const tabs = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
  const event = /^\/e\/[^/]+\//.exec(url.pathname)?.[0] ?? "/";
  const tab = tabs.find((each) => new URL(each.url).pathname.startsWith(event));
  // Only a tab that this worker serves may be led on; another is opened then.
  const there = tab && (tab.url === url.href ? tab : await tab.navigate(url.href).catch(() => null));
  if (there) await there.focus();
  else await scope.clients.openWindow(url.href);
}

/** End these notices in this browser: here, and at the server, which says whether another event still needs them. */
async function stop(scope: ServiceWorkerGlobalScope, url: URL): Promise<void> {
  let last = true;
  try {
    const answer = await fetch(url, { method: "POST", headers: { Accept: "application/json" } });
    if (answer.ok) last = ((await answer.json()) as { last: boolean }).last;
  } catch {
    // Without a network the server learns of it from the push service, which takes nothing for this browser any more.
  }
  if (last) await (await scope.registration.pushManager.getSubscription())?.unsubscribe();
}

function fields(subscription: PushSubscription): Record<string, string> {
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint: endpoint ?? "", p256dh: keys?.["p256dh"] ?? "", auth: keys?.["auth"] ?? "" };
}

/** The browser gave this subscription up by itself: have another one, and tell the server which it replaces. */
async function renew(scope: ServiceWorkerGlobalScope, change: PushSubscriptionChangeEvent): Promise<void> {
  const old = change.oldSubscription;
  // Without the old one nobody knows whose it was; the next visit to the page arranges for a new one.
  if (!old) return;
  const key = old.options.applicationServerKey;
  const fresh = change.newSubscription
    ?? (key && await scope.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
  if (!fresh) return;
  const body = new URLSearchParams({ ...fields(fresh), old: old.endpoint });
  await fetch("/push/renew", { method: "POST", body });
}

/** Browsers have this event; TypeScript's library does not. */
interface PushSubscriptionChangeEvent extends ExtendableEvent {
  readonly oldSubscription: PushSubscription | null;
  readonly newSubscription: PushSubscription | null;
}

/** Add the listeners of web push. */
export function listenForPush(scope: ServiceWorkerGlobalScope): void {
  scope.addEventListener("push", (event) => event.waitUntil(show(scope, read(event.data))));
  scope.addEventListener("notificationclick", (event) => {
    event.notification.close();
    const data = event.notification.data as { url?: string; stop?: string } | null;
    const act = event.action === STOP ? stop(scope, ours(scope, data?.stop)) : open(scope, ours(scope, data?.url));
    event.waitUntil(act);
  });
  scope.addEventListener("pushsubscriptionchange", (event) => {
    const change = event as unknown as PushSubscriptionChangeEvent;
    change.waitUntil(renew(scope, change));
  });
}
