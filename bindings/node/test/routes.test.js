'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { inspect } = require('node:util');
const { InspireAuthError, Routes, SYSTEM, open } = require('inspire-auth');

const QUICK = { hash: { memoryKib: 64, iterations: 1 } };
const by = { actor: SYSTEM };
const code = (expected) => (error) => error instanceof InspireAuthError && error.code === expected;

const TABLE = {
  routes: [
    { prefix: '/', methods: ['GET'], require: { any: ['Public'] } },
    { prefix: '/data', methods: ['GET', 'HEAD'], require: { any: ['Authenticated/Ops'] } },
    { prefix: '/data', methods: ['*'], require: { all: ['Authenticated/Ops', 'Authenticated/Admin'] } },
    { prefix: '/data/walls', methods: ['GET'], require: { any: ['Authenticated'] }, entitlement: 'MFA' },
    { prefix: '/nobody', methods: ['GET'], require: { any: [] } },
  ],
};
const routes = Routes.parse(TABLE);

function handle(t, options) {
  const auth = open(':memory:', { ...QUICK, ...options });
  t.after(() => auth.close());
  const key = (name, levels = [], more) =>
    `Bearer ${auth.keys.createSync({ name, levels, requireSecure: false, ...more }, by).credential}`;
  return { auth, key };
}

test('a table is read in each of its forms', () => {
  const text = JSON.stringify(TABLE);
  for (const table of [TABLE, text, Buffer.from(text), new TextEncoder().encode(text)]) {
    const read = Routes.parse(table);
    assert.ok(read instanceof Routes && !read.ignoresCase);
    assert.deepStrictEqual(read.rules, routes.rules);
  }
  assert.deepStrictEqual(routes.rules[1], {
    prefix: '/data', methods: ['GET', 'HEAD'], require: 'any(Authenticated/Ops)', entitlement: null,
  });
  assert.strictEqual(routes.rules[3].entitlement, 'MFA');
  assert.ok(Routes.parse({ ...TABLE, ignore_case: true }).ignoresCase);
  assert.ok(Routes.parse({ ...TABLE, ignore_suffix: true }).ignoresSuffix && !Routes.parse(TABLE).ignoresSuffix);
});

test('what is no table is refused, and the place is named', () => {
  const [good] = TABLE.routes;
  const circle = {};
  circle.routes = circle;
  const deep = JSON.parse('['.repeat(5000) + ']'.repeat(5000));
  for (const wrong of [
    undefined, null, 7, [], {}, '', '{}', Buffer.from([0xff]), circle, deep, { routes: 1n }, Symbol('x'), () => TABLE,
    '{"routes": [], "routes": []}', { routes: [good, good] }, { routes: [], more: 1 },
    { routes: [{ ...good, prefix: '/a/' }] }, { routes: [{ ...good, methods: [] }] }, { routes: [{ ...good, require: {} }] },
    { routes: [{ ...good, require: undefined }] }, { get routes() { throw new Error('a getter'); } },
  ]) {
    assert.throws(() => Routes.parse(wrong), code('INVALID_ARGUMENT'), inspect(wrong));
  }
  assert.throws(() => Routes.parse({ routes: [good, { ...good, prefix: 'x' }] }), /routes.1/);
  assert.throws(() => Routes.parse({ routes: [{ ...good, require: { any: ['a//b'] } }] }), code('INVALID_LEVEL'));
});

test('the longest prefix decides', async (t) => {
  const { auth, key } = handle(t);
  const mine = key('reporting', ['Authenticated/Ops']);
  const sync = (method, path, headers = mine) => {
    try {
      return auth.authenticateSync(headers, { routes, method, path }).name ?? 'nobody';
    } catch (error) {
      return error.code;
    }
  };
  const ask = async (method, path, headers = mine) => {
    const answer = sync(method, path, headers);
    const promised = await auth.authenticate(headers, { routes, method, path }).then((p) => p.name ?? 'nobody', (e) => e.code);
    assert.strictEqual(promised, answer);
    return answer;
  };
  for (const [expected, ...asked] of [
    ['nobody', 'GET', '/', []], ['nobody', 'GET', '/database', []], ['nobody', 'GET', '/?data', []],
    ['INVALID_CREDENTIAL', 'GET', '/', 'Bearer nobody:x'], ['NO_CREDENTIAL', 'GET', '/data', []],
    ['reporting', 'GET', '/data'], ['reporting', 'HEAD', '/data/x?y=//'], ['reporting', 'GET', '/data/'],
    ['INSUFFICIENT_LEVEL', 'POST', '/data'], ['UNLICENSED', 'GET', '/data/walls'], ['ROUTE_DENIED', 'POST', '/data/walls'],
    ['ROUTE_DENIED', 'POST', '/'], ['ROUTE_DENIED', 'get', '/'], ['ROUTE_DENIED', '', '/data'],
    ['INSUFFICIENT_LEVEL', 'GET', '/nobody'],
  ]) {
    assert.strictEqual(await ask(...asked), expected, asked.join(' '));
  }
  const paths = ['', 'x', '//', '/data/../x', '/%64ata', '/data%2Fx', '/data;x', '/é', '/Ā', '/\u{1f600}', '/\ud800', '/a%zz'];
  for (const path of paths) {
    // Whatever the credential is.
    for (const headers of [mine, [], 'Bearer no']) assert.strictEqual(await ask('GET', path, headers), 'PATH_NOT_CANONICAL');
  }
});

test('a table and a requirement do not mix', async (t) => {
  const { auth } = handle(t);
  const whole = { routes, method: 'GET', path: '/' };
  const wrong = Object.keys(whole).flatMap((name) => {
    const { [name]: _, ...left } = whole;
    return [left, { ...whole, [name]: undefined }, { ...whole, [name]: null }];
  });
  wrong.push({ ...whole, require: 'Public' }, { ...whole, entitlement: 'MFA' }, { ...whole, routes: TABLE });
  wrong.push({ ...whole, method: 7 }, { ...whole, path: 7 }, { ...whole, path: Buffer.from('/') }, { ...whole, routs: 1 });
  wrong.push({ ...whole, channel: 'tls' }, { ...whole, routes: Object.create(Routes.prototype) });
  for (const options of wrong) {
    assert.throws(() => auth.authenticateSync([], options), code('INVALID_ARGUMENT'), inspect(options));
    await assert.rejects(auth.authenticate([], options), code('INVALID_ARGUMENT'));
  }
  assert.ok(auth.authenticateSync([], whole).isAnonymous);
  auth.close();
  assert.throws(() => auth.authenticateSync([], whole), /closed/);
  await assert.rejects(auth.authenticate([], whole), /closed/);
});

test('a key seen for the first time is judged by the table', async (t) => {
  const { auth, key } = handle(t);
  const terms = { routes, method: 'GET', path: '/data' };
  const walls = { ...terms, path: '/data/walls' };
  const cold = ['a', 'b', 'c', 'd', 'e'].map((name) => key(name, name < 'c' ? ['Authenticated/Ops'] : []));
  assert.strictEqual(auth.authenticateSync(cold[0], terms).name, 'a');
  // The table is garbage while the key is hashed.
  assert.strictEqual((await auth.authenticate(cold[1], { ...terms, routes: Routes.parse(TABLE) })).name, 'b');
  assert.throws(() => auth.authenticateSync(cold[2], terms), code('INSUFFICIENT_LEVEL'));
  await assert.rejects(auth.authenticate(cold[3], terms), code('INSUFFICIENT_LEVEL'));
  await assert.rejects(auth.authenticate(cold[4], walls), code('UNLICENSED'));
  assert.throws(() => auth.authenticateSync(cold[4], walls), code('UNLICENSED'));
  await assert.rejects(auth.authenticate(cold[4], { ...walls, signal: AbortSignal.abort() }), code('CANCELLED'));
});

test('tables come and go, and none is taken for another', (t) => {
  const { auth, key } = handle(t);
  const ops = key('ops', ['Authenticated/Ops']);
  for (let round = 0; round < 300; round++) {
    const level = round % 2 ? 'Authenticated/Ops' : 'Authenticated/Admin';
    const table = Routes.parse({ routes: [{ prefix: `/${round}`, methods: ['GET'], require: { any: [level] } }] });
    const ask = () => auth.authenticateSync(ops, { routes: table, method: 'GET', path: `/${round}` }).name;
    if (round % 2) assert.strictEqual(ask(), 'ops');
    else assert.throws(ask, code('INSUFFICIENT_LEVEL'));
  }
});

test('a denial is told with its code', (t) => {
  const { auth } = handle(t);
  const ask = (method, path) => () => auth.authenticateSync([], { routes, method, path });
  assert.throws(ask('PUT', '/?secret=7'), code('ROUTE_DENIED'));
  assert.throws(ask('GET', '/a//b'), code('PATH_NOT_CANONICAL'));
  assert.deepStrictEqual(auth.audit().map(({ event, subject, code }) => [event, subject, code]), [
    ['route.denied', 'GET /a//b', 'PATH_NOT_CANONICAL'], ['route.denied', 'PUT /', 'ROUTE_DENIED'],
  ]);
  assert.deepStrictEqual({ ...auth.http('ROUTE_DENIED') }, { status: 403, challenge: null, retryAfter: null });
  assert.strictEqual(auth.http('PATH_NOT_CANONICAL').status, 400);
});

test('the dry run says what a request gets, and is noted nowhere', (t) => {
  const { auth, key } = handle(t);
  const headers = new Map([
    [null, []], ['reporting', key('reporting', ['Authenticated/Ops'])], ['off', key('off', [], { enabled: false })],
  ]);
  for (const [name, presented] of headers) {
    for (const method of ['GET', 'POST', 'PUT']) {
      for (const path of ['/', '/data', '/data/walls', '/nobody', '/x//y']) {
        const noted = [auth.metricsText(), auth.audit().length];
        const told = auth.wouldAllow(routes, name, method, path);
        assert.deepStrictEqual([auth.metricsText(), auth.audit().length], noted);
        let real = 'OK';
        try {
          auth.authenticateSync(presented, { routes, method, path });
        } catch (error) {
          real = error.code;
        }
        assert.strictEqual(told.code, real, `${name} ${method} ${path}`);
        assert.strictEqual(told.allowed, real === 'OK');
        assert.ok(told.reason.length > 0);
      }
    }
  }
  const told = auth.wouldAllow(routes, 'reporting', 'POST', '/data/x');
  assert.deepStrictEqual([told.rule, told.missing], [routes.rules[2], ['Authenticated/Admin']]);
  assert.strictEqual(auth.wouldAllow(routes, null, 'GET', '/data//').rule, null);
  key('secure', ['Authenticated/Ops'], { requireSecure: true, expiresAt: 4_000_000_000 });
  const secure = (options) => auth.wouldAllow(routes, 'secure', 'GET', '/data', options).code;
  assert.strictEqual(secure(), 'SECURE_CHANNEL_REQUIRED');
  assert.strictEqual(secure({ channel: 'secure' }), 'OK');
  assert.strictEqual(secure({ channel: 'secure', now: 4_000_000_000 }), 'INVALID_CREDENTIAL');
  assert.throws(() => auth.wouldAllow(routes, 'nobody', 'GET', '/'), code('NOT_FOUND'));
  for (const wrong of [[TABLE, null, 'GET', '/'], [routes, undefined, 'GET', '/'], [routes, 7, 'GET', '/'], [routes, null]]) {
    assert.throws(() => auth.wouldAllow(...wrong), code('INVALID_ARGUMENT'));
  }
  for (const options of [{ channel: 'tls' }, { chanel: 'secure' }, { now: 'x' }]) {
    assert.throws(() => secure(options), code('INVALID_ARGUMENT'));
  }
});

test('a principal is explained', (t) => {
  const { auth, key } = handle(t);
  const caller = auth.authenticateSync(key('k', ['Authenticated/Ops']));
  assert.ok(auth.explainRoute(routes, caller, 'GET', '/data').allowed);
  const told = auth.explainRoute(routes, caller, 'POST', '/data', { now: 7 });
  assert.deepStrictEqual([told.code, told.missing], ['INSUFFICIENT_LEVEL', ['Authenticated/Admin']]);
  auth.keys.setEnabledSync('k', false, by);
  assert.strictEqual(auth.explainRoute(routes, caller, 'GET', '/data').code, 'INVALID_CREDENTIAL');
  assert.throws(() => auth.explainRoute(routes, { name: 'k' }, 'GET', '/'), code('INVALID_ARGUMENT'));
  assert.throws(() => auth.explainRoute(routes, caller, 'GET', '/', { channel: 'secure' }), code('INVALID_ARGUMENT'));
});
