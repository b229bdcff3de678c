import { count, fill, find, iconMarkup, spell } from "../parts/find";
import { Announcer } from "./announce";
import { type Item, ON_THE_WAY, UNSENT } from "./item";
import { rounded } from "./pace";
import type { Queue } from "./queue";
import { bytes, limitSentence } from "./room";
import { Rows } from "./rows";

const DRAW_MS = 200;
const ROW_PX = 44;
// A reason takes up to three lines.
const REASON_PX = 94;
// Nothing has moved for so long: what the last half minute was like says nothing about the next.
const STALLED_BYTES_S = 1;

type Part = "way" | "unsent" | "sent";
/** What the queue is doing, in one word; the style sheet knows it too. */
type Mood = "checking" | "elsewhere" | "sending" | "away" | "paused" | "signed-out" | "stopped" | "room" | "held" | "done";

const DEEDS: Record<string, readonly Mood[]> = {
  "sign-in": ["signed-out"], "again": ["stopped"], "now": ["away"], "room-yes": ["room"], "room-no": ["room"],
  "discard": ["paused", "stopped"],
};

/** The small window at the foot of the desk, on phones a bar that opens: how far an upload is, and each of its files. */
export class Tray {
  private readonly tray = find("[data-tray]");
  private readonly texts = this.tray.dataset;
  private readonly title = this.part("title");
  private readonly line = this.part("line");
  private readonly bar = this.part<HTMLProgressElement>("bar");
  private readonly body = this.part("body");
  private readonly ask = this.part("ask");
  private readonly toggle = this.part("toggle");
  private readonly pause = this.part("pause");
  private readonly close = this.part("close");
  private readonly list = this.part("list");
  private readonly rows = new Rows<Item>(this.list, (item) => this.row(item), (row, item) => this.fillRow(row, item));
  private readonly announcer = new Announcer(this.part("said"));
  private chosen: Part | null = null;
  private drawing = false;
  private mood: Mood = "done";

  constructor(private readonly queue: () => Queue, private readonly signIn: () => void) {
    this.toggle.addEventListener("click", () => this.unfold(Boolean(this.body.hidden)));
    this.tray.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.unfold(false);
    });
    this.close.addEventListener("click", () => {
      this.queue().clear();
      this.tray.hidden = true;
    });
    this.pause.addEventListener("click", () => (this.mood === "paused" ? this.queue().resume() : this.queue().pause()));
    this.tray.addEventListener("click", (event) => this.onClick(event.target as Element));
    // Moving parts are redrawn as they move; time passes also when nothing does.
    setInterval(() => this.queue().busy && this.draw(), 1000);
  }

  /** Draw a few times a second at most, however often files move. */
  draw(): void {
    if (this.drawing) return;
    this.drawing = true;
    setTimeout(() => {
      this.drawing = false;
      this.drawNow();
    }, DRAW_MS);
  }

  private part<T extends Element = HTMLElement>(name: string): T {
    return find<T>(`[data-tray-${name}]`, this.tray);
  }

  private text(key: string, values: Record<string, string | number> = {}): string {
    return fill(this.texts[key] ?? "", values);
  }

  private unfold(open: boolean): void {
    this.setOpen(open);
    this.drawNow();
  }

  private setOpen(open: boolean): void {
    this.body.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
  }

  private onClick(target: Element): void {
    const button = target.closest<HTMLElement>("[data-do], [data-part]");
    const queue = this.queue();
    if (button?.dataset["part"]) {
      this.chosen = button.dataset["part"] as Part;
      this.list.scrollTop = 0;
    }
    const block = queue.block;
    switch (button?.dataset["do"]) {
      case "sign-in": this.signIn(); break;
      case "again": queue.resume(); break;
      case "now": queue.tryNow(); break;
      case "discard": queue.discard(); break;
      case "retry": queue.retryAll(); break;
      case "room-yes": case "room-no":
        if (block?.kind === "room") block.settle(button.dataset["do"] === "room-yes");
    }
    this.drawNow();
  }

  private drawNow(): void {
    const queue = this.queue();
    const { tally } = queue;
    if (!tally.files) {
      this.tray.hidden = true;
      return;
    }
    // A window on a desk, a bar on a phone.
    if (this.tray.hidden) {
      this.tray.hidden = false;
      this.setOpen(matchMedia("(min-width: 600px)").matches);
    }
    const before = this.mood;
    this.mood = moodOf(queue);
    this.tray.dataset["mood"] = this.mood;
    this.bar.hidden = this.mood === "done";
    this.bar.max = tally.bytes || 1;
    this.bar.value = tally.bytes - tally.left_bytes;
    this.title.textContent = this.mood === "done" ? this.summary() : this.progress();
    this.line.textContent = this.how();
    this.close.hidden = queue.unfinished;
    this.drawPause();
    this.drawAsk();
    const kind = this.mood === before ? "progress" : "event";
    this.announcer.say([this.title.textContent, this.line.textContent, this.asking()].filter(Boolean).join(". "), kind);
    if (!this.body.hidden) this.drawList();
  }

  private progress(): string {
    const { tally } = this.queue();
    if (this.mood === "checking") {
      return this.text("checking", { done: spell(tally.files - tally.count.checking), all: spell(tally.files) });
    }
    const done = tally.of("added", "duplicate", "refused", "failed");
    return this.text("sending", { done: spell(done), all: spell(tally.files) });
  }

  private summary(): string {
    const { tally } = this.queue();
    const [sent, duplicates, refused] = [tally.of("added"), tally.of("duplicate"), tally.of(...UNSENT)];
    const say = (n: number, key: string): string => count(n, this.text(`${key}One`), this.texts[`${key}Many`] ?? "");
    return [
      sent || (!duplicates && !refused) ? say(sent, "sent") : "",
      duplicates ? say(duplicates, "duplicates") : "",
      refused ? say(refused, "refused") : "",
    ].filter(Boolean).join(" · ");
  }

  /** The second line: how it goes, or why it doesn't. */
  private how(): string {
    const queue = this.queue();
    switch (this.mood) {
      case "sending": return this.pace();
      case "away": return this.away();
      case "paused": return this.text("paused");
      case "held": return this.text("held", { n: spell(queue.tally.count.held) });
      case "elsewhere": return this.text("elsewhere");
      case "signed-out": return this.text("signedOut");
      case "room": return this.text("roomShort");
      case "stopped": return this.text("stopped");
      default: return "";
    }
  }

  private pace(): string {
    const { pace, tally } = this.queue();
    const speed = pace.speed();
    if (speed === null) return this.text("starting", { left: bytes(tally.left_bytes) });
    if (speed < STALLED_BYTES_S) return this.text("stalled");
    return [bytes(speed, "-per-second"), this.timeLeft(tally.left_bytes / speed)].join(" · ");
  }

  private timeLeft(seconds: number): string {
    if (seconds < 50) return this.text("soon");
    const { hours, minutes } = rounded(seconds);
    const say = (value: number, unit: "hour" | "minute"): string =>
      new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" }).format(value);
    const time = [hours ? say(hours, "hour") : "", minutes ? say(minutes, "minute") : ""].filter(Boolean).join(" ");
    return this.text("left", { time });
  }

  private away(): string {
    if (!navigator.onLine) return this.text("offline");
    const { again_ms } = this.queue();
    const seconds = again_ms === null ? 0 : Math.ceil((again_ms - Date.now()) / 1000);
    return seconds > 1 ? this.text("awaySoon", { n: spell(seconds) }) : this.text("away");
  }

  private drawPause(): void {
    const rests = this.mood === "paused";
    this.pause.hidden = !["sending", "away", "checking", "elsewhere", "paused"].includes(this.mood);
    const label = this.text(rests ? "resume" : "pause");
    if (this.pause.title === label) return;
    this.pause.title = label;
    this.pause.setAttribute("aria-label", label);
    this.pause.innerHTML = iconMarkup(rests ? "play" : "pause");
  }

  private drawAsk(): void {
    const { block, tally } = this.queue();
    const words = find("[data-ask-words]", this.ask);
    words.textContent = this.asking();
    words.hidden = !words.textContent;
    let any = Boolean(words.textContent);
    for (const button of this.ask.querySelectorAll<HTMLElement>("[data-do]")) {
      const deed = button.dataset["do"] ?? "";
      const shown = deed === "retry" ? this.mood === "done" && tally.of(...UNSENT) > 0 : !!DEEDS[deed]?.includes(this.mood);
      button.hidden = !shown;
      any ||= shown;
    }
    if (block?.kind === "room") {
      find("[data-do='room-yes']", this.ask).textContent = this.text("roomYes", { fit: spell(block.plan.fits.length) });
    }
    this.ask.hidden = !any;
    // A question must not wait behind a closed bar.
    if (block && block.kind !== "paused" && this.body.hidden && this.tray.dataset["asked"] !== block.kind) this.setOpen(true);
    this.tray.dataset["asked"] = block?.kind ?? "";
  }

  private asking(): string {
    const { block } = this.queue();
    if (block?.kind === "stopped") return block.reason;
    if (block?.kind !== "room" || !block.plan.limit) return "";
    const { fits, over, limit } = block.plan;
    const values = { fit: spell(fits.length), offered: spell(fits.length + over.length) };
    return `${this.text("roomFit", values)} ${limitSentence(limit, this.texts)}`;
  }

  private drawList(): void {
    const { items, tally } = this.queue();
    const numbers: Record<Part, number> = {
      way: tally.of(...ON_THE_WAY, "held"), unsent: tally.of(...UNSENT), sent: tally.of("added", "duplicate"),
    };
    const part = this.chosen && numbers[this.chosen] ? this.chosen
      : this.mood !== "done" && numbers.way ? "way" : numbers.unsent ? "unsent" : "sent";
    for (const button of this.tray.querySelectorAll<HTMLElement>("[data-part]")) {
      const its = button.dataset["part"] as Part;
      button.hidden = !numbers[its];
      button.setAttribute("aria-pressed", String(its === part));
      find("[data-part-number]", button).textContent = spell(numbers[its]);
    }
    const states = { way: [...ON_THE_WAY, "held"], unsent: [...UNSENT], sent: ["added", "duplicate"] }[part];
    const rows = items.filter((item) => states.includes(item.state));
    if (part === "way") rows.sort((a, b) => Number(b.state === "sending") - Number(a.state === "sending"));
    this.list.dataset["shown"] = part;
    this.rows.show(rows, part === "unsent" ? REASON_PX : ROW_PX);
  }

  private row(item: Item): HTMLElement {
    const row = document.createElement("div");
    row.className = "tray__item";
    const name = document.createElement("span");
    name.className = "tray__name";
    name.textContent = item.file.name;
    name.title = item.path;
    const state = document.createElement("span");
    state.className = "tray__state";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button--icon tray__act";
    button.addEventListener("click", () => {
      if (UNSENT.has(item.state)) this.queue().retry([item]);
      else if (item.state === "held") this.queue().resumeOne(item);
      else this.queue().pauseOne(item);
    });
    row.append(name, state, button);
    return row;
  }

  private fillRow(row: HTMLElement, item: Item): void {
    const [name, state, button] = row.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
    const said = this.stateOf(item);
    if (state.textContent !== said) state.textContent = said;
    if (row.dataset["state"] === item.state) return;
    row.dataset["state"] = item.state;
    const [icon, key] = UNSENT.has(item.state) ? ["refresh-cw", "retry"] : item.state === "held" ? ["play", "resume"] : ["pause", "pause"];
    button.hidden = item.state === "added" || item.state === "duplicate";
    if (item.photo && !name.firstElementChild) name.replaceChildren(linkTo(item.photo, item.file.name));
    button.innerHTML = iconMarkup(icon);
    button.title = this.text(key);
    button.setAttribute("aria-label", `${this.text(key)}: ${name.textContent}`);
    state.title = UNSENT.has(item.state) ? item.reason : "";
  }

  private stateOf(item: Item): string {
    switch (item.state) {
      case "sending":
        return new Intl.NumberFormat(document.documentElement.lang, { style: "percent" })
          .format(item.sent_bytes / (item.file.size || 1));
      case "refused": case "failed": return item.reason;
      case "duplicate": return this.text("here");
      case "added": return this.text("arrived");
      case "held": return this.text("heldOne");
      case "checking": return this.text("looking");
      default: return bytes(item.file.size);
    }
  }
}

/** The desk opens the photo of its address. */
function linkTo(photo: string, name: string): HTMLAnchorElement {
  const link = document.createElement("a");
  link.href = `#photo=${photo}`;
  link.textContent = name;
  return link;
}

function moodOf(queue: Queue): Mood {
  const { block, tally } = queue;
  if (!queue.unfinished) return "done";
  if (block) return block.kind;
  if (!tally.of(...ON_THE_WAY)) return "held";
  if (queue.elsewhere) return "elsewhere";
  if (queue.away) return "away";
  return tally.of("queued", "sending") ? "sending" : "checking";
}
