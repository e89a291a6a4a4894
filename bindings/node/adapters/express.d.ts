import type { IncomingMessage, ServerResponse } from 'node:http';

import type { InspireAuth, Principal } from '../index.js';
import type { GuardOptions } from './gate.js';

export type { ChannelOption, GuardOptions } from './gate.js';

declare global {
  namespace Express {
    interface Request {
      /** Who asks, behind `apiKey`; anonymous (`isAnonymous`) only where `Public` is required. */
      principal?: Principal;
    }
  }
}

/** Middleware for Express, and for whatever else takes Connect's (`req`, `res`, `next`). */
export type Middleware = (
  req: IncomingMessage & { principal?: Principal },
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** As {@link GuardOptions}, and what Express needs for a table. */
export interface ExpressGuardOptions<Subject = IncomingMessage> extends GuardOptions<Subject> {
  /**
   * With `routes`: says that every router of the app cares for case, which is not Express's default (the setting
   * `case sensitive routing`, and `express.Router({ caseSensitive: true })`). Without it the table must say
   * `"ignore_case": true`, or a request for `/ADMIN` would be judged as another path than the router's `/admin`.
   */
  caseSensitive?: boolean;
  /**
   * With `routes`, where the app is not Express's: says that its router compares whole segments. Connect's does not: it
   * ends a mount at a dot, so `/admin.x` reaches what is at `/admin`. Without it the table must say `"ignore_suffix": true`,
   * or requests go to `next` with a TypeError.
   */
  wholeSegments?: boolean;
}

/**
 * Lets only requests with a valid API key pass, and says who it is in `req.principal`.
 *
 * A refusal is answered here, before a body is read: JSON `{error, message}` with the status, `WWW-Authenticate` and
 * `Retry-After` of `auth.http()`. An error of the host's own (a `channel` function that throws) goes to `next`.
 * The decision is by the header lines as they were received (`rawHeaders`), whatever other middleware made of them.
 *
 * With `routes`, one guard in front of everything decides by a table: it judges `req.originalUrl`, and stands
 * behind whatever changes the method; nothing behind it may change method or path, and a path changed before it is refused.
 *
 * WebSocket upgrades do not come through middleware: ask `auth.authenticate(req.rawHeaders, ...)` in the `upgrade`
 * listener, and `auth.recheck` while the connection lasts.
 *
 * @throws TypeError for an unknown option, and for a table that cares for case where the router does not;
 * InspireAuthError INVALID_LEVEL for a requirement, INVALID_ARGUMENT for a table that can't be read.
 * @example
 * const app = express();
 * app.use(apiKey(auth, { routes: readFileSync('routes.json'), channel: 'secure' })); // {"ignore_case": true, "routes": ...}
 * app.use('/data', apiKey(auth, { require: 'Authenticated/Gateway/Read', channel: 'secure' }));
 * app.get('/data/resources', (req, res) => res.json({ caller: req.principal.name }));
 */
export function apiKey<Request extends IncomingMessage = IncomingMessage>(
  auth: InspireAuth,
  options?: ExpressGuardOptions<Request>,
): Middleware;

/**
 * Lets requests pass while the license holds an entitlement; the handle's `enforcement` applies. It asks for no key:
 * put it behind `apiKey`, or give `apiKey` the option `entitlement`.
 *
 * @throws TypeError when `code` is empty.
 * @example
 * app.post('/video-walls', apiKey(auth), entitled(auth, 'VIDEO_WALL_SYNC'), create);
 */
export function entitled(auth: InspireAuth, code: string): Middleware;
