// What an editor must know about the adapters; checked by tsc, never run.

import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { OpenFeature } from '@openfeature/server-sdk';
import { open, TrustedProxies, type Principal } from 'inspire-auth';
import { apiKey, entitled, type GuardOptions } from 'inspire-auth/express';
import inspireAuth, { inspireAuth as named, type InspireAuthOptions } from 'inspire-auth/fastify';
import { apiKey as honoKey, type PrincipalVariables } from 'inspire-auth/hono';
import { LicenseProvider } from 'inspire-auth/openfeature';

const auth = open(':memory:');
const requirement = auth.requirement({ any: ['Authenticated/Ops'] });

// Express
const app = express();
const guard: GuardOptions = { require: requirement, entitlement: 'MFA', channel: 'secure' };
app.use(apiKey(auth));
app.use('/data', apiKey(auth, guard), entitled(auth, 'MFA'));
app.get('/', apiKey(auth, { require: { all: ['A', 'B'] }, channel: new TrustedProxies('10.0.0.0/8') }), (req, res) => {
  const caller: Principal | undefined = req.principal;
  res.json({ caller: caller?.name ?? 'anonymous' });
});
apiKey(auth, { require: 'any(A, B)', channel: (req) => (req.socket.localPort === 443 ? 'secure' : 'plain') });
apiKey(auth, { channel: (req: express.Request) => (req.secure ? 'secure' : 'plain') });
// @ts-expect-error an unknown option
apiKey(auth, { requires: 'A' });
// @ts-expect-error an unknown channel
apiKey(auth, { channel: 'safe' });
// @ts-expect-error a channel that comes later
apiKey(auth, { channel: async () => 'secure' });
// @ts-expect-error no handle
apiKey({});
// @ts-expect-error no code
entitled(auth);

// Fastify
const service = Fastify();
export async function start() {
  const options: InspireAuthOptions = {
    auth,
    channel: (request) => (request.protocol === 'https' ? 'secure' : 'plain'),
  };
  await service.register(inspireAuth, options);
  await service.register(named, { auth, channel: new TrustedProxies('::1') });
  service.addHook('onRequest', service.requireKey());
  service.get('/', { onRequest: service.requireKey({ require: 'A', entitlement: 'MFA' }) }, async (request) => {
    const caller: Principal | null = request.principal;
    return { caller: caller?.name };
  });
  service.post('/', { preHandler: [service.requireKey({ require: requirement })] }, async () => ({}));
  // @ts-expect-error no handle
  await service.register(inspireAuth, { channel: 'secure' });
  // @ts-expect-error the channel is the plugin's
  service.requireKey({ channel: 'secure' });
}

// Hono
const hono = new Hono<{ Variables: PrincipalVariables }>();
hono.use(
  '/data/*',
  honoKey(auth, { require: 'A', channel: (c) => (c.req.url.startsWith('https:') ? 'secure' : 'plain') }),
);
hono.get('/data', (c) => {
  const caller: Principal = c.get('principal');
  return c.json({ caller: caller.name });
});
new Hono().get('/', honoKey(auth), (c) =>
  c.json({ caller: c.get('principal').name, also: c.var.principal.isAnonymous }),
);
// @ts-expect-error an unknown option
honoKey(auth, { level: 'A' });

// OpenFeature
export async function displays(): Promise<number> {
  await OpenFeature.setProviderAndWait(new LicenseProvider(auth));
  // @ts-expect-error no handle
  new LicenseProvider();
  return OpenFeature.getClient().getNumberValue('limits.max_displays', 0);
}
