'use strict';

// A store in a folder of its own, with a few keys and a license; and another process that manages it.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { SYSTEM, SigningKey, open, sign } = require('inspire-auth');

const READ = 'Authenticated/Gateway/Read';
const WRITE = 'Authenticated/Gateway/Write';

/** A hash that takes no time worth mentioning. */
const QUICK = { memoryKib: 64, iterations: 1, parallelism: 1 };

const LICENSE_KEY = 'TEST-1111-2222-3333';
const MACHINE = 'test-machine';
const vendor = SigningKey.generate();

/**
 * A handle on a new store with the keys `reader`, `writer` (reads too), `bare` (no level) and `secure` (reads, over a
 * secure channel only, as keys do by default): each as what a client sends, `NAME:KEY`. Gone at the end of the test `t`.
 */
function site(t, options = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'inspire-auth-test.'));
  const store = path.join(folder, 'keys.db');
  const auth = open(store, {
    hash: QUICK,
    trustedKeys: [{ id: 'vendor', publicKey: vendor.publicKey }],
    machineId: MACHINE,
    ...options,
  });
  t.after(() => {
    auth.close();
    fs.rmSync(folder, { recursive: true });
  });
  const key = (name, levels, more) =>
    auth.keys.createSync({ name, levels, requireSecure: false, ...more }, { actor: SYSTEM }).credential;
  return {
    auth,
    store,
    reader: key('reader', [READ]),
    writer: key('writer', [READ, WRITE]),
    bare: key('bare', []),
    secure: key('secure', [READ], { requireSecure: true }),
    key,
  };
}

/** Installs a license with these entitlements and limits. */
function license(auth, entitlements, { limits = {}, now, ...more } = {}) {
  const description = {
    id: 'test-license',
    key: LICENSE_KEY,
    name: 'Test',
    fingerprint: MACHINE,
    entitlements: ['OFFLINE_LICENSING', ...entitlements],
    limits,
    ...more,
  };
  const file = sign(vendor, description, { kind: 'machine', now });
  auth.license.activateOfflineSync(LICENSE_KEY, file, { actor: SYSTEM, force: true, now });
}

/** Another process with the package, on the same store: `await administrator.ask('delete', 'reader')`. */
function administrator(t, store) {
  const child = fork(path.join(__dirname, 'administrator.js'), [store]);
  t.after(() => child.kill());
  return {
    async ask(...request) {
      child.send(request);
      const [answer] = await once(child, 'message');
      return answer;
    },
  };
}

module.exports = { LICENSE_KEY, MACHINE, QUICK, READ, WRITE, administrator, license, site, vendor };
