'use strict';

const fastifyPlugin = require('fastify-plugin');

const { checkHandle, checkNames, gate, refusal } = require('./gate.js');

async function plugin(app, { auth, channel, prefix, logLevel, logSerializers, ...rest }) {
  checkHandle(auth);
  checkNames(rest, ['auth', 'channel']);
  app.decorateRequest('principal', null);
  app.decorate('requireKey', (options = {}) => {
    checkNames(options, ['require', 'entitlement']);
    const decide = gate(auth, { ...options, channel });
    return async function requireKey(request, reply) {
      try {
        request.principal = await decide(request.raw.rawHeaders, request, request.raw);
      } catch (error) {
        const { status, headers, body } = refusal(auth, error);
        if (reply.sent) return reply; // by a time limit, say, while a hash was being computed
        return reply.code(status).headers(headers).send(body);
      }
    };
  });
}

const inspireAuth = fastifyPlugin(plugin, { fastify: '5.x', name: 'inspire-auth' });

module.exports = inspireAuth;
module.exports.inspireAuth = inspireAuth;
module.exports.default = inspireAuth;
