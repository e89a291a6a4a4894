// Starts the application, as its operator says on the command line.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { open } from 'inspire-auth';

import { platform } from './app.mjs';
import { ADMIN, WRITE } from './levels.mjs';

const USAGE = `usage: main.mjs --store PATH [--port N] [--trusted-key ID=HEX] [--machine-id TEXT] [--product ID]
                [--server URL]`;

function settings() {
  const names = ['store', 'port', 'trusted-key', 'machine-id', 'product', 'server'];
  try {
    const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });
    const { store, port = '0', 'trusted-key': trustedKey, 'machine-id': machineId, product, server } = values;
    const trusted = trustedKey?.match(/^([^=]+)=(.+)$/);
    if (!store || !/^\d+$/.test(port) || trusted === null) return undefined;
    const trustedKeys = trusted ? [{ id: trusted[1], publicKey: trusted[2] }] : [];
    // autoRefresh: a lease is renewed in good time, on a thread of the library's.
    const online = server === undefined ? {} : { server: { url: server, autoRefresh: true } };
    return { store, port: Number(port), options: { trustedKeys, machineId, product, ...online } };
  } catch {
    return undefined;
  }
}

const given = settings();
if (given === undefined) {
  console.error(USAGE);
  process.exit(2);
}
const root = fileURLToPath(new URL('../dist', import.meta.url));
if (!existsSync(`${root}/index.html`)) {
  console.error('the pages are not built yet: npm ci && npm run build');
  process.exit(1);
}
const auth = open(given.store, {
  ...given.options,
  writeRequirement: { any: [WRITE] },
  adminRequirement: { any: [ADMIN] },
  // It listens on loopback only; keys that need a secure channel may be used here.
  localIsSecure: true,
  audit: ({ event, subject, detail }) => console.error(`${event}: ${subject}: ${detail}`),
});
const app = await platform({ auth, root, hasServer: given.options.server !== undefined });
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: given.port })}`);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await app.close();
    auth.close();
  });
}
