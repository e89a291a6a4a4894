// Elements, made in one expression. Text is always text: nothing here reads HTML.

type Child = Node | string | null | undefined | false;
type Listener = (event: never) => unknown;
export type Attributes = Record<string, string | number | boolean | null | undefined | Listener>;

export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: (Child | Child[])[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...present(children.flat()));
  return element;
}

export function replace(parent: Element, ...children: (Child | Child[])[]): void {
  parent.replaceChildren(...present(children.flat()));
}

function present(children: Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false);
}

/** A path that may be broken after each slash, and nowhere else if there is room. */
export function path(text: string): HTMLElement {
  const parts = text.split(/(?<=\/)/);
  return el('code', {}, ...parts.flatMap((part) => [document.createElement('wbr'), part]));
}

let ids = 0;

/** An id that nothing else on the page has. */
export function fresh(prefix: string): string {
  ids += 1;
  return `${prefix}-${ids}`;
}

/** Tells people who do not see the page what has changed. */
export function say(text: string): void {
  const said = document.getElementById('said');
  if (said) said.textContent = text;
}
