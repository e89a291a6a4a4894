// The application: pages for people who are signed in, and an API for keys.
import Fastify from 'fastify';

import { Refused, told } from './errors.mjs';
import { guarded } from './guarded.mjs';
import { Inventory, inventory } from './inventory.mjs';
import { keys } from './keys.mjs';
import { licensing } from './licensing.mjs';
import { pages } from './pages.mjs';
import { Sessions } from './sessions.mjs';

const CREDENTIAL = {
  type: 'object',
  properties: { credential: { type: 'string', maxLength: 400 } },
  required: ['credential'],
  additionalProperties: false,
};

/**
 * @param {object} options
 * @param {import('inspire-auth').InspireAuth} options.auth
 * @param {string} options.root the folder of the built front end
 * @param {boolean} options.hasServer whether there is a licensing server to activate at
 */
export async function platform({ auth, root, hasServer }) {
  const app = Fastify({ bodyLimit: 512 * 1024 });
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = told(error.validation ? new Refused('MALFORMED_REQUEST') : error);
    if (status === 500) console.error(error);
    return reply.code(status).header('Cache-Control', 'no-store').send(body);
  });
  app.setNotFoundHandler((_request, reply) => {
    const { status, body } = told(new Refused('NO_SUCH_ROUTE'));
    return reply.code(status).send(body);
  });

  const items = new Inventory();
  // Keys come from anywhere; pages and what they ask for, from this address alone.
  await app.register(async (scope) => guarded(scope, { auth, channel: 'local', inventory: items }));
  await app.register(async (scope) => {
    const hosts = () => app.addresses().flatMap(({ port }) => [`127.0.0.1:${port}`, `localhost:${port}`]);
    await pages(scope, { root, hosts });
    await scope.register(async (api) => {
      const sessions = new Sessions(auth);
      const shared = { auth, sessions, inventory: items, hasServer };
      // What is answered here is of its moment, and some of it secret.
      api.addHook('onSend', async (_request, reply) => void reply.header('Cache-Control', 'no-store'));
      api.get('/session', async (request) => sessions.view(sessions.of(request)));
      api.post('/session', { schema: { body: CREDENTIAL } }, async (request, reply) => {
        // Nobody has a token yet: that the page is ours is what the browser says.
        if (request.headers.origin === undefined) throw new Refused('CROSS_SITE');
        const id = await sessions.begin(request.body.credential.trim());
        reply.header('Set-Cookie', Sessions.cookie(id));
        return {};
      });
      api.delete('/session', async (request, reply) => {
        sessions.of(request);
        sessions.end(request);
        reply.header('Set-Cookie', Sessions.cookie(''));
        return {};
      });
      await keys(api, shared);
      await licensing(api, shared);
      await inventory(api, shared);
    }, { prefix: '/api' });
  });
  return app;
}
