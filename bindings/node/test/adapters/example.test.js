'use strict';

// examples/node as a newcomer starts it: from a folder where the packages are installed.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { test } = require('node:test');

const { ask, bearer, token } = require('./support/http.js');
const { MACHINE, administrator, READ, license, site, vendor } = require('./support/site.js');

const EXAMPLE = path.join(__dirname, '../../../../examples/node/app.mjs');

/** Where `name` is installed. */
function folder(name) {
  const found = require.resolve
    .paths(name)
    .map((each) => path.join(each, name))
    .find((each) => fs.existsSync(each));
  return found ?? path.dirname(require.resolve(`${name}/package.json`));
}

test('the example', { skip: fs.existsSync(EXAMPLE) ? false : 'examples/node is not here' }, async (t) => {
  const { auth, store, reader, writer, secure } = site(t);
  const modules = path.join(path.dirname(store), 'node_modules');
  fs.mkdirSync(modules);
  for (const name of ['fastify', 'fastify-plugin', 'inspire-auth'])
    fs.symlinkSync(folder(name), path.join(modules, name));
  const app = path.join(path.dirname(store), 'app.mjs');
  fs.copyFileSync(EXAMPLE, app);

  const options = ['--plain-port', '0', '--trusted-key', `vendor=${vendor.publicKey}`, '--machine-id', MACHINE];
  const child = spawn(process.execPath, [app, '--store', store, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (piece) => (log += piece));
  const ended = once(child, 'exit');
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const listening = async (note) => {
    const { value } = await lines.next();
    const match = /^listening on 127\.0\.0\.1:(\d+)( \(plain\))?$/.exec(value);
    assert.ok(match && (match[2] ?? '') === note, `${value} ${log}`);
    return Number(match[1]);
  };
  const port = await listening('');
  const plain = await listening(' (plain)');

  const expect = async (status, error, ...request) => {
    const answer = await ask(...request);
    assert.deepEqual([answer.status, answer.json.error], [status, error], answer.text);
    return answer.json;
  };
  const api = '/data/api/v1';
  const as = (credential) => [bearer(credential)];
  assert.deepEqual(await expect(200, undefined, port, `GET ${api}/resources`, as(reader)), {
    resources: ['tags', 'views'],
  });
  await expect(200, undefined, port, `GET ${api}/resources`, [token(reader)]);
  await expect(401, 'NO_CREDENTIAL', port, `GET ${api}/resources`);
  await expect(400, 'MALFORMED_CREDENTIAL', port, `GET ${api}/resources`, [bearer(reader), bearer(writer)]);
  await expect(403, 'INSUFFICIENT_LEVEL', port, `POST ${api}/sync`, as(reader));
  await expect(200, undefined, port, `POST ${api}/sync`, as(writer));
  await expect(200, undefined, port, `POST ${api}/sync`, [...as(writer), 'Content-Type: text/x'], 'a body');
  await expect(200, undefined, port, `GET ${api}/modes`, as(reader));
  await expect(403, 'INSUFFICIENT_LEVEL', port, `PUT ${api}/modes`, as(reader));
  await expect(200, undefined, port, `PUT ${api}/modes`, as(writer));
  await expect(403, 'UNLICENSED', port, 'POST /video-walls', as(writer));
  license(auth, ['VIDEO_WALL_SYNC']);
  await expect(200, undefined, port, 'POST /video-walls', as(writer));
  await expect(404, 'NO_SUCH_ROUTE', port, `GET ${api}/nothing`, as(reader));
  await expect(200, undefined, port, `GET ${api}/resources`, as(secure));
  await expect(403, 'SECURE_CHANNEL_REQUIRED', plain, `GET ${api}/resources`, as(secure));
  const { components } = await expect(200, undefined, port, 'GET /openapi');
  assert.deepEqual(Object.keys(components.securitySchemes), ['bearer', 'token']);
  await expect(401, 'INVALID_CREDENTIAL', port, 'GET /openapi', as(`${reader.slice(0, -1)}-`));

  const other = administrator(t, store);
  const doomed = await other.ask('create', 'doomed', [READ]);
  await expect(200, undefined, port, `GET ${api}/resources`, as(doomed));
  await other.ask('delete', 'doomed');
  await expect(401, 'INVALID_CREDENTIAL', port, `GET ${api}/resources`, as(doomed));

  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null], log);
  for (const credential of [reader, writer, secure, doomed]) assert.ok(!log.includes(credential.split(':')[1]));

  for (const wrong of [
    [],
    ['--store'],
    ['--store', store, '--nothing'],
    ['--store', store, '--trusted-key', 'x'],
    ['--store', store, '--port', 'x'],
    ['--store', store, '--channel', 'x'],
  ]) {
    const failed = spawn(process.execPath, [app, ...wrong], { stdio: ['ignore', 'ignore', 'pipe'] });
    failed.stderr.once('data', (piece) => assert.match(String(piece), /^usage: /));
    assert.deepEqual(await once(failed, 'exit'), [2, null], wrong.join(' '));
  }
});
