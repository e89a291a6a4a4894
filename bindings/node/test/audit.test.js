'use strict';

const assert = require('node:assert');
const { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { test } = require('node:test');
const { InspireAuthError, Routes, SYSTEM, open, verifyAudit, verifyAuditSync } = require('inspire-auth');

const QUICK = { hash: { memoryKib: 64, iterations: 1 } };
const by = { actor: SYSTEM };
const code = (expected) => (error) => error instanceof InspireAuthError && error.code === expected;

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'inspire-auth-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const lines = (path) => readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));

test('changes and denials are lines of the audit file, in a chain', async (t) => {
  const path = join(folder(t), 'audit.jsonl');
  const auth = open(':memory:', { ...QUICK, auditFile: { path, chain: true } });
  const { key } = auth.keys.createSync({ name: 'a' }, by);
  await auth.keys.rotate('a', { ...by, overlap: 60 });
  assert.throws(() => auth.authenticateSync('Bearer nobody:x'), code('INVALID_CREDENTIAL'));
  auth.close();
  assert.strictEqual(statSync(path).mode & 0o777, 0o600);
  const events = lines(path);
  assert.deepStrictEqual(events.map(({ event, code }) => [event, code]), [
    ['key.created', 'OK'], ['key.rotated', 'OK'], ['key.refused', 'INVALID_CREDENTIAL'],
  ]);
  assert.ok(!readFileSync(path, 'utf8').includes(key.slice(4, 20)));
  const found = await verifyAudit(path);
  assert.deepStrictEqual(
    [found.lines, found.files, found.fromTheBeginning, found.unchained, found.torn, found.firstTorn],
    [3, [path], true, 0, 0, null],
  );
  assert.match(found.head, /^[0-9a-f]{64}$/);
  assert.deepStrictEqual(verifyAuditSync(path, { head: found.head }), found);
  // Cut off at the end, only the head shows it; changed, the chain does.
  const whole = readFileSync(path, 'utf8');
  truncateSync(path, whole.lastIndexOf('\n', whole.length - 2) + 1);
  assert.strictEqual((await verifyAudit(path)).lines, 2);
  await assert.rejects(verifyAudit(path, { head: found.head }), code('CONFLICT'));
  writeFileSync(path, whole.replace('key.created', 'key.updated'));
  await assert.rejects(verifyAudit(path), code('CONFLICT'));
  assert.throws(() => verifyAuditSync(path), code('CONFLICT'));
  await assert.rejects(verifyAudit(path, { head: 'x' }), code('INVALID_ARGUMENT'));
  await assert.rejects(verifyAudit(`${path}.none`), code('AUDIT_UNAVAILABLE'));
  await assert.rejects(verifyAudit(7), code('INVALID_ARGUMENT'));
});

test('a file that can’t be written denies changes, or is counted', (t) => {
  // A device that is always full: no permission keeps root out of a folder.
  const denying = open(':memory:', { ...QUICK, auditFile: { path: '/dev/full', onFailure: 'deny_mutations' } });
  t.after(() => denying.close());
  assert.throws(() => denying.keys.createSync({ name: 'a' }, by), code('AUDIT_UNAVAILABLE'));
  assert.deepStrictEqual(denying.keys.list(), []);
  assert.throws(() => denying.authenticateSync('Bearer a:x'), code('INVALID_CREDENTIAL'));
  const warning = open(':memory:', { ...QUICK, auditFile: { path: '/dev/full' } });
  t.after(() => warning.close());
  warning.keys.createSync({ name: 'a' }, by);
  assert.strictEqual(warning.keys.list().length, 1);
  assert.match(warning.metricsText(), /^inspire_audit_failures_total [1-9]/m);
});

test('options of the file are checked', (t) => {
  const path = join(folder(t), 'audit.jsonl');
  for (const wrong of [
    'x', {}, { path: 7 }, { path, maxBytes: 1 }, { path, maxBytes: -1 }, { path, keep: 0 }, { path, keep: 1001 },
    { path, chain: 1 }, { path, onFailure: 'deny' }, { path, max_bytes: 1 << 20 },
  ]) {
    assert.throws(() => open(':memory:', { auditFile: wrong }), code('INVALID_ARGUMENT'), JSON.stringify(wrong));
  }
  open(':memory:', { auditFile: { path, maxBytes: 65536, keep: 1, chain: false, onFailure: 'warn' } }).close();
});

test('metrics are OpenMetrics, and name nobody', (t) => {
  const auth = open(':memory:', QUICK);
  t.after(() => auth.close());
  const { credential } = auth.keys.createSync({ name: 'somebody', requireSecure: false }, by);
  for (let count = 0; count < 3; count++) auth.authenticateSync(`Bearer ${credential}`);
  const routes = Routes.parse({ routes: [] });
  assert.throws(() => auth.authenticateSync([], { routes, method: 'GET', path: '/' }), code('ROUTE_DENIED'));
  const text = auth.metricsText();
  assert.match(text, /\n# EOF\n$/);
  assert.match(text, /^inspire_apikey_verifications_total\{result="OK"\} 3$/m);
  assert.match(text, /^inspire_apikey_verifications_total\{result="ROUTE_DENIED"\} 1$/m);
  assert.match(text, /^inspire_keys 1$/m);
  assert.doesNotMatch(text, /somebody|isk_/);
  auth.close();
  assert.throws(() => auth.metricsText(), code('INVALID_ARGUMENT'));
});
