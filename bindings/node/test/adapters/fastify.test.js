'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http2 = require('node:http2');
const { describe, test } = require('node:test');

const Fastify = require('fastify');
const { TrustedProxies } = require('inspire-auth');

const inspireAuth = require('inspire-auth/fastify');

const { ask, bearer } = require('./support/http.js');
const { manners } = require('./support/manners.js');
const { READ, WRITE, site } = require('./support/site.js');

/** An application that ends with the test, and everything that it logs. */
function application(t, options = {}) {
  const log = [];
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line) => log.push(line) } }, ...options });
  t.after(() => app.close());
  return { app, log };
}

async function listen(app) {
  await app.listen({ host: '127.0.0.1', port: 0 });
  return app.server.address().port;
}

const answer = (request) => ({
  caller: request.principal?.name ?? null,
  anonymous: request.principal?.isAnonymous,
  length: request.body?.length,
});

manners('fastify', async (t, auth, routes, { channel }) => {
  const { app, log } = application(t);
  await app.register(inspireAuth, { auth, channel });
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => done(null, body));
  app.setErrorHandler((error, request, reply) => reply.code(500).send({ host: error.message }));
  for (const { name, guard } of routes) {
    app.route({
      method: ['GET', 'POST'],
      url: `/${name}`,
      onRequest: guard ? app.requireKey(guard) : [],
      handler: async (request) => {
        if (name === 'boom') throw new Error('the handler errs');
        return answer(request);
      },
    });
  }
  t.after(() => {
    for (const line of log) assert.doesNotMatch(line, /isk_|it lacks|Gateway\/Read/);
  });
  return listen(app);
});

describe('fastify alone', () => {
  test('inject() is decided as a request is, repeated headers too', async (t) => {
    const { auth, reader, writer } = site(t);
    const { app } = application(t);
    await app.register(inspireAuth, { auth });
    app.get('/', { onRequest: app.requireKey() }, async (request) => answer(request));
    const inject = async (headers) => (await app.inject({ url: '/', headers })).statusCode;
    assert.equal(await inject({}), 401);
    assert.equal(await inject({ authorization: `Bearer ${reader}` }), 200);
    assert.equal(await inject({ 'X-Ignition-API-Token': reader }), 200);
    assert.equal(await inject({ authorization: `Bearer ${reader}`, 'x-ignition-api-token': reader }), 400);
    assert.equal(await inject({ authorization: [`Bearer ${reader}`, `Bearer ${writer}`] }), 400);
  });

  test('a refused request comes to no parser and no later hook', async (t) => {
    const { auth, reader, writer } = site(t);
    const { app } = application(t);
    const steps = [];
    await app.register(inspireAuth, { auth });
    for (const hook of ['preParsing', 'preValidation', 'preHandler'])
      app.addHook(hook, async () => void steps.push(hook));
    app.addHook('onSend', async () => void steps.push('onSend'));
    app.addHook('onResponse', async () => void steps.push('onResponse'));
    app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) =>
      done(null, steps.push('parser') && body),
    );
    app.post('/', { onRequest: app.requireKey({ require: WRITE }) }, async () => steps.push('handler') && 'in');
    const port = await listen(app);
    const asked = async (...lines) => {
      steps.length = 0;
      const { status } = await ask(port, 'POST /', ['Content-Type: text/x', ...lines], 'a body');
      return [status, ...steps.filter((step) => step !== 'onResponse')];
    };
    assert.deepEqual(await asked(), [401, 'onSend']);
    assert.deepEqual(await asked(bearer(reader)), [403, 'onSend']);
    const all = ['preParsing', 'parser', 'preValidation', 'preHandler', 'handler', 'onSend'];
    assert.deepEqual(await asked(bearer(writer)), [200, ...all]);
  });

  test('a guard holds in the scope that declares it, and in those within', async (t) => {
    const { auth, reader } = site(t);
    const { app } = application(t);
    await app.register(inspireAuth, { auth });
    await app.register(
      async (scope) => {
        scope.addHook('onRequest', scope.requireKey({ require: READ }));
        scope.get('/read', async (request) => answer(request));
        scope.register(async (inner) => inner.get('/read', async (request) => answer(request)), { prefix: '/inner' });
      },
      { prefix: '/data' },
    );
    app.get('/', async (request) => answer(request));
    const port = await listen(app);
    assert.deepEqual((await ask(port, 'GET /')).json.caller, null);
    for (const path of ['/data/read', '/data/inner/read']) {
      assert.equal((await ask(port, `GET ${path}`)).status, 401);
      assert.equal((await ask(port, `GET ${path}`, [bearer(reader)])).json.caller, 'reader');
      assert.equal((await ask(port, `HEAD ${path}`)).status, 401, 'the HEAD route that Fastify adds');
    }
  });

  test('the plugin stays in the scope that registers it', async (t) => {
    const { auth } = site(t);
    const { app } = application(t);
    await app.register(async (scope) => {
      await scope.register(inspireAuth, { auth });
      assert.ok(scope.hasDecorator('requireKey') && scope.hasRequestDecorator('principal'));
    });
    await app.ready();
    assert.ok(!app.hasDecorator('requireKey') && !app.hasRequestDecorator('principal'));
    await assert.rejects(
      async () => {
        const twice = application(t).app;
        await twice.register(inspireAuth, { auth });
        await twice.register(inspireAuth, { auth });
      },
      { code: 'FST_ERR_DEC_ALREADY_PRESENT' },
    );
  });

  test('as a preHandler it guards as well', async (t) => {
    const { auth, reader } = site(t);
    const { app } = application(t);
    await app.register(inspireAuth, { auth });
    app.post('/', { preHandler: app.requireKey({ require: READ }) }, async (request) => answer(request));
    const port = await listen(app);
    assert.equal((await ask(port, 'POST /', ['Content-Type: text/plain'], 'text')).status, 401);
    assert.equal((await ask(port, 'POST /', ['Content-Type: text/plain', bearer(reader)], 'text')).json.length, 4);
  });

  test('over HTTP/2', async (t) => {
    const { auth, reader } = site(t);
    const { app } = application(t, { http2: true });
    await app.register(inspireAuth, { auth, channel: new TrustedProxies('10.0.0.0/8') });
    app.get('/', { onRequest: app.requireKey() }, async (request) => answer(request));
    const client = http2.connect(`http://127.0.0.1:${await listen(app)}`);
    const statuses = [];
    for (const headers of [
      { authorization: `Bearer ${reader}` },
      {},
      { authorization: `Bearer ${reader}`, 'x-ignition-api-token': reader },
      { 'x-ignition-api-token': [reader, reader] },
    ]) {
      const [head] = await once(client.request({ ':path': '/', ...headers }), 'response');
      statuses.push(head[':status']);
    }
    client.destroy(); // or the application waits for it
    assert.deepEqual(statuses, [200, 401, 400, 400]);
  });

  test('a response schema can not change a refusal', async (t) => {
    const { auth } = site(t);
    const { app } = application(t);
    await app.register(inspireAuth, { auth });
    const problem = { type: 'object', required: ['title'], properties: { title: { type: 'string' } } };
    app.get('/', { schema: { response: { '4xx': problem } }, onRequest: app.requireKey() }, async () => 'in');
    const { status, json } = await ask(await listen(app), 'GET /');
    assert.deepEqual([status, json.error], [401, 'NO_CREDENTIAL']);
  });

  test('whoever answered meanwhile is not answered over', async (t) => {
    const { auth, key } = site(t, { hash: undefined });
    const { app, log } = application(t);
    await app.register(inspireAuth, { auth });
    let handled = 0;
    app.addHook('onRequest', (request, reply, done) => {
      done();
      reply.code(504).send({ error: 'too late' });
    });
    app.get('/', { onRequest: app.requireKey() }, async () => ++handled);
    const port = await listen(app);
    for (const lines of [[], [bearer(key('cold', []))]]) assert.equal((await ask(port, 'GET /', lines)).status, 504);
    assert.equal(handled, 0);
    assert.ok(
      log.every((line) => !/ERR_REP_ALREADY_SENT|already sent/.test(line)),
      log.join(''),
    );
  });

  test('a channel function is given the request of Fastify', async (t) => {
    const { auth, secure } = site(t);
    const { app } = application(t, { trustProxy: 'loopback' });
    await app.register(inspireAuth, {
      auth,
      channel: (request) => (request.protocol === 'https' ? 'secure' : 'plain'),
    });
    app.get('/', { onRequest: app.requireKey() }, async (request) => answer(request));
    const port = await listen(app);
    assert.equal((await ask(port, 'GET /', [bearer(secure)])).status, 403);
    assert.equal((await ask(port, 'GET /', ['X-Forwarded-Proto: https', bearer(secure)])).status, 200);
  });

  test("options that can't be are refused when it is registered", async (t) => {
    const { auth } = site(t);
    for (const options of [{}, { auth: {} }, auth, { auth, chanel: 'secure' }]) {
      const { app } = application(t);
      await assert.rejects(async () => app.register(inspireAuth, options), TypeError);
    }
  });
});
