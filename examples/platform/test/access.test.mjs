// Who comes in, and what nobody else's page can do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { isFine, launched, person, signedIn, signIn } from './browser.mjs';
import { ADMIN, READ, Site, WRITE } from './site.mjs';

let site, app, browser, admin;

before(async () => {
  site = new Site();
  admin = site.key('admin', ADMIN, WRITE);
  app = await site.platform();
  browser = await launched();
});

after(async () => {
  await browser?.close();
  await site?.close();
});

test('only a key with the admin or the write level signs in', async (t) => {
  const { page, context, troubles } = await person(browser, app.url);
  t.after(() => context.close());
  await page.goto('/');
  await page.getByRole('heading', { name: 'Sign in to Platform' }).waitFor();
  await isFine(page, 'sign-in');
  const reader = site.key('reader', READ);
  for (const [credential, code] of [
    ['admin:isk_nonsense', 'INVALID_CREDENTIAL'],
    ['nobody at all', 'MALFORMED_CREDENTIAL'],
    [reader, 'INSUFFICIENT_LEVEL'],
  ]) {
    await signIn(page, credential);
    await page.getByRole('alert').filter({ hasText: code }).waitFor();
    assert.equal(await page.getByLabel('API key').inputValue(), '', 'what was typed is gone');
  }
  await isFine(page, 'sign-in-refused');
  await signIn(page, admin);
  await page.getByText('Signed in as').waitFor();
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.name], [true, 'Strict', 'platform-session']);
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script sees it');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to Platform' }).waitFor();
  const answer = await context.request.get('/api/keys', { headers: { Cookie: `${cookie.name}=${cookie.value}` } });
  assert.equal(answer.status(), 401, 'the session is over on the server, too');
  assert.deepEqual(troubles, []);
});

test('a session ends with its key', async (t) => {
  const key = site.key('short-lived', ADMIN);
  const { page, context } = await signedIn(browser, app.url, key);
  t.after(() => context.close());
  site.ask('keys', 'delete', 'short-lived', '--yes');
  await page.getByRole('navigation').getByRole('link', { name: 'Licensing' }).click();
  await page.getByRole('heading', { name: 'Sign in to Platform' }).waitFor();
});

test('a key that loses its level loses what it could do', async (t) => {
  const key = site.key('demoted', ADMIN, WRITE);
  const { page, context } = await signedIn(browser, app.url, key);
  t.after(() => context.close());
  site.ask('keys', 'edit', 'demoted', '--level', WRITE);
  await page.getByRole('navigation').getByRole('link', { name: 'Licensing' }).click();
  await page.getByText('Licensing is for administrators').waitFor();
  await isFine(page, 'licensing-denied');
});

test('nothing is changed without the session’s token, or from another site', async (t) => {
  const { context } = await signedIn(browser, app.url, admin);
  t.after(() => context.close());
  const { csrf } = await (await context.request.get('/api/session')).json();
  const send = (headers) => context.request.post('/api/keys', { headers, data: { name: 'forged' } });
  for (const headers of [
    {},
    { 'X-CSRF-Token': '' },
    { 'X-CSRF-Token': `${csrf}x` },
    { 'X-CSRF-Token': csrf, Origin: 'http://elsewhere.example' },
    { 'X-CSRF-Token': csrf, 'Sec-Fetch-Site': 'cross-site' },
    { 'X-CSRF-Token': csrf, Host: 'rebound.example' },
  ]) {
    const answer = await send(headers);
    assert.equal(answer.status(), 403, JSON.stringify(headers));
    assert.equal((await answer.json()).error, 'CROSS_SITE');
  }
  const signed = await context.request.post('/api/session', { data: { credential: admin } });
  assert.equal(signed.status(), 403, 'nobody is signed in from elsewhere');
  assert.equal(site.ask('keys', 'list').keys.some(({ name }) => name === 'forged'), false);
  assert.equal((await send({ 'X-CSRF-Token': csrf })).status(), 200);
});

test('every answer says what a browser may do with it', async () => {
  const page = await fetch(`${app.url}/licensing`);
  const policy = page.headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*|data:|https?:/);
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
  const secret = await fetch(`${app.url}/api/session`);
  assert.equal(secret.status, 401);
  assert.equal(secret.headers.get('cache-control'), 'no-store');
  for (const path of ['/api/nothing', '/server/main.mjs', '/../package.json', '/nothing']) {
    assert.equal((await fetch(`${app.url}${path}`)).status, 404, path);
  }
});

test('the document names both ways to send a key, and its page says the same', async (t) => {
  const document = await (await fetch(`${app.url}/openapi`)).json();
  const { bearer, token } = document.components.securitySchemes;
  assert.deepEqual([bearer.type, bearer.scheme, token.in, token.name], ['http', 'bearer', 'header', 'X-Ignition-API-Token']);
  for (const path of ['resources', 'sync', 'modes']) assert.ok(document.paths[`/data/api/v1/${path}`], path);
  const { page, context } = await signedIn(browser, app.url, admin);
  t.after(() => context.close());
  await page.getByRole('navigation').getByRole('link', { name: 'OpenAPI' }).click();
  await page.getByText('PUT /data/api/v1/modes').waitFor();
  await isFine(page, 'openapi');
});
