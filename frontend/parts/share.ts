import { snack } from "./snack";

export interface Shared {
  name: string;
  /** The picture, where the event lets guests take it home. */
  picture: string | undefined;
  /** A page that opens for those who may see the photo, and for nobody else. */
  page: string;
}

async function fileOf(shared: Shared): Promise<File | undefined> {
  if (!shared.picture || !navigator.canShare) return undefined;
  try {
    const answer = await fetch(shared.picture);
    if (!answer.ok) return undefined;
    const file = new File([await answer.blob()], `${shared.name.replace(/\.\w+$/, "")}.jpg`, { type: "image/jpeg" });
    return navigator.canShare({ files: [file] }) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Hand a photo to the phone's share sheet: the picture where that is allowed, else its link, else copy the link. */
export async function share(shared: Shared, texts: DOMStringMap): Promise<void> {
  const url = new URL(shared.page, location.href).href;
  if (typeof navigator.share === "function") {
    const file = await fileOf(shared);
    for (const data of file ? [{ files: [file] }, { url }] : [{ url }]) {
      try {
        await navigator.share(data);
        return;
      } catch (error) {
        // Closing the sheet is an answer; anything else, as a tap that is too long ago, tries the next way.
        if (error instanceof DOMException && error.name === "AbortError") return;
      }
    }
  }
  try {
    await navigator.clipboard.writeText(url);
    snack(texts["copied"] ?? "");
  } catch {
    snack(`${texts["link"] ?? ""} ${url}`);
  }
}
