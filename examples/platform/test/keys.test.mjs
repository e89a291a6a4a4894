// Security > API Keys, as a person uses it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { goTo, isFine, launched, signedIn } from './browser.mjs';
import { ADMIN, ended, READ, Site, started, WRITE } from './site.mjs';

let site, app, browser, manager, looker;

before(async () => {
  site = new Site();
  manager = site.key('manager', WRITE, READ);
  looker = site.key('looker', ADMIN);
  site.ask('keys', 'create', 'line-1-scada', '--description', 'Reads the tags of line 1', '--level', READ);
  site.ask('keys', 'create', 'mes-sync', '--description', 'Synchronises orders every minute', '--level', READ, '--level', WRITE, '--expires', '2031-01-01T00:00:00Z');
  app = await site.platform();
  browser = await launched();
});

after(async () => {
  await browser?.close();
  await site?.close();
});

async function onKeys(t, credential = manager, options) {
  const one = await signedIn(browser, app.url, credential, options);
  t.after(() => one.context.close());
  await goTo(one.page, 'API Keys');
  return one;
}

const row = (page, name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });

/** Asks the guarded API with a key, as a program does. */
async function status(credential, path = '/data/api/v1/resources') {
  const answer = await fetch(`${app.url}${path}`, { headers: { Authorization: `Bearer ${credential}` } });
  return answer.status;
}

async function act(page, name, verb) {
  await row(page, name).getByRole('button', { name: `Actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: verb }).click();
}

/** Makes a key with the mouse; its credential. */
async function created(page, name, { levels = [], description = '' } = {}) {
  await page.getByRole('button', { name: 'Create API Key +' }).click();
  await page.getByRole('radio', { name: 'Basic Token' }).check();
  await page.getByRole('button', { name: 'Next' }).click();
  const dialog = page.getByRole('dialog', { name: 'Create API Key' });
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel('Description').fill(description);
  for (const level of levels) await dialog.getByRole('checkbox', { name: level }).check();
  await dialog.getByRole('button', { name: 'Create API Key' }).click();
  return stored(page, name);
}

/** The secret that is shown, once it has been put away. */
async function stored(page, name) {
  const dialog = page.getByRole('dialog', { name: `API Key ${name}` });
  const credential = await dialog.getByLabel('API Key', { exact: true }).inputValue();
  await dialog.getByLabel('I have stored my API Key').check();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await dialog.waitFor({ state: 'detached' });
  return credential;
}

test('a key is made, shown once, and used', async (t) => {
  const { page, troubles } = await onKeys(t);
  await isFine(page, 'api-keys');
  await page.getByRole('button', { name: 'Create API Key +' }).click();
  await isFine(page, 'create-type');
  await page.getByRole('button', { name: 'Next' }).click();
  const dialog = page.getByRole('dialog', { name: 'Create API Key' });
  assert.equal(await dialog.getByLabel('Require secure connections').isChecked(), true, 'it is on by default');
  await isFine(page, 'create-form');
  await dialog.getByLabel('Name').fill('reporting');
  await dialog.getByLabel('Description').fill('The nightly report');
  await dialog.getByRole('checkbox', { name: 'Read Read resources and modes' }).check();
  await dialog.getByLabel('Expires').fill('2099-12-31');
  await dialog.getByRole('button', { name: 'Create API Key' }).click();

  const secret = page.getByRole('dialog', { name: 'API Key reporting' });
  await secret.waitFor();
  await isFine(page, 'created');
  const credential = await secret.getByLabel('API Key', { exact: true }).inputValue();
  assert.match(credential, /^reporting:isk_/);
  await secret.getByRole('button', { name: 'Copy' }).click();
  await secret.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), credential);
  // Only who has stored it comes on; Escape is no way around that.
  assert.equal(await secret.getByRole('button', { name: 'Done' }).isDisabled(), true);
  await page.keyboard.press('Escape');
  assert.equal(await secret.isVisible(), true);
  await secret.getByLabel('I have stored my API Key for future reference').check();
  await secret.getByRole('button', { name: 'Done' }).click();
  await secret.waitFor({ state: 'detached' });
  assert.equal((await page.content()).includes(credential.split(':')[1]), false, 'it is nowhere any more');

  const cells = row(page, 'reporting');
  for (const text of ['The nightly report', READ, 'Yes', '1 Jan 2100', 'Never']) assert.match(await cells.innerText(), new RegExp(text));
  assert.equal(await status(credential), 200);
  assert.equal(await status(credential, '/data/api/v1/modes'), 200);
  const refused = await fetch(`${app.url}/data/api/v1/sync`, { method: 'POST', headers: { Authorization: `Bearer ${credential}` } });
  assert.equal(refused.status, 403);
  assert.deepEqual(troubles, []);
});

test('a name that is taken, or is none, is told where it was typed', async (t) => {
  const { page } = await onKeys(t);
  await page.getByRole('button', { name: 'Create API Key +' }).click();
  await page.getByRole('button', { name: 'Next' }).click();
  const dialog = page.getByRole('dialog', { name: 'Create API Key' });
  await dialog.getByLabel('Name').fill('manager');
  await dialog.getByRole('button', { name: 'Create API Key' }).click();
  const alert = dialog.getByRole('alert');
  await alert.waitFor();
  assert.match(await alert.innerText(), /A key of this name exists\..*NAME_TAKEN/s);
  await isFine(page, 'create-refused');
  await dialog.getByLabel('Name').fill('no spaces, please');
  await dialog.getByRole('button', { name: 'Create API Key' }).click();
  assert.equal(await dialog.getByLabel('Name').evaluate((input) => input.validity.patternMismatch), true);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});

test('a key is changed, and the change is obeyed by the next request', async (t) => {
  const { page } = await onKeys(t);
  const credential = await created(page, 'changing', { levels: ['Read Read resources'] });
  assert.equal(await status(credential), 200);
  await act(page, 'changing', 'Edit');
  const dialog = page.getByRole('dialog', { name: 'Edit changing' });
  assert.equal(await dialog.getByRole('checkbox', { name: 'Read Read resources' }).isChecked(), true);
  await isFine(page, 'edit');
  await dialog.getByRole('checkbox', { name: 'Read Read resources' }).uncheck();
  await dialog.getByLabel('Description').fill('Without a level');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await row(page, 'changing').getByText('Without a level').waitFor();
  assert.equal(await status(credential), 403);
  await act(page, 'changing', 'Edit');
  await dialog.getByLabel('Enabled').uncheck();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await row(page, 'changing').getByText('disabled').waitFor();
  assert.equal(await status(credential), 401);
});

test('who changes what somebody else has changed meanwhile is told', async (t) => {
  const { page } = await onKeys(t);
  await created(page, 'contended');
  await act(page, 'contended', 'Edit');
  site.ask('keys', 'edit', 'contended', '--description', 'from elsewhere');
  const dialog = page.getByRole('dialog', { name: 'Edit contended' });
  await dialog.getByLabel('Description').fill('from here');
  await dialog.getByRole('button', { name: 'Save' }).click();
  assert.match(await dialog.getByRole('alert').innerText(), /CONFLICT/);
});

test('a key is duplicated with all settings and a secret of its own', async (t) => {
  const { page } = await onKeys(t);
  const credential = await created(page, 'original', { levels: ['Read Read resources'], description: 'to be copied' });
  await act(page, 'original', 'Duplicate as New Key');
  const dialog = page.getByRole('dialog', { name: 'Duplicate original as New Key' });
  await isFine(page, 'duplicate');
  await dialog.getByLabel('Name').fill('second');
  await dialog.getByRole('button', { name: 'Create API Key' }).click();
  const copy = await stored(page, 'second');
  assert.notEqual(copy.split(':')[1], credential.split(':')[1]);
  assert.match(await row(page, 'second').innerText(), /to be copied/);
  assert.equal(await status(copy), 200);
});

test('a key that is deleted in one window is refused by the next request of another process', async (t) => {
  const { page } = await onKeys(t);
  const credential = await created(page, 'doomed', { levels: ['Read Read resources'] });
  const other = await site.platform();
  const asked = () => fetch(`${other.url}/data/api/v1/resources`, { headers: { 'X-Ignition-API-Token': credential } });
  assert.equal((await asked()).status, 200);
  assert.equal((await asked()).status, 200);
  await act(page, 'doomed', 'Delete');
  const dialog = page.getByRole('dialog', { name: 'Delete doomed?' });
  assert.match(await dialog.innerText(), /immediately revokes access for any service.*can’t be undone/s);
  await isFine(page, 'delete');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await asked()).status, 200);
  await act(page, 'doomed', 'Delete');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await row(page, 'doomed').waitFor({ state: 'detached' });
  assert.equal((await asked()).status, 401);
});

test('a key is in the list though the page was made anew under its dialog', async (t) => {
  const { page } = await onKeys(t);
  const former = await page.locator('table').elementHandle();
  await page.getByRole('button', { name: 'Create API Key +' }).click();
  await page.getByRole('button', { name: 'Next' }).click();
  await page.evaluate(() => dispatchEvent(new PopStateEvent('popstate')));
  await page.waitForFunction((table) => !table.isConnected, former);
  const dialog = page.getByRole('dialog', { name: 'Create API Key' });
  await dialog.getByLabel('Name').fill('outlived');
  await dialog.getByRole('button', { name: 'Create API Key' }).click();
  await stored(page, 'outlived');
  await row(page, 'outlived').waitFor();
});

test('a key without the write level may look, and is told what it lacks', async (t) => {
  const { page } = await onKeys(t, looker);
  await page.getByText('Authenticated/Gateway/Write').first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Create API Key +' }).isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: /^Actions for/ }).count(), 0);
  await isFine(page, 'api-keys-read-only');
  // A page that is made to ask all the same is refused by the library.
  const answer = await page.evaluate(async () => {
    const { csrf } = await (await fetch('/api/session')).json();
    const headers = { 'X-CSRF-Token': csrf, 'Content-Type': 'application/json' };
    const response = await fetch('/api/keys', { method: 'POST', headers, body: '{"name":"forbidden"}' });
    return { status: response.status, body: await response.json() };
  });
  assert.equal(answer.status, 403);
  assert.equal(answer.body.error, 'PERMISSION_DENIED');
});

test('everything can be done with the keyboard', async (t) => {
  const { page } = await onKeys(t);
  const actions = row(page, 'manager').getByRole('button', { name: 'Actions for manager' });
  await actions.focus();
  await page.keyboard.press('ArrowDown');
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  assert.equal(await focused(), 'Edit');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'Duplicate as New Key');
  await page.keyboard.press('End');
  assert.equal(await focused(), 'Delete');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'Edit');
  await page.keyboard.press('Escape');
  assert.equal(await actions.evaluate((button) => button === document.activeElement), true, 'the focus is back where it was');
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Edit' }).press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Edit manager' });
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});

test('the application ends when it is told to, with a person on its pages', async (t) => {
  await onKeys(t);
  const own = await site.platform();
  const { context } = await signedIn(browser, own.url, manager);
  t.after(() => context.close());
  await ended(own.child);
  assert.equal(own.child.exitCode, 0);
});

test('what can not be started says why', async () => {
  const main = new URL('../server/main.mjs', import.meta.url).pathname;
  for (const words of [[], ['--port', 'x', '--store', 's.db'], ['--trusted-key', 'nonsense', '--store', 's.db'], ['--what']]) {
    await assert.rejects(started([process.execPath, main, ...words], {}, String), /ended with 2: usage/);
  }
});
