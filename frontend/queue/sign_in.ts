import { find } from "../parts/find";
import { room } from "./known";

/** Signing in without leaving the page, when a session ended while photos were on their way. */
export class SignIn {
  private readonly dialog = find<HTMLDialogElement>("[data-sign-in]");
  private readonly form = find<HTMLFormElement>("form", this.dialog);
  private readonly error = find("[data-sign-in-error]", this.dialog);

  constructor(private readonly url: string, private readonly viewer: string, private readonly onBack: () => void) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
    find("[data-sign-in-close]", this.dialog).addEventListener("click", () => this.dialog.close());
    // Signed in in another tab, perhaps with another service.
    addEventListener("focus", () => this.dialog.open && void this.look(""));
  }

  show(): void {
    this.say("");
    if (!this.dialog.open) this.dialog.showModal();
  }

  private async send(): Promise<void> {
    const { texts } = { texts: this.dialog.dataset };
    const button = find<HTMLButtonElement>("button:not([type=button])", this.form);
    button.disabled = true;
    try {
      const body = new URLSearchParams(new FormData(this.form) as unknown as Record<string, string>);
      const answer = await fetch(this.form.action, { method: "POST", body, redirect: "manual" });
      // The way on is the answer to a right password; where to, does not matter here.
      if (answer.type === "opaqueredirect") await this.look(texts["other"] ?? "");
      else if (answer.ok) this.say(texts["elsewhere"] ?? "");
      else this.say(sentenceOf(await answer.text()) || (texts["failed"] ?? ""));
    } catch {
      this.say(texts["failed"] ?? "");
    }
    button.disabled = false;
  }

  /** Whether the same person is back; if not, say so. */
  private async look(otherwise: string): Promise<void> {
    try {
      if ((await room(this.url)).viewer === this.viewer) {
        this.dialog.close();
        this.form.reset();
        this.onBack();
        return;
      }
    } catch {
      // Still nobody, or somebody who may not.
    }
    this.say(otherwise);
  }

  private say(text: string): void {
    this.error.textContent = text;
    this.error.hidden = !text;
  }
}

/** What the sign-in page says is wrong. */
function sentenceOf(page: string): string {
  const parsed = new DOMParser().parseFromString(page, "text/html");
  return parsed.querySelector(".notice--bad .notice__text, .field__error")?.textContent?.trim() ?? "";
}
