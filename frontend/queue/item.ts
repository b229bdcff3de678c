export const STATES = ["checking", "queued", "held", "sending", "added", "duplicate", "refused", "failed"] as const;
/** `held` waits because somebody paused this very file; `failed` is the server's doing, `refused` the file's. */
export type State = (typeof STATES)[number];

/** One file on its way. */
export interface Item {
  readonly file: File;
  /** As its folder names it: `wedding/church/0012.jpg`. */
  readonly path: string;
  state: State;
  /** How much of it has left this computer. */
  sent_bytes: number;
  reason: string;
  /** Where the server keeps what it has of it. */
  address: string | null;
  stumbles: number;
  /** A request of it went unanswered, so the server may have it already. */
  unanswered: boolean;
  /** The photo that it became, or that was there already, where that is the sender's to know. */
  photo: string | null;
  stop: (() => void) | null;
}

/** A file that was found, by the path that its folder gives it. */
export interface Found {
  file: File;
  path: string;
}

export const ENDED: ReadonlySet<State> = new Set<State>(["added", "duplicate", "refused", "failed"]);
export const ON_THE_WAY: ReadonlySet<State> = new Set<State>(["checking", "queued", "sending"]);
export const UNSENT: ReadonlySet<State> = new Set<State>(["refused", "failed"]);

/** What tells a file from others wherever it is chosen from: a folder chosen again may be named from higher up. */
export const markOf = (file: { name: string; size: number; lastModified: number }): string =>
  `${file.size}|${file.lastModified}|${file.name}`;

/** The same file in the same place. */
export const keyOf = (item: Found): string => `${markOf(item.file)}|${item.path}`;

export function itemOf({ file, path }: Found): Item {
  return {
    file, path, state: "checking", sent_bytes: 0, reason: "", address: null, stumbles: 0, unanswered: false, photo: null,
    stop: null,
  };
}
