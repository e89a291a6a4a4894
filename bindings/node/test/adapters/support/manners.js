'use strict';

// What every adapter must do, whatever the framework: asked over real HTTP, header line by header line.

const assert = require('node:assert/strict');
const net = require('node:net');
const { after, describe, test } = require('node:test');

const { SYSTEM, TrustedProxies } = require('inspire-auth');

const { ask, bearer, exchange, parse, token, transcript } = require('./http.js');
const { READ, WRITE, administrator, license, site } = require('./site.js');

const PLAIN = 'Bearer realm="inspire"';

/**
 * @param {string} framework
 * @param {(t: import('node:test').TestContext, auth: import('inspire-auth').InspireAuth, routes: {name: string,
 *   guard?: object}[], options: object) => Promise<number>} serve starts a server that ends with the test, and returns
 *   its port. `GET /NAME` and `POST /NAME` of a route answer `{caller, anonymous}`, the POST after it has read the body
 *   with its length as `length`; but for `boom`, whose handler throws.
 */
function manners(framework, serve) {
  const routes = [
    { name: 'read', guard: { require: READ } },
    { name: 'write', guard: { require: WRITE } },
    { name: 'any', guard: {} },
    { name: 'both', guard: { require: { all: [READ, WRITE] } } },
    { name: 'nobody', guard: { require: { any: [] } } },
    { name: 'public', guard: { require: 'Public' } },
    { name: 'walls', guard: { require: WRITE, entitlement: 'VIDEO_WALL_SYNC' } },
    { name: 'boom', guard: { require: READ } },
    { name: 'open' },
  ];

  /** Starts a server on a new store. */
  async function start(t, { channel, ...options } = {}) {
    const here = site(t, options);
    return { ...here, port: await serve(t, here.auth, routes, { channel }) };
  }

  const secrets = [];
  const refused = async (port, status, code, challenge, request, lines, body) => {
    const answer = await ask(port, request, lines, body);
    assert.deepEqual([answer.status, answer.json?.error], [status, code], `${request} ${answer.text}`);
    assert.deepEqual(Object.keys(answer.json), ['error', 'message']);
    assert.equal(answer.header('www-authenticate'), challenge);
    assert.match(answer.header('content-type'), /^application\/json/);
    return answer;
  };
  const granted = async (port, caller, request, lines, body) => {
    const answer = await ask(port, request, lines, body);
    assert.deepEqual([answer.status, answer.json?.caller], [200, caller], answer.text);
    return answer;
  };

  describe(framework, () => {
    test('a key, in each of its spellings', async (t) => {
      const { port, reader } = await start(t);
      secrets.push(reader);
      await granted(port, 'reader', 'GET /read', [bearer(reader)]);
      await granted(port, 'reader', 'GET /read', [`authorization: bEARER   ${reader.replace(':', '~')}`]);
      await granted(port, 'reader', 'GET /read', [token(reader)]);
      await granted(port, 'reader', 'GET /read', ['Authorization: Basic cDpx', token(reader)]);
      const answer = await granted(port, 'reader', 'POST /read', [bearer(reader)], 'a body');
      assert.equal(answer.json.length, 6);
    });

    test('what is no key is challenged', async (t) => {
      const { port, reader, writer } = await start(t);
      secrets.push(reader, writer);
      const [name, secret] = reader.split(':');
      const invalid = `${PLAIN}, error="invalid_token"`;
      const malformed = `${PLAIN}, error="invalid_request"`;
      await refused(port, 401, 'NO_CREDENTIAL', PLAIN, 'GET /read');
      await refused(port, 401, 'NO_CREDENTIAL', PLAIN, 'GET /read', ['Authorization: Basic cDpx']);
      for (const wrong of [`${name}:${writer.split(':')[1]}`, `nobody:${secret}`, `${reader.slice(0, -1)}-`]) {
        await refused(port, 401, 'INVALID_CREDENTIAL', invalid, 'GET /read', [bearer(wrong)]);
      }
      for (const wrong of [secret, '', `${name}: ${secret}`, `${name}:\xff\xfe`, 'x'.repeat(5000)]) {
        await refused(port, 400, 'MALFORMED_CREDENTIAL', malformed, 'GET /read', [bearer(wrong)]);
      }
    });

    test('two credentials are one too many, in whatever lines they come', async (t) => {
      const { port, reader, writer } = await start(t);
      const challenge = `${PLAIN}, error="invalid_request"`;
      for (const lines of [
        [bearer(reader), bearer(writer)],
        [bearer(reader), bearer(reader)],
        [bearer(reader), 'authorization: Basic cDpx'],
        ['Authorization: Basic cDpx', bearer(reader)],
        [token(reader), token(writer)],
        [bearer(reader), token(reader)],
        [bearer(`${reader}, Bearer ${writer}`)],
        [token(`${reader}, ${writer}`)],
      ]) {
        await refused(port, 400, 'MALFORMED_CREDENTIAL', challenge, 'GET /read', lines);
      }
    });

    test('a credential behind more lines than Node keeps is not overlooked', async (t) => {
      const { port, reader, writer } = await start(t);
      const lines = (count) => Array.from({ length: count }, (_, index) => `h${index}:`);
      await granted(port, 'reader', 'GET /read', [bearer(reader), ...lines(900)]);
      for (const request of ['GET /read', 'GET /public']) {
        const challenge = `${PLAIN}, error="invalid_request"`;
        await refused(port, 400, 'MALFORMED_CREDENTIAL', challenge, request, [
          bearer(reader),
          ...lines(1100),
          bearer(writer),
        ]);
      }
    });

    test('an alias of a header is no credential', async (t) => {
      const { port, reader, writer } = await start(t);
      // A proxy that strips the header lets its underscore spelling by.
      const alias = `X_Ignition_API_Token: ${writer}`;
      await refused(port, 401, 'NO_CREDENTIAL', PLAIN, 'GET /read', [alias]);
      await granted(port, 'reader', 'GET /read', [alias, bearer(reader)]);
    });

    test('what a key may do', async (t) => {
      const { port, reader, writer, bare } = await start(t);
      const challenge = `${PLAIN}, error="insufficient_scope"`;
      await granted(port, 'writer', 'POST /write', [bearer(writer)]);
      await granted(port, 'writer', 'GET /both', [bearer(writer)]);
      await granted(port, 'bare', 'GET /any', [bearer(bare)]);
      await refused(port, 403, 'INSUFFICIENT_LEVEL', challenge, 'POST /write', [bearer(reader)]);
      await refused(port, 403, 'INSUFFICIENT_LEVEL', challenge, 'GET /both', [bearer(reader)]);
      await refused(port, 403, 'INSUFFICIENT_LEVEL', challenge, 'GET /nobody', [bearer(writer)]);
      const answer = await refused(port, 403, 'INSUFFICIENT_LEVEL', challenge, 'GET /read', [bearer(bare)]);
      assert.equal(answer.json.message, 'the key does not hold a required security level');
    });

    test('everyone may ask where Public is required, but not with a wrong key', async (t) => {
      const { port, reader } = await start(t);
      const answer = await granted(port, null, 'GET /public');
      assert.equal(answer.json.anonymous, true);
      assert.equal((await granted(port, 'reader', 'GET /public', [bearer(reader)])).json.anonymous, false);
      const challenge = `${PLAIN}, error="invalid_token"`;
      await refused(port, 401, 'INVALID_CREDENTIAL', challenge, 'GET /public', [bearer(`${reader.slice(0, -1)}-`)]);
    });

    test('a route without a guard is open, and has no principal', async (t) => {
      const { port } = await start(t);
      await granted(port, null, 'GET /open', [bearer('who:cares')]);
    });

    test('the channel is plain unless the host says otherwise', async (t) => {
      for (const [channel, status] of [
        [undefined, 403],
        ['plain', 403],
        ['local', 403],
        ['secure', 200],
        [() => 'secure', 200],
      ]) {
        const { port, secure, reader } = await start(t, { channel });
        assert.equal((await ask(port, 'GET /read', [bearer(secure)])).status, status);
        await granted(port, 'reader', 'GET /read', [bearer(reader)]);
        if (status === 403) {
          const lies = ['X-Forwarded-Proto: https', 'Forwarded: proto=https', bearer(secure)];
          await refused(port, 403, 'SECURE_CHANNEL_REQUIRED', undefined, 'GET /read', lies);
        }
      }
    });

    test('a local channel is secure when the handle says so', async (t) => {
      const { port, secure } = await start(t, { channel: 'local', localIsSecure: true });
      await granted(port, 'secure', 'GET /read', [bearer(secure)]);
    });

    test('a proxy is believed when it is trusted, and says one thing', async (t) => {
      const trusted = await start(t, { channel: new TrustedProxies('127.0.0.1, ::1') });
      const other = await start(t, { channel: new TrustedProxies('10.0.0.0/8') });
      const https = 'X-Forwarded-Proto: https';
      await granted(trusted.port, 'secure', 'GET /read', [https, bearer(trusted.secure)]);
      for (const lines of [[], ['X-Forwarded-Proto: http'], [https, https], ['X-Forwarded-Proto: https, http']]) {
        await refused(trusted.port, 403, 'SECURE_CHANNEL_REQUIRED', undefined, 'GET /read', [
          ...lines,
          bearer(trusted.secure),
        ]);
      }
      await refused(other.port, 403, 'SECURE_CHANNEL_REQUIRED', undefined, 'GET /read', [https, bearer(other.secure)]);
    });

    test('a channel function that fails grants nothing', async (t) => {
      for (const channel of [() => 'safe', async () => 'secure', () => 2, () => null]) {
        const { port, reader } = await start(t, { channel });
        assert.equal((await ask(port, 'GET /read', [bearer(reader)])).status, 500);
        assert.equal((await ask(port, 'GET /public')).status, 500);
      }
      const { port } = await start(t, {
        channel: () => {
          throw new Error('the host errs');
        },
      });
      assert.deepEqual((await ask(port, 'GET /read')).json, { host: 'the host errs' });
    });

    test('what the license does not allow is refused, after the key was judged', async (t) => {
      const { port, auth, reader, writer } = await start(t);
      await refused(port, 403, 'UNLICENSED', undefined, 'POST /walls', [bearer(writer)]);
      license(auth, []);
      await refused(port, 403, 'NOT_ENTITLED', undefined, 'POST /walls', [bearer(writer)]);
      license(auth, ['VIDEO_WALL_SYNC']);
      await granted(port, 'writer', 'POST /walls', [bearer(writer)]);
      await refused(port, 403, 'INSUFFICIENT_LEVEL', `${PLAIN}, error="insufficient_scope"`, 'POST /walls', [
        bearer(reader),
      ]);
      await refused(port, 401, 'NO_CREDENTIAL', PLAIN, 'POST /walls');
    });

    test('a license refusal is 402 when the host wants it so', async (t) => {
      const { port, writer, reader } = await start(t, { paymentRequired: true });
      await refused(port, 402, 'UNLICENSED', undefined, 'POST /walls', [bearer(writer)]);
      assert.equal((await ask(port, 'POST /walls', [bearer(reader)])).status, 403);
    });

    test('busy is 503 with Retry-After, and no challenge', async (t) => {
      const { port, auth } = await start(t, { chosenFailuresPerMinute: 1 });
      const hash = '$argon2id$v=19$m=64,t=1,p=1$7TFSqKONqsMTH1yNdP1KcA$/XlVSqxg4kEt3Q2pwdVR/8xTsTUABpwyeRnLTH3K95M';
      auth.keys.importSync(
        { name: 'human', levels: [READ], requireSecure: false, format: 'phc', hash, strength: 'chosen' },
        { actor: SYSTEM },
      );
      const challenge = `${PLAIN}, error="invalid_token"`;
      await refused(port, 401, 'INVALID_CREDENTIAL', challenge, 'GET /read', [bearer('human:wrong')]);
      const answer = await refused(port, 503, 'BUSY', undefined, 'GET /read', [bearer('human:wrong2')]);
      assert.equal(answer.header('retry-after'), '1');
    });

    test("an error of a handler is the framework's", async (t) => {
      const { port, reader } = await start(t);
      const answer = await ask(port, 'GET /boom', [bearer(reader)]);
      assert.deepEqual([answer.status, answer.json], [500, { host: 'the handler errs' }]);
      await refused(port, 401, 'NO_CREDENTIAL', PLAIN, 'GET /boom');
    });

    test('a refused request is answered before its body has come', async (t) => {
      const { port, reader } = await start(t);
      const head = (...lines) =>
        ['POST /write HTTP/1.1', 'Host: localhost', 'Content-Length: 1000000', ...lines, '', ''].join('\r\n');
      for (const [lines, status] of [
        [[], 401],
        [[bearer(reader)], 403],
        [['Expect: 100-continue'], 401],
      ]) {
        const text = await exchange(port, head(...lines), /"error".*\}/);
        assert.equal(parse(text.slice(text.indexOf('HTTP/1.1 4'))).status, status, text);
      }
    });

    test('an upgrade without a listener of its own is guarded as any request', async (t) => {
      const { port } = await start(t);
      const lines = [
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13',
      ];
      const text = ['GET /read HTTP/1.1', 'Host: localhost', ...lines, '', ''].join('\r\n');
      assert.match(await exchange(port, text, /"error".*\}/), /^HTTP\/1\.1 401 /);
    });

    test('keys seen for the first time, all at once: each is who it is', async (t) => {
      const { port, key } = await start(t, { hash: undefined });
      const names = Array.from({ length: 8 }, (_, index) => `cold${index}`);
      const credentials = names.map((name) => key(name, [READ]));
      const answers = await Promise.all(
        [0, 1, 2].flatMap(() =>
          names.map((name, index) =>
            ask(port, 'GET /read', [bearer(credentials[index])]).then((answer) => ({ name, answer })),
          ),
        ),
      );
      // A full pool may say BUSY, which is no wrong answer; anything else is.
      for (const { name, answer } of answers) {
        if (answer.status !== 503) assert.deepEqual([answer.status, answer.json.caller], [200, name]);
      }
      assert.ok(answers.some(({ answer }) => answer.status === 200));
      await Promise.all(names.map((name, index) => granted(port, name, 'GET /read', [bearer(credentials[index])])));
    });

    test('a client that has gone while its key was being checked harms nobody', async (t) => {
      const { port, key, reader } = await start(t, { hash: undefined });
      const cold = key('cold', [READ]);
      for (let count = 0; count < 5; count++) {
        await new Promise((resolve) => {
          const socket = net.connect(port, '127.0.0.1', () => {
            socket.write(`GET /read HTTP/1.1\r\nHost: localhost\r\n${bearer(cold)}\r\n\r\n`, () => socket.destroy());
          });
          socket.on('close', resolve);
        });
      }
      await granted(port, 'reader', 'GET /read', [bearer(reader)]);
      await granted(port, 'cold', 'GET /read', [bearer(cold)]);
    });

    test('a key that another process creates is known, and one that it deletes is refused', async (t) => {
      const { port, store, reader } = await start(t);
      const other = administrator(t, store);
      const late = await other.ask('create', 'late', [READ]);
      for (let count = 0; count < 3; count++) {
        await granted(port, 'late', 'GET /read', [bearer(late)]);
        await granted(port, 'reader', 'GET /read', [bearer(reader)]);
      }
      await other.ask('delete', 'late');
      const challenge = `${PLAIN}, error="invalid_token"`;
      await refused(port, 401, 'INVALID_CREDENTIAL', challenge, 'GET /read', [bearer(late)]);
      await granted(port, 'reader', 'GET /read', [bearer(reader)]);
    });

    test("guards that can't be are refused when a server starts", async (t) => {
      const { auth } = site(t);
      const make = (guard, options = {}) => serve(t, auth, [{ name: 'x', guard }], options);
      for (const guard of [
        { requires: READ },
        { require: undefined },
        { require: null },
        { entitlement: '' },
        { entitlement: 7 },
        { entitlements: ['MFA'] },
      ]) {
        await assert.rejects(make(guard), TypeError, JSON.stringify(guard));
      }
      for (const channel of ['safe', 'Secure', '', 2, {}]) {
        await assert.rejects(make({}, { channel }), TypeError, String(channel));
      }
      for (const require of ['', 'any(', 'a//b', { any: [''] }]) {
        await assert.rejects(make({ require }), { code: 'INVALID_LEVEL' }, JSON.stringify(require));
      }
      await assert.rejects(serve(t, {}, [{ name: 'x', guard: {} }], {}), TypeError);
    });

    after(() => {
      assert.ok(secrets.length > 0 && transcript.length > 0);
      for (const text of transcript) {
        assert.doesNotMatch(text, /it lacks|Gateway\/Read/);
        for (const secret of secrets) assert.ok(!text.includes(secret.split(':')[1]));
      }
    });
  });
}

module.exports = { manners };
