/** Bringing photos in: imports as they are now, and a ZIP that goes up in parts. */
import { fragment } from "../parts/ask";
import { find } from "../parts/find";
import { listen } from "../parts/live";

const REFRESH_MS = 1000;

const root = find("#imports");
const base = root.dataset["base"] ?? "";
const list = find("[data-imports]", root);

let refreshing = false;
let refreshAgain = false;

/** Somebody is about to press something, or reads what was refused. */
function inUse(): boolean {
  return Boolean(list.querySelector("dialog[open], button:hover, button:focus-visible"));
}

function put(news: DocumentFragment): void {
  const open = [...list.querySelectorAll("article:has(details[open])")].map((each) => each.getAttribute("aria-labelledby"));
  for (const article of news.querySelectorAll("article")) {
    if (open.includes(article.getAttribute("aria-labelledby"))) article.querySelector("details")?.setAttribute("open", "");
  }
  list.replaceChildren(news);
}

async function refresh(): Promise<void> {
  if (refreshing) {
    refreshAgain = true;
    return;
  }
  refreshing = true;
  try {
    const news = await fragment(base);
    if (inUse()) refreshAgain = true;
    else put(news);
  } catch {
    // The next message or the next poll tries again.
  }
  window.setTimeout(() => {
    refreshing = false;
    if (refreshAgain) {
      refreshAgain = false;
      void refresh();
    }
  }, REFRESH_MS);
}

listen(`${base}/live`, { imports: () => void refresh() }, () => void refresh());

const PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 30_000;
const STUMBLES = 4;

const zip = document.querySelector<HTMLElement>("[data-zip]");
if (zip) {
  const sending = find("[data-sending]");
  const bar = find<HTMLProgressElement>("[data-sending-bar]");
  const told = find("[data-told]");
  const input = find<HTMLInputElement>("input", zip);

  const show = (busy: boolean): void => {
    sending.hidden = !busy;
    zip.hidden = busy;
  };

  /** Until the server has all of it or says why not; a lost network is waited for. */
  const send = async (file: File): Promise<string> => {
    const { deliver } = await import("../queue/send");
    let address: string | null = null;
    let stumbles = 0;
    for (let pause_ms = PAUSE_MS; ; pause_ms = Math.min(LONGEST_PAUSE_MS, pause_ms * 2)) {
      const outcome = await deliver(root.dataset["uploads"] ?? "", file, {
        resumeAt: address,
        onAddress: (url) => (address = url),
        onProgress: (sent_bytes) => (bar.value = file.size ? sent_bytes / file.size : 0),
        onStart: () => undefined,
      });
      if (outcome.kind === "added" || outcome.kind === "duplicate") return root.dataset["sent"] ?? "";
      if (outcome.kind === "refused" || outcome.kind === "full" || outcome.kind === "stop") return outcome.reason;
      if (outcome.kind === "stumbled" && ++stumbles >= STUMBLES) return root.dataset["noAnswer"] ?? "";
      if (outcome.kind === "signed-out") return root.dataset["refused"] ?? "";
      if (outcome.kind === "stumbled") address = null;
      const wait_ms = outcome.kind === "away" ? Math.max(outcome.after_ms, pause_ms) : pause_ms;
      await new Promise((resolve) => window.setTimeout(resolve, wait_ms));
    }
  };

  zip.hidden = false;
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    told.textContent = "";
    find("[data-sending-name]").textContent = file.name;
    show(true);
    void send(file)
      .then((words) => (told.textContent = words))
      .finally(() => {
        show(false);
        void refresh();
      });
  });
  window.addEventListener("beforeunload", (event) => {
    if (!sending.hidden) event.preventDefault();
  });
}

/** Only the fields that the chosen kind of server has. */
const remote = document.querySelector<HTMLFormElement>("[data-remote]");
if (remote) {
  const kind = find<HTMLSelectElement>("select", remote);
  const show = (): void => {
    for (const part of remote.querySelectorAll<HTMLElement>("[data-for]")) {
      part.hidden = !(part.dataset["for"] ?? "").split(" ").includes(kind.value);
    }
  };
  kind.addEventListener("change", show);
  show();
}
