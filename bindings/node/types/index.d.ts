// Made by `npm run build` from the comments in src/ and from types/index.d.ts: change those.

/**
 * What went wrong, stable and the same in every language. What to do about each is in {@link ERRORS}.
 */
export type InspireAuthErrorCode =
/* the codes */;

/**
 * Every error of this package, whether thrown or in a rejection. Its message holds no key, hash, license bytes or
 * machine id, but may name an argument or a level: send callers {@link ErrorEntry.message} instead.
 *
 * @example
 * try {
 *   auth.authenticateSync(req.rawHeaders, { channel: 'secure' });
 * } catch (error) {
 *   if (error instanceof InspireAuthError && error.code === 'BUSY') retryLater();
 * }
 */
export declare class InspireAuthError extends Error {
  constructor(code: InspireAuthErrorCode, detail?: string, options?: ErrorOptions);
  readonly name: 'InspireAuthError';
  /** What went wrong. */
  readonly code: InspireAuthErrorCode;
  /** More than the code says: the name of an argument, a level, a position; `null` when there is no more to say. */
  readonly detail: string | null;
  /** Whether the same call may succeed later without anything being changed. */
  readonly retry: boolean;
  /** The HTTP status that goes with the code; `null` where no request is answered by it. {@link InspireAuth.http} knows more. */
  readonly httpStatus: number | null;
}

/** Every answer the library can give, by number. Frozen. */
export declare const ERRORS: readonly Readonly<ErrorEntry>[];

/** The entitlements that are known by name, in the order in which people see them. A license may carry others. Frozen. */
export declare const CATALOGUE: readonly Readonly<CatalogueEntry>[];

/** One row of {@link CATALOGUE}: an entitlement that is known by name. */
export interface CatalogueEntry {
  /** Its code, such as `VIDEO_WALL_SYNC`. */
  code: string;
  /** What it gives. */
  feature: string;
}

/** The host itself, as an actor: may do everything. It is said explicitly, never implied. */
export declare const SYSTEM: unique symbol;

/** Who changes something, and when. */
export interface By {
  /** Who: the host itself, or a principal, which is judged again inside the transaction. */
  actor: Principal | typeof SYSTEM;
  /** Unix seconds; not given, the system's clock. */
  now?: number;
}

/** Who changes something, when, and in which state. */
export interface ByRevised extends By {
  /** The revision that the record must still have (`CONFLICT` otherwise); not given, any. */
  revision?: number;
}

/**
 * The channel that a request came through, as the host says it is: `plain` (anyone on the way may have read the
 * secret), `secure` (TLS, ended here or by a trusted proxy), or `local` (loopback or a Unix socket).
 */
export type Channel = 'plain' | 'secure' | 'local';

/**
 * What stands for a requirement: one that is compiled, its text (`any(A/B, C)`, `all(A, B)`, or one level), or its
 * levels. An empty list denies everyone.
 */
export type RequirementLike = Requirement | string | { any: readonly string[] } | { all: readonly string[] };

/**
 * The headers of a request. Best is the `rawHeaders` of an `IncomingMessage`: all lines as they were received, flat. Also
 * read: pairs; a `Headers`; an object of values; or a string, the value of the one `Authorization` header.
 *
 * Node's `req.headers` hides a repeated `Authorization` header, which another layer may read differently: give
 * `rawHeaders` where there are any.
 *
 * Each character stands for one byte (latin-1), as in Node's own header strings.
 */
export type HeadersLike =
  | readonly string[]
  | readonly (readonly [name: string, value: string])[]
  | { get(name: string): string | null; forEach(callback: (value: string, name: string) => void): void }
  | { readonly [name: string]: string | readonly string[] | undefined }
  | string;

/** A route table as data: what {@link Routes.parse} reads. */
export interface RouteTable {
  /** Whether ASCII letters of either case are the same in paths. Default false. */
  ignore_case?: boolean;
  /** Whether a segment of a path is also all before one of its dots, so that `/users.json` is what `/users` is. Default false. */
  ignore_suffix?: boolean;
  /** What guards each prefix, at most 10,000 of them; what is in none of them is denied. */
  routes: readonly {
    /** `/`, or segments of `[A-Za-z0-9._~-]` without a slash at the end, such as `/data/api/v1`. */
    prefix: string;
    /** At least one, such as `GET`; `['*']` is every one that no other rule of the prefix lists. */
    methods: readonly string[];
    /** What the caller must hold; an empty list denies everyone. */
    require: { any: readonly string[] } | { all: readonly string[] };
    /** An entitlement that the license must hold as well. */
    entitlement?: string;
  }[];
}

/**
 * Carries a request to the licensing server, on the event loop of whoever opened the handle, while a thread of this package
 * waits: so only calls with a promise may use it. It answers with a response of any status, follows no redirect, and need not
 * keep time itself if it minds `signal`.
 *
 * What it rejects with becomes a code: a `NETWORK_*` code of an {@link InspireAuthError} is itself; a `TimeoutError` is
 * `NETWORK_TIMEOUT`, an `AbortError` is `CANCELLED`; what the system says (`ENOTFOUND`, `ECONNREFUSED`, `CERT_HAS_EXPIRED`),
 * also as a cause, is `NETWORK_DNS`, `NETWORK_CONNECT`, `NETWORK_TLS`. Anything else is `NETWORK_CONNECT`, and a warning of
 * the process shows it.
 *
 * @example
 * const transport = async ({ method, url, headers, body, signal }) => {
 *   const request = { method, headers, body: body.length > 0 ? body : null, signal, redirect: 'manual' };
 *   const response = await fetch(url, request);
 *   return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
 * };
 */
export type Transport = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse;

/** What is asked of a request besides being who it says. */
export interface AuthenticateOptions {
  /** The channel that the request came through. Default `plain`, which most keys may not use. */
  channel?: Channel;
  /**
   * What the key must hold. Not given, it is `any(Authenticated)`: any valid key; given as `undefined` it is refused, as
   * a mistake. `Public` admits everyone. Compile what is used often with {@link InspireAuth.requirement}.
   */
  require?: RequirementLike;
  /** An entitlement that the license must hold as well. */
  entitlement?: string;
  /** A table that says both for each path and method, instead of `require` and `entitlement`. */
  routes?: Routes;
  /** With `routes`: the request's method. */
  method?: string;
  /**
   * With `routes`: the path of the request target as it was received, percent-encoded, such as `req.url`; what follows
   * the first `?` is not looked at. It must be what the service's own router goes by; if that does not care for case, so
   * must the table ({@link RouteTable.ignore_case}).
   */
  path?: string;
  /** Unix seconds; not given, the system's clock. */
  now?: number;
}

// in InspireAuth
  /**
   * Decides one request. A key that has been seen before is decided at once; the secret of a new one is hashed on the
   * library's own threads (about 20 ms), never on the event loop or libuv's pool.
   *
   * @param headers best `req.rawHeaders`
   * @param options `signal` gives up waiting: the promise rejects with `CANCELLED`, whose `cause` is the signal's reason.
   * The hash that is under way goes on, and what it finds is kept for the next request
   * @throws InspireAuthError (as a rejection) every refusal: `PATH_NOT_CANONICAL` and `ROUTE_DENIED`, both before the
   * credential is looked at; `NO_CREDENTIAL`, `MALFORMED_CREDENTIAL`, `INVALID_CREDENTIAL`, `SECURE_CHANNEL_REQUIRED`,
   * `INSUFFICIENT_LEVEL`, a license reason, `BUSY`, a `STORE_*` code; `INVALID_ARGUMENT`, `INVALID_LEVEL`, `CANCELLED`
   * @example
   * try {
   *   const caller = await auth.authenticate(req.rawHeaders, { channel: 'secure', require: operators });
   * } catch (error) {
   *   const { status, challenge, retryAfter } = auth.http(error);
   * }
   */
  authenticate(headers: HeadersLike, options?: (AuthenticateOptions & { signal?: AbortSignal }) | null): Promise<Principal>
  /**
   * Decides one request on this thread. Blocks for about 20 ms while a key is seen for the first time; afterwards it
   * takes well under a microsecond.
   *
   * @param headers best `req.rawHeaders`
   * @throws InspireAuthError as {@link InspireAuth.authenticate}, but for `CANCELLED`
   * @example
   * const caller = auth.authenticateSync(req.rawHeaders, { channel: 'secure', require: operators });
   */
  authenticateSync(headers: HeadersLike, options?: AuthenticateOptions | null): Principal
  /** {@link InspireAuth.close}, for `using`, where the runtime has it. */
  [Symbol.dispose](): void
// end
