'use strict';

const assert = require('node:assert');
const { mkdtempSync, rmSync, existsSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { test } = require('node:test');
const { inspect } = require('node:util');
const { open, InspireAuthError, SYSTEM, backupStore, backupStoreSync, restoreStore } = require('inspire-auth');

const QUICK = { hash: { memoryKib: 64, iterations: 1 } };
const by = { actor: SYSTEM };
const code = (expected) => (error) => error instanceof InspireAuthError && error.code === expected;

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'inspire-auth-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('the life of a key, by promises', async (t) => {
  const auth = open(':memory:', { ...QUICK, peppers: [{ id: 'p', secret: Buffer.from('0123456789abcdef') }] });
  t.after(() => auth.close());
  const { keys } = auth;
  const made = await keys.create({ name: 'a', description: 'd', levels: ['B', 'A', 'A'], expiresAt: 4_000_000_000 }, by);
  assert.match(made.key, /^isk_/);
  assert.strictEqual(made.credential, `a:${made.key}`);
  assert.strictEqual(made.rfc6750Credential, `a~${made.key}`);
  assert.deepStrictEqual(
    [made.record.levels, made.record.requireSecure, made.record.enabled, made.record.origin, made.record.type],
    [['A', 'B'], true, true, 'generated', 'basic-token'],
  );
  assert.deepStrictEqual(keys.get('a'), made.record);
  // What is undefined stays, what is null is cleared.
  const kept = await keys.update('a', 1, { description: 'e', expiresAt: undefined }, by);
  assert.deepStrictEqual([kept.description, kept.expiresAt, kept.revision], ['e', 4_000_000_000, 2]);
  assert.strictEqual((await keys.update('a', 2, { expiresAt: null }, by)).expiresAt, null);
  await assert.rejects(keys.update('a', 2, {}, by), code('CONFLICT'));
  await assert.rejects(keys.update('a', 3, { levls: [] }, by), /changes has an unknown member levls/);
  await assert.rejects(keys.update('a', -1, {}, by), code('INVALID_ARGUMENT'));
  assert.strictEqual((await keys.setEnabled('a', false, { ...by, revision: 3 })).enabled, false);
  assert.strictEqual((await keys.rename('a', 'b', by)).name, 'b');
  const copy = await keys.duplicate('b', 'c', by);
  assert.deepStrictEqual([copy.record.enabled, copy.record.levels], [false, ['A', 'B']]);
  assert.notStrictEqual(copy.key, made.key);
  assert.notStrictEqual((await keys.rotate('b', { ...by, overlap: 0 })).key, made.key);
  for (const overlap of [31_536_001, -1, 1.5, '24h', 2 ** 60]) {
    await assert.rejects(keys.rotate('b', { ...by, overlap }), code('INVALID_ARGUMENT'));
  }
  await assert.rejects(keys.rotate('b', { ...by, overlapSeconds: 60 }), /unknown member overlapSeconds/);
  const imported = await keys.import({
    name: 'i', format: 'phc', hash: '$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  }, by);
  assert.strictEqual(imported.origin, 'imported');
  assert.deepStrictEqual(keys.list().map(({ name }) => name), ['b', 'c', 'i']);
  assert.deepStrictEqual(keys.list({ after: 'b', limit: 1 }).map(({ name }) => name), ['c']);
  assert.deepStrictEqual(keys.list({ level: 'B' }).map(({ name }) => name), ['b', 'c']);
  assert.strictEqual(keys.export().length, 3);
  assert.strictEqual(await keys.sealAll(by), 3);
  assert.strictEqual(await keys.delete('b', by), undefined);
  assert.throws(() => keys.get('b'), code('NOT_FOUND'));
});

test('both secrets are good while a rotation overlaps', async (t) => {
  const auth = open(':memory:', QUICK);
  t.after(() => auth.close());
  const { keys } = auth;
  const is = (made, now) => auth.authenticateSync(`Bearer ${made.credential}`, { now }).name === 'k';
  const refused = (made, now) => assert.throws(() => is(made, now), code('INVALID_CREDENTIAL'));
  const first = keys.createSync({ name: 'k', requireSecure: false }, { ...by, now: 1000 });
  assert.strictEqual(first.record.overlapEndsAt, null);
  const second = await keys.rotate('k', { ...by, now: 2000, overlap: 600 });
  assert.deepStrictEqual([second.record.overlapEndsAt, keys.get('k').overlapEndsAt], [2600, 2600]);
  for (const made of [first, second, first]) assert.ok(is(made, 2599));
  refused(first, 2600);
  assert.ok(is(second, 2600));
  assert.match(auth.audit().find(({ event }) => event === 'key.rotated').detail, /until 2600$/);
  // Only the newest of the old ones overlaps; without an overlap none does; never beyond the key's own end.
  const third = keys.rotateSync('k', { ...by, now: 2100, overlap: 60 });
  refused(first, 2100);
  assert.ok(is(second, 2159));
  assert.strictEqual(keys.rotateSync('k', { ...by, now: 2100 }).record.overlapEndsAt, null);
  for (const ended of [second, third]) refused(ended, 2100);
  keys.updateSync('k', keys.get('k').revision, { expiresAt: 3000 }, by);
  assert.strictEqual(keys.rotateSync('k', { ...by, now: 2100, overlap: 5000 }).record.overlapEndsAt, 3000);
});

test('many keys are imported at once: all of them, or none', async (t) => {
  const auth = open(':memory:', QUICK);
  t.after(() => auth.close());
  const { keys } = auth;
  const hash = 'Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU'; // SHA-256 of 32 zero bytes
  const token = (name, more) => ({ name, format: 'ignition', hash, strength: 'random', ...more });
  await keys.create({ name: 'taken' }, by);
  for (const [bad, expected, told] of [
    [token('taken'), 'NAME_TAKEN', 'import 1 (taken)'],
    [token('a'), 'NAME_TAKEN', 'import 1 (a): import 0 has it too'],
    [token('b', { hash: 'no hash' }), 'INVALID_HASH', 'import 1 (b)'],
    [token('a/b'), 'INVALID_NAME', 'import 1'],
    [token('b', { levels: ['//'] }), 'INVALID_LEVEL', 'import 1 (b)'],
    [token('b', { format: 'md5' }), 'INVALID_ARGUMENT', 'keys[1].format is neither'],
    [token('b', { strength: 'weak' }), 'INVALID_ARGUMENT', 'keys[1].strength is neither'],
    [token('b', { secret: 'x' }), 'INVALID_ARGUMENT', 'keys[1] has an unknown member secret'],
  ]) {
    const refused = (error) => error.code === expected && error.message.includes(told) && !error.message.includes(hash);
    await assert.rejects(keys.importAll([token('a'), bad], by), refused);
    assert.throws(() => keys.importAllSync([token('a'), bad], by), refused);
    assert.deepStrictEqual(keys.list().map(({ name }) => name), ['taken']);
  }
  await assert.rejects(keys.importAll(token('a'), by), code('INVALID_ARGUMENT'));
  assert.strictEqual(await keys.importAll([], by), 0);
  assert.strictEqual(await keys.importAll([token('a', { levels: ['Ops'] }), token('b', { requireSecure: false })], by), 2);
  assert.strictEqual(keys.importAllSync([token('c', { enabled: false, expiresAt: 4e9 })], by), 1);
  assert.deepStrictEqual(keys.list().map(({ name }) => name), ['a', 'b', 'c', 'taken']);
  assert.deepStrictEqual([keys.get('c').enabled, keys.get('c').expiresAt, keys.get('a').origin], [false, 4e9, 'imported']);
  assert.strictEqual(auth.authenticateSync(`Bearer b:${'A'.repeat(43)}`).name, 'b');
});

test('no secret shows in anything but what was just created', async (t) => {
  const auth = open(':memory:', QUICK);
  t.after(() => auth.close());
  const { key, record, credential } = auth.keys.createSync({ name: 'a', requireSecure: false }, by);
  const principal = auth.authenticateSync(`Bearer ${credential}`);
  const wrong = `${key.slice(0, -4)}AAAA`;
  const caught = [];
  for (const call of [
    () => auth.authenticateSync(`Bearer a:${wrong}`), () => auth.authenticateSync(`Bearer a:${key}:${key}`),
    () => auth.authenticateSync({ authorization: { secret: key } }), () => auth.keys.get(key), () => auth.keys.createSync(key, by),
    () => auth.keys.importSync({ name: 'x', format: 'phc', hash: key }, by), () => auth.authenticateSync([], { require: `${key},` }),
    () => auth.keys.createSync({ name: `${key}!` }, by),
  ]) {
    assert.throws(call, (error) => caught.push(error) > 0);
  }
  await assert.rejects(auth.authenticate(`Bearer a:${wrong}`), (error) => caught.push(error) > 0);
  assert.strictEqual(caught.length, 9);
  const secret = key.slice(4, 20);
  for (const shown of [auth, auth.keys, auth.license, principal, record, auth.audit(), auth.keys.list(), ...caught]) {
    const texts = [inspect(shown, { depth: 10, showHidden: true }), JSON.stringify(shown), String(shown.stack), String(shown)];
    for (const text of texts) assert.ok(!text?.includes(secret), text);
  }
});

test('another handle of the same file sees each change at once', (t) => {
  const store = join(folder(t), 'store.db');
  const [one, other] = [open(store, QUICK), open(store, QUICK)];
  const { credential } = one.keys.createSync({ name: 'a', requireSecure: false }, by);
  const principal = other.authenticateSync(`Bearer ${credential}`);
  assert.strictEqual(one.authenticateSync(`Bearer ${credential}`).id, principal.id);
  one.keys.deleteSync('a', by);
  assert.throws(() => other.authenticateSync(`Bearer ${credential}`), code('INVALID_CREDENTIAL'));
  one.close();
  other.close();
});

test('many opens and closes', (t) => {
  const store = join(folder(t), 'store.db');
  for (let n = 0; n < 100; n++) {
    const auth = open(n % 2 === 0 ? store : ':memory:', QUICK);
    if (n === 0) auth.keys.createSync({ name: 'a' }, by);
    if (n % 2 === 0) assert.strictEqual(auth.keys.get('a').name, 'a');
    auth.close();
  }
  for (let n = 0; n < 5; n++) {
    assert.throws(() => open(join(store, 'below-a-file.db'), { audit: () => {} }), (error) => /^STORE_/.test(error.code));
  }
});

test('a backup is made and brought back', async (t) => {
  const path = folder(t);
  const [store, copy, twice] = ['store.db', 'copy.db', 'twice.db'].map((name) => join(path, name));
  const auth = open(store, QUICK);
  auth.keys.createSync({ name: 'a' }, by);
  auth.keys.createSync({ name: 'gone' }, by);
  await backupStore(store, copy);
  backupStoreSync(store, twice);
  assert.ok(existsSync(copy) && existsSync(twice));
  await assert.rejects(backupStore(store, copy), code('INVALID_ARGUMENT'));
  auth.keys.deleteSync('gone', by);
  auth.keys.createSync({ name: 'new' }, by);
  const report = await restoreStore(store, copy);
  assert.deepStrictEqual([report.kept, report.stayedDeleted, report.deleted, report.license], [1, 1, ['new'], 'none']);
  await assert.rejects(restoreStore(store, copy, { acceptRevivd: true }), /options has an unknown member acceptRevivd/);
  auth.close();
});
