// Platform > Licensing: what this installation is licensed for, and how that is changed. For administrators.
import { ApiError, ask, type License, type Session } from '../api';
import { cancel, form, open, problem } from '../dialogs';
import { el, replace, say } from '../dom';
import { count, moment } from '../format';
import { activate } from './activate';

const STATES: Record<License['state'], string> = {
  unlicensed: 'Unlicensed',
  active: 'Active',
  expired: 'Expired',
  suspended: 'Suspended',
  invalid: 'Invalid',
};

/** What failed on the page that was here before. */
let failure: unknown;

export async function licensing(session: Session, show: (path: string) => void): Promise<HTMLElement> {
  const heading = el('h1', { tabindex: -1 }, 'Licensing');
  if (!session.isAdmin) {
    const text = ['Licensing is for administrators: your key lacks the level ', el('code', {}, 'Authenticated/Platform/Admin'), '.'];
    return el('div', {}, heading, el('div', { class: 'notice info', role: 'note' }, ...text));
  }
  const license = await ask<License>('GET', '/api/license');
  const wrong = problem();
  const isTold = failure instanceof ApiError && license.notices.some(({ code }) => code === (failure as ApiError).error);
  if (failure !== undefined && !isTold) wrong.show(failure);
  failure = undefined;
  // What is locked is around this page as well: all of it is made again.
  const changed = (told: string) => {
    show('/licensing');
    say(told);
  };
  // An answer that grants nothing may have changed the status all the same.
  const failed = (error: unknown) => {
    failure = error;
    show('/licensing');
  };
  return el(
    'div',
    {},
    el('div', { class: 'title' }, heading, el('div', { class: 'buttons' }, ...actions(license, changed, failed))),
    wrong.element,
    status(license, wrong.show),
    limits(license),
    entitlements(license),
  );
}

function actions(license: License, changed: (told: string) => void, failed: (error: unknown) => void): HTMLElement[] {
  const isThere = license.state !== 'unlicensed';
  const button = (label: string, kind: string, act: () => void) => el('button', { type: 'button', class: kind, click: act }, label);
  const all = [button(isThere ? 'Update License' : 'Activate', '', () => activate(license, isThere, changed))];
  if (!isThere) return all;
  if (license.mode === 'online') {
    const again = button('Re-validate', 'quiet', async () => {
      again.disabled = true;
      again.setAttribute('aria-busy', 'true');
      try {
        await ask('POST', '/api/license/revalidate');
        changed('The license was validated.');
      } catch (error) {
        failed(error);
      }
    });
    all.push(again);
  }
  all.push(button('Deactivate', 'danger-quiet', () => deactivate(changed)));
  return all;
}

interface Deactivated {
  release: 'server' | 'pending' | 'none';
  problem: { message: string; advice: string } | null;
  receipt: string | null;
}

function deactivate(changed: (told: string) => void): void {
  const text = [
    el('p', {}, 'Features that need a license are locked at once. Online, this machine’s place on the license becomes free for another one.'),
    el('p', {}, 'The installed file can’t be used here again: to come back, activate anew, or with a newer file.'),
  ];
  const { element } = open('Deactivate this license?', (close) => [
    form(text, [cancel(close), el('button', { type: 'submit', class: 'danger' }, 'Deactivate')], async () => {
      after(element, await ask<Deactivated>('DELETE', '/api/license'), changed);
    }),
  ]);
}

/** The same dialog says what became of it. */
function after(dialog: HTMLDialogElement, { release, problem, receipt }: Deactivated, changed: (told: string) => void): void {
  const said = {
    server: 'The license was taken out here, and the licensing server has confirmed that this machine’s place is free.',
    pending: `The license was taken out here. The licensing server does not know it yet, and will be told again. ${problem ? `${problem.message} ${problem.advice}` : ''}`,
    none: 'The license was taken out here. There is no server to be told: send the receipt to whoever issued the license.',
  }[release];
  const done = el('button', { type: 'button', click: () => dialog.close() }, 'Done');
  dialog.addEventListener('close', () => changed('The license was deactivated.'));
  const lines: (Node | string)[] = [el('h2', {}, 'Deactivated'), el('p', { role: 'status' }, said)];
  if (receipt !== null) {
    const text = el('textarea', { readonly: true, rows: 4, class: 'mono', 'aria-label': 'Receipt' });
    text.value = receipt;
    lines.push(text);
  }
  replace(dialog, ...lines, el('div', { class: 'buttons' }, done));
  dialog.setAttribute('aria-label', 'Deactivated');
  dialog.removeAttribute('aria-labelledby');
  done.focus();
}

/** The key as it is masked, and what shows it whole: that is asked for each time, and recorded. */
function licenseKey(masked: string, failed: (error: unknown) => void): (Node | string)[] {
  const key = el('code', { class: 'mono' }, masked);
  const button = el('button', { type: 'button', class: 'quiet small' }, 'Reveal');
  let isShown = false;
  const showing = (text: string) => {
    isShown = text !== masked;
    replace(key, text);
    replace(button, isShown ? 'Hide' : 'Reveal');
  };
  button.addEventListener('click', async () => {
    if (isShown) return showing(masked);
    try {
      showing((await ask<{ key: string }>('POST', '/api/license/key')).key);
    } catch (error) {
      failed(error);
    }
  });
  return [key, ' ', button];
}

function status(license: License, failed: (error: unknown) => void): HTMLElement {
  const facts: [string, (Node | string)[]][] = [
    ['License key', license.key === null ? ['None'] : licenseKey(license.key, failed)],
    ['Name', [license.name ?? 'None']],
    ['Status', [el('span', { class: `state ${license.state}` }, STATES[license.state]), ...(license.reason ? [' ', license.reason.message] : [])]],
    ['Validation mode', [license.mode === 'online' ? 'Online' : license.mode === 'offline' ? 'Offline certificate' : 'None']],
    ['Expires', [license.state === 'unlicensed' ? 'None' : moment(license.expiresAt)]],
    ['Last validated', [license.lastValidatedAt === null ? 'Never' : moment(license.lastValidatedAt)]],
  ];
  if (license.leaseExpiresAt !== null && license.mode === 'online') facts.push(['Valid without the server until', [moment(license.leaseExpiresAt)]]);
  if (license.lastAttempt) facts.push(['Last attempt failed', [`${moment(license.lastAttempt.at)}: ${license.lastAttempt.message} ${license.lastAttempt.advice}`]]);
  const list = el('dl', { class: 'facts' }, ...facts.map(([title, value]) => el('div', {}, el('dt', {}, title), el('dd', {}, ...value))));
  return el('section', { 'aria-label': 'Status' }, el('h2', {}, 'Status'), list);
}

function limits(license: License): HTMLElement {
  const cards = license.limits.map(({ title, limit, used, name }) => {
    const isEndless = limit === -1;
    const said = isEndless ? 'Unlimited' : count(limit);
    const meter = el('meter', { min: 0, max: Math.max(limit, 1), value: Math.min(used, Math.max(limit, 1)), 'aria-label': `${title} in use` });
    return el(
      'li',
      { class: 'card', 'data-limit': name },
      el('h3', {}, title),
      el('p', { class: 'figure' }, said),
      isEndless || limit === 0 ? null : meter,
      el('p', { class: 'hint' }, `${count(used)} used`),
    );
  });
  return el('section', { 'aria-label': 'Limits' }, el('h2', {}, 'Limits'), el('ul', { class: 'cards-row' }, ...cards));
}

function entitlements(license: License): HTMLElement {
  const rows = license.entitlements.map(({ code, feature, granted }) =>
    el(
      'tr',
      { class: granted ? '' : 'missing' },
      el('th', { scope: 'row', 'data-title': 'Code' }, el('code', {}, code)),
      el('td', { 'data-title': 'Feature' }, feature ?? 'Known to the vendor'),
      el('td', { 'data-title': 'Included' }, el('span', { class: granted ? 'yes' : 'no' }, granted ? 'Included' : 'Not included')),
    ),
  );
  const head = el('tr', {}, ...['Code', 'Feature', 'Included'].map((title) => el('th', { scope: 'col' }, title)));
  const table = el('table', { class: 'cards' }, el('caption', { class: 'unseen' }, 'Entitlements'), el('thead', {}, head), el('tbody', {}, ...rows));
  return el('section', { 'aria-label': 'Entitlements' }, el('h2', {}, 'Entitlements'), table);
}
