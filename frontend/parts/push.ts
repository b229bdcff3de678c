/** This browser's subscription to web push, which the service worker holds. */

/** A subscription as the server takes it. */
export function fields(subscription: PushSubscription): Record<string, string> {
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint: endpoint ?? "", p256dh: keys?.["p256dh"] ?? "", auth: keys?.["auth"] ?? "" };
}

function fromText(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
}

function toText(bytes: ArrayBuffer): string {
  const plain = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Whether this browser knows web push here. An iPhone knows it only in what is on its home screen. */
export function canPush(): boolean {
  return isSecureContext && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** What this browser has; nothing while there is no worker. */
export async function held(): Promise<PushSubscription | undefined> {
  const registration = await navigator.serviceWorker.getRegistration("/");
  return (await registration?.pushManager.getSubscription()) ?? undefined;
}

/** Whether a subscription is the one that the server knows by this SHA-256 of its endpoint. */
export async function isKnown(subscription: PushSubscription | undefined, mark: string): Promise<boolean> {
  if (!subscription || !mark) return false;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(subscription.endpoint));
  return toText(digest) === mark;
}

/** Subscribe with the server's key. One that was made with another key reaches nobody, and is given up first. */
export async function subscribe(key: string): Promise<PushSubscription> {
  const { pushManager } = await navigator.serviceWorker.ready;
  const present = await pushManager.getSubscription();
  const made = present?.options.applicationServerKey;
  if (present && made && toText(made) !== key) await present.unsubscribe();
  return await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: fromText(key) });
}
