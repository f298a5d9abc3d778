/** The element with this id. Throws if the page has none of this type. */
export function part<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`#${id} is not on the page`);
}

/** A new element with text, which is never parsed as markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...content);
  return made;
}

/** Changes a text only if it differs, so that a screen reader or a selection is not disturbed. */
export function write(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

const said = part("said", HTMLElement);
const SAID_MS = 10_000;
let saidTimer = 0;

/** Tells the user for a while what an action did; only screen readers if it can be seen elsewhere. */
export function say(text: string, isSeenElsewhere = false): void {
  said.className = isSeenElsewhere ? "unseen" : "";
  said.textContent = text;
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => said.replaceChildren(), SAID_MS);
}
