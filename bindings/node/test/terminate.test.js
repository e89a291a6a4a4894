'use strict';

// Workers that are terminated while requests are decided: nothing crashes, and nothing grows.
// A thousand is the full proof (`cargo xtask soak`).

const assert = require('node:assert');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { test } = require('node:test');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const COUNT = process.env.INSPIRE_SOAK ? 1000 : 60;
const PACKAGE = dirname(require.resolve('inspire-auth/package.json'));

/** What a worker does until it is terminated: cold checks, warm ones, refusals, changes and audit events at once. */
async function work() {
  const { open, SYSTEM } = require(PACKAGE);
  const auth = open(workerData.store, { hash: { memoryKib: 1024 }, audit: () => {} });
  const cold = workerData.credentials.map((credential) => auth.authenticate(`Bearer ${credential}`).catch(() => {}));
  const made = auth.keys.create({ name: `w-${workerData.number}` }, { actor: SYSTEM }).catch(() => {});
  const refused = auth.authenticate('Bearer a:b').catch(() => {});
  parentPort.postMessage('busy');
  await Promise.all([...cold, made, refused]);
  for (;;) {
    for (const credential of workerData.credentials) auth.authenticateSync(`Bearer ${credential}`);
    await new Promise(setImmediate);
  }
}

if (!isMainThread) {
  work();
} else {
  test(`${COUNT} workers are terminated during authentication`, { timeout: 30 * 60_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'inspire-auth-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const { open, SYSTEM } = require(PACKAGE);
    const store = join(folder, 'store.db');
    const auth = open(store, { hash: { memoryKib: 1024 } });
    const credentials = ['a', 'b', 'c', 'd'].map(
      (name) => auth.keys.createSync({ name, requireSecure: false }, { actor: SYSTEM }).credential,
    );

    const resident = [];
    for (let number = 0; number < COUNT; number++) {
      const worker = new Worker(__filename, { workerData: { store, credentials, number } });
      const failed = new Promise((_, reject) => worker.once('error', reject));
      await Promise.race([new Promise((resolve) => worker.once('message', resolve)), failed]);
      // At every stage: right away (cold), later (warm).
      if (number % 3 !== 0) await new Promise((resolve) => setTimeout(resolve, (number % 7) * 3));
      await Promise.race([worker.terminate(), failed]);
      resident.push(process.memoryUsage.rss());
    }
    for (const credential of credentials) auth.authenticateSync(`Bearer ${credential}`);
    auth.close();

    const megabytes = (at) => Math.round(resident[at] / 1e6);
    const marks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((part) => megabytes(Math.round((COUNT - 1) * part)));
    t.diagnostic(`resident memory along the way, MB: ${marks.join(', ')}`);
    // The first workers warm allocators and arenas up; from then on there is noise only.
    const settled = Math.max(...resident.slice(Math.floor(COUNT / 5), Math.floor(COUNT / 2)));
    const last = Math.max(...resident.slice(-Math.ceil(COUNT / 10)));
    assert.ok(last < settled * 1.3, `grew from ${settled} to ${last} bytes`);
  });
}
