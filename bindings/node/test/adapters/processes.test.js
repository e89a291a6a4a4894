'use strict';

// One store under several servers: in the workers of a cluster, and in threads.

const assert = require('node:assert/strict');
const cluster = require('node:cluster');
const { once } = require('node:events');
const path = require('node:path');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');

const { SYSTEM } = require('inspire-auth');

const { ask, bearer } = require('./support/http.js');
const { READ, site } = require('./support/site.js');

const WORKERS = 4;
const exec = path.join(__dirname, 'support', 'worker.js');

test('four workers of a cluster know each key that is made, and refuse each that is deleted', async (t) => {
  const { auth, store, reader, key } = site(t);
  cluster.setupPrimary({ exec, args: [store, '0'] });
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  t.after(() => new Promise((resolve) => cluster.disconnect(resolve)));
  const [{ port }] = (await Promise.all(workers.map((worker) => once(worker, 'message')))).flat();

  // As many requests as it takes to have met every worker.
  const all = async (credential, status) => {
    const met = new Set();
    for (let count = 0; count < 10 * WORKERS; count++) {
      const answer = await ask(port, 'GET /', [bearer(credential)]);
      assert.equal(answer.status, status);
      met.add(answer.json.pid);
    }
    return met.size;
  };
  assert.equal(await all(reader, 200), WORKERS);
  for (let round = 0; round < 3; round++) {
    const late = key(`late${round}`, [READ]);
    assert.equal(await all(late, 200), WORKERS);
    auth.keys.deleteSync(`late${round}`, { actor: SYSTEM });
    await all(late, 401);
  }
  assert.equal(await all(reader, 200), WORKERS);
});

test('a server in a thread has a handle of its own, and ends in the middle of its work', async (t) => {
  const { auth, store, reader, key } = site(t, { hash: undefined });
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(exec, { workerData: { store } });
    const [{ port }] = await once(worker, 'message');
    const answers = await Promise.all([0, 1, 2, 3].map(() => ask(port, 'GET /', [bearer(reader)])));
    for (const { status, json } of answers) assert.deepEqual([status, json.caller], [200, 'reader']);
    const credentials = [0, 1, 2, 3].map((index) => key(`cold${round}.${index}`, [READ]));
    const cold = credentials.map((credential) => ask(port, 'GET /', [bearer(credential)]).catch(() => 'gone'));
    await worker.terminate();
    await Promise.all(cold);
    assert.equal(auth.authenticateSync([['Authorization', `Bearer ${reader}`]], { require: READ }).name, 'reader');
  }
});
