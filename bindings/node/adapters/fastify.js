'use strict';

const fastifyPlugin = require('fastify-plugin');

const { checkCase, checkHandle, checkNames, gate, refusal, tableOf, targetOf } = require('./gate.js');

/** Where a request keeps the method and URL that Fastify has chosen its handler by. */
const ROUTED = Symbol('routed');

async function plugin(app, { auth, channel, prefix, logLevel, logSerializers, ...rest }) {
  checkHandle(auth);
  checkNames(rest, ['auth', 'channel']);
  app.decorateRequest('principal', null);
  app.decorateRequest(ROUTED, null);
  // Hooks run behind the router: what one of them makes of method or URL has no part in the choice of the handler.
  app.addHook('onRequest', (request, _reply, done) => {
    const { method, url } = request.raw;
    request[ROUTED] = { method, url };
    done();
  });
  app.decorate('requireKey', (options = {}) => {
    checkNames(options, ['require', 'entitlement', 'routes']);
    const guard = { ...options, channel };
    const isTable = guard.routes !== undefined && guard.routes !== null;
    if (isTable) {
      guard.routes = tableOf(guard.routes);
      if (!isCaseSensitive(app)) checkCase(guard.routes, 'say "ignore_case": true in the table');
    }
    const decide = gate(auth, guard);
    return async function requireKey(request, reply) {
      try {
        const { raw } = request;
        const target = isTable ? targetFor(request) : undefined;
        request.principal = await decide(raw.rawHeaders, request, raw, target);
      } catch (error) {
        const { status, headers, body } = refusal(auth, error);
        if (reply.sent) return reply; // by a time limit, say, while a hash was being computed
        return reply.code(status).headers(headers).send(body);
      }
    };
  });
}

/** What the router has read, also where `rewriteUrl` has made it of another; what was changed since is refused. */
function targetFor({ raw, [ROUTED]: routed }) {
  if (routed === null || routed === undefined) {
    throw new Error('inspire-auth/fastify is registered in another scope, or behind the hook that asks');
  }
  return targetOf(routed.method, routed.url, raw.method === routed.method && raw.url === routed.url);
}

/** Whether the router of an application cares for case: it does unless it was told otherwise. */
function isCaseSensitive({ initialConfig }) {
  return (initialConfig.routerOptions?.caseSensitive ?? initialConfig.caseSensitive) !== false;
}

const inspireAuth = fastifyPlugin(plugin, { fastify: '5.x', name: 'inspire-auth' });

module.exports = inspireAuth;
module.exports.inspireAuth = inspireAuth;
module.exports.default = inspireAuth;
