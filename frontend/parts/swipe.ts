const ENOUGH = 0.3;
const BEGINS_PX = 12;

/** A question follows the finger: to the right is yes, to the left is no. Scrolling up and down stays the browser's. */
export function swipeable(list: HTMLElement, answer: (id: string, verdict: "yes" | "no") => Promise<boolean>): void {
  let held: { card: HTMLElement; x: number; y: number; moved: number } | undefined;
  let swallowClick = false;

  const rest = (card: HTMLElement): void => {
    card.classList.remove("question--held", "question--yes", "question--no");
    card.style.transform = "";
  };

  list.addEventListener("pointerdown", (event) => {
    swallowClick = false;
    const card = (event.target as Element).closest<HTMLElement>(".question");
    if (!card || event.pointerType === "mouse" || !event.isPrimary || (event.target as Element).closest("button")) return;
    held = { card, x: event.clientX, y: event.clientY, moved: 0 };
  });

  list.addEventListener("pointermove", (event) => {
    if (!held) return;
    held.moved = event.clientX - held.x;
    if (Math.abs(held.moved) < BEGINS_PX) return;
    held.card.setPointerCapture(event.pointerId);
    held.card.classList.add("question--held");
    held.card.style.transform = `translateX(${held.moved}px)`;
    const far = Math.abs(held.moved) > held.card.clientWidth * ENOUGH;
    held.card.classList.toggle("question--yes", far && held.moved > 0);
    held.card.classList.toggle("question--no", far && held.moved < 0);
  });

  const end = (event: PointerEvent): void => {
    if (!held) return;
    const { card, moved } = held;
    held = undefined;
    if (Math.abs(moved) >= BEGINS_PX) swallowClick = true;
    const decided = event.type === "pointerup" && Math.abs(moved) > card.clientWidth * ENOUGH;
    if (!decided) return rest(card);
    void answer(card.dataset["id"] ?? "", moved > 0 ? "yes" : "no").finally(() => rest(card));
  };
  list.addEventListener("pointerup", end);
  list.addEventListener("pointercancel", end);
  list.addEventListener(
    "click",
    (event) => {
      if (!swallowClick) return;
      swallowClick = false;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );
}

/** Y, N and U answer the question that has the focus, or the first one in sight. */
export function answerByKey(
  list: HTMLElement,
  answer: (id: string, verdict: "yes" | "no") => Promise<boolean>,
  undo: () => void,
): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.metaKey || event.ctrlKey || event.altKey || target.matches("input, select, textarea")) return;
    if (document.querySelector(".pswp")) return;
    const key = event.key.toLowerCase();
    if (key === "u") return undo();
    if (key !== "y" && key !== "n") return;
    const cards = [...list.querySelectorAll<HTMLElement>(".question:not(.question--leaving)")];
    const card = target.closest<HTMLElement>(".question:not(.question--leaving)")
      ?? cards.find((each) => each.getBoundingClientRect().bottom > innerHeight / 3);
    if (!card) return;
    const next = cards[cards.indexOf(card) + 1];
    void answer(card.dataset["id"] ?? "", key === "y" ? "yes" : "no");
    next?.querySelector<HTMLElement>("a")?.focus();
  });
}
