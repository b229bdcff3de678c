/** The element that a template promises; its absence is a fault of ours, told by name. */
export function find<T extends Element = HTMLElement>(selector: string, within: ParentNode = document): T {
  const element = within.querySelector<T>(selector);
  if (!element) throw new Error(`this page has no ${selector}`);
  return element;
}

/** A sentence from the template with its {places} filled. */
export function fill(sentence: string, values: Record<string, string | number>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A number as this page's language writes it. */
export function spell(value: number): string {
  return new Intl.NumberFormat(document.documentElement.lang).format(value);
}

/** "1 photo" or "{n} photos", both translated by the template. */
export function count(n: number, one: string, many: string): string {
  return n === 1 ? one : fill(many, { n: spell(n) });
}

/** Markup of a Lucide icon from the sprite. */
export function iconMarkup(name: string): string {
  return `<svg class="icon" aria-hidden="true"><use href="${document.documentElement.dataset["icons"]}#${name}"></use></svg>`;
}
