'use strict';

// A server with a handle of its own on the store that it is given: as a worker of a cluster, or a worker thread.

const { isMainThread, parentPort, workerData } = require('node:worker_threads');

const express = require('express');
const { open } = require('inspire-auth');
const { apiKey } = require('inspire-auth/express');

const store = isMainThread ? process.argv[2] : workerData.store;
const auth = open(store, { hash: { memoryKib: 64, iterations: 1, parallelism: 1 } });
const app = express();
app.get('/', apiKey(auth, { require: 'Authenticated/Gateway/Read' }), (req, res) => {
  res.json({ caller: req.principal.name, pid: process.pid });
});
const server = app.listen(isMainThread ? Number(process.argv[3]) : 0, '127.0.0.1', () => {
  const { port } = server.address();
  if (isMainThread) process.send({ port });
  else parentPort.postMessage({ port });
});
