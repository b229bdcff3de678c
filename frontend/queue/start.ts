/** Photos into an event: where they are dropped or chosen, the queue that sends them, the tray that says how far it is. */
import { fill, find, spell } from "../parts/find";
import { chosen, filesBelow, filesOf, type Handle } from "./files";
import { type Found, keyOf, markOf } from "./item";
import { Memory } from "./memory";
import { Queue } from "./queue";
import { Remembered } from "./remembered";
import { limitSentence, type Plan } from "./room";
import { SignIn } from "./sign_in";
import { Tray } from "./tray";

type Picker = { showDirectoryPicker?(wish: { mode: "read" }): Promise<Handle> };

/**
 * Every photo that the server took is told to the page by an event on the document, for the grid to show it:
 * `trouvaille:photo-added`, whose `detail.id` is the photo's id.
 */
export function startQueue(base: string): void {
  const url = `${base}/uploads`;
  const form = find<HTMLFormElement>("[data-drop]");
  const texts = find("[data-tray]").dataset;
  const viewer = texts["viewer"] ?? "";
  const scope = `trouvaille ${base} ${viewer}`;
  const memory = new Memory(scope);
  const noRoom = ({ fits, over, limit }: Plan): string => {
    if (!limit) return "";
    const values = { fit: spell(fits.length), offered: spell(fits.length + over.length) };
    return `${fill(texts["roomNone"] ?? "", values)} ${limitSentence(limit, texts)}`;
  };
  const words = { noAnswer: texts["noAnswer"] ?? "", refused: texts["refused"] ?? "", unreadable: texts["unreadable"] ?? "", noRoom };
  const queue: Queue = new Queue(url, viewer, scope, words, memory, () => tray.draw());
  const signIn = new SignIn(url, viewer, () => queue.resume());
  const tray = new Tray(() => queue, () => signIn.show());

  const take = (found: Found[], addresses?: ReadonlyMap<string, string>): void => {
    const byMark = addresses ?? remembered.match(found).addresses;
    queue.clear();
    const byKey = found.flatMap((each) => {
      const address = byMark.get(markOf(each.file));
      return address ? [[keyOf(each), address] as const] : [];
    });
    if (found.length) queue.add(found, new Map(byKey));
  };
  const remembered: Remembered = new Remembered(memory, scope, take);

  const takeWithHandles = (found: Found[], handles: Handle[]): void => {
    if (handles.length) void memory.keepHandles(handles);
    take(found);
  };

  enableFields(form, take);
  // An archived event takes no photos.
  if (!form.hidden) {
    enableDrop(takeWithHandles);
    enablePicker(find<HTMLInputElement>("[data-folder] input", form), takeWithHandles);
    void remembered.look();
  }
  addEventListener("beforeunload", (event) => {
    if (queue.unfinished) event.preventDefault();
  });
}

function enableFields(form: HTMLFormElement, take: (found: Found[]) => void): void {
  form.classList.add("drop--ready");
  for (const part of form.querySelectorAll<HTMLElement>("[data-no-script]")) part.hidden = true;
  find("[data-drop-hint]", form).hidden = false;
  find("[data-folder]", form).hidden = false;
  for (const input of form.querySelectorAll<HTMLInputElement>("input[type=file]")) {
    const read = (): void => {
      const found = chosen(input.files ?? []);
      form.reset();
      take(found);
    };
    input.addEventListener("change", read);
    // On a slow network somebody has chosen before this script was there.
    if (input.files?.length) read();
  }
}

/** Where the browser can, a folder is chosen in a way that lets it be read again after the page was loaded anew. */
function enablePicker(field: HTMLInputElement, take: (found: Found[], handles: Handle[]) => void): void {
  field.addEventListener("click", (event) => {
    const { showDirectoryPicker } = window as Picker;
    if (!showDirectoryPicker || !event.isTrusted) return;
    event.preventDefault();
    void showDirectoryPicker.call(window, { mode: "read" })
      .then(async (handle) => take(await filesBelow(handle), [handle]))
      .catch((error: unknown) => {
        // Not given up, but not possible in this way: then in the plain one.
        if (!(error instanceof DOMException && error.name === "AbortError")) field.click();
      });
  });
}

/** The whole page is the target, so that nobody has to aim. */
function enableDrop(take: (found: Found[], handles: Handle[]) => void): void {
  const veil = find("[data-drag]");
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => (veil.hidden = !carriesFiles(event)));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  veil.addEventListener("dragleave", () => (veil.hidden = true));
  addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!event.dataTransfer || !carriesFiles(event)) return;
    event.preventDefault();
    void filesOf(event.dataTransfer).then(({ found, handles }) => take(found, handles));
  });
}
