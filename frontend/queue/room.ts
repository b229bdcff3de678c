import { fill, spell } from "../parts/find";
import type { Item } from "./item";

/** What is used of one quota, as the server says it; null stands for no limit. */
export interface Usage {
  whose: "event" | "person";
  files: number;
  bytes: number;
  allowed_files: number | null;
  allowed_bytes: number | null;
}

export interface Plan {
  fits: Item[];
  over: Item[];
  /** The quota that the first of `over` does not fit into. */
  limit: { usage: Usage; unit: "files" | "bytes" } | null;
}

/** Which files still fit, in their order: each takes its room, and a smaller one may fit where a larger did not. */
export function plan(usages: readonly Usage[], onTheWay: readonly Item[], offered: readonly Item[]): Plan {
  const left = usages.map((usage) => ({
    usage,
    files: usage.allowed_files === null ? Infinity : usage.allowed_files - usage.files,
    bytes: usage.allowed_bytes === null ? Infinity : usage.allowed_bytes - usage.bytes,
  }));
  const take = (item: Item): void => {
    for (const each of left) {
      each.files -= 1;
      each.bytes -= item.file.size;
    }
  };
  onTheWay.forEach(take);
  const made: Plan = { fits: [], over: [], limit: null };
  for (const item of offered) {
    const full = left.find((each) => each.files < 1 || each.bytes < item.file.size);
    if (full) {
      made.over.push(item);
      made.limit ??= { usage: full.usage, unit: full.files < 1 ? "files" : "bytes" };
    } else {
      made.fits.push(item);
      take(item);
    }
  }
  return made;
}

/** "The event may hold 500 photos and has 460." */
export function limitSentence({ usage, unit }: NonNullable<Plan["limit"]>, texts: DOMStringMap): string {
  const sentence = texts[`${usage.whose === "event" ? "roomEvent" : "roomPerson"}${unit === "files" ? "Files" : "Bytes"}`];
  const write = unit === "files" ? spell : bytes;
  const [used, allowed] = unit === "files" ? [usage.files, usage.allowed_files] : [usage.bytes, usage.allowed_bytes];
  return fill(sentence ?? "", { used: write(used), allowed: write(allowed ?? 0) });
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

/** "3.2 MB" as this page's language writes it; with `per` "-per-second", "3.2 MB/s". */
export function bytes(value: number, per: "" | "-per-second" = ""): string {
  const step = Math.min(UNITS.length - 1, Math.max(1, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  const shown = value / 1000 ** step;
  const maximumFractionDigits = shown < 10 && step > 1 ? 1 : 0;
  const options = { style: "unit", unit: `${UNITS[step]}${per}`, maximumFractionDigits } as const;
  return new Intl.NumberFormat(document.documentElement.lang, options).format(shown);
}
