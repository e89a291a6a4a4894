'use strict';

const fastifyPlugin = require('fastify-plugin');

const { checkCase, checkHandle, checkNames, gate, refusal, tableOf, targetOf } = require('./gate.js');

async function plugin(app, { auth, channel, prefix, logLevel, logSerializers, ...rest }) {
  checkHandle(auth);
  checkNames(rest, ['auth', 'channel']);
  app.decorateRequest('principal', null);
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
        // What the router has read: also where `rewriteUrl` has made it of another.
        const target = isTable ? targetOf(raw.method, raw.url, true) : undefined;
        request.principal = await decide(raw.rawHeaders, request, raw, target);
      } catch (error) {
        const { status, headers, body } = refusal(auth, error);
        if (reply.sent) return reply; // by a time limit, say, while a hash was being computed
        return reply.code(status).headers(headers).send(body);
      }
    };
  });
}

/** Whether the router of an application cares for case: it does unless it was told otherwise. */
function isCaseSensitive({ initialConfig }) {
  return (initialConfig.routerOptions?.caseSensitive ?? initialConfig.caseSensitive) !== false;
}

const inspireAuth = fastifyPlugin(plugin, { fastify: '5.x', name: 'inspire-auth' });

module.exports = inspireAuth;
module.exports.inspireAuth = inspireAuth;
module.exports.default = inspireAuth;
