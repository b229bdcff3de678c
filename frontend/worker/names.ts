/** What the worker and the pages call things by, and what they tell each other. */

/** Begins the name of the cache of built files; the release follows. */
export const STATICS = "static:";
/** Begins the name of a guest's cache; the server's word for this guest in this session follows. The number is its form. */
export const WRITTEN = "guest-1:";
/** Under which a guest's cache holds its list. */
export const LIST = "/kept";
/** The header that says which guest of which session an answer is for. */
export const WHOSE = "Trouvaille-Guest";
/** A list that no server has confirmed for so long is not believed any more. */
export const TOO_OLD_MS = 30 * 24 * 3600 * 1000;

/** One of a guest's own photos; `tag` changes with its bytes. */
export interface KeptPhoto {
  thumb: string;
  tag: string;
  width: number;
  height: number;
  about: string;
}

/** What the server says may be kept: the newest of the guest's own photos, the page that shows them, what that needs. */
export interface Told {
  page: string;
  files: string[];
  theme: string;
  photos: KeptPhoto[];
}

/** What was told, where, and when (milliseconds since 1970). */
export interface Kept extends Told {
  from: string;
  at: number;
}

/**
 * From a page to the worker.
 *
 * "look": a page is there. `from`: where a guest's list is.
 * "seen": a page shows these thumbnails, perhaps in another size, or from before there was a worker.
 * "answers": the server answers again, so that the next page is waited for.
 */
export type Word = { kind: "look"; from?: string } | { kind: "seen"; thumbs: string[] } | { kind: "answers" };
