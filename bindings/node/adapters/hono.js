'use strict';

const { gate, refusal, targetOf } = require('./gate.js');

function apiKey(auth, options) {
  const decide = gate(auth, options);
  const isTable = options?.routes !== undefined;
  return async function apiKey(c, next) {
    // Present on @hono/node-server only. Elsewhere a repeated header is joined with a comma, which no credential holds.
    const incoming = Array.isArray(c.env?.incoming?.rawHeaders) ? c.env.incoming : undefined;
    try {
      const target = isTable ? targetOfContext(c, incoming) : undefined;
      c.set('principal', await decide(incoming?.rawHeaders ?? c.req.raw.headers, c, incoming, target));
    } catch (error) {
      const { status, headers, body } = refusal(auth, error);
      return c.body(body, status, headers);
    }
    await next();
  };
}

/**
 * The path as it was received; where nobody tells it, as the request's URL has it, which is what Hono routes by. Hono has
 * decoded it by then: what it sees must be what is judged.
 */
function targetOfContext(c, incoming) {
  const { url } = c.req.raw;
  const received = incoming?.url ?? url.slice(url.indexOf('/', url.indexOf('://') + 3)).split('#', 1)[0];
  const [bare] = received.split('?', 1);
  return targetOf(c.req.method, received, decoded(bare) === c.req.path);
}

function decoded(path) {
  try {
    return decodeURI(path);
  } catch {
    return undefined; // no UTF-8, which routers read in several ways
  }
}

module.exports = { apiKey };
