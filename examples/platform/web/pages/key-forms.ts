// What is asked when a key is made, changed or duplicated, and the one time that a secret is shown.
import { ask, type Key, type Level } from '../api';
import { cancel, check, field, form, open } from '../dialogs';
import { el, fresh, replace, say } from '../dom';
import { levelTree } from './level-tree';

type Refresh = (told?: string) => Promise<void>;

interface Created {
  record: Key;
  credential: string;
}

/** First the type, then the form, then the secret. */
export async function createKey(refresh: Refresh): Promise<void> {
  const levels = await ask<Level[]>('GET', '/api/levels');
  open('Create API Key', (close) => {
    const kind = el('input', { type: 'radio', name: 'type', id: fresh('type'), value: 'basic-token', required: true });
    kind.checked = true;
    const hint = el('p', { class: 'hint' }, 'A name and a secret, sent with each request.');
    const choice = el('fieldset', {}, el('legend', {}, 'Type'), el('div', { class: 'check' }, kind, el('label', { for: kind.id }, 'Basic Token'), hint));
    return [
      form([choice], [cancel(close), el('button', { type: 'submit' }, 'Next')], async () => {
        close();
        describe(levels, refresh);
      }),
    ];
  });
}

function describe(levels: Level[], refresh: Refresh): void {
  open('Create API Key', (close) => {
    const name = nameInput('');
    const settings = fields(levels, { description: '', levels: [], requireSecure: true, expiresAt: null });
    return [
      form([name.element, ...settings.elements], [cancel(close), el('button', { type: 'submit' }, 'Create API Key')], async () => {
        const created = await ask<Created>('POST', '/api/keys', { name: name.value(), ...settings.values() });
        close();
        await shown(created, refresh);
      }),
    ];
  });
}

export async function editKey(key: Key, refresh: Refresh): Promise<void> {
  const levels = await ask<Level[]>('GET', '/api/levels');
  open(`Edit ${key.name}`, (close) => {
    const settings = fields(levels, key);
    const enabled = check('Enabled', key.enabled, 'A key that is not enabled is refused, and can be enabled again.');
    return [
      form([...settings.elements, enabled.element], [cancel(close), el('button', { type: 'submit' }, 'Save')], async () => {
        const changes = { revision: key.revision, ...settings.values(), enabled: enabled.input.checked };
        await ask('PATCH', `/api/keys/${encodeURIComponent(key.name)}`, changes);
        close();
        await refresh(`${key.name} was changed.`);
      }),
    ];
  });
}

export function duplicateKey(key: Key, refresh: Refresh): void {
  open(`Duplicate ${key.name} as New Key`, (close) => {
    const name = nameInput(`${key.name}-copy`);
    const text = el('p', {}, 'The new key has all settings of this one, and a secret of its own.');
    return [
      form([text, name.element], [cancel(close), el('button', { type: 'submit' }, 'Create API Key')], async () => {
        const path = `/api/keys/${encodeURIComponent(key.name)}/duplicate`;
        const created = await ask<Created>('POST', path, { revision: key.revision, name: name.value() });
        close();
        await shown(created, refresh);
      }),
    ];
  });
}

/** The secret, once. It can't be closed by mistake. */
async function shown({ record, credential }: Created, refresh: Refresh): Promise<void> {
  await refresh();
  open(`API Key ${record.name}`, (close) => {
    const secret = el('textarea', { rows: 2, readonly: true, class: 'mono secret', spellcheck: 'false', autocomplete: 'off' });
    secret.value = credential;
    secret.addEventListener('focus', () => secret.select());
    const copy = el('button', { type: 'button', class: 'quiet' }, 'Copy');
    copy.addEventListener('click', async () => {
      secret.select();
      try {
        await navigator.clipboard.writeText(credential);
        replace(copy, 'Copied');
        say('The key was copied.');
      } catch {
        say('The key is selected: copy it with the keyboard.');
      }
    });
    const stored = check('I have stored my API Key for future reference', false);
    const done = el('button', { type: 'submit', disabled: true }, 'Done');
    stored.input.addEventListener('change', () => (done.disabled = !stored.input.checked));
    return [
      form(
        [
          el('div', { class: 'notice warning', role: 'note' }, 'This key is shown once. It is kept only as a hash: who loses it makes a new one.'),
          field('API Key', secret, 'Send it as “Authorization: Bearer …”, or in X-Ignition-API-Token.'),
          copy,
          stored.element,
        ],
        [done],
        async () => {
          secret.value = '';
          close();
          say(`${record.name} was created.`);
        },
      ),
    ];
  }, true);
}

function nameInput(value: string) {
  const input = el('input', { type: 'text', required: true, maxlength: 64, autocomplete: 'off', spellcheck: 'false', pattern: '[A-Za-z0-9][A-Za-z0-9._\\-]*' });
  input.value = value;
  return { element: field('Name', input, 'Letters, digits, dot, underscore and hyphen; at most 64.'), value: () => input.value.trim() };
}

type Settings = Pick<Key, 'description' | 'levels' | 'requireSecure' | 'expiresAt'>;

function fields(levels: Level[], now: Settings) {
  const description = el('textarea', { rows: 2, maxlength: 4000 });
  description.value = now.description;
  const secure = check('Require secure connections', now.requireSecure, 'The key is refused where a request did not come over TLS.');
  const expires = el('input', { type: 'date' });
  if (now.expiresAt !== null) expires.value = new Date(now.expiresAt * 1000).toISOString().slice(0, 10);
  const before = expires.value;
  const tree = levelTree(levels, now.levels);
  return {
    elements: [field('Description', description), secure.element, field('Expires', expires, 'At the end of that day, UTC. Empty is never.'), tree.element],
    values: (): Settings => ({
      description: description.value,
      levels: tree.granted(),
      requireSecure: secure.input.checked,
      // A time of day that somebody else has set stays, unless the day is changed.
      expiresAt: expires.value === before ? now.expiresAt : endOf(expires.value),
    }),
  };
}

function endOf(day: string): number | null {
  return day === '' ? null : Date.parse(`${day}T00:00:00Z`) / 1000 + 24 * 60 * 60;
}
