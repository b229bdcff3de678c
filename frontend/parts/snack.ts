import { find } from "./find";

const SHOWN_MS = 6000;

interface Action {
  label: string;
  run: () => void;
}

/** Say something at the foot of the screen for a few seconds, perhaps with a way back. */
export function snack(text: string, action?: Action): void {
  const item = document.createElement("div");
  item.className = "snack";
  const words = document.createElement("span");
  words.className = "snack__text";
  words.textContent = text;
  item.append(words);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button--quiet button--small";
    button.textContent = action.label;
    button.addEventListener("click", () => {
      item.remove();
      action.run();
    });
    item.append(button);
  }
  const place = find("#snacks");
  // An open lightbox keeps the focus to itself, so what is said must be inside it to be reached.
  (document.querySelector(".pswp") ?? document.body).append(place);
  place.replaceChildren(item);
  window.setTimeout(() => item.remove(), SHOWN_MS);
}
