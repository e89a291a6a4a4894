// The tree of security levels, with check boxes. A grant holds all that is above it, and nothing below.
import type { Level } from '../api';
import { el, fresh } from '../dom';

export interface LevelTree {
  element: HTMLElement;
  granted: () => string[];
}

export function levelTree(levels: Level[], granted: string[]): LevelTree {
  const boxes = new Map<string, HTMLInputElement>();
  const known = new Set<string>();
  const collect = (level: Level) => {
    known.add(level.level);
    level.children.forEach(collect);
  };
  levels.forEach(collect);
  // What was granted elsewhere, and is no level of ours, stays unless somebody takes it away.
  const others = granted.filter((level) => !known.has(level)).map((level) => ({ level, about: 'Granted elsewhere', children: [] }));

  function branch({ level, about, children }: Level): HTMLElement {
    const input = el('input', { type: 'checkbox', id: fresh('level') });
    input.checked = granted.includes(level);
    // Every key holds it: there is nothing to choose.
    if (level === 'Authenticated') input.checked = input.disabled = true;
    else boxes.set(level, input);
    const label = el('label', { for: input.id }, level.split('/').at(-1) ?? level, ' ', el('span', { class: 'faint' }, about));
    return el('li', {}, el('div', { class: 'check' }, input, label), children.length > 0 ? el('ul', {}, ...children.map(branch)) : null);
  }

  const element = el('fieldset', { class: 'tree' }, el('legend', {}, 'Security levels'), el('ul', {}, ...levels.map(branch), ...others.map(branch)));
  return { element, granted: () => [...boxes].filter(([, input]) => input.checked).map(([level]) => level) };
}
