// A small HTTP service whose routes are guarded by API keys, security levels and the license.
import { parseArgs } from 'node:util';

import Fastify from 'fastify';
import { open } from 'inspire-auth';
import inspireAuth from 'inspire-auth/fastify';

// Who may, what the license must hold as well, and what the granted get.
const READ = 'Authenticated/Gateway/Read';
const WRITE = 'Authenticated/Gateway/Write';
const ROUTES = [
  { method: 'GET', url: '/data/api/v1/resources', require: READ, answer: { resources: ['tags', 'views'] } },
  { method: 'POST', url: '/data/api/v1/sync', require: WRITE, answer: { sync: 'started' } },
  { method: 'GET', url: '/data/api/v1/modes', require: { any: [READ, WRITE] }, answer: { mode: 'running' } },
  { method: 'PUT', url: '/data/api/v1/modes', require: { all: [READ, WRITE] }, answer: { mode: 'changed' } },
  {
    method: 'POST',
    url: '/video-walls',
    require: WRITE,
    entitlement: 'VIDEO_WALL_SYNC',
    answer: { videoWall: 'created' },
  },
];

/** One port, and what is known about whoever comes through it: the library never believes a header about that. */
async function service(auth, channel) {
  const app = Fastify();
  await app.register(inspireAuth, { auth, channel });
  // Only the granted come as far as this; a real service would read what they send.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request, body, done) => done(null));
  for (const { method, url, require, entitlement, answer } of ROUTES) {
    // onRequest: whoever is refused is answered before a byte of a body is read.
    app.route({ method, url, onRequest: app.requireKey({ require, entitlement }), handler: async () => answer });
  }
  // Everyone may read this, without a key; but a wrong key is refused.
  app.get('/openapi', { onRequest: app.requireKey({ require: 'Public' }) }, async () => openapi());
  app.setNotFoundHandler((request, reply) => reply.code(404).send({ error: 'NO_SUCH_ROUTE' }));
  return app;
}

function openapi() {
  const refused = Object.fromEntries(
    [400, 401, 403, 503].map((status) => [status, { $ref: '#/components/responses/Refused' }]),
  );
  const paths = { '/openapi': { get: { security: [], responses: { 200: { description: 'This document' } } } } };
  for (const { method, url, require, entitlement } of ROUTES) {
    const summary = `Needs ${JSON.stringify(require)}${entitlement ? `, and ${entitlement} in the license` : ''}`;
    const operation = { summary, responses: { 200: { description: 'Granted' }, ...refused } };
    paths[url] = { ...paths[url], [method.toLowerCase()]: operation };
  }
  return {
    openapi: '3.0.3',
    info: { title: 'Example service', version: '1.0.0' },
    security: [{ bearer: [] }, { token: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'name:key' },
        token: { type: 'apiKey', in: 'header', name: 'X-Ignition-API-Token' },
      },
      responses: { Refused: { description: 'The code says why' } },
    },
  };
}

const USAGE = `usage: app.mjs --store PATH [--port N] [--channel secure|plain|local] [--plain-port N]
               [--trusted-key ID=HEX] [--machine-id TEXT] [--product ID]`;

/** What the command line says; undefined when it can't be used. */
function settings() {
  const names = ['store', 'port', 'channel', 'plain-port', 'trusted-key', 'machine-id', 'product'];
  try {
    const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });
    const { store, port = '0', channel = 'secure', 'plain-port': plainPort, 'trusted-key': trustedKey } = values;
    const doors = [{ port: Number(port), channel, note: '' }];
    if (plainPort !== undefined) doors.push({ port: Number(plainPort), channel: 'plain', note: ' (plain)' });
    const trusted = trustedKey?.match(/^([^=]+)=(.+)$/);
    const known = ['secure', 'plain', 'local'].includes(channel) && doors.every(({ port }) => Number.isInteger(port));
    const trustedKeys = trusted ? [{ id: trusted[1], publicKey: trusted[2] }] : [];
    return store && known && trusted !== null
      ? { store, doors, options: { trustedKeys, machineId: values['machine-id'], product: values.product } }
      : undefined;
  } catch {
    return undefined;
  }
}

const given = settings();
if (given === undefined) {
  console.error(USAGE);
  process.exit(2);
}
const auth = open(given.store, {
  ...given.options,
  // Why a key is not valid, or which level it lacks, is for the operator; the caller is told no more than a code.
  audit: ({ event, subject, detail }) => console.error(`${event}: ${subject}: ${detail}`),
});
const apps = await Promise.all(given.doors.map(({ channel }) => service(auth, channel)));
for (const [index, { port, note }] of given.doors.entries()) {
  const address = await apps[index].listen({ host: '127.0.0.1', port });
  console.log(`listening on ${new URL(address).host}${note}`);
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await Promise.all(apps.map((app) => app.close()));
    auth.close();
  });
}
