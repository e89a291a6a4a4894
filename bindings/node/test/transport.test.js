'use strict';

// The host's own way to the licensing server, and signals that end calls.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { once } = require('node:events');
const { dirname } = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { Worker } = require('node:worker_threads');
const { InspireAuthError, SYSTEM, open } = require('inspire-auth');
const { Vendor, skip } = require('./support/vendor.js');

const PACKAGE = dirname(require.resolve('inspire-auth/package.json'));
const NOWHERE = 'https://licensing.example/v1';
const by = { actor: SYSTEM };
const code = (expected) => (error) => error instanceof InspireAuthError && error.code === expected;

async function fetched({ method, url, headers, body, signal }) {
  const response = await fetch(url, { method, headers, body: body.length > 0 ? body : null, signal, redirect: 'manual' });
  return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
}

function carried(t, transport, { url = NOWHERE, trustedKeys = [], timeoutMs } = {}) {
  const auth = open(':memory:', { trustedKeys, machineId: 'box', server: { url, transport, timeoutMs } });
  t.after(() => auth.close());
  return auth;
}

/** A transport whose answer waits: `asked` resolves with the request, and `answer` lets it go on. */
function held(next) {
  const [asked, gate] = [withResolvers(), withResolvers()];
  return {
    asked: asked.promise,
    answer: gate.resolve,
    async transport(request) {
      asked.resolve(request);
      await gate.promise;
      return next({ ...request, signal: null });
    },
  };
}

function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

test('a function of the host’s carries every request', { skip }, async (t) => {
  const vendor = await Vendor.start(t);
  const seen = [];
  const { license } = carried(t, (request) => {
    seen.push(request);
    return fetched(request);
  }, vendor);
  assert.strictEqual((await license.activateOnline(vendor.key, by)).mode, 'online');
  assert.strictEqual((await license.revalidate(by)).state, 'active');
  assert.strictEqual((await license.tick()).problem, null);
  assert.strictEqual((await license.deactivate(by)).release, 'server');
  assert.strictEqual(await license.releasePending(by), 0);
  assert.deepStrictEqual([...new Set(seen.map(({ method }) => method))].sort(), ['DELETE', 'POST']);
  for (const request of seen) {
    assert.deepStrictEqual(Object.keys(request), ['method', 'url', 'headers', 'body', 'timeoutMs', 'signal']);
    assert.ok(request.url.startsWith(`${vendor.url}/`));
    assert.ok(request.headers.every(([name, value]) => name === name.toLowerCase() && typeof value === 'string'));
    assert.ok(request.body instanceof Uint8Array && request.signal instanceof AbortSignal);
    assert.ok(request.timeoutMs > 0 && request.timeoutMs <= 10_000);
  }
});

/** The store of a machine that was deactivated, and whose server was not asked: it is still to be released. */
async function stillToBeReleased(vendor) {
  const store = vendor.path('site.db');
  const controller = new AbortController();
  let carry = fetched;
  const server = { url: vendor.url, transport: (request) => carry(request) };
  const auth = open(store, { trustedKeys: vendor.trustedKeys, machineId: 'box', server });
  await auth.license.activateOnline(vendor.key, by);
  carry = () => {
    controller.abort();
    return new Promise(() => {});
  };
  assert.strictEqual((await auth.license.deactivate({ ...by, signal: controller.signal })).release, 'pending');
  auth.close();
  return store;
}

test('what is due is done by itself, by a function of the host’s too', { skip }, async (t) => {
  const vendor = await Vendor.start(t);
  const store = await stillToBeReleased(vendor);
  assert.strictEqual(vendor.machines(), 1);
  const released = withResolvers();
  async function transport(request) {
    const answer = await fetched(request);
    if (request.method === 'DELETE') released.resolve(answer.status);
    return answer;
  }
  // What timed out on a machine that stood still would not be tried again before the test's own time is over.
  const server = { url: vendor.url, autoRefresh: true, timeoutMs: 600_000, transport };
  const auth = open(store, { trustedKeys: vendor.trustedKeys, machineId: 'box', server });
  try {
    assert.strictEqual(await released.promise, 204);
    assert.strictEqual(vendor.machines(), 0);
  } finally {
    // Before the vendor's folder goes, which its store is in.
    auth.close();
  }
});

test('a handle that is closed waits for no function', { skip }, async (t) => {
  const vendor = await Vendor.start(t);
  const store = await stillToBeReleased(vendor);
  const asked = withResolvers();
  function transport() {
    asked.resolve();
    return new Promise(() => {});
  }
  const server = { url: vendor.url, autoRefresh: true, timeoutMs: 600_000, transport };
  const auth = open(store, { trustedKeys: vendor.trustedKeys, machineId: 'box', server });
  await asked.promise;
  // On the event loop, which the function would need: what waits for it is interrupted.
  auth.close();
});

test('what blocks the event loop does not wait for it', async (t) => {
  const asked = [];
  const { license } = carried(t, (request) => asked.push(request));
  for (const call of [
    () => license.activateOnlineSync('KEY', by),
    () => license.revalidateSync(by),
    () => license.deactivateSync(by),
    () => license.releasePendingSync(by),
    () => license.tickSync(),
  ]) {
    assert.throws(call, (error) => code('UNSUPPORTED_OPTION')(error) && /event loop/.test(error.detail));
  }
  assert.throws(() => license.deactivateSync({ ...by, localOnly: true }), code('UNLICENSED'));
  assert.deepStrictEqual(asked, []);
});

/** What the process is warned of. */
function warningsOf(t) {
  const warnings = [];
  const onWarning = (warning) => warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  return warnings;
}

test('what a transport fails with has a code, and a mistake is shown', async (t) => {
  const warnings = warningsOf(t);
  let say;
  const { license } = carried(t, () => say());
  const raised = (error) => () => {
    throw error;
  };
  const failed = (cause) => raised(new TypeError('fetch failed', { cause: Object.assign(new Error(), cause) }));
  const rejected = async (expected, saying) => {
    say = saying;
    await assert.rejects(license.activateOnline('KEY', by), code(expected), expected);
  };
  await rejected('NETWORK_POLICY', raised(new InspireAuthError('NETWORK_POLICY')));
  await rejected('NETWORK_PROXY', () => Promise.reject(new InspireAuthError('NETWORK_PROXY')));
  await rejected('NETWORK_TIMEOUT', raised(new DOMException('late', 'TimeoutError')));
  await rejected('CANCELLED', raised(new DOMException('enough', 'AbortError')));
  await rejected('NETWORK_DNS', failed({ code: 'ENOTFOUND' }));
  await rejected('NETWORK_TLS', failed({ code: 'CERT_HAS_EXPIRED' }));
  await rejected('NETWORK_TLS', failed({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }));
  await rejected('NETWORK_TIMEOUT', failed({ code: 'UND_ERR_CONNECT_TIMEOUT' }));
  await rejected('NETWORK_CONNECT', failed({ code: 'ECONNREFUSED' }));
  await rejected('SERVER_ANSWER_MALFORMED', failed({ code: 'HPE_INVALID_CONSTANT' }));
  await rejected('SERVER_ANSWER_MALFORMED', () => ({ status: 200, headers: [], body: Buffer.alloc((1 << 20) + 1) }));
  await rejected('SERVER_STATUS', () => ({ status: 500, headers: new Headers({ a: 'b' }), body: Buffer.from('{}') }));
  await new Promise(setImmediate);
  assert.deepStrictEqual(warnings, []);

  const mistakes = [
    () => undefined,
    () => ({ status: 200, headers: [], body: 'text' }),
    () => ({ status: 200, headers: 7, body: Buffer.alloc(0) }),
    () => ({ status: 70_000, headers: [], body: Buffer.alloc(0) }),
    raised(new InspireAuthError('BUSY')),
    raised(new Error('mine')),
    raised('a text'),
  ];
  for (const mistake of mistakes) {
    warnings.length = 0;
    await rejected('NETWORK_CONNECT', mistake);
    await new Promise(setImmediate);
    assert.ok(warnings.length > 0 && warnings.every(({ name }) => name === 'InspireAuthWarning'), `${mistake}`);
  }
});

test('the deadline ends the wait for a transport that does not answer', async (t) => {
  // What waits for the abort alone does not keep the process.
  const alive = setInterval(() => {}, 1000);
  t.after(() => clearInterval(alive));
  const warnings = warningsOf(t);
  const { promise, resolve } = withResolvers();
  const { license } = carried(t, (request) => {
    resolve(request);
    // As a client of the host's may say it.
    return new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(new Error('canceled'))));
  }, { timeoutMs: 100 });
  await assert.rejects(license.activateOnline('KEY', by), code('NETWORK_TIMEOUT'));
  const { signal } = await promise;
  if (!signal.aborted) await once(signal, 'abort');
  assert.strictEqual(signal.reason.name, 'TimeoutError');
  await new Promise(setImmediate);
  assert.deepStrictEqual(warnings, []);
});

test('a signal ends a call, and what comes back is dropped', { skip }, async (t) => {
  const vendor = await Vendor.start(t);
  const reason = new Error('shutting down');
  let transport = fetched;
  const { license } = carried(t, (request) => transport(request), vendor);
  const ended = async (begin) => {
    const hold = held(fetched);
    ({ transport } = hold);
    const controller = new AbortController();
    const call = begin(controller.signal);
    const request = await hold.asked;
    controller.abort(reason);
    assert.strictEqual(request.signal.aborted, true);
    hold.answer();
    transport = fetched;
    return call;
  };
  const cancelled = (error) => code('CANCELLED')(error) && error.cause === reason;

  await assert.rejects(ended((signal) => license.activateOnline(vendor.key, { ...by, signal })), cancelled);
  assert.strictEqual(license.status().state, 'unlicensed');
  await license.activateOnline(vendor.key, by);
  const before = license.status();
  vendor.change('entitle', '--add', 'SSO_SAML');
  await assert.rejects(ended((signal) => license.revalidate({ ...by, signal })), cancelled);
  assert.deepStrictEqual(license.status().entitlements, before.entitlements);

  for (const begin of [
    (signal) => license.activateOnline(vendor.key, { ...by, signal }),
    (signal) => license.revalidate({ ...by, signal }),
    (signal) => license.deactivate({ ...by, signal }),
    (signal) => license.releasePending({ ...by, signal }),
    (signal) => license.tick({ signal }),
  ]) {
    await assert.rejects(begin(AbortSignal.abort(reason)), cancelled);
  }
  assert.strictEqual(license.status().state, 'active');

  // The license is out, whatever the server says, and there is an answer.
  const done = await ended((signal) => license.deactivate({ ...by, signal }));
  assert.deepStrictEqual([done.status.state, done.release, done.problem], ['unlicensed', 'pending', 'CANCELLED']);
  await assert.rejects(ended((signal) => license.releasePending({ ...by, signal })), cancelled);
  assert.strictEqual(await license.releasePending({ ...by, signal: new AbortController().signal }), 1);
  assert.strictEqual(vendor.machines(), 0);
});

test('a signal ends a call of the library’s own transport', { skip }, async (t) => {
  const vendor = await Vendor.start(t, { failures: ['delay=1m,times=always'] });
  const { url, trustedKeys } = vendor;
  const auth = open(':memory:', { trustedKeys, machineId: 'box', server: { url, proxy: '', timeoutMs: 3000 } });
  t.after(() => auth.close());
  const controller = new AbortController();
  const call = auth.license.activateOnline(vendor.key, { ...by, signal: controller.signal });
  controller.abort('enough');
  await assert.rejects(call, (error) => code('CANCELLED')(error) && error.cause === 'enough');
  await assert.rejects(auth.license.activateOnline(vendor.key, by), code('NETWORK_TIMEOUT'));
});

test('calls that wait for a network keep nothing else from its work', async (t) => {
  const auth = carried(t, () => new Promise(() => {}), { timeoutMs: 60_000 });
  const controllers = Array.from({ length: 20 }, () => new AbortController());
  const calls = controllers.map(({ signal }) => auth.license.activateOnline('KEY', { ...by, signal }));
  const ended = Promise.allSettled(calls);
  const { credential } = await auth.keys.create({ name: 'a', requireSecure: false }, by);
  assert.strictEqual((await auth.authenticate(`Bearer ${credential}`)).name, 'a');
  assert.strictEqual((await auth.license.balance()).left, 0);
  for (const controller of controllers) controller.abort();
  assert.deepStrictEqual([...new Set((await ended).map(({ reason }) => reason.code))], ['CANCELLED']);
});

const HANGING = `
  const api = require(${JSON.stringify(PACKAGE)});
  const hanging = (timeoutMs, transport) => {
    const auth = api.open(':memory:', { machineId: 'box', server: { url: '${NOWHERE}', timeoutMs, transport } });
    return auth.license.activateOnline('KEY', { actor: api.SYSTEM });
  };`;
const run = (text) => promisify(execFile)(process.execPath, ['-e', HANGING + text], { timeout: 60_000 });

test('a process waits for a call, until its deadline, and can end before', async () => {
  const waited = await run(`
    hanging(100, () => new Promise(() => {})).catch(({ code }) => console.log(code));`);
  assert.strictEqual(waited.stdout, 'NETWORK_TIMEOUT\n');
  const left = await run(`
    hanging(60_000, () => { console.log('bye'); process.exit(0); });`);
  assert.strictEqual(left.stdout, 'bye\n');
});

test('a worker that ends lets its calls go', async () => {
  const { stdout } = await run(`
    const { Worker } = require('node:worker_threads');
    const text = ${JSON.stringify(HANGING)} + \`
      const { parentPort } = require('node:worker_threads');
      hanging(60_000, () => { parentPort.postMessage('asked'); return new Promise(() => {}); });
      setInterval(() => {}, 1000);\`;
    (async () => {
      for (let n = 0; n < 8; n++) {
        const worker = new Worker(text, { eval: true });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await worker.terminate();
      }
      // More than there are threads: none of them waits for a worker that is gone.
      await hanging(60_000, () => { throw new api.InspireAuthError('NETWORK_POLICY'); }).catch(({ code }) => console.log(code));
    })();`);
  assert.strictEqual(stdout, 'NETWORK_POLICY\n');
});

test('a worker ends while the library’s own transport waits', async () => {
  const { stdout } = await run(`
    const { createServer } = require('node:net');
    const { Worker } = require('node:worker_threads');
    const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1', async () => {
      const url = 'http://127.0.0.1:' + server.address().port;
      for (let n = 0; n < 3; n++) {
        const asked = new Promise((resolve) => server.once('connection', resolve));
        const worker = new Worker(\`
          const { SYSTEM, open } = require(${JSON.stringify(PACKAGE)});
          open(':memory:', { machineId: 'box', server: { url: '\${url}', proxy: '' } }).license.activateOnline('KEY', { actor: SYSTEM });
        \`, { eval: true });
        const socket = await asked;
        await worker.terminate();
        // The thread hears of its answer when there is nobody any more who would.
        await new Promise((resolve) => socket.once('close', resolve).end('HTTP/1.1 500 x\\r\\ncontent-length: 0\\r\\n\\r\\n').resume());
      }
      await api.open(':memory:').keys.create({ name: 'a' }, { actor: api.SYSTEM });
      console.log('bye');
      process.exit(0);
    });`);
  assert.strictEqual(stdout, 'bye\n');
});

test('a transport is let go with its handle', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '-e', `
    const api = require(${JSON.stringify(PACKAGE)});
    let left = 0;
    const registry = new FinalizationRegistry(() => { left--; });
    const opened = () => {
      for (let n = 0; n < 50; n++) {
        const transport = async () => { throw new Error(); };
        left++;
        registry.register(transport);
        api.open(':memory:', { hash: { memoryKib: 64 }, server: { url: '${NOWHERE}', transport } }).close();
      }
    };
    opened();
    let rounds = 0;
    const look = () => { gc(); if (left === 0 || ++rounds === 500) console.log(left); else setTimeout(look, 10); };
    look();
  `], { timeout: 60_000 });
  assert.strictEqual(stdout, '0\n');
});

test('each worker has a transport of its own', { skip }, async (t) => {
  const vendor = await Vendor.start(t);
  const worker = new Worker(`
    const { parentPort, workerData } = require('node:worker_threads');
    const { SYSTEM, open } = require(${JSON.stringify(PACKAGE)});
    ${fetched}
    const { url, trustedKeys, key } = workerData;
    const auth = open(':memory:', { trustedKeys, machineId: 'box', server: { url, transport: fetched } });
    auth.license.activateOnline(key, { actor: SYSTEM }).then(({ state }) => parentPort.postMessage(state));
  `, { eval: true, workerData: { url: vendor.url, trustedKeys: vendor.trustedKeys, key: vendor.key } });
  const exit = once(worker, 'exit');
  const [state] = await once(worker, 'message');
  assert.strictEqual(state, 'active');
  await exit;
});
