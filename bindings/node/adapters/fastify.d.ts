import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';

import type { InspireAuth, Principal } from '../index.js';
import type { ChannelOption, KeyOptions } from './gate.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, behind `requireKey`; anonymous (`isAnonymous`) only where `Public` is required; null without it. */
    principal: Principal | null;
  }
  interface FastifyInstance {
    /**
     * A hook that lets only requests with a valid API key pass, and says who it is in `request.principal`.
     *
     * As an `onRequest` hook it answers before a body is read: JSON `{error, message}` with the status,
     * `WWW-Authenticate` and `Retry-After` of `auth.http()`. An error of the host's own (a `channel` function that
     * throws) goes to the error handler. Routes without the hook stay open: `app.addHook('onRequest',
     * app.requireKey())` guards all that are declared in its scope; with `routes`, by a table. The table judges
     * `request.raw.url`, which is what Fastify's router reads; one that cares for case is refused where the router does
     * not (`caseSensitive: false`).
     *
     * @throws TypeError for an unknown option, and for a table that cares for case where the router does not;
     * InspireAuthError INVALID_LEVEL for a requirement, INVALID_ARGUMENT for a table that can't be read.
     * @example
     * app.get('/data/resources', { onRequest: app.requireKey({ require: 'Authenticated/Gateway/Read' }) },
     *   async (request) => ({ caller: request.principal.name }));
     */
    requireKey(options?: KeyOptions): inspireAuth.RequireKeyHook;
  }
}

type Plugin = FastifyPluginAsync<inspireAuth.InspireAuthOptions>;

declare namespace inspireAuth {
  /** The options of the plugin. */
  interface InspireAuthOptions {
    /** The handle that decides. The plugin does not close it. */
    auth: InspireAuth;
    /** How requests come. Default `'plain'`. */
    channel?: ChannelOption<FastifyRequest>;
  }

  /** What `requireKey` gives: for `onRequest`, or any later hook in front of the handler. */
  type RequireKeyHook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

  const inspireAuth: Plugin;
  export type { ChannelOption, InspireAuthOptions, KeyOptions, RequireKeyHook };
  export { inspireAuth, inspireAuth as default };
}

/**
 * The plugin: gives requests a `principal` and the instance `requireKey`, in the scope that registers it.
 *
 * It decides by the header lines as they were received (`request.raw.rawHeaders`), so that a repeated header is seen.
 * WebSocket upgrades that a plugin routes through Fastify pass its hooks as other requests do; one that is taken from
 * the server's `upgrade` event does not: ask `auth.authenticate(req.rawHeaders, ...)` there.
 *
 * @example
 * await app.register(inspireAuth, { auth, channel: 'secure' });
 * app.addHook('onRequest', app.requireKey({ require: 'Authenticated/Gateway/Read' }));
 */
declare function inspireAuth(...parameters: Parameters<Plugin>): ReturnType<Plugin>;

export = inspireAuth;
