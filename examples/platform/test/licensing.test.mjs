// Platform > Licensing, as a person uses it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { goTo, isFine, launched, signedIn } from './browser.mjs';
import { ADMIN, ended, Site, troubleshooting, WRITE } from './site.mjs';

let site, vendor, browser;

before(async () => {
  site = new Site();
  vendor = await site.vendor();
  browser = await launched();
});

after(async () => {
  await browser?.close();
  await site?.close();
});

let app, page, credential;

/** Each test begins with an installation of its own, without a license, and an administrator on its page. */
beforeEach(async (t) => {
  site.begin();
  credential = site.key('admin', ADMIN, WRITE);
  app = await site.platform({ server: vendor.url });
  const one = await signedIn(browser, app.url, credential);
  page = one.page;
  await goTo(page, 'Licensing');
  t.after(async () => {
    await one.context.close();
    await ended(app.child);
    assert.deepEqual(one.troubles, []);
  });
});

const fact = (name) => page.locator('.facts > div').filter({ has: page.getByText(name, { exact: true }) }).locator('dd');
const card = (title) => page.getByRole('region', { name: 'Limits' }).getByRole('listitem').filter({ hasText: title });
const included = (code) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: code, exact: true }) });
const alert = (text) => page.getByRole('alert').filter({ hasText: text });

async function is(status) {
  await fact('Status').getByText(status, { exact: true }).waitFor();
}

/** Fills the form that stands behind a button of the page, and sends it. */
async function activate(verb, { mode, key, file }) {
  await page.getByRole('button', { name: verb }).click();
  const dialog = page.getByRole('dialog', { name: verb });
  await dialog.getByRole('radio', { name: mode }).check();
  await dialog.getByLabel('License key').fill(key);
  if (file !== undefined) await dialog.getByLabel('License file').fill(file);
  await dialog.getByRole('button', { name: verb }).click();
  return dialog;
}

async function activated(given) {
  const dialog = await activate('Activate', given);
  await dialog.waitFor({ state: 'detached' });
  await is('Active');
}

test('without a license, pages that need one are locked', async () => {
  await is('Unlicensed');
  await page.getByText('This installation is not licensed').waitFor();
  await isFine(page, 'licensing-unlicensed');
  for (const title of ['Max Displays', 'Max Agiles', 'AI Credits']) assert.match(await card(title).innerText(), /^.*\n+0\n/);
  await included('VIDEO_WALL_SYNC').getByText('Not included').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Deactivate' }).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Re-validate' }).count(), 0);
  await page.getByRole('navigation').getByRole('link', { name: 'Video Walls (locked)' }).click();
  await page.getByText('Video wall configuration is not included in your license.').waitFor();
  await isFine(page, 'feature-locked');
  await goTo(page, 'Displays');
  await page.getByLabel('Name of the display').fill('one');
  await page.getByRole('button', { name: 'Add display' }).click();
  await alert('LIMIT_EXCEEDED').waitFor();
});

test('a license is activated online, re-validated, and deactivated', async () => {
  const license = site.sell('Plant 7');
  await page.getByRole('button', { name: 'Activate' }).click();
  await isFine(page, 'activate-online');
  await page.keyboard.press('Escape');
  await activated({ mode: 'Online', key: license.key });
  await isFine(page, 'licensing-online');
  const shown = fact('License key').locator('code');
  assert.equal(await shown.innerText(), `********${license.key.slice(-4)}`);
  await page.getByRole('button', { name: 'Reveal' }).click();
  await shown.getByText(license.key, { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Hide' }).click();
  await shown.getByText('********').waitFor();
  const [seen] = site.ask('audit', 'list').events.filter(({ event }) => event === 'license.key_revealed');
  assert.equal(seen.actor, 'key:admin');
  assert.equal(await fact('Name').innerText(), 'Plant 7');
  assert.equal(await fact('Validation mode').innerText(), 'Online');
  assert.equal(await fact('Expires').innerText(), 'Never');
  assert.match(await fact('Last validated').innerText(), /20\d\d/);
  assert.match(await card('Max Displays').innerText(), /25\s+0 used/);
  assert.match(await card('Max Agiles').innerText(), /Unlimited\s+0 used/);
  await included('VIDEO_WALL_SYNC').getByText('Included', { exact: true }).waitFor();
  await included('MFA').getByText('Not included').waitFor();
  await goTo(page, 'Video Walls');
  await page.getByText('is included in your license').waitFor();
  await isFine(page, 'feature');

  // What the vendor changes is here with the next validation.
  site.vends('limit', '--set', 'MAX_DISPLAYS=30', license.id);
  site.vends('entitle', '--add', 'MFA', license.id);
  await goTo(page, 'Licensing');
  await page.getByRole('button', { name: 'Re-validate' }).click();
  await included('MFA').getByText('Included', { exact: true }).waitFor();
  assert.match(await card('Max Displays').innerText(), /30/);

  await page.getByRole('button', { name: 'Deactivate' }).click();
  const dialog = page.getByRole('dialog', { name: 'Deactivate this license?' });
  await isFine(page, 'deactivate');
  await dialog.getByRole('button', { name: 'Deactivate' }).click();
  await page.getByText('has confirmed that this machine’s place is free').waitFor();
  await isFine(page, 'deactivated');
  await page.getByRole('button', { name: 'Done' }).click();
  await is('Unlicensed');
  assert.equal(site.vends('show', license.id).license.machines.length, 0);
});

test('a suspension, its end, and an end that is past, each say what to do', async () => {
  const license = site.sell('Plant 8');
  await activated({ mode: 'Online', key: license.key });
  site.vends('suspend', license.id);
  await page.getByRole('button', { name: 'Re-validate' }).click();
  await is('Suspended');
  await alert('The license is suspended.').waitFor();
  await isFine(page, 'licensing-suspended');
  await page.getByRole('link', { name: 'Video Walls (locked)' }).waitFor();
  site.vends('reinstate', license.id);
  await page.getByRole('button', { name: 'Re-validate' }).click();
  await is('Active');
  site.vends('renew', '--expires', '4s', license.id);
  await page.getByRole('button', { name: 'Re-validate' }).click();
  await alert('The license expires within a day.').waitFor();
  await comes(() => page.getByText('Expired', { exact: true }).isVisible());
  await isFine(page, 'licensing-expired');
  site.vends('renew', '--expires', '5d', license.id);
  await page.getByRole('button', { name: 'Re-validate' }).click();
  await is('Active');
  await alert('The license expires in 7 days or less.').waitFor();
  await isFine(page, 'licensing-expires-soon');
});

/** Reloads until something has come. */
async function comes(isThere) {
  for (;;) {
    await page.reload();
    await fact('Status').waitFor();
    if (await isThere()) return;
    await page.waitForTimeout(200);
  }
}

test('a server that can not be reached leaves the license in force, and says until when', async () => {
  const away = await site.vendor();
  const own = await site.platform({ server: away.url });
  const license = site.sell('Plant 9');
  const one = await signedIn(browser, own.url, credential);
  await page.context().close();
  page = one.page;
  await goTo(page, 'Licensing');
  await activated({ mode: 'Online', key: license.key });
  await ended(away.child);
  await page.getByRole('button', { name: 'Re-validate' }).click();
  const problem = page.getByRole('alert').filter({ hasText: 'NETWORK_CONNECT' });
  await problem.waitFor();
  await page.reload();
  await is('Active');
  await alert(/The last validation failed.*stays in force until/).waitFor();
  await isFine(page, 'licensing-grace');
  await goTo(page, 'Video Walls');
  await page.getByText('is included in your license').waitFor();

  // It can be taken out all the same; the server is told later.
  await goTo(page, 'Licensing');
  await page.getByRole('button', { name: 'Deactivate' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Deactivate' }).click();
  await page.getByText('does not know it yet').waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
  await is('Unlicensed');
  await one.context.close();
});

test('a license is activated offline by pasting a machine file, updated, and taken out', async () => {
  const { key, text } = site.file('offline', { expiry: '2099-12-31T00:00:00Z' });
  await page.getByRole('button', { name: 'Activate' }).click();
  await page.getByRole('radio', { name: 'Offline' }).check();
  await isFine(page, 'activate-offline');
  const [request] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download the request for this machine' }).click(),
  ]);
  assert.equal(request.suggestedFilename(), 'machine.req');
  await request.saveAs(site.path('machine.req'));
  await page.keyboard.press('Escape');
  await activated({ mode: 'Offline', key, file: text });
  await isFine(page, 'licensing-offline');
  assert.equal(await fact('Validation mode').innerText(), 'Offline certificate');
  assert.match(await fact('Expires').innerText(), /31 Dec 2099/);
  assert.equal(await page.getByRole('button', { name: 'Re-validate' }).count(), 0, 'there is nobody to be asked');

  await goTo(page, 'Displays');
  for (const name of ['lobby', 'canteen']) {
    await page.getByLabel('Name of the display').fill(name);
    await page.getByRole('button', { name: 'Add display' }).click();
    await page.getByText(name, { exact: true }).waitFor();
  }
  await page.getByLabel('Name of the display').fill('one too many');
  await page.getByRole('button', { name: 'Add display' }).click();
  await alert('LIMIT_EXCEEDED').waitFor();
  await isFine(page, 'displays');
  await goTo(page, 'Licensing');
  assert.match(await card('Max Displays').innerText(), /2\s+2 used/);

  // The vendor answers the request with a file for more displays.
  const answer = site.file('more', { limits: { MAX_DISPLAYS: 500 } }, ['--request', 'machine.req']);
  const dialog = await activate('Update License', { mode: 'Offline', key: answer.key, file: answer.text });
  await dialog.waitFor({ state: 'detached' });
  await card('Max Displays').getByText('500').waitFor();
  assert.match(await card('Max Displays').innerText(), /2 used/);

  await page.getByRole('button', { name: 'Deactivate' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Deactivate' }).click();
  await page.getByLabel('Receipt').waitFor();
  await isFine(page, 'deactivated-offline');
  await page.getByRole('button', { name: 'Done' }).click();
  await is('Unlicensed');
});

test('what can not be activated says why, and what to do about it', async () => {
  const { key, text } = site.file('wrong');
  const plain = site.file('plain', { entitlements: ['MFA'] });
  const elsewhere = site.file('elsewhere', { fingerprint: 'f'.repeat(64) });
  for (const [given, code] of [
    [{ mode: 'Online', key: 'NO-SUCH-KEY-AT-ALL' }, 'LICENSE_UNKNOWN'],
    [{ mode: 'Offline', key, file: 'this is no file' }, 'LICENSE_MALFORMED'],
    [{ mode: 'Offline', key, file: text.replace(/[A-Z]{3}/, 'AAA') }, /LICENSE_(MALFORMED|SIGNATURE_INVALID)/],
    [{ mode: 'Offline', key: 'ANOTHER-KEY-1111', file: text }, 'LICENSE_KEY_MISMATCH'],
    [{ mode: 'Offline', key: plain.key, file: plain.text }, 'OFFLINE_NOT_ENTITLED'],
    [{ mode: 'Offline', key: elsewhere.key, file: elsewhere.text }, 'MACHINE_MISMATCH'],
  ]) {
    const dialog = await activate('Activate', given);
    const said = dialog.getByRole('alert').filter({ hasText: code });
    await said.waitFor();
    const told = await said.innerText();
    const [own] = told.match(/[A-Z_]{8,}$/);
    for (const sentence of troubleshooting(own)) assert.ok(told.includes(sentence), `${told}: ${sentence}`);
    if (code === 'OFFLINE_NOT_ENTITLED') await isFine(page, 'activate-refused');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  }
  await is('Unlicensed');
});

test('licensing is for administrators', async (t) => {
  const writer = await signedIn(browser, app.url, site.key('writer', WRITE));
  t.after(() => writer.context.close());
  await goTo(writer.page, 'Licensing');
  await writer.page.getByText('Licensing is for administrators').waitFor();
  // A page that asks all the same is refused by the library.
  const { csrf } = await (await writer.context.request.get('/api/session')).json();
  const headers = { 'X-CSRF-Token': csrf };
  const ask = async (method, path, data) => {
    const answer = await writer.context.request.fetch(path, { method, headers, data });
    return [answer.status(), (await answer.json()).error];
  };
  assert.deepEqual(await ask('GET', '/api/license'), [403, 'INSUFFICIENT_LEVEL']);
  const refused = [403, 'PERMISSION_DENIED'];
  assert.deepEqual(await ask('POST', '/api/license', { mode: 'online', key: 'ANY-KEY' }), refused);
  assert.deepEqual(await ask('POST', '/api/license/revalidate'), refused);
  assert.deepEqual(await ask('POST', '/api/license/request'), refused);
  assert.deepEqual(await ask('POST', '/api/license/key'), refused);
  assert.deepEqual(await ask('DELETE', '/api/license'), refused);
});
