'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { describe, test } = require('node:test');

const { serve } = require('@hono/node-server');
const { Hono } = require('hono');

const { apiKey } = require('inspire-auth/hono');

const { ask, bearer } = require('./support/http.js');
const { manners } = require('./support/manners.js');
const { READ, site } = require('./support/site.js');

async function listen(t, app) {
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  t.after(() => server.close());
  return server.address().port;
}

const answer = (c, length) =>
  c.json({ caller: c.get('principal')?.name ?? null, anonymous: c.get('principal')?.isAnonymous, length });

manners('hono', async (t, auth, routes, { channel }) => {
  const app = new Hono();
  app.onError((error, c) => c.json({ host: error.message }, 500));
  for (const { name, guard } of routes) {
    if (guard) app.use(`/${name}`, apiKey(auth, { ...guard, channel }));
    app.on(['GET', 'POST'], `/${name}`, async (c) => {
      if (name === 'boom') throw new Error('the handler errs');
      return answer(c, c.req.method === 'POST' ? (await c.req.text()).length : undefined);
    });
  }
  return listen(t, app);
});

describe('hono alone', () => {
  test("app.request(): by the request's headers, where repeated ones are joined", async (t) => {
    const { auth, reader, writer, secure } = site(t);
    const app = new Hono().use(apiKey(auth, { require: READ })).get('/', (c) => answer(c));
    const status = async (...lines) => (await app.request('/', { headers: lines })).status;
    assert.equal(await status(), 401);
    assert.equal(await status(['Authorization', `Bearer ${reader}`]), 200);
    assert.equal(await status(['X-Ignition-API-Token', reader]), 200);
    assert.equal(await status(['Authorization', `Bearer ${reader}`], ['Authorization', `Bearer ${writer}`]), 400);
    assert.equal(await status(['Authorization', 'Basic cDpx'], ['Authorization', `Bearer ${reader}`]), 400);
    assert.equal(await status(['Authorization', `Bearer ${reader}`], ['X-Ignition-API-Token', reader]), 400);
    assert.equal(await status(['Authorization', `Bearer ${secure}`]), 403);
  });

  test('what another runtime has in its environment is not taken for a request of Node', async (t) => {
    const { auth, reader } = site(t);
    const app = new Hono().use(apiKey(auth, { require: READ })).get('/', (c) => answer(c));
    for (const incoming of [{}, { rawHeaders: 7 }, 'text', null]) {
      assert.equal((await app.request('/', {}, { incoming })).status, 401);
      assert.equal(
        (await app.request('/', { headers: { Authorization: `Bearer ${reader}` } }, { incoming })).status,
        200,
      );
    }
  });

  test('without a peer, a list of proxies believes nobody', async (t) => {
    const { TrustedProxies } = require('inspire-auth');
    const { auth, secure } = site(t);
    const app = new Hono()
      .use(apiKey(auth, { channel: new TrustedProxies('0.0.0.0/0, ::/0') }))
      .get('/', (c) => answer(c));
    const headers = { Authorization: `Bearer ${secure}`, 'X-Forwarded-Proto': 'https' };
    assert.equal((await app.request('/', { headers })).status, 403);
  });

  test('a mounted application, and headers that were set before', async (t) => {
    const { auth, reader } = site(t);
    const inner = new Hono().get('/read', (c) => answer(c));
    const app = new Hono();
    app.use(async (c, next) => {
      c.header('X-Served-By', 'test');
      await next();
    });
    app.use('/data/*', apiKey(auth, { require: READ }));
    app.route('/data', inner);
    const port = await listen(t, app);
    const refusal = await ask(port, 'GET /data/read');
    assert.deepEqual([refusal.status, refusal.header('x-served-by')], [401, 'test']);
    assert.equal((await ask(port, 'GET /data/read', [bearer(reader)])).json.caller, 'reader');
    assert.equal((await ask(port, 'GET /data/nothing')).status, 401);
    assert.equal((await ask(port, 'HEAD /data/read')).status, 401);
  });

  test('what other middleware made of the request is not what is decided on', async (t) => {
    const { auth, reader } = site(t);
    const app = new Hono();
    app.use(async (c, next) => {
      c.req.raw = new Request(c.req.raw, { headers: { Authorization: `Bearer ${reader}` } });
      await next();
    });
    const port = await listen(
      t,
      app.use(apiKey(auth)).get('/', (c) => answer(c)),
    );
    assert.equal((await ask(port, 'GET /')).status, 401);
  });

  test('a channel function is given the context', async (t) => {
    const { auth, secure } = site(t);
    const channel = (c) => (c.req.path === '/secure' ? 'secure' : 'plain');
    const port = await listen(
      t,
      new Hono().use(apiKey(auth, { channel })).get('*', (c) => answer(c)),
    );
    assert.equal((await ask(port, 'GET /plain', [bearer(secure)])).status, 403);
    assert.equal((await ask(port, 'GET /secure', [bearer(secure)])).json.caller, 'secure');
  });
});
