/** Bringing photos in: imports as they are now, and a ZIP that goes up in parts. */
import { fragment } from "../parts/ask";
import { find } from "../parts/find";
import { listen } from "../parts/live";
import { Uploads } from "../parts/uploads";

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

const zip = document.querySelector<HTMLElement>("[data-zip]");
if (zip) {
  const sending = find("[data-sending]");
  const bar = find<HTMLProgressElement>("[data-sending-bar]");
  const told = find("[data-told]");
  const input = find<HTMLInputElement>("input", zip);
  const uploads: Uploads = new Uploads(
    root.dataset["uploads"] ?? "",
    { noAnswer: root.dataset["noAnswer"] ?? "", refused: root.dataset["refused"] ?? "" },
    () => {
      const item = uploads.items.at(-1);
      if (!item) return;
      const busy = uploads.busy;
      sending.hidden = !busy;
      zip.hidden = busy;
      bar.value = item.share;
      find("[data-sending-name]").textContent = item.file.name;
      if (busy) return;
      told.textContent = item.state === "added" ? (root.dataset["sent"] ?? "") : uploads.stopped || item.reason;
      if (item.state === "added") void refresh();
    },
  );
  zip.hidden = false;
  input.addEventListener("change", () => {
    told.textContent = "";
    uploads.add(input.files ?? []);
    input.value = "";
  });
  window.addEventListener("beforeunload", (event) => {
    if (uploads.busy) event.preventDefault();
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
