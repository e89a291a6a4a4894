'use strict';

// What a whole process does: when it ends, and in its workers.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { cpSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');

const PACKAGE = dirname(require.resolve('inspire-auth/package.json'));
const run = (code, ...flags) =>
  promisify(execFile)(process.execPath, [...flags, '-e', `const api = require(${JSON.stringify(PACKAGE)});${code}`], { timeout: 60_000 });

test('a process ends by itself when nothing is pending', async () => {
  const { stdout } = await run(`
    const auth = api.open(':memory:', { audit: () => {} });
    auth.keys.create({ name: 'a', requireSecure: false }, { actor: api.SYSTEM })
      .then(({ credential }) => auth.authenticate('Bearer ' + credential))
      .then(({ name }) => console.log(name));
  `);
  assert.strictEqual(stdout, 'a\n');
});

test('a process ends at once while hashes run and work waits', async () => {
  const { stdout } = await run(`
    const auth = api.open(':memory:');
    const by = { actor: api.SYSTEM };
    const { credential } = auth.keys.createSync({ name: 'a', requireSecure: false }, by);
    auth.authenticate('Bearer ' + credential);
    for (let n = 0; n < 50; n++) auth.keys.create({ name: 'k' + n }, by);
    setTimeout(() => { console.log('bye'); process.exit(0); }, 15);
  `);
  assert.strictEqual(stdout, 'bye\n');
});

test('what an audit function throws is an uncaught exception', async () => {
  const { stdout } = await run(`
    process.on('uncaughtException', (error) => { console.log(error.message); });
    const auth = api.open(':memory:', { audit: () => { throw new Error('mine'); } });
    auth.keys.createSync({ name: 'a' }, { actor: api.SYSTEM });
    setTimeout(() => {}, 50);
  `);
  assert.strictEqual(stdout, 'mine\n');
});

test('handles are given back with their garbage', async () => {
  const { stdout } = await run(`
    const options = { hash: { memoryKib: 64 } };
    const grown = () => { for (let n = 0; n < 300; n++) { api.open(':memory:', options).authenticate([]).catch(() => {}); } };
    const settle = async () => { for (let n = 0; n < 5; n++) { gc(); await new Promise(setImmediate); } };
    (async () => {
      grown(); await settle();
      const before = process.memoryUsage.rss();
      for (let n = 0; n < 5; n++) { grown(); await settle(); }
      console.log(process.memoryUsage.rss() - before < 30e6 ? 'flat' : 'grown ' + (process.memoryUsage.rss() - before));
    })();
  `, '--expose-gc');
  assert.strictEqual(stdout, 'flat\n');
});

test('a worker of its own, in a process that has not loaded the package', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', `
    const { Worker } = require('node:worker_threads');
    const code = 'const api = require(' + JSON.stringify(${JSON.stringify(PACKAGE)}) + ');' +
      'const auth = api.open(":memory:");' +
      'auth.keys.create({ name: "a", requireSecure: false }, { actor: api.SYSTEM }).then(async ({ credential }) => {' +
      '  require("node:worker_threads").parentPort.postMessage((await auth.authenticate("Bearer " + credential)).name); });';
    let left = 3;
    const next = () => {
      if (left-- === 0) return;
      const worker = new Worker(code, { eval: true });
      worker.on('message', (name) => console.log(name));
      worker.on('exit', next);
    };
    next();
  `], { timeout: 60_000 });
  assert.strictEqual(stdout, 'a\na\na\n');
});

test('a package without its native half says what it looked for', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'inspire-auth-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['native.js', 'index.js', 'lib', 'package.json']) cpSync(join(PACKAGE, name), join(folder, name), { recursive: true });
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', `
    try { require(${JSON.stringify(folder)}); } catch (error) { console.log(error.message); }
  `]);
  for (const part of [process.platform, process.arch, `inspire-auth-${process.platform}-${process.arch}`, 'Cannot find module']) {
    assert.ok(stdout.includes(part), stdout);
  }
});
