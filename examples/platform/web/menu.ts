// The three dots, and what is behind them: a menu as the WAI-ARIA patterns describe it.
import { el, fresh } from './dom';

export interface Item {
  label: string;
  act: () => void;
  isDanger?: boolean;
}

export function menu(label: string, items: Item[]): HTMLElement {
  const id = fresh('menu');
  const button = el(
    'button',
    { type: 'button', class: 'dots', 'aria-label': label, 'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-controls': id },
    '⋮',
  );
  const list = el('div', { role: 'menu', id, class: 'menu', 'aria-label': label, popover: 'auto' });
  const entries = items.map((item) => {
    const entry = el('button', { type: 'button', role: 'menuitem', tabindex: -1, class: item.isDanger ? 'danger-text' : '' }, item.label);
    entry.addEventListener('click', () => {
      list.hidePopover();
      item.act();
    });
    return entry;
  });
  list.append(...entries);
  const focus = (index: number) => entries[(index + entries.length) % entries.length]?.focus();
  button.addEventListener('click', () => list.togglePopover());
  button.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    list.showPopover();
  });
  list.addEventListener('toggle', (event) => {
    const isOpen = (event as ToggleEvent).newState === 'open';
    button.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) focus(0);
    else if (list.contains(document.activeElement)) button.focus();
  });
  list.addEventListener('beforetoggle', (event) => {
    if ((event as ToggleEvent).newState === 'open') place(list, button);
  });
  list.addEventListener('keydown', (event) => {
    const at = entries.indexOf(document.activeElement as HTMLButtonElement);
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 };
    const to = moves[event.key];
    if (event.key === 'Tab') list.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    focus(to);
  });
  return el('div', { class: 'menu-holder' }, button, list);
}

/** Below the button, and inside the window. The style is the document's, as the policy allows. */
function place(list: HTMLElement, button: HTMLElement): void {
  const { bottom, right, top } = button.getBoundingClientRect();
  const width = 220;
  const isLow = bottom + 150 > window.innerHeight;
  list.style.left = `${Math.max(8, right - width)}px`;
  list.style.top = isLow ? 'auto' : `${bottom + 4}px`;
  list.style.bottom = isLow ? `${window.innerHeight - top + 4}px` : 'auto';
  list.style.width = `${width}px`;
}
