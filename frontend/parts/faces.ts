type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/** The face box of a photo as fractions of its width and height, when the template knows one. */
function boxOf(link: HTMLElement): Box | undefined {
  const parts = link.dataset["face"]?.split(",").map(Number);
  return parts?.length === 4 && parts.every(Number.isFinite) ? (parts as unknown as Box) : undefined;
}

/** Where a square crop must look so that `centre` (a fraction of the long side) is in its middle, in percent. */
function crop(centre: number, stretch: number): string {
  if (stretch <= 1) return "50%";
  const start = Math.min(stretch - 1, Math.max(0, centre * stretch - 0.5));
  return `${((start / (stretch - 1)) * 100).toFixed(1)}%`;
}

/** On a phone tiles are squares: keep the person they are about inside. */
export function keepFaceInView(tile: HTMLElement): void {
  const link = tile.querySelector<HTMLElement>("[data-face]");
  const image = link?.querySelector<HTMLImageElement>("img:not(.tile__blur)");
  const box = link && boxOf(link);
  if (!image || !box) return;
  // From the attributes: what the properties say has to be laid out first, for each of thousands of tiles.
  const ratio = Number(image.getAttribute("width")) / Number(image.getAttribute("height")) || 1;
  image.style.objectPosition = `${crop((box[0] + box[2]) / 2, ratio)} ${crop((box[1] + box[3]) / 2, 1 / ratio)}`;
}

const ROOM = 0.35;

/** Draw a ring around the face that a question is about. */
export function markFace(question: HTMLElement): void {
  const link = question.querySelector<HTMLElement>("[data-face]");
  const frame = link?.querySelector<HTMLElement>("[data-frame]");
  const box = link && boxOf(link);
  if (!frame || !box || frame.querySelector(".face")) return;
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const ring = document.createElement("span");
  ring.className = "face";
  ring.style.left = `${(box[0] - width * ROOM) * 100}%`;
  ring.style.top = `${(box[1] - height * ROOM) * 100}%`;
  ring.style.width = `${width * (1 + 2 * ROOM) * 100}%`;
  ring.style.height = `${height * (1 + 2 * ROOM) * 100}%`;
  frame.append(ring);
}
