'use strict';

const assert = require('node:assert');
const { dirname } = require('node:path');
const { test } = require('node:test');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const inspireAuth = require('inspire-auth');

const { open, InspireAuthError, SYSTEM } = inspireAuth;
const QUICK = { hash: { memoryKib: 64, iterations: 1 } };
const by = { actor: SYSTEM };

function opened(t, options) {
  const auth = open(':memory:', { ...QUICK, ...options });
  t.after(() => auth.close());
  return auth;
}

function withKey(t, key, options) {
  const auth = opened(t, options);
  const made = auth.keys.createSync({ name: 'a', requireSecure: false, ...key }, by);
  return { auth, made, value: `Bearer ${made.credential}` };
}

const refused = (code) => (error) => {
  assert.ok(error instanceof InspireAuthError, String(error));
  assert.strictEqual(error.code, code, error.message);
  return true;
};

test('every shape of headers is read, and gives the same object', async (t) => {
  const { auth, value } = withKey(t);
  const principal = auth.authenticateSync(['Host', 'x', 'Authorization', value]);
  assert.deepStrictEqual({ ...principal, id: null }, {
    id: null, name: 'a', revision: 1, channel: 'plain', isAnonymous: false, warning: null,
  });
  assert.ok(Object.isFrozen(principal));
  const shapes = [
    ['Host', 'x', 'aUTHORIZATION', value],
    [['Host', 'x'], ['authorization', value]],
    new Headers({ Authorization: value }),
    { host: 'x', authorization: value },
    { Authorization: [value] },
    { authorization: value, 'x-ignition-api-token': undefined },
    value,
    ['X-Ignition-API-Token', value.slice('Bearer '.length)],
    { 'x-ignition-api-token': value.slice('Bearer '.length) },
  ];
  for (const headers of shapes) {
    assert.strictEqual(auth.authenticateSync(headers), principal);
    assert.strictEqual(await auth.authenticate(headers), principal);
  }
});

test('exactly one credential, or none', async (t) => {
  const { auth, value, made } = withKey(t, {}, { extraHeaders: ['X-Key'] });
  const legacy = made.credential;
  for (const headers of [
    ['Authorization', value, 'authorization', value],
    ['Authorization', value, 'X-Ignition-API-Token', legacy],
    ['X-Ignition-API-Token', legacy, 'x-key', legacy],
    [['Authorization', value], ['Authorization', value]],
    { authorization: [value, value] },
    { authorization: value, Authorization: value },
    { authorization: `${value}, ${value}` },
    new Headers([['Authorization', value], ['Authorization', value]]),
    ['Authorization', `${value}\u0141`],
    `Bearer a:${String.fromCharCode(0x141)}${made.key.slice(1)}`,
    `Bearer \u00e4:${made.key}`,
    `Bearer ${'x'.repeat(5000)}`,
  ]) {
    assert.throws(() => auth.authenticateSync(headers), refused('MALFORMED_CREDENTIAL'), JSON.stringify(headers));
    await assert.rejects(auth.authenticate(headers), refused('MALFORMED_CREDENTIAL'));
  }
  for (const headers of [[], {}, new Headers(), ['Host', 'x'], 'Basic dTpw', ['Authorization', 'Basic \u00ff\u00fe'], { authorization: undefined }]) {
    assert.throws(() => auth.authenticateSync(headers), refused('NO_CREDENTIAL'));
    await assert.rejects(auth.authenticate(headers), refused('NO_CREDENTIAL'));
  }
  assert.strictEqual(auth.authenticateSync(['x-KEY', legacy]).name, 'a');
});

test('what is no header is refused, not passed over', async (t) => {
  const { auth, value } = withKey(t);
  for (const headers of [
    undefined, null, 7, true, Symbol('x'), ['Authorization'], ['Authorization', 7], [7, value], [['Authorization']],
    [['Authorization', value, 'x']], { authorization: 7 }, { authorization: { toString: () => value } },
    ['Authorization', value, undefined, value], ['Authorization', value, 'Host'],
  ]) {
    assert.throws(() => auth.authenticateSync(headers), refused('INVALID_ARGUMENT'));
    await assert.rejects(auth.authenticate(headers), refused('INVALID_ARGUMENT'));
  }
});

test('a refusal has the code of its reason, and the host has its answer', (t) => {
  const { auth, value, made } = withKey(t, { levels: ['Authenticated/Ops'] }, { realm: 'gate' });
  const wrong = `Bearer a:${made.key.slice(0, -1)}${made.key.endsWith('A') ? 'B' : 'A'}`;
  const cases = [
    [() => auth.authenticateSync([]), 'NO_CREDENTIAL', 401, 'Bearer realm="gate"'],
    [() => auth.authenticateSync(wrong), 'INVALID_CREDENTIAL', 401, 'Bearer realm="gate", error="invalid_token"'],
    [() => auth.authenticateSync(value, { require: 'Authenticated/Admin' }), 'INSUFFICIENT_LEVEL', 403,
      'Bearer realm="gate", error="insufficient_scope"'],
    [() => auth.authenticateSync(value, { require: { any: [] } }), 'INSUFFICIENT_LEVEL', 403,
      'Bearer realm="gate", error="insufficient_scope"'],
    [() => auth.authenticateSync(value, { entitlement: 'MFA' }), 'UNLICENSED', 403, null],
    [() => auth.keys.get('nobody'), 'NOT_FOUND', 500, null],
  ];
  for (const [call, code, status, challenge] of cases) {
    assert.throws(call, (error) => {
      refused(code)(error);
      assert.deepStrictEqual(auth.http(error), { status, challenge, retryAfter: null });
      return true;
    });
  }
  assert.deepStrictEqual(auth.http('BUSY'), { status: 503, challenge: null, retryAfter: 1 });
  for (const foreign of [new Error('x'), Object.assign(new Error('x'), { code: 'NO_CREDENTIAL' }), {}, null, undefined]) {
    assert.strictEqual(auth.http(foreign).status, 500);
  }
  assert.throws(() => auth.http('NOT_A_CODE'), refused('INVALID_ARGUMENT'));
});

test('a requirement is compiled, a text, or lists; anything else is refused', async (t) => {
  const { auth, value } = withKey(t, { levels: ['Authenticated/Ops/Write'] });
  const operators = auth.requirement('any(Authenticated/Ops/Write, Other)');
  assert.strictEqual(String(operators), 'any(Authenticated/Ops/Write, Other)');
  for (const require of [
    operators, 'Authenticated/Ops', 'all(Authenticated, Authenticated/Ops)', { any: ['Authenticated/Ops'] },
    { all: ['Authenticated/Ops/Write'] },
  ]) {
    assert.strictEqual(auth.authenticateSync(value, { require }).name, 'a');
    assert.strictEqual((await auth.authenticate(value, { require })).name, 'a');
  }
  for (const require of [7, {}, [], { any: ['A'], all: ['A'] }, { some: ['A'] }, { any: 'A' }, () => {}, true]) {
    assert.throws(() => auth.authenticateSync(value, { require }), refused('INVALID_ARGUMENT'));
    await assert.rejects(auth.authenticate(value, { require }), refused('INVALID_ARGUMENT'));
  }
  assert.throws(() => auth.authenticateSync(value, { require: 'A//B' }), refused('INVALID_LEVEL'));
  // Public admits everyone, and nobody in particular is one object too.
  const anonymous = auth.authenticateSync([], { require: 'Public' });
  assert.deepStrictEqual([anonymous.id, anonymous.isAnonymous], [null, true]);
  assert.strictEqual(auth.authenticateSync([], { require: 'Public' }), anonymous);
});

test('requirements that nobody holds give up their numbers to no other', (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const { auth, value } = withKey(t);
  for (let n = 0; n < 5000; n++) {
    assert.throws(() => auth.authenticateSync(value, { require: { any: [`Authenticated/N${n % 50}`] } }), refused('INSUFFICIENT_LEVEL'));
    if (n % 500 === 0) collect();
  }
});

test('options are checked by name and by value', async (t) => {
  const { auth, value } = withKey(t);
  for (const options of [{ chanel: 'secure' }, { channel: 'tls' }, { channel: 1 }, { now: 'now' }, { now: 1.5 }, { entitlement: 7 }, 7, 'secure', () => {}]) {
    assert.throws(() => auth.authenticateSync(value, options), refused('INVALID_ARGUMENT'));
    await assert.rejects(auth.authenticate(value, options), refused('INVALID_ARGUMENT'));
  }
  assert.throws(() => auth.authenticateSync(value, { signal: AbortSignal.abort() }), refused('INVALID_ARGUMENT'));
  for (const options of [
    { reaml: 'x' }, { realm: 7 }, { realm: '"' }, { mode: 'x' }, { hash: { memoryKib: 'isk_SECRET' } }, { hash: { memory: 1 } },
    { peppers: [{ id: 'p', secret: 'isk_SECRET' }] }, { audit: 7 }, { maxLease: -1 }, 7, 'x',
  ]) {
    assert.throws(() => open(':memory:', options), (error) => {
      refused('INVALID_ARGUMENT')(error);
      assert.ok(!error.message.includes('SECRET'), error.message);
      return true;
    });
  }
  assert.throws(() => open(), refused('INVALID_ARGUMENT'));
  for (const store of ['', 'a\0b', '/nowhere/at/all.db']) assert.throws(() => open(store), InspireAuthError);
  assert.throws(() => open(':memory:', { hash: { memory: 1 } }), /options\.hash has an unknown member memory/);
  assert.throws(() => open(':memory:', { peppers: [{ id: 'p', secret: 'x' }] }), /options\.peppers\[0\]\.secret/);
});

test('a key that changes has another object, over each channel its own', (t) => {
  const { auth, value } = withKey(t);
  const first = auth.authenticateSync(value);
  const secure = auth.authenticateSync(value, { channel: 'secure' });
  assert.notStrictEqual(secure, first);
  assert.strictEqual(secure.channel, 'secure');
  assert.strictEqual(auth.authenticateSync(value), first);
  auth.keys.updateSync('a', first.revision, { description: 'x' }, by);
  const second = auth.authenticateSync(value);
  assert.notStrictEqual(second, first);
  assert.deepStrictEqual([first.revision, second.revision], [1, 2]);
  const renamed = auth.keys.renameSync('a', 'b', by);
  const third = auth.authenticateSync(value.replace('a:', 'b:'));
  assert.deepStrictEqual([third.name, third.revision, third.id], ['b', renamed.revision, first.id]);
  assert.strictEqual(first.name, 'a');
  assert.throws(() => auth.authenticateSync(value), refused('INVALID_CREDENTIAL'));
});

test('an actor is known by what the library holds, never by what it says', async (t) => {
  const { auth, value } = withKey(t, { levels: ['Authenticated/Ops'] }, { writeRequirement: 'Authenticated/Ops' });
  const actor = auth.authenticateSync(value);
  assert.strictEqual(auth.keys.createSync({ name: 'by-key' }, { actor }).record.name, 'by-key');
  const other = auth.requirement('Authenticated');
  for (const forged of [
    { ...actor }, Object.create(actor), Object.setPrototypeOf({ ...actor }, Object.getPrototypeOf(actor)), structuredClone(actor),
    Object.setPrototypeOf(other, Object.getPrototypeOf(actor)), null, undefined, 'system', Symbol('inspire-auth.SYSTEM'), auth, 7,
  ]) {
    assert.throws(() => auth.keys.createSync({ name: 'x' }, { actor: forged }), refused('INVALID_ARGUMENT'));
    await assert.rejects(auth.keys.create({ name: 'x' }, { actor: forged }), refused('INVALID_ARGUMENT'));
    assert.throws(() => auth.recheck(forged, 'Authenticated'), refused('INVALID_ARGUMENT'));
  }
  assert.throws(() => auth.keys.createSync({ name: 'x' }), refused('INVALID_ARGUMENT'));
  assert.throws(() => auth.keys.createSync({ name: 'x' }, { actor: SYSTEM, force: true }), refused('INVALID_ARGUMENT'));
  auth.keys.deleteSync('a', by);
  assert.throws(() => auth.keys.createSync({ name: 'x' }, { actor }), refused('PERMISSION_DENIED'));
  assert.throws(() => auth.recheck(actor, 'Authenticated'), refused('INVALID_CREDENTIAL'));
  assert.throws(() => new inspireAuth.Principal());
});

test('long-lived connections are judged again', (t) => {
  const { auth, value } = withKey(t, { levels: ['Authenticated/Ops'], expiresAt: 2_000_000_000 });
  const principal = auth.authenticateSync(value);
  auth.recheck(principal, 'Authenticated/Ops');
  assert.throws(() => auth.recheck(principal, 'Authenticated', { now: 2_000_000_000 }), refused('INVALID_CREDENTIAL'));
  assert.throws(() => auth.recheck(principal, 'Authenticated', { then: 1 }), refused('INVALID_ARGUMENT'));
  assert.deepStrictEqual(auth.explain(principal, 'any(A, B)'), ['A', 'B']);
  assert.deepStrictEqual(auth.explain(principal, 'Authenticated'), []);
  assert.deepStrictEqual(auth.principalLevels(principal), ['Authenticated', 'Authenticated/Ops']);
  assert.deepStrictEqual(auth.credentialHeaders(), ['Authorization', 'X-Ignition-API-Token']);
});

test('eight cold requests at once wait for one hash each, and the loop goes on', async (t) => {
  const auth = opened(t, { hash: {} });
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, n) => auth.keys.create({ name: `k${n}`, requireSecure: false }, by)),
  );
  let turns = 0;
  const turn = setInterval(() => turns++, 1);
  const principals = await Promise.all(made.map(({ credential }) => auth.authenticate(`Bearer ${credential}`)));
  clearInterval(turn);
  assert.deepStrictEqual(principals.map(({ name }) => name), made.map(({ record }) => record.name));
  assert.ok(turns > 5, `${turns} turns`);
});

test('a promise can be given up, and what was found is kept', async (t) => {
  const auth = opened(t, { hash: {} });
  const { credential } = await auth.keys.create({ name: 'a', requireSecure: false }, by);
  const reason = new Error('gone');
  const controller = new AbortController();
  const waiting = auth.authenticate(`Bearer ${credential}`, { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(waiting, (error) => refused('CANCELLED')(error) && error.cause === reason);
  await assert.rejects(auth.authenticate(`Bearer ${credential}`, { signal: AbortSignal.abort() }), refused('CANCELLED'));
  const principal = await auth.authenticate(`Bearer ${credential}`, { signal: new AbortController().signal });
  assert.strictEqual(principal.name, 'a');
});

test('a rejection says where the call came from', async (t) => {
  const { auth } = withKey(t);
  async function theCaller() {
    await auth.keys.create({ name: 'a' }, by);
  }
  await assert.rejects(theCaller(), (error) => refused('NAME_TAKEN')(error) && /theCaller/.test(error.stack));
  async function anotherCaller() {
    await auth.authenticate('Bearer nobody:x');
  }
  await assert.rejects(anotherCaller(), (error) => refused('INVALID_CREDENTIAL')(error) && /anotherCaller/.test(error.stack));
});

test('a closed handle refuses', async (t) => {
  const { auth, value } = withKey(t);
  const { keys, license } = auth;
  const pending = auth.keys.create({ name: 'late' }, by);
  auth.close();
  auth.close();
  assert.strictEqual((await pending).record.name, 'late');
  for (const call of [
    () => auth.authenticateSync(value), () => auth.authenticateSync([]), () => keys.list(), () => license.status(),
    () => auth.http('BUSY'), () => auth.flush(), () => auth.credentialHeaders(),
  ]) {
    assert.throws(call, refused('INVALID_ARGUMENT'));
  }
  await assert.rejects(auth.authenticate(value), refused('INVALID_ARGUMENT'));
  await assert.rejects(keys.create({ name: 'x' }, by), refused('INVALID_ARGUMENT'));
});

test('audit events come on the event loop, and from the store', async (t) => {
  const events = [];
  const auth = opened(t, { audit: (event) => events.push(event) });
  auth.keys.createSync({ name: 'a' }, by);
  assert.throws(() => auth.authenticateSync('Bearer a:isk_wrong'), refused('INVALID_CREDENTIAL'));
  assert.deepStrictEqual(events, []);
  while (events.length < 2) await new Promise(setImmediate);
  assert.deepStrictEqual(events.map(({ event, subject }) => [event, subject]), [['key.created', 'a'], ['key.refused', 'a']]);
  assert.deepStrictEqual(auth.audit(2).map(({ event }) => event), ['key.refused', 'key.created']);
  assert.strictEqual(auth.audit(1).length, 1);
});

test('a member that is there and is nothing is a mistake, not less to ask for', async (t) => {
  const { auth, value } = withKey(t);
  for (const nothing of [undefined, null]) {
    for (const member of ['require', 'entitlement']) {
      assert.throws(() => auth.authenticateSync(value, { [member]: nothing }), refused('INVALID_ARGUMENT'));
      await assert.rejects(auth.authenticate(value, { [member]: nothing }), refused('INVALID_ARGUMENT'));
    }
  }
  await assert.rejects(auth.authenticate(value, { signal: {} }), refused('INVALID_ARGUMENT'));
});

test('a second copy of the JavaScript knows what the first one knows', (t) => {
  const { auth, made, value } = withKey(t);
  const principal = auth.authenticateSync(value);
  const folder = dirname(require.resolve('inspire-auth/package.json'));
  const kept = { ...require.cache };
  t.after(() => Object.assign(require.cache, kept));
  for (const file of Object.keys(require.cache)) {
    if (file.startsWith(folder) && file.endsWith('.js') && !file.endsWith('.test.js')) delete require.cache[file];
  }
  const again = require('inspire-auth');
  assert.notStrictEqual(again, inspireAuth);
  assert.strictEqual(again.InspireAuthError, InspireAuthError);
  assert.strictEqual(auth.authenticateSync(value), principal);
  auth.keys.updateSync('a', made.record.revision, { description: 'changed' }, by);
  assert.strictEqual(auth.authenticateSync(value).revision, principal.revision + 1);
});

test('what a closed handle still does is told to no other', async (t) => {
  const first = open(':memory:', { ...QUICK, audit: () => {} });
  const making = first.keys.create({ name: 'of-the-first' }, by);
  first.close();
  await new Promise(setImmediate);
  const heard = [];
  const second = opened(t, { audit: ({ subject }) => heard.push(subject) });
  await making;
  second.keys.createSync({ name: 'own' }, by);
  while (!heard.includes('own')) await new Promise(setImmediate);
  assert.deepStrictEqual(heard, ['own']);
});
