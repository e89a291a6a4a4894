'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { once } = require('node:events');
const { describe, test } = require('node:test');

const express = require('express');
const { TrustedProxies } = require('inspire-auth');
const { apiKey, entitled } = require('inspire-auth/express');

const { ask, bearer, exchange, token } = require('./support/http.js');
const { manners } = require('./support/manners.js');
const { READ, WRITE, license, site } = require('./support/site.js');

async function listen(t, handler) {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server.address().port;
}

const answer = (req, length) => ({
  caller: req.principal?.name ?? null,
  anonymous: req.principal?.isAnonymous,
  length,
});

manners('express', async (t, auth, routes, { channel }) => {
  const app = express();
  for (const { name, guard } of routes) {
    const guards = guard ? [apiKey(auth, { ...guard, channel })] : [];
    app.all(`/${name}`, ...guards, express.text({ type: () => true }), async (req, res) => {
      if (name === 'boom') throw new Error('the handler errs');
      res.json(answer(req, req.body?.length));
    });
  }
  app.use((error, req, res, _next) => res.status(500).json({ host: error.message }));
  return listen(t, app);
});

// The same middleware on nothing but node:http, as Connect and its relatives call it.
manners('connect', async (t, auth, routes, { channel }) => {
  const handlers = new Map();
  for (const { name, guard } of routes) {
    handlers.set(`/${name}`, guard ? apiKey(auth, { ...guard, channel }) : (req, res, next) => next());
  }
  return listen(t, (req, res) => {
    const json = (status, value) => {
      res.writeHead(status, { 'Content-Type': 'application/json' });
      res.end(JSON.stringify(value));
    };
    handlers.get(req.url)(req, res, (error) => {
      if (error || req.url === '/boom') return json(500, { host: error?.message ?? 'the handler errs' });
      let length = 0;
      req.on('data', (piece) => (length += piece.length));
      req.on('end', () => json(200, answer(req, length)));
    });
  });
});

describe('express alone', () => {
  test('a router, a mounted app, and a guard in front of both', async (t) => {
    const { auth, reader, writer } = site(t);
    const app = express();
    const inner = express();
    const router = express.Router();
    router.post('/write', apiKey(auth, { require: WRITE }), (req, res) => res.json(answer(req)));
    router.get('/read', (req, res) => res.json(answer(req)));
    inner.use('/v1', router);
    app.use('/data', apiKey(auth, { require: READ }), inner);
    app.get('/', (req, res) => res.json(answer(req)));
    const port = await listen(t, app);
    assert.equal((await ask(port, 'GET /')).json.caller, null);
    assert.equal((await ask(port, 'GET /data/v1/read', [bearer(reader)])).json.caller, 'reader');
    assert.equal((await ask(port, 'GET /data/v1/read', [token(reader)])).json.caller, 'reader');
    assert.equal((await ask(port, 'POST /data/v1/write', [bearer(reader)])).status, 403);
    assert.equal((await ask(port, 'POST /data/v1/write', [bearer(writer)])).json.caller, 'writer');
    for (const path of [
      '/data',
      '/data/',
      '/DATA/v1/read',
      '/data/v1/nothing',
      '/data//v1/read',
      '/data/../data/v1/read',
    ]) {
      assert.equal((await ask(port, `GET ${path}`)).status, 401, path);
    }
  });

  test('one principal a key, whichever request it is', async (t) => {
    const { auth, reader } = site(t);
    const seen = new Set();
    const port = await listen(
      t,
      express().use(apiKey(auth), (req, res) => res.json(seen.add(req.principal).size)),
    );
    for (let count = 0; count < 5; count++) await ask(port, 'GET /', [bearer(reader)]);
    assert.equal(seen.size, 1);
    assert.ok(Object.isFrozen([...seen][0]));
  });

  test('what other middleware made of the headers is not what is decided on', async (t) => {
    const { auth, reader } = site(t);
    const app = express();
    app.use((req, res, next) => {
      req.headers.authorization = `Bearer ${reader}`;
      next();
    });
    const port = await listen(
      t,
      app.use(apiKey(auth), (req, res) => res.json('in')),
    );
    assert.equal((await ask(port, 'GET /')).status, 401);
  });

  test("error handlers see the host's errors, and no refusal", async (t) => {
    const { auth, reader } = site(t);
    const errors = [];
    const app = express();
    const failing = () => {
      throw new RangeError('the host errs');
    };
    app.get('/channel', apiKey(auth, { channel: failing }), (req, res) => res.json('in'));
    app.get('/async', apiKey(auth), async () => {
      await null;
      throw new RangeError('later');
    });
    app.get('/skipped', apiKey(auth), (req, res, next) => next('route'));
    app.get('/skipped', (req, res) => res.json('second'));
    app.use((error, req, res, next) => {
      errors.push(error.message);
      next(error);
    });
    app.use((error, req, res, _next) => res.status(500).json(error.message));
    const port = await listen(t, app);
    assert.equal((await ask(port, 'GET /channel')).json, 'the host errs');
    assert.equal((await ask(port, 'GET /async', [bearer(reader)])).json, 'later');
    assert.equal((await ask(port, 'GET /skipped', [bearer(reader)])).json, 'second');
    for (const path of ['async', 'skipped']) assert.equal((await ask(port, `GET /${path}`)).status, 401);
    assert.deepEqual(errors, ['the host errs', 'later']);
  });

  test('whoever answered meanwhile is not answered over', async (t) => {
    const { auth } = site(t);
    const app = express();
    app.use((req, res, next) => {
      next();
      res.status(504).json('too late');
    });
    const errors = [];
    app.use(
      apiKey(auth),
      (req, res) => res.json('in'),
      (error, req, res, _next) => errors.push(error),
    );
    const port = await listen(t, app);
    for (let count = 0; count < 2; count++) assert.equal((await ask(port, 'GET /')).status, 504);
    assert.deepEqual(errors, []);
  });

  test("a list of proxies takes the channel of a connection that is nobody's as it is", async (t) => {
    const { auth, secure } = site(t);
    const guard = apiKey(auth, { channel: new TrustedProxies('10.0.0.0/8') });
    const through = async (socket, ...more) => {
      const res = { setHeader() {}, end() {} };
      const req = { rawHeaders: ['Authorization', `Bearer ${secure}`, ...more], socket };
      await guard(req, res, () => (res.statusCode = 200));
      return res.statusCode;
    };
    const https = ['X-Forwarded-Proto', 'https'];
    assert.equal(await through({ remoteAddress: '192.0.2.1', encrypted: true }), 200);
    assert.equal(await through({ remoteAddress: '192.0.2.1' }, ...https), 403);
    assert.equal(await through({ remoteAddress: '10.1.2.3' }, ...https), 200);
    assert.equal(await through({ remoteAddress: '::ffff:10.1.2.3' }, ...https), 200);
    assert.equal(await through({ remoteAddress: '10.1.2.3', encrypted: true }), 403, 'the proxy knows better');
    assert.equal(await through({}, ...https), 403, 'a Unix socket, or a connection that is gone');
    assert.equal(await through({ remoteAddress: 'fe80::1%eth0' }, ...https), 403);
  });

  test('entitled asks the license alone, by the enforcement of the handle', async (t) => {
    const strict = site(t);
    const lenient = site(t, { enforcement: 'warn' });
    const serve = ({ auth }) =>
      listen(
        t,
        express().use(entitled(auth, 'VIDEO_WALL_SYNC'), (req, res) => res.json('in')),
      );
    const port = await serve(strict);
    const refusal = await ask(port, 'GET /');
    assert.deepEqual(
      [refusal.status, refusal.json],
      [403, { error: 'UNLICENSED', message: 'no license is installed' }],
    );
    license(strict.auth, []);
    assert.equal((await ask(port, 'GET /')).json.error, 'NOT_ENTITLED');
    license(strict.auth, ['VIDEO_WALL_SYNC']);
    assert.equal((await ask(port, 'GET /')).status, 200);
    assert.equal((await ask(await serve(lenient), 'GET /')).status, 200);
    for (const code of ['', undefined, 7]) assert.throws(() => entitled(strict.auth, code), TypeError);
  });

  test('an upgrade listener has the connection to itself', async (t) => {
    const { auth, reader } = site(t);
    const server = http.createServer(express().use(apiKey(auth)));
    server.on('upgrade', async (req, socket) => {
      // As the documentation says: the listener asks for itself.
      const caller = await auth.authenticate(req.rawHeaders).catch((error) => error);
      socket.end(`HTTP/1.1 ${caller.name === 'reader' ? 101 : auth.http(caller).status} x\r\n\r\n`);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const upgrade = (...lines) =>
      exchange(
        server.address().port,
        ['GET / HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket', ...lines, '', ''].join('\r\n'),
      );
    assert.match(await upgrade(), /^HTTP\/1\.1 401/);
    assert.match(await upgrade(bearer(reader)), /^HTTP\/1\.1 101/);
  });

  test('a closed handle refuses', async (t) => {
    const { auth, reader } = site(t);
    const port = await listen(
      t,
      express().use(apiKey(auth), (req, res) => res.json('in')),
    );
    assert.equal((await ask(port, 'GET /', [bearer(reader)])).status, 200);
    auth.close();
    const { status, json } = await ask(port, 'GET /', [bearer(reader)]);
    assert.deepEqual([status, json], [500, { error: 'INVALID_ARGUMENT', message: 'an argument is not valid' }]);
  });
});
