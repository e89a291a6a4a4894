import type { Context, MiddlewareHandler } from 'hono';

import type { InspireAuth, Principal } from '../index.js';
import type { GuardOptions } from './gate.js';

export type { ChannelOption, GuardOptions } from './gate.js';

/** What `apiKey` sets: for `new Hono<{ Variables: PrincipalVariables }>()`. */
export interface PrincipalVariables {
  /** Who asks; anonymous (`isAnonymous`) only where `Public` is required. */
  principal: Principal;
}

/**
 * Lets only requests with a valid API key pass, and says who it is in `c.get('principal')`.
 *
 * A refusal is answered here, before a body is read: JSON `{error, message}` with the status, `WWW-Authenticate` and
 * `Retry-After` of `auth.http()`. An error of the host's own (a `channel` function that throws) goes to `app.onError`.
 * On @hono/node-server the decision is by the header lines as they were received; elsewhere, and with `app.request()`,
 * by the request's `Headers`, and a `TrustedProxies` knows no peer: the channel is then `plain`.
 *
 * With `routes`, one guard in front of everything (`app.use(apiKey(auth, { routes }))`) decides by a table: it judges the
 * path as it was received on @hono/node-server, and elsewhere as the request's URL has it. An app under `app.mount` sees
 * another path than was received, and a `getPath` of one's own makes one up: guard the outer app.
 *
 * @throws TypeError for an unknown option; InspireAuthError INVALID_LEVEL for a requirement, INVALID_ARGUMENT for a table
 * that can't be read.
 * @example
 * const app = new Hono<{ Variables: PrincipalVariables }>();
 * app.use('/data/*', apiKey(auth, { require: 'Authenticated/Gateway/Read', channel: 'secure' }));
 * app.get('/data/resources', (c) => c.json({ caller: c.get('principal').name }));
 */
export function apiKey(
  auth: InspireAuth,
  options?: GuardOptions<Context>,
): MiddlewareHandler<{ Variables: PrincipalVariables }>;
