'use strict';

// A process that creates and deletes keys of the store that it is given.

const { SYSTEM, open } = require('inspire-auth');

const auth = open(process.argv[2], { hash: { memoryKib: 64, iterations: 1, parallelism: 1 } });
const actions = {
  create: (name, levels) => auth.keys.createSync({ name, levels, requireSecure: false }, { actor: SYSTEM }).credential,
  delete: (name) => auth.keys.deleteSync(name, { actor: SYSTEM }) ?? null,
};

process.on('message', ([action, ...rest]) => process.send(actions[action](...rest)));
