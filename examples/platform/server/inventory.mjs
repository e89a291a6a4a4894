// What the limits of a license count. A product has these in its database; here they live as long as the process.

const KINDS = ['MAX_DISPLAYS', 'MAX_AGILES'];

export class Inventory {
  #items = new Map(KINDS.map((kind) => [kind, []]));

  counts() {
    return Object.fromEntries([...this.#items].map(([kind, items]) => [kind, items.length]));
  }

  all() {
    return Object.fromEntries(this.#items);
  }

  add(kind, name) {
    this.#items.get(kind).push(name);
  }
}

export async function inventory(app, { auth, sessions, inventory: items }) {
  app.get('/inventory', async (request) => {
    sessions.of(request);
    return items.all();
  });
  const body = {
    type: 'object',
    properties: { kind: { enum: KINDS }, name: { type: 'string', minLength: 1, maxLength: 80 } },
    required: ['kind', 'name'],
    additionalProperties: false,
  };
  app.post('/inventory', { schema: { body } }, async (request) => {
    sessions.of(request);
    const { kind, name } = request.body;
    // The one to be added is counted, too.
    auth.license.checkLimit(kind, items.counts()[kind] + 1);
    items.add(kind, name);
    return items.all();
  });
}
