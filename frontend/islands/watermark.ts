/** An event's watermark: how it looks while it is being set, and how far the photos are. */
import { find } from "../parts/find";

const FOLLOW_MS = 1500;
const TRIAL_PX = 100;
const SVG = "http://www.w3.org/2000/svg";

const scene = find<SVGSVGElement>("[data-mark]");
const drawn = find<SVGGElement>("[data-drawn]", scene);
const form = find<HTMLFormElement>("[data-watermark]");
const given = (name: string): number => Number(scene.dataset[name]);

interface Box {
  width: number;
  height: number;
  /** Makes the mark with its top left corner there. */
  at: (left: number, top: number) => SVGElement;
}

/** The picture in the largest size that fits, as the worker draws it; drawn once its bytes are there. */
function picture(sent: HTMLImageElement, wide: number, high: number): Box | null {
  if (!sent.naturalWidth || !sent.naturalHeight) {
    sent.addEventListener("load", draw, { once: true });
    return null;
  }
  const scale = Math.min(wide / sent.naturalWidth, high / sent.naturalHeight);
  const [width, height] = [sent.naturalWidth * scale, sent.naturalHeight * scale];
  const at = (left: number, top: number): SVGElement => {
    const image = document.createElementNS(SVG, "image");
    image.setAttribute("href", sent.src);
    for (const [name, value] of Object.entries({ x: left, y: top, width, height })) image.setAttribute(name, `${value}`);
    return image;
  };
  return { width, height, at };
}

/** The text, measured by its letters' own outlines as the worker does. */
function letters(text: string, wide: number, high: number): Box | null {
  const pen = document.createElement("canvas").getContext("2d");
  if (!pen || !text.trim()) return null;
  pen.font = `650 ${TRIAL_PX}px ${getComputedStyle(find(".watermark__text", scene)).fontFamily}`;
  const seen = pen.measureText(text);
  const across = seen.actualBoundingBoxLeft + seen.actualBoundingBoxRight;
  const down = seen.actualBoundingBoxAscent + seen.actualBoundingBoxDescent;
  if (!across || !down) return null;
  const scale = Math.min(wide / across, high / down);
  const at = (left: number, top: number): SVGElement => {
    const words = document.createElementNS(SVG, "text");
    words.textContent = text;
    words.setAttribute("class", "watermark__text");
    words.setAttribute("x", `${left + seen.actualBoundingBoxLeft * scale}`);
    words.setAttribute("y", `${top + seen.actualBoundingBoxAscent * scale}`);
    words.setAttribute("font-size", `${TRIAL_PX * scale}`);
    return words;
  };
  return { width: across * scale, height: down * scale, at };
}

function places(position: string, width: number, height: number, box: Box): [number, number][] {
  const margin = Math.min(width, height) * given("margin");
  if (position === "centre") return [[(width - box.width) / 2, (height - box.height) / 2]];
  if (position === "tiled") {
    const [across, down] = [box.width * given("across"), box.height * given("down")];
    const found: [number, number][] = [];
    for (let row = 0, top = margin; top < height; row += 1, top += down) {
      for (let left = margin - (row % 2 ? across / 2 : 0); left < width; left += across) found.push([left, top]);
    }
    return found;
  }
  return [[
    position.endsWith("left") ? margin : width - box.width - margin,
    position.startsWith("top") ? margin : height - box.height - margin,
  ]];
}

function draw(): void {
  const said = new FormData(form);
  const word = (name: string): string => String(said.get(name) ?? "");
  const { width, height } = scene.viewBox.baseVal;
  const margin = Math.min(width, height) * given("margin");
  const wide = Math.min((width * Number(word("size"))) / 100, width - 2 * margin);
  const sent = document.querySelector<HTMLImageElement>(".watermark__sent");
  const box = word("kind") === "picture"
    ? sent && picture(sent, wide, height * given("pictureHeight"))
    : letters(word("text"), wide, height * given("textHeight"));
  drawn.setAttribute("opacity", `${Number(word("opacity")) / 100}`);
  // The last text stays in place, out of sight: its font is what letters are measured with.
  const made = box ? places(word("position"), width, height, box).map(([left, top]) => box.at(left, top)) : [];
  drawn.querySelectorAll("[data-made]").forEach((each) => each.remove());
  made.forEach((each) => each.setAttribute("data-made", ""));
  drawn.querySelector(".watermark__text:not([data-made])")?.setAttribute("visibility", "hidden");
  drawn.append(...made);
  form.querySelectorAll<HTMLOutputElement>("output").forEach((each) => {
    each.value = `${word(each.htmlFor.value)} %`;
  });
}

/** Put the present state in place of itself while photos are made anew. */
async function follow(): Promise<void> {
  if (!document.querySelector("#remaking[data-waiting]")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const news = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("remaking");
    if (news) find("#remaking").replaceWith(news);
  } catch {
    // The next round asks again.
  }
  setTimeout(() => void follow(), FOLLOW_MS);
}

form.addEventListener("input", draw);
// A picture that was sent or removed: another part of the page is put in place of the old one.
const sending = document.querySelector(".watermark__send");
if (sending) new MutationObserver(draw).observe(sending, { childList: true });
void document.fonts.ready.then(draw);
draw();
setTimeout(() => void follow(), FOLLOW_MS);
