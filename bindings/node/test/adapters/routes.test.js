'use strict';

// A whole application behind a table: each adapter over real HTTP, with targets that no client library would send.

const assert = require('node:assert/strict');
const http = require('node:http');
const { once } = require('node:events');
const { describe, test } = require('node:test');

const { serve } = require('@hono/node-server');
const express = require('express');
const Fastify = require('fastify');
const { Hono } = require('hono');
const { Routes } = require('inspire-auth');
const { apiKey } = require('inspire-auth/express');
const inspireAuth = require('inspire-auth/fastify');
const { apiKey: honoKey } = require('inspire-auth/hono');

const { ask, bearer } = require('./support/http.js');
const { READ, WRITE, site } = require('./support/site.js');

/** Everyone may read, but for /data and /shut. */
const TABLE = {
  routes: [
    { prefix: '/', methods: ['GET'], require: { any: ['Public'] } },
    { prefix: '/data', methods: ['GET', 'HEAD'], require: { any: [READ] } },
    { prefix: '/data', methods: ['POST'], require: { any: [WRITE] } },
    { prefix: '/data/walls', methods: ['GET'], require: { any: [READ] }, entitlement: 'VIDEO_WALL_SYNC' },
    { prefix: '/shut', methods: ['GET'], require: { any: [] } },
  ],
};
const FOLDED = { ...TABLE, ignore_case: true };
const SUFFIXED = { ...FOLDED, ignore_suffix: true };

/** Targets with more than one reading. */
const NOT_CANONICAL = [
  '//data', '/data//x', '/./data', '/x/../data', '/data/..', '/%64ata', '/dat%61', '/data%2Fwalls', '/data%2fwalls',
  '/%2Fdata', '/data;x=1', '/data%3Bx', '/data/%2e%2e/shut', '/data/%2E', '/data%5Cx', '/data\\x', '/data%00', '/data%0A',
  '/%2564ata', '/data%7F', '/data%', '/data%zz', '/data%C0%AF', '/data#x', 'http://localhost/data', '*', '/dat\xe9',
];

async function listen(t, handler) {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server.address().port;
}

const told = (principal) => ({ caller: principal?.name ?? null });

/** By name: starts the application in which everything is answered, behind the table. */
const DOORS = {
  express: (t, auth, routes, more) => {
    const app = express();
    if (more?.caseSensitive) app.enable('case sensitive routing');
    app.use(apiKey(auth, { routes, ...more }), (req, res) => res.json(told(req.principal)));
    app.use((error, req, res, _next) => res.status(500).json({ host: error.message }));
    return listen(t, app);
  },
  connect: (t, auth, routes, more) => {
    const guard = apiKey(auth, { routes, wholeSegments: true, ...more });
    return listen(t, (req, res) => guard(req, res, () => res.end(JSON.stringify(told(req.principal)))));
  },
  fastify: async (t, auth, routes, { options = {} } = {}) => {
    const app = Fastify(options);
    t.after(() => app.close());
    await app.register(inspireAuth, { auth });
    app.addHook('onRequest', app.requireKey({ routes }));
    app.all('/*', async (request) => told(request.principal));
    await app.listen({ host: '127.0.0.1', port: 0 });
    return app.server.address().port;
  },
  hono: async (t, auth, routes) => {
    const app = new Hono().use(honoKey(auth, { routes })).all('*', (c) => c.json(told(c.get('principal'))));
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    t.after(() => server.close());
    return server.address().port;
  },
};

for (const [name, start] of Object.entries(DOORS)) {
  describe(`${name} behind a table`, () => {
    test('the table decides', async (t) => {
      const { auth, reader, writer, bare, secure } = site(t);
      const port = await start(t, auth, FOLDED);
      const answer = async (request, credential) => {
        const { status, json } = await ask(port, request, credential ? [bearer(credential)] : []);
        return status === 200 ? (json?.caller ?? 'nobody') : `${status} ${json?.error}`;
      };
      for (const path of ['/', '/database', '/dat', '/x/data', '/caf%C3%A9%20x', '/?data=//../', "/x%21$&'()*+,:@="]) {
        assert.equal(await answer(`GET ${path}`), 'nobody', path);
      }
      assert.equal(await answer('GET /x', reader), 'reader');
      assert.equal(await answer('GET /x', 'reader:no'), '401 INVALID_CREDENTIAL');
      for (const path of ['/data', '/data/', '/data/x', '/data?x=//', '/DATA', '/dAta/X']) {
        assert.equal(await answer(`GET ${path}`), '401 NO_CREDENTIAL', path);
        assert.equal(await answer(`GET ${path}`, bare), '403 INSUFFICIENT_LEVEL', path);
        assert.equal(await answer(`GET ${path}`, secure), '403 SECURE_CHANNEL_REQUIRED', path);
        assert.equal(await answer(`GET ${path}`, reader), 'reader', path);
      }
      assert.equal((await ask(port, 'HEAD /data', [bearer(reader)])).status, 200);
      assert.equal((await ask(port, 'HEAD /data')).status, 401);
      assert.equal(await answer('POST /data', reader), '403 INSUFFICIENT_LEVEL');
      assert.equal(await answer('POST /data', writer), 'writer');
      assert.equal(await answer('GET /data/walls', reader), '403 UNLICENSED');
      assert.equal(await answer('GET /shut', writer), '403 INSUFFICIENT_LEVEL');
      for (const request of ['DELETE /data', 'POST /data/walls', 'POST /', 'OPTIONS /data', 'PROPFIND /data']) {
        // Whoever is calling.
        assert.equal(await answer(request, writer), '403 ROUTE_DENIED', request);
        assert.equal(await answer(request), '403 ROUTE_DENIED', request);
      }
    });

    test('a target with two readings is refused', async (t) => {
      const { auth, writer } = site(t);
      const port = await start(t, auth, FOLDED);
      for (const path of NOT_CANONICAL) {
        for (const lines of [[], [bearer(writer)]]) {
          const { status, json } = await ask(port, `GET ${path}`, lines);
          assert.equal(status, 400, path);
          // Node, Fastify and Hono refuse some of them themselves.
          assert.ok(json?.error === 'PATH_NOT_CANONICAL' || json?.caller === undefined, path);
        }
      }
      assert.equal((await ask(port, 'get /data', [bearer(writer)])).status, 400);
    });

    test('a table that cannot be read is told when a server starts', async (t) => {
      const { auth } = site(t);
      for (const wrong of [{ routes: [{}] }, '{}', 7]) {
        await assert.rejects(async () => start(t, auth, wrong), { code: 'INVALID_ARGUMENT' });
      }
      for (const nothing of [undefined, null]) await assert.rejects(async () => start(t, auth, nothing), TypeError);
    });
  });
}

describe('letters of either case', () => {
  for (const name of ['express', 'connect']) {
    test(`${name}: a table that cares is refused, unless every router does`, async (t) => {
      const { auth } = site(t);
      for (const routes of [TABLE, Routes.parse(TABLE)]) {
        await assert.rejects(async () => DOORS[name](t, auth, routes), /ignore_case/);
        await assert.rejects(async () => DOORS[name](t, auth, routes, { caseSensitive: false }), /ignore_case/);
      }
      const port = await DOORS[name](t, auth, TABLE, { caseSensitive: true });
      assert.equal((await ask(port, 'GET /data')).status, 401);
      assert.equal((await ask(port, 'GET /DATA')).status, 200);
    });
  }

  test('express: without its setting the word of the host is not taken', async (t) => {
    const { auth } = site(t);
    const app = express();
    app.use(apiKey(auth, { routes: TABLE, caseSensitive: true }), (req, res) => res.json('in'));
    app.use((error, req, res, _next) => res.status(500).json({ host: error.message }));
    const port = await listen(t, app);
    for (const path of ['/', '/data', '/DATA']) {
      const { status, json } = await ask(port, `GET ${path}`);
      assert.equal(status, 500);
      assert.match(json.host, /ignore_case/);
    }
  });

  test('what Express routes to a handler is what was judged', async (t) => {
    const { auth, reader } = site(t);
    const app = express();
    app.use(apiKey(auth, { routes: FOLDED }));
    app.get('/data', (req, res) => res.json('data'));
    app.get('/open', (req, res) => res.json('open'));
    const port = await listen(t, app);
    for (const path of ['/data', '/Data', '/DATA/']) {
      assert.equal((await ask(port, `GET ${path}`)).status, 401);
      assert.equal((await ask(port, `GET ${path}`, [bearer(reader)])).json, 'data');
    }
    assert.equal((await ask(port, 'GET /OPEN')).json, 'open');
  });

  test('fastify: a table that cares is refused where the router does not', async (t) => {
    const { auth } = site(t);
    for (const options of [{ routerOptions: { caseSensitive: false } }]) {
      await assert.rejects(async () => DOORS.fastify(t, auth, TABLE, { options }), /ignore_case/);
      const port = await DOORS.fastify(t, auth, FOLDED, { options });
      assert.equal((await ask(port, 'GET /DATA')).status, 401);
    }
    const port = await DOORS.fastify(t, auth, TABLE);
    assert.equal((await ask(port, 'GET /DATA')).status, 200);
    assert.equal((await ask(port, 'GET /data')).status, 401);
  });

  test('a word that is not one is refused', (t) => {
    const { auth } = site(t);
    assert.throws(() => apiKey(auth, { routes: TABLE, caseSensitive: 'yes' }), TypeError);
    assert.throws(() => apiKey(auth, { require: READ, caseSensitive: true }), TypeError);
    assert.throws(() => apiKey(auth, { routes: FOLDED, wholeSegments: 1 }), TypeError);
    assert.throws(() => apiKey(auth, { require: READ, wholeSegments: true }), TypeError);
    for (const make of [apiKey, honoKey]) {
      assert.throws(() => make(auth, { routes: FOLDED, require: READ }), TypeError);
      assert.throws(() => make(auth, { routes: FOLDED, entitlement: 'MFA' }), TypeError);
    }
  });
});

describe('suffixes', () => {
  /** Answers with what the guard hands on: nothing, or an error. */
  const connect = (t, guard, before = () => {}) =>
    listen(t, (req, res) => {
      before(req);
      guard(req, res, (error) => res.end(JSON.stringify(error ? { host: error.message } : told(req.principal))));
    });

  test('connect: a table that does not leave them out of account lets nothing in', async (t) => {
    const { auth } = site(t);
    for (const more of [{}, { wholeSegments: false }]) {
      const port = await connect(t, apiKey(auth, { routes: FOLDED, ...more }));
      for (const path of ['/', '/data', '/data.x']) {
        assert.match((await ask(port, `GET ${path}`)).json.host, /ignore_suffix/);
      }
    }
    const port = await connect(t, apiKey(auth, { routes: FOLDED, wholeSegments: true }));
    assert.equal((await ask(port, 'GET /data.x')).json.caller, null);
  });

  test('connect: what a mount answers is what was judged', async (t) => {
    const { auth, reader } = site(t);
    const port = await connect(t, apiKey(auth, { routes: SUFFIXED }));
    for (const path of ['/data.x', '/data.', '/DATA.x/y', '/data/walls.x']) {
      assert.equal((await ask(port, `GET ${path}`)).status, 401, path);
    }
    assert.equal((await ask(port, 'GET /data.x', [bearer(reader)])).json.caller, 'reader');
    assert.equal((await ask(port, 'GET /x.data')).json.caller, null);
  });

  test('connect: what was rewritten on the way is refused', async (t) => {
    const { auth } = site(t);
    const port = await connect(t, apiKey(auth, { routes: SUFFIXED }), (req) => {
      req.originalUrl = req.url;
      if (req.url.startsWith('/as/')) req.url = req.url.slice(3);
    });
    for (const path of ['/as/data', '/as/x']) {
      assert.equal((await ask(port, `GET ${path}`)).json.error, 'PATH_NOT_CANONICAL', path);
    }
    assert.equal((await ask(port, 'GET /x')).json.caller, null);
    assert.equal((await ask(port, 'GET /data')).status, 401);
  });
});

describe('paths that something has rewritten', () => {
  test('express: mounts are part of the path', async (t) => {
    const { auth, reader } = site(t);
    const app = express();
    const inner = express.Router();
    inner.use(apiKey(auth, { routes: FOLDED }), (req, res) => res.json(told(req.principal)));
    app.use('/data', inner);
    app.use('/data/deep', inner);
    app.use('/open', express().use(inner));
    const port = await listen(t, app);
    for (const path of ['/data', '/data/', '/data?x', '/data/?x', '/data/x', '/DATA/x?y', '/data/deep']) {
      assert.equal((await ask(port, `GET ${path}`)).status, 401, path);
      assert.equal((await ask(port, `GET ${path}`, [bearer(reader)])).json?.caller, 'reader', path);
    }
    for (const path of ['/open', '/open/data', '/open?x']) {
      assert.equal((await ask(port, `GET ${path}`)).json?.caller, null, path);
    }
  });

  test('express: what was rewritten on the way is refused', async (t) => {
    const { auth } = site(t);
    const app = express();
    app.use((req, res, next) => {
      if (req.url.startsWith('/as/')) req.url = req.url.slice(3);
      next();
    });
    app.use(apiKey(auth, { routes: FOLDED }), (req, res) => res.json('in'));
    const port = await listen(t, app);
    for (const path of ['/as/data', '/as/x']) {
      assert.equal((await ask(port, `GET ${path}`)).json.error, 'PATH_NOT_CANONICAL');
    }
    assert.equal((await ask(port, 'GET /x')).json, 'in');
  });

  test("fastify: what its router reads is judged, also behind rewriteUrl", async (t) => {
    const { auth } = site(t);
    const options = { rewriteUrl: (req) => req.url.replace(/^\/as/, '') };
    const port = await DOORS.fastify(t, auth, TABLE, { options });
    assert.equal((await ask(port, 'GET /as/data')).status, 401);
    assert.equal((await ask(port, 'GET /as/x')).status, 200);
  });

  test('fastify: what a hook has changed behind the router is refused', async (t) => {
    const { auth, writer } = site(t);
    for (const [before, hook] of [['onRequest', 'onRequest'], ['preValidation', 'preHandler']]) {
      const app = Fastify();
      t.after(() => app.close());
      await app.register(inspireAuth, { auth });
      app.addHook(before, async ({ raw, headers }) => {
        if (headers['x-method']) raw.method = headers['x-method'];
        if (headers['x-url']) raw.url = headers['x-url'];
      });
      app.addHook(hook, app.requireKey({ routes: TABLE }));
      app.all('/data', async () => 'data');
      app.get('/x', async () => 'x');
      await app.register(async (scope) => void scope.get('/', async () => 'scope'), { prefix: '/data/walls' });
      const answer = async (method, url, headers) => {
        const { statusCode, body } = await app.inject({ method, url, headers });
        return statusCode === 200 ? body : JSON.parse(body).error;
      };
      for (const url of ['/data', '/data/walls/', '/none']) {
        assert.equal(await answer('GET', url, { 'x-url': '/x' }), 'PATH_NOT_CANONICAL', url);
      }
      const bearing = { authorization: `Bearer ${writer}` };
      assert.equal(await answer('GET', '/x', { ...bearing, 'x-url': '/data' }), 'PATH_NOT_CANONICAL');
      for (const [method, other] of [['POST', 'GET'], ['DELETE', 'GET'], ['GET', 'POST']]) {
        assert.equal(await answer(method, '/data', { ...bearing, 'x-method': other }), 'PATH_NOT_CANONICAL', method);
      }
      assert.equal(await answer('GET', '/x', {}), 'x');
      assert.equal(await answer('GET', '/data', bearing), 'data');
      assert.equal(await answer('GET', '/x', { 'x-url': '/x', 'x-method': 'GET' }), 'x');
    }
  });

  test('fastify: a guard with a table grants nothing where the plugin has not seen the request', async (t) => {
    const { auth } = site(t);
    const app = Fastify();
    t.after(() => app.close());
    let guard;
    await app.register(async (scope) => {
      await scope.register(inspireAuth, { auth });
      guard = scope.requireKey({ routes: TABLE });
    });
    app.get('/x', { onRequest: guard }, async () => 'in');
    const { statusCode, body } = await app.inject('/x');
    assert.equal(statusCode, 500);
    assert.match(body, /another scope/);
  });

  test('fastify: what no route answers is denied as well', async (t) => {
    const { auth } = site(t);
    const app = Fastify();
    t.after(() => app.close());
    await app.register(inspireAuth, { auth });
    app.addHook('onRequest', app.requireKey({ routes: TABLE }));
    app.get('/x', async () => 'in');
    assert.equal((await app.inject('/data/none')).statusCode, 401);
    assert.equal((await app.inject('/none')).statusCode, 404);
    assert.equal((await app.inject({ method: 'PUT', url: '/x' })).statusCode, 403);
  });

  test('hono: routes by the path that was judged', async (t) => {
    const { auth } = site(t);
    const inner = new Hono().use(honoKey(auth, { routes: TABLE })).all('*', (c) => c.json('in'));
    const prefixed = new Hono({ getPath: (request) => `/data${new URL(request.url).pathname}` });
    prefixed.use(honoKey(auth, { routes: TABLE })).all('*', (c) => c.json('in'));
    const outer = new Hono().route('/data', inner).mount('/as', inner.fetch);
    const server = serve({ fetch: outer.fetch, hostname: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address();
    assert.equal((await ask(port, 'GET /data/x')).status, 401);
    // A mounted app, and one that makes its paths up, see others.
    assert.equal((await ask(port, 'GET /as/x')).status, 400);
    assert.equal((await prefixed.request('/x')).status, 400);
    // Without a server there is the URL, which is what Hono routes by.
    const status = async (path, init) => (await inner.request(path, init)).status;
    assert.deepEqual(
      [await status('/x?y'), await status('/data'), await status('/x/../data'), await status('/data%2Fx'), await status('/%64ata')],
      [200, 401, 401, 400, 400],
    );
    assert.equal(await status('/caf%C3%A9#data'), 200);
    assert.equal(await status('/x%FF'), 400);
    assert.equal(await status('/data', { method: 'pROPFIND' }), 403);
  });
});
