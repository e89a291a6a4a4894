// The HTTP API that keys are for, and the document that describes it.
import inspireAuth from 'inspire-auth/fastify';

import { READ, WRITE } from './levels.mjs';

const MODE = {
  type: 'object',
  properties: { mode: { enum: ['running', 'maintenance'] } },
  required: ['mode'],
  additionalProperties: false,
};

/** What is served. A product has these in its database; here they live as long as the process. */
function served(inventory) {
  const state = { mode: 'running', synchronised: null };
  return [
    {
      method: 'GET',
      url: '/data/api/v1/resources',
      summary: 'What there is, and when it was synchronised',
      require: { any: [READ] },
      handler: async () => ({ resources: inventory.all(), synchronised: state.synchronised }),
    },
    {
      method: 'POST',
      url: '/data/api/v1/sync',
      summary: 'Synchronise now',
      require: { any: [WRITE] },
      handler: async () => ({ synchronised: (state.synchronised = new Date().toISOString()) }),
    },
    {
      method: 'GET',
      url: '/data/api/v1/modes',
      summary: 'The mode',
      require: { any: [READ, WRITE] },
      handler: async () => ({ mode: state.mode }),
    },
    {
      method: 'PUT',
      url: '/data/api/v1/modes',
      summary: 'Change the mode',
      require: { all: [READ, WRITE] },
      body: MODE,
      handler: async (request) => ({ mode: (state.mode = request.body.mode) }),
    },
  ];
}

export async function guarded(app, { auth, channel, inventory }) {
  const routes = served(inventory);
  await app.register(inspireAuth, { auth, channel });
  for (const { method, url, require, body, handler } of routes) {
    app.route({ method, url, schema: body && { body }, onRequest: app.requireKey({ require }), handler });
  }
  const document = described(routes);
  app.get('/openapi', async () => document);
}

function described(routes) {
  const codes = [400, 401, 403, 503];
  const refused = Object.fromEntries(codes.map((status) => [status, { $ref: '#/components/responses/Refused' }]));
  const paths = {};
  for (const { method, url, summary, require, body } of routes) {
    const [kind, levels] = Object.entries(require)[0];
    const description = `Needs ${kind} of: ${levels.join(', ')}`;
    const requestBody = body && { required: true, content: { 'application/json': { schema: body } } };
    const responses = { 200: { description: 'Granted' }, ...refused };
    paths[url] = { ...paths[url], [method.toLowerCase()]: { summary, description, requestBody, responses } };
  }
  return {
    openapi: '3.0.3',
    info: { title: 'Platform', version: '1.0.0' },
    security: [{ bearer: [] }, { token: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'name:key',
          description: 'Authorization: Bearer name:key',
        },
        token: { type: 'apiKey', in: 'header', name: 'X-Ignition-API-Token', description: 'name:key' },
      },
      responses: { Refused: { description: 'The code says why' } },
    },
  };
}
