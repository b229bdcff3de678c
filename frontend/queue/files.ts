import type { Found } from "./item";

const NOT_PHOTOS = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

/** What TypeScript's own types of the File System API leave out. */
export interface Handle {
  readonly kind: "file" | "directory";
  readonly name: string;
  getFile?(): Promise<File>;
  values?(): AsyncIterable<Handle>;
  queryPermission?(wish: { mode: "read" }): Promise<PermissionState>;
  requestPermission?(wish: { mode: "read" }): Promise<PermissionState>;
}

type Dropped = DataTransferItem & { getAsFileSystemHandle?(): Promise<Handle | null> };

export interface Drop {
  found: Found[];
  /** By which the same files can be read after the page was loaded anew, where the browser has such. */
  handles: Handle[];
}

/** The files of a drop, those in its folders too; the system's own hidden files are left out. */
export async function filesOf(transfer: DataTransfer): Promise<Drop> {
  // The list is emptied when the event ends, so all is taken before anything is awaited.
  const items = [...transfer.items] as Dropped[];
  const entries = items.map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const asked = items.map((item) => item.getAsFileSystemHandle?.().catch(() => null));
  const found = entries.length ? (await Promise.all(entries.map(walk))).flat() : chosen(transfer.files);
  const handles = (await Promise.all(asked)).filter((handle) => !!handle);
  return { found: ordered(found), handles };
}

/** The files of a field; a folder's come with their paths. */
export function chosen(files: Iterable<File>): Found[] {
  return ordered([...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

/** As people number their files: 9 before 10. */
function ordered(found: Found[]): Found[] {
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  return found.filter(({ file }) => !NOT_PHOTOS.test(file.name)).sort((a, b) => compare(a.path, b.path));
}

async function walk(entry: FileSystemEntry): Promise<Found[]> {
  if (entry.isFile) {
    const path = entry.fullPath.replace(/^\//, "");
    const file = await new Promise<File | null>((resolve) =>
      (entry as FileSystemFileEntry).file(resolve, () => resolve(null)));
    return file ? [{ file, path }] : [];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Found[] = [];
  // A reader hands out a hundred entries at a time, and an empty list at the end.
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (batch.length === 0) return found;
    found.push(...(await Promise.all(batch.map(walk))).flat());
  }
}

// Each file is asked for on its own; many at once, so that thousands take a moment only.
const ASKED_AT_ONCE = 64;

/** The files below a handle whose permission was given. What can't be read is left out. */
export async function filesBelow(handle: Handle): Promise<Found[]> {
  const leaves = await leavesOf(handle, handle.name);
  const found: Found[] = [];
  for (let start = 0; start < leaves.length; start += ASKED_AT_ONCE) {
    const read = leaves.slice(start, start + ASKED_AT_ONCE).map(async ({ leaf, path }) => {
      const file = await leaf.getFile?.().catch(() => null);
      return file ? [{ file, path }] : [];
    });
    found.push(...(await Promise.all(read)).flat());
  }
  return ordered(found);
}

async function leavesOf(handle: Handle, path: string): Promise<{ leaf: Handle; path: string }[]> {
  if (!handle.values) return [{ leaf: handle, path }];
  const leaves: { leaf: Handle; path: string }[] = [];
  try {
    for await (const inside of handle.values()) leaves.push(...(await leavesOf(inside, `${path}/${inside.name}`)));
  } catch {
    // A folder that went away while it was read.
  }
  return leaves;
}
