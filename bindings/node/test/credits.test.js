'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { InspireAuthError, SYSTEM, SigningKey, open, sign, tenantEffective } = require('inspire-auth');

const PACKAGE = dirname(require.resolve('inspire-auth/package.json'));
const now = 1_800_000_000;
const code = (expected) => (error) => error instanceof InspireAuthError && error.code === expected;

/** An installation that is licensed for 100 credits a month, and 10 displays. */
function licensed(t, store = ':memory:') {
  const signer = SigningKey.generate();
  const options = { trustedKeys: [{ id: 'k', publicKey: signer.publicKey }], machineId: 'box', hash: { memoryKib: 64 } };
  const limits = { AI_CREDITS_MONTHLY: 100, MAX_DISPLAYS: 10 };
  const description = { id: 'l1', key: 'KEY', fingerprint: 'box', entitlements: ['OFFLINE_LICENSING'], limits };
  const auth = open(store, options);
  t.after(() => auth.close());
  auth.license.activateOfflineSync('KEY', sign(signer, description, { kind: 'machine', now }), { actor: SYSTEM, now });
  return { license: auth.license, options };
}

test('credits are consumed once, and given back once', async (t) => {
  const { license } = licensed(t);
  assert.deepStrictEqual(await license.balance({ now }), {
    limit: 100, used: 0, left: 100, period: '2027-01', resetsAt: Date.parse('2027-02-01') / 1000,
  });
  assert.strictEqual((await license.consume(30, 'a', { now })).left, 70);
  assert.strictEqual(license.consumeSync(30, 'a', { now }).left, 70);
  await assert.rejects(license.consume(31, 'a', { now }), code('CONFLICT'));
  await assert.rejects(license.consume(71, 'b', { now }), code('LIMIT_EXCEEDED'));
  assert.strictEqual((await license.refund('a', { now })).used, 0);
  assert.strictEqual(license.refundSync('a', { now }).used, 0);
  await assert.rejects(license.refund('nothing', { now }), code('NOT_FOUND'));
  for (const [amount, operation, options] of [
    [0, 'c'], [1.5, 'c'], ['1', 'c'], [1, ''], [1, 'c', { tenat: {} }], [1, 'c', { tenant: { limit: 1 } }], [1, 'c', { tenant: { name: '' } }],
  ]) {
    assert.throws(() => license.consumeSync(amount, operation, options), code('INVALID_ARGUMENT'));
  }
});

test('a tenant has a limit of its own', async (t) => {
  const { license } = licensed(t);
  const [north, south] = [{ name: 'north', limit: 20 }, { name: 'south' }];
  const of = (tenant) => ({ tenant, now });
  assert.strictEqual((await license.consume(15, 'a', of(north))).left, 5);
  await assert.rejects(license.consume(6, 'b', of(north)), code('LIMIT_EXCEEDED'));
  assert.deepStrictEqual([license.balanceSync(of(south)).left, license.balanceSync({ now }).used], [85, 15]);
  await assert.rejects(license.refund('a', of(south)), code('CONFLICT'));

  license.checkTenantLimit('MAX_DISPLAYS', { name: 'north', limit: 3 }, 3, 10, now);
  assert.throws(() => license.checkTenantLimit('MAX_DISPLAYS', { name: 'north', limit: 3 }, 4, 10, now), code('LIMIT_EXCEEDED'));
  assert.throws(() => license.checkTenantLimit('MAX_DISPLAYS', south, 3, 11, now), code('LIMIT_EXCEEDED'));
  assert.throws(() => license.checkTenantLimit('MAX_DISPLAYS', south, -1, 1, now), code('INVALID_ARGUMENT'));
  assert.deepStrictEqual(
    [[3, 10], [30, 10], [undefined, 10], [-1, -1], [3, -1]].map(([limit, all]) => tenantEffective({ name: 'n', limit }, all)),
    [3, 10, 10, -1, 3],
  );
  assert.throws(() => tenantEffective({}, 1), code('INVALID_ARGUMENT'));
});

test('workers share one allocation', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'inspire-auth-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const store = join(folder, 'store.db');
  const { license, options } = licensed(t, store);
  const work = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { open } = require(${JSON.stringify(PACKAGE)});
    const { store, options, number, now } = workerData;
    const { license } = open(store, options);
    (async () => {
      const codes = [];
      // Each operation of its own, and one that all of them ask for.
      for (const operation of ['shared', ...Array.from({ length: 39 }, (_, n) => number + '-' + n)]) {
        await license.consume(1, operation, { now }).then(() => codes.push('OK'), ({ code }) => codes.push(code));
      }
      parentPort.postMessage(codes);
    })();`;
  const workers = [0, 1, 2, 3].map((number) => new Worker(work, { eval: true, workerData: { store, options, number, now } }));
  const codes = (await Promise.all(workers.map((worker) => once(worker, 'message')))).flat(2);
  await Promise.all(workers.map((worker) => worker.terminate()));
  const count = (each) => codes.filter((one) => one === each).length;
  // 160 calls; of the shared operation's four, one has consumed.
  assert.deepStrictEqual([count('OK'), count('LIMIT_EXCEEDED'), codes.length], [103, 57, 160]);
  assert.deepStrictEqual([license.balanceSync({ now }).used, license.balanceSync({ now }).left], [100, 0]);
});
