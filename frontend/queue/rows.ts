/** A long list of which only what is seen is in the page: five thousand rows cost as much as twenty. */
export class Rows<T> {
  private readonly space = document.createElement("div");
  private readonly drawn = new Map<T, HTMLElement>();
  private rows: readonly T[] = [];
  private height_px = 0;
  private drawing = false;

  constructor(
    private readonly list: HTMLElement,
    private readonly make: (of: T) => HTMLElement,
    private readonly update: (row: HTMLElement, of: T) => void,
  ) {
    this.space.className = "tray__rows";
    this.space.setAttribute("role", "list");
    list.replaceChildren(this.space);
    list.addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.soon()).observe(list);
  }

  show(rows: readonly T[], height_px: number): void {
    this.rows = rows;
    this.height_px = height_px;
    this.draw();
  }

  private soon(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.draw();
    });
  }

  private draw(): void {
    this.space.style.height = `${this.rows.length * this.height_px}px`;
    const first = Math.max(0, Math.floor(this.list.scrollTop / this.height_px) - 4);
    const last = Math.ceil((this.list.scrollTop + this.list.clientHeight) / this.height_px) + 4;
    const seen = this.rows.slice(first, last);
    const wanted = new Set(seen);
    for (const [of, row] of this.drawn) {
      if (wanted.has(of)) continue;
      row.remove();
      this.drawn.delete(of);
    }
    let next = this.space.firstElementChild;
    seen.forEach((of, index) => {
      const row = this.place(of, first + index);
      // In the order in which a keyboard goes through them; what is in its place is not touched, so that it keeps the focus.
      if (row === next) next = row.nextElementSibling;
      else this.space.insertBefore(row, next);
    });
  }

  private place(of: T, index: number): HTMLElement {
    let row = this.drawn.get(of);
    if (!row) {
      row = this.make(of);
      row.setAttribute("role", "listitem");
      this.drawn.set(of, row);
    }
    row.style.height = `${this.height_px}px`;
    row.style.transform = `translateY(${index * this.height_px}px)`;
    row.setAttribute("aria-posinset", String(index + 1));
    row.setAttribute("aria-setsize", String(this.rows.length));
    this.update(row, of);
    return row;
  }
}
