// What the license counts: displays and agiles. One more is refused when the limit is reached.
import { ask, type Session } from '../api';
import { field, form } from '../dialogs';
import { el, replace, say } from '../dom';

type Inventory = Record<string, string[]>;
const KINDS = { MAX_DISPLAYS: ['Displays', 'display'], MAX_AGILES: ['Agiles', 'agile'] } as const;

export async function displays(_session: Session): Promise<HTMLElement> {
  let all = await ask<Inventory>('GET', '/api/inventory');
  const sections = (Object.keys(KINDS) as (keyof typeof KINDS)[]).map((kind) => {
    const [title, one] = KINDS[kind];
    const list = el('ul', { class: 'plain' });
    const draw = () => {
      const names = all[kind] ?? [];
      replace(list, ...(names.length > 0 ? names.map((name) => el('li', {}, name)) : [el('li', { class: 'faint' }, 'None yet')]));
    };
    const input = el('input', { type: 'text', required: true, maxlength: 80, autocomplete: 'off' });
    const add = form([field(`Name of the ${one}`, input)], [el('button', { type: 'submit' }, `Add ${one}`)], async () => {
      all = await ask<Inventory>('POST', '/api/inventory', { kind, name: input.value.trim() });
      say(`${input.value} was added.`);
      input.value = '';
      draw();
    });
    draw();
    return el('section', { 'aria-label': title }, el('h2', {}, title), list, add);
  });
  return el('div', {}, el('h1', { tabindex: -1 }, 'Displays'), el('p', { class: 'lead' }, 'As many as the license allows.'), ...sections);
}
