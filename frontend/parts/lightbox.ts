import type PhotoSwipe from "photoswipe";
import type { SlideData } from "photoswipe";
import { iconMarkup } from "./find";
import type { Likes } from "./likes";
import { imageOf } from "./near";
import { share } from "./share";

// The view rendition is smaller than the photo; zooming further would only show its pixels.
const LONGEST_SIDE_PX = 2560;
const LOAD_BEFORE_END = 6;
const PHONE_PX = 640;

export interface Slide extends SlideData {
  id: string;
  name: string;
  file: string | undefined;
  small: string | undefined;
  bytes: string;
  page: string;
  mine: boolean;
}

/** What a page wants from its lightbox beyond looking. */
export interface Wishes {
  texts: DOMStringMap;
  /** Fetch the next page of tiles; resolves to the new links, empty at the end. */
  more?: () => Promise<HTMLElement[]>;
  /** Whether file names are shown: photographers think in them, guests don't. */
  names?: boolean;
  /** Offered for photos of the guest when given; resolves to whether the photo is to leave. */
  notMe?: (id: string) => Promise<boolean>;
  /** Offered as a heart when given. */
  likes?: Likes;
  /** Puts buttons of the page's own into the bar; `leave` takes the photo shown out of the lightbox. */
  verbs?: (bar: HTMLElement, shown: Shown) => void;
  /** The small picture that a slide grows from and shrinks to, where not every slide has one. */
  thumbOf?: (id: string) => HTMLElement | undefined;
  /** Whether there is a share button, and somebody to report a photo to. */
  guest?: boolean;
}

/** The photo that the lightbox shows now. */
export interface Shown {
  slide: () => Slide | undefined;
  onChange: (run: () => void) => void;
  onKey: (run: (event: KeyboardEvent) => void) => void;
  /** Take it out, and show its neighbour. */
  leave: (slide: Slide) => void;
  onClose: (run: () => void) => void;
}

/** How large a photo is shown at most, in CSS pixels. */
export function sizeShown(width: number, height: number): { width: number; height: number } {
  const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(width, height));
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

export function slideOf(link: HTMLElement): Slide {
  const width = Number(link.dataset["width"]) || 1500;
  const height = Number(link.dataset["height"]) || 1000;
  const image = imageOf(link);
  return {
    id: link.closest<HTMLElement>("[data-id]")?.dataset["id"] ?? "",
    name: link.dataset["name"] ?? "",
    file: link.dataset["file"],
    small: link.dataset["small"],
    bytes: link.dataset["bytes"] ?? "",
    page: link.getAttribute("href") ?? "",
    mine: link.closest("[data-mine]") !== null,
    src: link.dataset["view"] ?? "",
    msrc: image?.currentSrc ?? "",
    alt: image?.alt ?? "",
    ...sizeShown(width, height),
    element: link,
    thumbCropped: true,
  };
}

/** Fetch the code before the first tap needs it. */
export function warmUp(): void {
  const load = (): void => void import("photoswipe");
  if ("requestIdleCallback" in window) window.requestIdleCallback(load);
  else setTimeout(load, 1500);
}

/** Show `links` from `index` on. The browser's back button closes the lightbox instead of leaving the page. */
export function openLightbox(links: HTMLElement[], index: number, wishes: Wishes): Promise<void> {
  return openSlides(links.map(slideOf), index, wishes);
}

/** The same for slides that have no link on the page. */
export async function openSlides(slides: Slide[], index: number, wishes: Wishes): Promise<void> {
  const { default: PhotoSwipe } = await import("photoswipe");
  const texts = wishes.texts;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const lightbox = new PhotoSwipe({
    dataSource: slides,
    index,
    loop: false,
    preload: [1, 2],
    bgOpacity: 1,
    showHideAnimationType: still ? "none" : "zoom",
    showAnimationDuration: 200,
    hideAnimationDuration: 200,
    zoomAnimationDuration: still ? 0 : 200,
    arrowPrevTitle: texts["previous"] ?? "",
    arrowNextTitle: texts["next"] ?? "",
    closeTitle: texts["close"] ?? "",
    zoomTitle: texts["zoom"] ?? "",
    errorMsg: texts["broken"] ?? "",
    arrowPrevSVG: iconMarkup("chevron-left"),
    arrowNextSVG: iconMarkup("chevron-right"),
    closeSVG: iconMarkup("x"),
    // Room for the bars, so that nothing lies on the photo.
    paddingFn: (viewport) => ({ top: 60, bottom: viewport.x <= PHONE_PX ? 84 : 24, left: 0, right: 0 }),
  });
  lightbox.on("uiRegister", () => addActions(lightbox, slides, wishes));
  const { thumbOf } = wishes;
  if (thumbOf) {
    lightbox.addFilter("thumbEl", (known, data) => (thumbOf((data as Slide).id) ?? known) as HTMLElement);
    lightbox.addFilter("placeholderSrc", (known, content) => {
      const picture = thumbOf((content.data as Slide).id)?.querySelector("img");
      return picture?.currentSrc || known;
    });
  }
  if (wishes.more) loadAhead(lightbox, slides, wishes.more);
  askAgain(lightbox);
  closeOnBack(lightbox);
  lightbox.init();
  lightbox.element?.setAttribute("aria-label", document.title);
}

/** Our own buttons: beside the close button on a desk, under the thumb on a phone. */
function addActions(lightbox: PhotoSwipe, slides: Slide[], wishes: Wishes): void {
  const shown = (): Slide | undefined => lightbox.currSlide?.data as Slide | undefined;
  lightbox.ui?.registerElement({
    name: "actions",
    appendTo: "root",
    onInit: (bar) => {
      const { likes, notMe, texts } = wishes;
      if (likes) bar.append(heart(lightbox, likes, texts["favourite"] ?? "", shown));
      if (wishes.guest) {
        bar.append(press("share-2", texts["share"] ?? "", () => {
          const slide = shown();
          const page = slide?.page.split("?")[0] ?? "";
          if (slide) void share({ name: slide.name, page, picture: slide.file && String(slide.src) }, texts);
        }));
      }
      if (texts["download"]) bar.append(...downloads(lightbox, texts, shown));
      wishes.verbs?.(bar, {
        slide: shown,
        onChange: (run) => lightbox.on("change", run),
        onKey: (run) => lightbox.on("keydown", ({ originalEvent }) => run(originalEvent)),
        leave: (slide) => drop(lightbox, slides, slide),
        onClose: (run) => lightbox.on("destroy", run),
      });
      if (notMe) {
        const button = press("user-round-x", texts["notMe"] ?? "", () => {
          const slide = shown();
          if (slide) void notMe(slide.id).then((leaves) => leaves && drop(lightbox, slides, slide));
        });
        lightbox.on("change", () => (button.hidden = !shown()?.mine));
        bar.append(button);
      }
      if (wishes.guest && texts["near"]) {
        const link = action("a", "map-pin", texts["near"]);
        lightbox.on("change", () => {
          link.hidden = Boolean(shown()?.mine);
          link.href = `${shown()?.page.split("?")[0]}/ask#near-here`;
        });
        bar.append(link);
      }
      if (wishes.guest && texts["report"]) {
        const link = action("a", "flag", texts["report"]);
        lightbox.on("change", () => (link.href = `${shown()?.page.split("?")[0]}/ask`));
        bar.append(link);
      }
    },
  });
  if (!wishes.names) return;
  lightbox.ui?.registerElement({
    name: "name",
    order: 6,
    onInit: (element) => lightbox.on("change", () => (element.textContent = shown()?.name ?? "")),
  });
}

function heart(lightbox: PhotoSwipe, likes: Likes, label: string, shown: () => Slide | undefined): HTMLElement {
  const button = press("heart", label, () => {
    const slide = shown();
    if (slide) void likes.set(slide.id, !likes.has(slide.id));
  });
  const draw = (): void => button.setAttribute("aria-pressed", String(likes.has(shown()?.id ?? "")));
  likes.onChange(draw);
  lightbox.on("change", draw);
  lightbox.on("keydown", ({ originalEvent }) => {
    if (originalEvent.key === "f" && !originalEvent.ctrlKey && !originalEvent.metaKey) button.click();
  });
  return button;
}

/** One size is a link; of two, the button asks which. */
function downloads(lightbox: PhotoSwipe, texts: DOMStringMap, shown: () => Slide | undefined): HTMLElement[] {
  const link = action("a", "download", texts["download"] ?? "");
  link.download = "";
  const menu = document.createElement("div");
  menu.className = "pswp__menu";
  menu.hidden = true;
  const whole = action("a", "download", texts["original"] ?? "");
  const small = action("a", "send", texts["smaller"] ?? "");
  whole.download = small.download = "";
  menu.append(whole, small);
  const toggle = (open: boolean): void => {
    menu.hidden = !open;
    link.setAttribute("aria-expanded", String(open));
    if (open) whole.focus();
  };
  lightbox.on("change", () => {
    const slide = shown();
    link.hidden = !slide?.file;
    toggle(false);
    if (slide?.file) link.href = whole.href = slide.file;
    if (slide?.small) small.href = slide.small;
    whole.lastChild?.replaceWith(`${texts["original"] ?? ""} (${slide?.bytes ?? ""})`);
  });
  link.addEventListener("click", (event) => {
    if (!shown()?.small || !texts["smaller"]) return;
    event.preventDefault();
    toggle(menu.hidden !== false);
  });
  menu.addEventListener("click", () => toggle(false));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    toggle(false);
    link.focus();
  });
  return [link, menu];
}

function press(icon: string, label: string, run: () => void): HTMLButtonElement {
  const button = action("button", icon, label);
  button.type = "button";
  button.addEventListener("click", run);
  return button;
}

function action<T extends "a" | "button">(tag: T, icon: string, label: string): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  element.className = "pswp__action";
  element.innerHTML = iconMarkup(icon);
  element.append(label);
  return element;
}

/** Take one photo out while the lightbox is open, and show its neighbour. */
function drop(lightbox: PhotoSwipe, slides: Slide[], slide: Slide): void {
  const at = slides.indexOf(slide);
  if (at < 0) return;
  slides.splice(at, 1);
  if (slides.length === 0) return lightbox.close();
  const shown = Math.min(lightbox.currIndex, slides.length - 1);
  if (shown !== lightbox.currIndex) lightbox.goTo(shown);
  for (const index of [shown - 1, shown, shown + 1]) lightbox.refreshSlideContent(index);
  lightbox.dispatch("change");
}

function loadAhead(lightbox: PhotoSwipe, slides: Slide[], more: () => Promise<HTMLElement[]>): void {
  let loading = false;
  lightbox.on("change", () => {
    if (loading || lightbox.currIndex < slides.length - LOAD_BEFORE_END) return;
    loading = true;
    void more().then((links) => {
      slides.push(...links.map(slideOf));
      const ahead = lightbox.mainScroll.itemHolders[2];
      if (ahead && !ahead.slide && links.length) lightbox.setContent(ahead, lightbox.currIndex + 1, true);
      loading = links.length === 0;
      if (links.length) lightbox.dispatch("change");
    });
  });
}

/** A photo that did not come through is asked for again when the network is back; when one comes back to it PhotoSwipe does. */
function askAgain(lightbox: PhotoSwipe): void {
  const look = (): void => {
    if (lightbox.currSlide?.content.isError()) lightbox.refreshSlideContent(lightbox.currIndex);
  };
  addEventListener("online", look);
  lightbox.on("destroy", () => removeEventListener("online", look));
}

function closeOnBack(lightbox: PhotoSwipe): void {
  let ours = false;
  const back = (): void => {
    ours = false;
    // While it opens it can't be closed yet.
    if (lightbox.opener.isOpen) lightbox.close();
    else lightbox.on("openingAnimationEnd", () => setTimeout(() => lightbox.close()));
  };
  lightbox.on("beforeOpen", () => {
    history.pushState({ lightbox: true }, "");
    ours = true;
    window.addEventListener("popstate", back, { once: true });
  });
  lightbox.on("close", () => {
    window.removeEventListener("popstate", back);
    if (ours) history.back();
  });
  lightbox.on("destroy", () => {
    const place = document.getElementById("snacks");
    if (place) document.body.append(place);
  });
}
