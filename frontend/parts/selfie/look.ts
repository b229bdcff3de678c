/** What a small picture of the live frame tells: light and sharpness where the face should be. Nothing leaves the device. */

export interface Light {
  /** Mean grey level inside the oval, 0-255. */
  oval: number;
  /** Mean grey level around it. */
  around: number;
  /** Standard deviation of the grey levels inside the oval: next to nothing on a wall, or behind a thumb. */
  contrast: number;
  /** How much of the finest detail a further blur would take: 1 where there is none to take. */
  sharpness: number;
}

export const WIDTH = 150;
export const HEIGHT = 200;

/** The oval of the guide, as fractions of what the viewer sees; `selfie.html` draws the same one. */
export const OVAL = { left: 0.187, top: 0.155, right: 0.813, bottom: 0.805 };

/** The part of a picture that a frame of 3 to 4 shows of it, in its pixels. */
export function shownPart(width: number, height: number): { x: number; y: number; width: number; height: number } {
  const shown = { width: Math.min(width, (height * WIDTH) / HEIGHT), height: Math.min(height, (width * HEIGHT) / WIDTH) };
  return { x: (width - shown.width) / 2, y: (height - shown.height) / 2, ...shown };
}

/** Grey levels of an RGBA picture, 0-255. */
export function greyOf(rgba: Uint8ClampedArray): Float32Array {
  const grey = new Float32Array(rgba.length / 4);
  for (let at = 0; at < grey.length; at += 1) {
    grey[at] = 0.299 * (rgba[4 * at] ?? 0) + 0.587 * (rgba[4 * at + 1] ?? 0) + 0.114 * (rgba[4 * at + 2] ?? 0);
  }
  return grey;
}

/**
 * Measure a picture of WIDTH x HEIGHT.
 *
 * Sharpness is the ratio of neighbour differences before and after a mean over three pixels, along the direction where it
 * is less (after Crete et al. 2007): 1.04 is about where the server refuses a selfie as blurred.
 */
export function measure(rgba: Uint8ClampedArray): Light {
  const grey = greyOf(rgba);
  const sums = { oval: 0, ovalSquares: 0, ovalCount: 0, around: 0, aroundCount: 0 };
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      const level = grey[y * WIDTH + x] ?? 0;
      if (inOval((x + 0.5) / WIDTH, (y + 0.5) / HEIGHT)) {
        sums.oval += level;
        sums.ovalSquares += level * level;
        sums.ovalCount += 1;
      } else {
        sums.around += level;
        sums.aroundCount += 1;
      }
    }
  }
  const oval = sums.oval / sums.ovalCount;
  return {
    oval,
    around: sums.around / sums.aroundCount,
    contrast: Math.sqrt(Math.max(0, sums.ovalSquares / sums.ovalCount - oval * oval)),
    sharpness: Math.min(detail(grey, 1), detail(grey, WIDTH)),
  };
}

function inOval(x: number, y: number): boolean {
  const across = (x - (OVAL.left + OVAL.right) / 2) / ((OVAL.right - OVAL.left) / 2);
  const down = (y - (OVAL.top + OVAL.bottom) / 2) / ((OVAL.bottom - OVAL.top) / 2);
  return across * across + down * down <= 1;
}

/** `step`: 1 to look along the rows, WIDTH down the columns. */
function detail(grey: Float32Array, step: number): number {
  let before = 0;
  let after = 0;
  const at = (place: number): number => grey[place] ?? 0;
  for (let y = Math.round(OVAL.top * HEIGHT); y < OVAL.bottom * HEIGHT; y += 1) {
    for (let x = Math.round(OVAL.left * WIDTH); x < OVAL.right * WIDTH; x += 1) {
      const here = y * WIDTH + x;
      before += Math.abs(at(here + step) - at(here));
      // Of two neighbouring means over three, all but the outermost pixels cancel.
      after += Math.abs(at(here + 2 * step) - at(here - step)) / 3;
    }
  }
  return before / Math.max(after, 1);
}
