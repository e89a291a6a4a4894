// The types of the adapters by `import`: those of `require` are in types.ts.

import Fastify from 'fastify';
import { Hono } from 'hono';
import { open, type Principal } from 'inspire-auth';
import { apiKey, entitled, type ChannelOption } from 'inspire-auth/express';
import inspireAuth, { inspireAuth as named, type InspireAuthOptions } from 'inspire-auth/fastify';
import { apiKey as honoKey, type PrincipalVariables } from 'inspire-auth/hono';
import { LicenseProvider } from 'inspire-auth/openfeature';

const auth = open(':memory:');
const channel: ChannelOption = 'secure';
const options: InspireAuthOptions = { auth, channel: 'secure' };

export const middleware = [apiKey(auth, { channel }), entitled(auth, 'MFA')];
export const provider = new LicenseProvider(auth);

const service = Fastify();
await service.register(inspireAuth, options);
await service.register(named, options);
service.get('/', { onRequest: service.requireKey({ require: 'A' }) }, async ({ principal }) => principal?.name);

export const hono = new Hono<{ Variables: PrincipalVariables }>().use(honoKey(auth)).get('/', (c) => {
  const caller: Principal = c.get('principal');
  return c.text(caller.name ?? '');
});
