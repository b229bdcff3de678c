/** Looks at the live frame some times a second: one hint at a time, and a picture by itself once all is well. */
import { fill, find } from "../find";
import { type Advice, advise, Steady } from "./advice";
import { sample } from "./burst";
import { FaceFinder } from "./faces";
import { measure } from "./look";

const LOOK_EVERY_MS = 180;
const HINT_STANDS_MS = 350;
const SECOND_MS = 1000;
// Where no face can be found, somebody may still be getting ready.
const COUNT = { faces: 2, light: 3 };
// Less than this of a change is not read out, or a screen reader never falls silent.
const READ_OUT_MS = 1500;

export class Watch {
  private readonly hint: HTMLElement;
  private readonly count: HTMLElement;
  private readonly auto: HTMLElement;
  private readonly faces = new FaceFinder();
  private readonly steady = new Steady(HINT_STANDS_MS);
  private timer = 0;
  private reading = 0;
  private countdown: { left: number; next_ms: number } | undefined;
  private running = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly root: HTMLElement,
    private readonly read: (words: string) => void,
    private readonly take: () => void,
  ) {
    this.hint = find("[data-hint]", root);
    this.count = find("[data-count]", root);
    this.auto = find("[data-auto]", root);
    this.auto.addEventListener("click", () => {
      this.auto.setAttribute("aria-pressed", String(!this.isAuto));
      this.endCountdown();
      this.steady.forget();
    });
  }

  private get isAuto(): boolean {
    return this.auto.getAttribute("aria-pressed") === "true";
  }

  start(): void {
    this.stop();
    this.show("look", this.root.dataset["hintLook"] ?? "");
    const mine = ++this.running;
    const again = async (): Promise<void> => {
      if (mine !== this.running) return;
      if (!document.hidden && this.video.videoWidth) await this.look(mine);
      if (mine === this.running) this.timer = window.setTimeout(() => void again(), LOOK_EVERY_MS);
    };
    void again();
  }

  stop(): void {
    this.running += 1;
    window.clearTimeout(this.timer);
    window.clearTimeout(this.reading);
    this.steady.forget();
    this.endCountdown();
  }

  /** Put words below the oval. `kind` colours it, and is what tests look at. */
  show(kind: Advice | "counting" | "taking", words: string): void {
    this.root.dataset["hint"] = kind;
    this.hint.textContent = words;
    window.clearTimeout(this.reading);
    this.reading = window.setTimeout(() => this.read(words), kind === "counting" ? 0 : READ_OUT_MS);
  }

  private async look(mine: number): Promise<void> {
    const faces = await this.faces.find(this.video);
    if (mine !== this.running) return;
    const advice = advise(measure(sample(this.video, this.video.videoWidth, this.video.videoHeight)), faces);
    const changed = this.steady.hear(advice, performance.now());
    if (advice !== "good" && this.countdown) {
      // Whatever went wrong is said at once: the picture is not taken now.
      this.endCountdown();
      this.show(advice, this.wordsFor(advice));
    } else if (changed) {
      this.show(advice, this.wordsFor(advice));
    }
    // Seconds that the finder still needs are no reason to take a picture without it.
    const isReady = advice === "good" && this.steady.shown === "good" && !this.faces.isComing;
    if (isReady && this.isAuto) this.tick(faces ? COUNT.faces : COUNT.light);
  }

  private wordsFor(advice: Advice): string {
    return this.root.dataset[`hint${advice[0]?.toUpperCase()}${advice.slice(1)}`] ?? "";
  }

  private tick(from: number): void {
    const now_ms = performance.now();
    if (!this.countdown) this.countdown = { left: from, next_ms: now_ms + SECOND_MS };
    else if (now_ms >= this.countdown.next_ms) this.countdown = { left: this.countdown.left - 1, next_ms: now_ms + SECOND_MS };
    else return;
    if (this.countdown.left < 1) {
      this.endCountdown();
      this.take();
      return;
    }
    this.count.hidden = false;
    this.count.textContent = String(this.countdown.left);
    this.show("counting", fill(this.root.dataset["counting"] ?? "", { n: this.countdown.left }));
  }

  private endCountdown(): void {
    this.countdown = undefined;
    this.count.hidden = true;
  }
}
