// Security > API Keys. The one who is signed in acts: the library judges inside each transaction whether they may.
import { TREE } from './levels.mjs';

const NAME = { type: 'string', maxLength: 64 };
const FIELDS = {
  description: { type: 'string', maxLength: 4096 },
  levels: { type: 'array', maxItems: 1024, items: { type: 'string', maxLength: 600 } },
  requireSecure: { type: 'boolean' },
  expiresAt: { anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }] },
};
const NEW = object({ name: NAME, ...FIELDS }, ['name']);
const CHANGED = object({ revision: { type: 'integer' }, ...FIELDS, enabled: { type: 'boolean' } }, ['revision']);
const DUPLICATE = object({ revision: { type: 'integer' }, name: NAME }, ['revision', 'name']);
const REVISION = object({ revision: { type: 'integer' } }, ['revision']);

export async function keys(app, { auth, sessions }) {
  app.get('/levels', async (request) => {
    sessions.of(request);
    return TREE;
  });
  app.get('/keys', async (request) => {
    sessions.of(request);
    return auth.keys.list();
  });
  app.post('/keys', { schema: { body: NEW } }, async (request) => {
    const { principal } = sessions.of(request);
    return once(await auth.keys.create(request.body, { actor: principal }));
  });
  app.patch('/keys/:name', { schema: { body: CHANGED } }, async (request) => {
    const { principal } = sessions.of(request);
    const { revision, ...changes } = request.body;
    return auth.keys.update(request.params.name, revision, changes, { actor: principal });
  });
  app.post('/keys/:name/duplicate', { schema: { body: DUPLICATE } }, async (request) => {
    const { principal } = sessions.of(request);
    const { revision, name } = request.body;
    return once(await auth.keys.duplicate(request.params.name, name, { actor: principal, revision }));
  });
  app.delete('/keys/:name', { schema: { body: REVISION } }, async (request) => {
    const { principal } = sessions.of(request);
    await auth.keys.delete(request.params.name, { actor: principal, revision: request.body.revision });
    return {};
  });
}

/** The one answer that a secret is in. */
function once({ record, credential }) {
  return { record, credential };
}

function object(properties, required) {
  return { type: 'object', properties, required, additionalProperties: false };
}
