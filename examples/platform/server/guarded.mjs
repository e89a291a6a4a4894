// The HTTP API that keys are for, and the document that describes it.
import inspireAuth from 'inspire-auth/fastify';

import { READ, WRITE } from './levels.mjs';

const ROUTES = [
  { method: 'GET', url: '/data/api/v1/resources', summary: 'The resources', require: { any: [READ] }, answer: { resources: ['tags', 'views'] } },
  { method: 'POST', url: '/data/api/v1/sync', summary: 'Synchronise now', require: { any: [WRITE] }, answer: { sync: 'started' } },
  { method: 'GET', url: '/data/api/v1/modes', summary: 'The mode', require: { any: [READ, WRITE] }, answer: { mode: 'running' } },
  { method: 'PUT', url: '/data/api/v1/modes', summary: 'Change the mode', require: { all: [READ, WRITE] }, answer: { mode: 'changed' } },
];

export async function guarded(app, { auth, channel }) {
  await app.register(inspireAuth, { auth, channel });
  for (const { method, url, require, answer } of ROUTES) {
    app.route({ method, url, onRequest: app.requireKey({ require }), handler: async () => answer });
  }
  app.get('/openapi', async () => openapi());
}

export function openapi() {
  const refused = Object.fromEntries([400, 401, 403, 503].map((status) => [status, { $ref: '#/components/responses/Refused' }]));
  const paths = {};
  for (const { method, url, summary, require } of ROUTES) {
    const [kind, levels] = Object.entries(require)[0];
    const description = `Needs ${kind} of: ${levels.join(', ')}`;
    paths[url] = { ...paths[url], [method.toLowerCase()]: { summary, description, responses: { 200: { description: 'Granted' }, ...refused } } };
  }
  return {
    openapi: '3.0.3',
    info: { title: 'Platform', version: '1.0.0' },
    security: [{ bearer: [] }, { token: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'name:key', description: 'Authorization: Bearer name:key' },
        token: { type: 'apiKey', in: 'header', name: 'X-Ignition-API-Token', description: 'name:key' },
      },
      responses: { Refused: { description: 'The code says why' } },
    },
  };
}
