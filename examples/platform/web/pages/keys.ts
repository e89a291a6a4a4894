// Security > API Keys: the list, and what can be done with each.
import { ask, type Key, type Session } from '../api';
import { confirm, problem } from '../dialogs';
import { el, path, replace, say } from '../dom';
import { date, moment } from '../format';
import { menu } from '../menu';
import { createKey, duplicateKey, editKey } from './key-forms';

export async function keys(session: Session, show: (path: string) => void): Promise<HTMLElement> {
  const place = el('div', { class: 'table-place' });
  const wrong = problem();
  const create = el('button', { type: 'button', disabled: !session.canWrite }, 'Create API Key +');
  create.addEventListener('click', () => void createKey(refresh).catch(wrong.show));
  const page = el(
    'div',
    {},
    el('div', { class: 'title' }, el('h1', { tabindex: -1 }, 'API Keys'), create),
    el('p', { class: 'lead' }, 'Keys let programs use the HTTP API. Each is shown once, when it is made, and kept as a hash.'),
    session.canWrite ? null : readOnly(),
    wrong.element,
    place,
  );
  async function draw(): Promise<void> {
    const all = await ask<Key[]>('GET', '/api/keys');
    replace(place, all.length === 0 ? el('p', {}, 'There are no keys yet.') : table(all, session, refresh));
  }
  async function refresh(told = ''): Promise<void> {
    // A dialog may outlive the page that it was opened on.
    if (place.isConnected) await draw();
    else show(location.pathname);
    if (told !== '') say(told);
  }
  await draw();
  return page;
}

function readOnly(): HTMLElement {
  return el(
    'div',
    { class: 'notice info', role: 'note' },
    'You may look, but not change anything: your key lacks the level ',
    el('code', {}, 'Authenticated/Gateway/Write'),
    '. Sign in with a key that holds it, or ask whoever manages keys to grant it.',
  );
}

type Refresh = (told?: string) => Promise<void>;

function table(all: Key[], session: Session, refresh: Refresh): HTMLElement {
  const columns = ['Name', 'Description', 'Security levels', 'Secure only', 'Created', 'Last used', 'Expires'];
  const head = el('tr', {}, ...columns.map((title) => el('th', { scope: 'col' }, title)), el('th', { scope: 'col' }, el('span', { class: 'unseen' }, 'Actions')));
  const rows = all.map((key) => row(key, columns, session, refresh));
  return el('table', { class: 'cards' }, el('caption', { class: 'unseen' }, 'API keys'), el('thead', {}, head), el('tbody', {}, ...rows));
}

function row(key: Key, columns: string[], session: Session, refresh: Refresh): HTMLElement {
  const levels = key.levels.length === 0 ? ['Authenticated'] : key.levels;
  const isOver = key.expiresAt !== null && key.expiresAt * 1000 <= Date.now();
  const cells: (Node | string)[][] = [
    [el('span', { class: 'name' }, key.name), ...(key.enabled ? [] : [' ', badge('disabled')]), ...(isOver ? [' ', badge('expired')] : [])],
    [key.description || el('span', { class: 'faint' }, 'None')],
    [el('ul', { class: 'levels' }, ...levels.map((level) => el('li', {}, path(level))))],
    [key.requireSecure ? 'Yes' : 'No'],
    [date(key.createdAt)],
    [moment(key.lastUsedAt)],
    [moment(key.expiresAt)],
  ];
  const [first, ...others] = cells.map((content, at) =>
    el(at === 0 ? 'th' : 'td', { scope: at === 0 ? 'row' : null, 'data-title': columns[at] ?? '' }, ...content),
  );
  const actions = session.canWrite ? menu(`Actions for ${key.name}`, items(key, refresh)) : '';
  return el('tr', {}, first, ...others, el('td', { class: 'actions' }, actions));
}

function items(key: Key, refresh: Refresh) {
  return [
    { label: 'Edit', act: () => void editKey(key, refresh) },
    { label: 'Duplicate as New Key', act: () => duplicateKey(key, refresh) },
    { label: 'Delete', isDanger: true, act: () => remove(key, refresh) },
  ];
}

function remove(key: Key, refresh: Refresh): void {
  const text = [
    el('p', {}, 'This immediately revokes access for any service that uses ', el('strong', {}, key.name), '.'),
    el('p', {}, 'It can’t be undone.'),
  ];
  confirm(`Delete ${key.name}?`, text, 'Delete', async () => {
    await ask('DELETE', `/api/keys/${encodeURIComponent(key.name)}`, { revision: key.revision });
    await refresh(`${key.name} was deleted, and is refused from now on.`);
  });
}

function badge(text: string): HTMLElement {
  return el('span', { class: 'badge' }, text);
}
