'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const inspireAuth = require('inspire-auth');

test('CommonJS and ECMAScript modules give the same things', async () => {
  const module = await import('inspire-auth');
  assert.deepStrictEqual(Object.keys(module).filter((name) => name !== 'default').sort(), Object.keys(inspireAuth).sort());
  for (const [name, value] of Object.entries(inspireAuth)) assert.strictEqual(module[name], value, name);
  assert.strictEqual(module.default, inspireAuth);
});

test('the table and the catalogue are the library’s, and frozen', () => {
  const { ERRORS, CATALOGUE, VERSION, ABI_VERSION } = inspireAuth;
  assert.ok(ERRORS.length > 50 && Object.isFrozen(ERRORS) && ERRORS.every(Object.isFrozen));
  assert.deepStrictEqual({ ...ERRORS.find(({ code }) => code === 'BUSY'), admin: '', developer: '' }, {
    code: 'BUSY', number: 205, message: 'too many credentials are being checked for the first time', admin: '', developer: '',
    retry: true, httpStatus: 503, hasVector: true,
  });
  assert.deepStrictEqual([CATALOGUE.length, { ...CATALOGUE[6] }], [10, { code: 'MFA', feature: 'Multi-factor authentication' }]);
  assert.match(VERSION, /^\d+\.\d+\.\d+$/);
  assert.strictEqual(VERSION, require('inspire-auth/package.json').version);
  assert.strictEqual(ABI_VERSION, 1);
});

test('an error is made from the table', () => {
  const error = new inspireAuth.InspireAuthError('BUSY', 'x', { cause: 1 });
  assert.deepStrictEqual(
    [error.name, error.code, error.detail, error.retry, error.httpStatus, error.cause],
    ['InspireAuthError', 'BUSY', 'x', true, 503, 1],
  );
  assert.strictEqual(error.message, 'too many credentials are being checked for the first time: x');
  assert.strictEqual(new inspireAuth.InspireAuthError('NOPE').code, 'INTERNAL');
});

test('every method with a promise has one that blocks, of the same arguments', () => {
  for (const { prototype } of [inspireAuth.Keys, inspireAuth.License]) {
    const names = Object.getOwnPropertyNames(prototype);
    for (const sync of names.filter((name) => name.endsWith('Sync'))) {
      assert.strictEqual(prototype[sync.slice(0, -4)].name, sync.slice(0, -4));
    }
  }
  assert.strictEqual(typeof inspireAuth.backupStore, 'function');
});

test('a method on the wrong object is refused', () => {
  const auth = inspireAuth.open(':memory:');
  assert.throws(() => inspireAuth.Keys.prototype.get.call(auth.license, 'x'));
  assert.throws(() => inspireAuth.InspireAuth.prototype.authenticateSync.call({}, []));
  auth.close();
});
