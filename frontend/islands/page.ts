/** What any page may carry: passwords that can be shown, links that can be copied, questions before deleting. */
import { find, iconMarkup } from "../parts/find";
import { snack } from "../parts/snack";

/** After so long without an answer a form may be sent once more: whoever stopped the page is still on it. */
const SENT_FOR_MS = 20_000;
/** A form with files takes longer. */
const SENT_FOR_WITH_FILES_MS = 300_000;

function drawPasswordToggle(box: HTMLElement): void {
  const input = find<HTMLInputElement>("input", box);
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "button button--icon secret__toggle";
  const show = (visible: boolean): void => {
    input.type = visible ? "text" : "password";
    toggle.innerHTML = iconMarkup(visible ? "eye-off" : "eye");
    toggle.setAttribute("aria-label", (visible ? box.dataset["hide"] : box.dataset["show"]) ?? "");
    toggle.setAttribute("aria-pressed", String(visible));
  };
  toggle.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  // A password manager must see a password field when the form goes.
  input.form?.addEventListener("submit", () => show(false));
  show(false);
  box.append(toggle);
}

function enableCopy(button: HTMLElement): void {
  if (!navigator.clipboard) return;
  const label = find("[data-copy-label]", button);
  const before = label.textContent;
  button.hidden = false;
  button.addEventListener("click", () => {
    void navigator.clipboard.writeText(button.dataset["copy"] ?? "").then(() => {
      label.textContent = button.dataset["copied"] ?? "";
      setTimeout(() => (label.textContent = before), 2000);
    });
  });
}

function askFirst(event: SubmitEvent): void {
  const form = event.target as HTMLFormElement;
  const id = form.dataset["confirm"];
  if (!id || form.dataset["sure"]) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const dialog = find<HTMLDialogElement>(`#${id}`);
  dialog.returnValue = "";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset["sure"] = "yes";
      form.requestSubmit();
    },
    { once: true },
  );
  dialog.showModal();
}

/** A second press on a slow connection must not send a form twice, and a press without one must not lose what is typed. */
function sendOnce(event: SubmitEvent): void {
  const form = event.target as HTMLFormElement;
  if (event.defaultPrevented || form.method !== "post") return;
  // A browser may be wrong about that, so whoever insists gets through.
  if (!navigator.onLine && !form.dataset["told"]) {
    event.preventDefault();
    form.dataset["told"] = "yes";
    snack(document.documentElement.dataset["offline"] ?? "");
    return;
  }
  if (form.dataset["sent"]) event.preventDefault();
  else {
    const hasFiles = form.enctype === "multipart/form-data";
    window.setTimeout(() => forgetSending([form]), hasFiles ? SENT_FOR_WITH_FILES_MS : SENT_FOR_MS);
  }
  form.dataset["sent"] = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
}

function forgetSending(forms: Iterable<HTMLFormElement>): void {
  for (const form of forms) {
    delete form.dataset["sent"];
    for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", askFirst);
window.addEventListener("submit", sendOnce);
window.addEventListener("pageshow", () => forgetSending(document.querySelectorAll("form")));
window.addEventListener("online", () => document.querySelectorAll("form").forEach((form) => delete form.dataset["told"]));
document.querySelectorAll<HTMLElement>("[data-secret]").forEach(drawPasswordToggle);
// On a narrow screen the present tab may lie outside the row.
document.querySelector("[data-tabs] [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
// A filter takes effect when it is chosen; the button is for those without scripts.
document.querySelectorAll<HTMLInputElement>("form[role=search] input[type=radio]").forEach((choice) => {
  choice.addEventListener("change", () => choice.form?.requestSubmit());
});
document.querySelectorAll<HTMLElement>("button[data-copy]").forEach(enableCopy);
// Where nothing can be copied for people, a tap marks it for them.
document.querySelectorAll<HTMLInputElement>("input[data-all]").forEach((box) => box.addEventListener("focus", () => box.select()));
// A form that came back with errors is read from its first error on.
document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();

// Once everything is there, so that it takes nothing from what somebody waits for. There is none without TLS.
if ("serviceWorker" in navigator) addEventListener("load", () => void import("../parts/worker").catch(() => undefined));

// A page that answers a form would send it again on reload and on the way back: stand where it can be asked for.
const here = document.documentElement.dataset["here"];
if (here) history.replaceState(history.state, "", here);
