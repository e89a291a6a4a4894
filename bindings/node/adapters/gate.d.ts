import type { IncomingMessage } from 'node:http';

import type { Channel, RequirementLike, RouteTable, Routes, TrustedProxies } from '../index.js';

/**
 * How a request came, as the host knows it. The library never believes a header about it unless it is told whose.
 *
 * - `'plain'` (the default): anyone on the way may have read it, so that keys with `requireSecure` are refused.
 * - `'secure'`: TLS ended here, or in front of this host. The one line for a host that only a TLS proxy can reach.
 * - `'local'`: a loopback or Unix socket; secure only with the option `localIsSecure`.
 * - a `TrustedProxies`: `secure` when TLS ended here, or when a listed peer says so by `X-Forwarded-Proto`.
 * - a function of the framework's request. What it throws is an error of the host, and the request is not granted.
 */
export type ChannelOption<Subject = IncomingMessage> = Channel | TrustedProxies | ((subject: Subject) => Channel);

/** What a request must show. A misspelled name is refused with a TypeError. */
export interface KeyOptions {
  /**
   * Who may: a level, an expression such as `any(A, B)`, or what `auth.requirement` made. Left out: any valid key.
   * `Public`: everyone, though a wrong key is still refused.
   */
  require?: RequirementLike;
  /** An entitlement that the license must hold as well, such as `VIDEO_WALL_SYNC`. */
  entitlement?: string;
  /**
   * A table that says both for each path and method, instead of the two, and denies the rest: compiled, or what
   * `Routes.parse` takes. It names whole paths, as clients send them; the path is judged as it was received, and one that
   * is not what the router sees is refused with `PATH_NOT_CANONICAL`.
   */
  routes?: Routes | RouteTable | string | Uint8Array;
}

/** As {@link KeyOptions}, and the channel. */
export interface GuardOptions<Subject = IncomingMessage> extends KeyOptions {
  /** How the request came. Default `'plain'`. */
  channel?: ChannelOption<Subject>;
}
