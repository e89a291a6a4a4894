'use strict';

// Each adapter by import and by require: one and the same.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const EXPORTS = {
  express: ['apiKey', 'entitled'],
  fastify: ['inspireAuth'],
  hono: ['apiKey'],
  openfeature: ['LicenseProvider'],
};

for (const [adapter, names] of Object.entries(EXPORTS)) {
  test(`${adapter}, imported and required`, async () => {
    const required = require(`inspire-auth/${adapter}`);
    const imported = await import(`inspire-auth/${adapter}`);
    assert.deepEqual(
      Object.keys(imported).filter((name) => name !== 'default'),
      names,
    );
    for (const name of names) assert.equal(imported[name], required[name]);
  });
}

test('the plugin for Fastify is the default of both', async () => {
  const required = require('inspire-auth/fastify');
  assert.equal((await import('inspire-auth/fastify')).default, required);
  assert.equal(required.default, required);
});

test('what is not exported can not be reached', () => {
  assert.throws(() => require('inspire-auth/adapters/gate.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
});
