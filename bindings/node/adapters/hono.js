'use strict';

const { gate, refusal } = require('./gate.js');

function apiKey(auth, options) {
  const decide = gate(auth, options);
  return async function apiKey(c, next) {
    // Present on @hono/node-server only. Elsewhere a repeated header is joined with a comma, which no credential holds.
    const incoming = Array.isArray(c.env?.incoming?.rawHeaders) ? c.env.incoming : undefined;
    try {
      c.set('principal', await decide(incoming?.rawHeaders ?? c.req.raw.headers, c, incoming));
    } catch (error) {
      const { status, headers, body } = refusal(auth, error);
      return c.body(body, status, headers);
    }
    await next();
  };
}

module.exports = { apiKey };
