// Made by `npm run build` from the comments in src/ and from types/index.d.ts: change those.

/**
 * What went wrong, stable and the same in every language. What to do about each is in {@link ERRORS}.
 */
export type InspireAuthErrorCode =
  /** an argument is not valid */
  | 'INVALID_ARGUMENT'
  /** a required pointer is NULL */
  | 'NULL_PARAMETER'
  /** an option is not supported by this version of the library */
  | 'UNSUPPORTED_OPTION'
  /** the name is not valid */
  | 'INVALID_NAME'
  /** the security level is not valid */
  | 'INVALID_LEVEL'
  /** the stored hash can't be used */
  | 'INVALID_HASH'
  /** a key of this name exists */
  | 'NAME_TAKEN'
  /** there is no such key */
  | 'NOT_FOUND'
  /** the record was changed by someone else */
  | 'CONFLICT'
  /** the actor may not do this */
  | 'PERMISSION_DENIED'
  /** the call was cancelled */
  | 'CANCELLED'
  /** no credential was sent */
  | 'NO_CREDENTIAL'
  /** the credential is malformed, or there is more than one */
  | 'MALFORMED_CREDENTIAL'
  /** the credential is not valid */
  | 'INVALID_CREDENTIAL'
  /** this key may only be used over a secure connection */
  | 'SECURE_CHANNEL_REQUIRED'
  /** the key does not hold a required security level */
  | 'INSUFFICIENT_LEVEL'
  /** too many credentials are being checked for the first time */
  | 'BUSY'
  /** the path is not canonical */
  | 'PATH_NOT_CANONICAL'
  /** no route allows this path and method */
  | 'ROUTE_DENIED'
  /** no license is installed */
  | 'UNLICENSED'
  /** the license does not include this feature */
  | 'NOT_ENTITLED'
  /** the license file can't be read */
  | 'LICENSE_MALFORMED'
  /** the license file uses an algorithm that is not supported */
  | 'LICENSE_UNSUPPORTED_ALGORITHM'
  /** the license file was not signed by a trusted key, or was changed afterwards */
  | 'LICENSE_SIGNATURE_INVALID'
  /** the license file is encrypted, and the license key or the machine id is missing */
  | 'LICENSE_KEY_REQUIRED'
  /** the license file can't be decrypted with this license key and this machine id; one of the two does not match */
  | 'LICENSE_KEY_OR_MACHINE_MISMATCH'
  /** the machine file does not carry its license */
  | 'LICENSE_NOT_INCLUDED'
  /** the license is for another product */
  | 'LICENSE_PRODUCT_MISMATCH'
  /** the clock of this machine is behind the time at which the license was signed */
  | 'CLOCK_ROLLBACK'
  /** the license file has expired */
  | 'LICENSE_FILE_EXPIRED'
  /** the license is suspended */
  | 'LICENSE_SUSPENDED'
  /** the license has expired */
  | 'LICENSE_EXPIRED'
  /** the license key does not belong to this license file */
  | 'LICENSE_KEY_MISMATCH'
  /** the license file was made for another machine */
  | 'MACHINE_MISMATCH'
  /** the license does not allow offline activation */
  | 'OFFLINE_NOT_ENTITLED'
  /** the license file does not say which entitlements it has */
  | 'ENTITLEMENTS_NOT_INCLUDED'
  /** the license file names no machine */
  | 'NOT_MACHINE_BOUND'
  /** a newer file of this license is installed, or this one was deactivated here */
  | 'LICENSE_FILE_OLDER'
  /** a trusted public key is not a sound Ed25519 key */
  | 'WEAK_TRUSTED_KEY'
  /** re-validation is only available for licenses activated online; to renew an offline license, activate it again with a new file */
  | 'NOT_AVAILABLE_OFFLINE'
  /** this machine has no readable identity */
  | 'FINGERPRINT_UNAVAILABLE'
  /** a limit of the license is reached */
  | 'LIMIT_EXCEEDED'
  /** this machine is not activated for the license */
  | 'NOT_ACTIVATED'
  /** the licensing server does not know this license key */
  | 'LICENSE_UNKNOWN'
  /** the license is in use on as many machines as it allows */
  | 'MACHINE_LIMIT_REACHED'
  /** the licensing server refuses this license */
  | 'LICENSE_REFUSED'
  /** the store can't be opened, read or written */
  | 'STORE_UNAVAILABLE'
  /** the store is damaged, or not a store of this library */
  | 'STORE_CORRUPT'
  /** another process holds the store's write lock */
  | 'STORE_LOCKED'
  /** the store can't be written */
  | 'STORE_READ_ONLY'
  /** the disk is full */
  | 'STORE_FULL'
  /** the store is on a network file system, where SQLite's locks can't be relied on */
  | 'STORE_NETWORK_FILESYSTEM'
  /** the store was made by another version of the library */
  | 'STORE_VERSION'
  /** the store can't be shown to be up to date */
  | 'STORE_STALE'
  /** the store was replaced by another or an older one while in use */
  | 'STORE_HISTORY_CHANGED'
  /** the audit log can't be written, so nothing may be changed */
  | 'AUDIT_UNAVAILABLE'
  /** the licensing server's name can't be resolved */
  | 'NETWORK_DNS'
  /** the licensing server can't be connected to */
  | 'NETWORK_CONNECT'
  /** no secure connection to the licensing server: its certificate is not accepted, or it speaks another TLS */
  | 'NETWORK_TLS'
  /** the proxy can't be used, or refuses */
  | 'NETWORK_PROXY'
  /** the licensing server did not answer in time */
  | 'NETWORK_TIMEOUT'
  /** the host's policy does not allow this connection */
  | 'NETWORK_POLICY'
  /** the licensing server answered with an error */
  | 'SERVER_STATUS'
  /** the licensing server asks for fewer calls */
  | 'SERVER_RATE_LIMITED'
  /** the licensing server's answer can't be read */
  | 'SERVER_ANSWER_MALFORMED'
  /** the answer was not signed by the licensing server, or not for this question */
  | 'SERVER_SIGNATURE_INVALID'
  /** this machine's clock and the licensing server's are more than 5 minutes apart */
  | 'CLOCK_SKEW'
  /** internal error */
  | 'INTERNAL';

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
/**
 * API keys and licensing on one store, made by {@link open}. One handle serves a whole process; each worker thread
 * opens its own.
 *
 * Requests are decided by {@link InspireAuth.authenticate}, keys are managed in {@link InspireAuth.keys}, and what the
 * installation is licensed for is in {@link InspireAuth.license}.
 */
export declare class InspireAuth {
  #private
  private constructor()
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
  /** The API keys. */
  get keys(): Keys
  /** The license. */
  get license(): License
  /**
   * Compiles a requirement, once for all requests.
   *
   * @param spec `any(A/B, C)`, `all(A, B)`, one level, `{any: [...]}` or `{all: [...]}`; an empty list denies everyone
   * @throws InspireAuthError `INVALID_LEVEL`, `INVALID_ARGUMENT`
   * @example
   * const operators = auth.requirement('any(Authenticated/Ops/Write)');
   * const caller = auth.authenticateSync(req.rawHeaders, { channel: 'secure', require: operators });
   */
  requirement(spec: RequirementLike): Requirement
  /**
   * `Authenticated` and the grants in force of the key behind a principal, as they are now, sorted by bytes; empty
   * when it is anonymous.
   *
   * @throws InspireAuthError `INVALID_CREDENTIAL` when the key is gone, `INVALID_ARGUMENT`, a `STORE_*` code
   * @example
   * auth.principalLevels(caller); // ['Authenticated', 'Authenticated/Ops/Write']
   */
  principalLevels(principal: Principal): Array<string>
  /**
   * Judges a principal again, as it stands now: for long-lived connections.
   *
   * @param require as in {@link AuthenticateOptions.require}
   * @param options `now` in Unix seconds; the system's clock when it is not given
   * @throws InspireAuthError what a new request with the same credential would get, a `STORE_*` code
   * @example
   * try { auth.recheck(caller, operators); } catch { ws.close(1008); } // before each message of a websocket
   */
  recheck(principal: Principal, require: RequirementLike, options?: { now?: number }): void
  /**
   * The levels for want of which a principal fails a requirement; empty when it does not.
   *
   * @throws InspireAuthError as {@link InspireAuth.principalLevels}
   * @example
   * auth.explain(caller, 'all(Authenticated/Ops, Authenticated/Admin)'); // ['Authenticated/Admin']
   */
  explain(principal: Principal, require: RequirementLike): Array<string>
  /**
   * What a request would get, and why: a dry run, which is noted nowhere.
   *
   * @param key the name of the key that the request would carry, with its right secret; `null` is a request without one
   * @param path as in {@link AuthenticateOptions.path}
   * @param options `channel`, by default `plain`, and `now` in Unix seconds
   * @throws InspireAuthError `NOT_FOUND` when there is no such key, `INVALID_ARGUMENT`, a `STORE_*` code
   * @example
   * auth.wouldAllow(routes, 'reporting', 'DELETE', '/data/api/v1/resources').code; // 'ROUTE_DENIED'
   */
  wouldAllow(routes: Routes, key: string | null, method: string, path: string, options?: { channel?: Channel, now?: number } | null): Explanation
  /**
   * What a further request of a principal, over the same channel, would get, and why: noted nowhere.
   *
   * @param path as in {@link AuthenticateOptions.path}
   * @param options `now` in Unix seconds
   * @throws InspireAuthError `INVALID_ARGUMENT`, a `STORE_*` code
   * @example
   * auth.explainRoute(routes, caller, 'POST', '/data/api/v1/sync').missing; // ['Authenticated/Ops/Write']
   */
  explainRoute(routes: Routes, principal: Principal, method: string, path: string, options?: { now?: number } | null): Explanation
  /**
   * How a host answers a request that was refused with this code, or with this error. An error of another origin is
   * answered with 500, and nothing of it is shown.
   *
   * @example
   * const { status, challenge, retryAfter } = auth.http(error);
   */
  http(codeOrError: InspireAuthErrorCode | Error): HttpAnswer
  /**
   * The names of all headers that may carry a credential: what a host that forwards requests must strip from every
   * one of them, granted or not.
   *
   * @example
   * for (const name of auth.credentialHeaders()) delete forwarded[name.toLowerCase()];
   */
  credentialHeaders(): Array<string>
  /**
   * Writes what has been noted on the side (last use, audit) to the store now. {@link InspireAuth.close} does it too.
   *
   * @throws InspireAuthError a `STORE_*` code, `AUDIT_UNAVAILABLE`
   * @example
   * auth.flush(); // before a backup, say
   */
  flush(): void
  /**
   * The newest audit events, newest first.
   *
   * @param limit at most so many; default 100
   * @throws InspireAuthError a `STORE_*` code
   * @example
   * auth.audit(2).map(({ event }) => event); // ['key.refused', 'key.created']
   */
  audit(limit?: number): Array<AuditEvent>
  /**
   * Counters and gauges of this handle, as OpenMetrics 1.0 text, for a service to answer at `/metrics` with the content
   * type `application/openmetrics-text; version=1.0.0; charset=utf-8`. They hold no key's name, no secret and no license
   * key. Whoever may read them is for the service to say.
   *
   * @throws InspireAuthError `INVALID_ARGUMENT` when the handle is closed
   * @example
   * app.get('/metrics', (req, res) => {
   *   res.type('application/openmetrics-text; version=1.0.0; charset=utf-8').send(auth.metricsText());
   * });
   */
  metricsText(): string
  /**
   * Accepts what the store holds now as its history, in every process, after `STORE_HISTORY_CHANGED`: an operator's
   * word that the replacement was meant.
   *
   * @throws InspireAuthError a `STORE_*` code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * auth.adoptStore(); // an operator has said that the store was replaced on purpose
   */
  adoptStore(): void
  /**
   * Writes what has been noted on the side, and lets the store go. What is under way finishes; every later call on
   * the handle is refused with `INVALID_ARGUMENT`. Called again, it does nothing. A handle that is not closed is
   * when it is garbage, or its environment ends.
   *
   * @example
   * auth.close(); // or: using auth = open('service.db')
   */
  close(): void
}

/**
 * The API keys of a handle. Each change is one transaction, and is obeyed by the next check in every process.
 *
 * What changes something is there twice: with a promise, worked on beside the event loop, and as `...Sync`, which
 * blocks it: about 20 ms where a secret is hashed, and up to 5 s while another process holds the store's write lock.
 */
export declare class Keys {
  #private
  private constructor()
  /**
   * Makes a key. Its secret is in the answer, and nowhere else, ever again.
   *
   * @throws InspireAuthError `INVALID_NAME`, `INVALID_LEVEL`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NAME_TAKEN`,
   * `BUSY`, a `STORE_*` code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * const { key } = await auth.keys.create({ name: 'reporting', levels: ['Authenticated/Ops/Read'] }, { actor: SYSTEM });
   */
  create(key: NewKey, by: By): Promise<CreatedKey>
  /**
   * {@link Keys.create}, blocking for about 20 ms.
   *
   * @throws InspireAuthError as {@link Keys.create}
   */
  createSync(key: NewKey, by: By): CreatedKey
  /**
   * Adds a key whose secret was made elsewhere.
   *
   * @throws InspireAuthError as {@link Keys.create}, and `INVALID_HASH`
   * @example
   * await auth.keys.import({ name: 'legacy', format: 'phc', hash: '$argon2id$v=19$...' }, { actor: SYSTEM });
   */
  import(key: ImportedKey, by: By): Promise<KeyRecord>
  /**
   * {@link Keys.import}, blocking.
   *
   * @throws InspireAuthError as {@link Keys.import}
   */
  importSync(key: ImportedKey, by: By): KeyRecord
  /**
   * Adds many keys whose secrets were made elsewhere, in one transaction: all of them, or none. Gives the number of
   * keys; for none, nothing is written.
   *
   * @throws InspireAuthError as {@link Keys.import}, of the first that can't be added: the message says which one that
   * is, counted from 0, and its name. `NAME_TAKEN` also when two of them have one name
   * @example
   * const rows = await legacy.all('SELECT name, hash FROM users');
   * await auth.keys.importAll(rows.map(({ name, hash }) => ({ name, format: 'phc', hash })), { actor: SYSTEM });
   */
  importAll(keys: readonly ImportedKey[], by: By): Promise<number>
  /**
   * {@link Keys.importAll}, blocking.
   *
   * @throws InspireAuthError as {@link Keys.importAll}
   */
  importAllSync(keys: readonly ImportedKey[], by: By): number
  /**
   * One key.
   *
   * @throws InspireAuthError `NOT_FOUND`, a `STORE_*` code
   * @example
   * const { revision } = auth.keys.get('reporting');
   */
  get(name: string): KeyRecord
  /**
   * Keys, sorted by name in byte order.
   *
   * @throws InspireAuthError `INVALID_LEVEL`, `INVALID_ARGUMENT`, a `STORE_*` code
   * @example
   * const page = auth.keys.list({ after: last, limit: 100 });
   */
  list(filter?: KeyFilter | null): Array<KeyRecord>
  /**
   * All keys, as records: what can be kept elsewhere without keeping a secret.
   *
   * @throws InspireAuthError a `STORE_*` code
   * @example
   * await writeFile('keys.json', JSON.stringify(auth.keys.export()));
   */
  export(): Array<KeyRecord>
  /**
   * Changes a key that still has this revision.
   *
   * @param revision {@link KeyRecord.revision} as it was read; the change is refused when it has moved on
   * @throws InspireAuthError `INVALID_LEVEL`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, a
   * `STORE_*` code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * const { revision } = auth.keys.get('reporting');
   * await auth.keys.update('reporting', revision, { levels: ['Authenticated/Ops/Write'] }, { actor: caller });
   */
  update(name: string, revision: number, changes: KeyChanges, by: By): Promise<KeyRecord>
  /**
   * {@link Keys.update}, blocking.
   *
   * @throws InspireAuthError as {@link Keys.update}
   */
  updateSync(name: string, revision: number, changes: KeyChanges, by: By): KeyRecord
  /**
   * Gives a key another name. Its secret and identity stay; the old name is unknown from then on.
   *
   * @throws InspireAuthError `INVALID_NAME`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `NAME_TAKEN`, a `STORE_*`
   * code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * await auth.keys.rename('reporting', 'reports', { actor: SYSTEM });
   */
  rename(name: string, newName: string, by: ByRevised): Promise<KeyRecord>
  /**
   * {@link Keys.rename}, blocking.
   *
   * @throws InspireAuthError as {@link Keys.rename}
   */
  renameSync(name: string, newName: string, by: ByRevised): KeyRecord
  /**
   * Enables or disables a key.
   *
   * @throws InspireAuthError `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, a `STORE_*` code,
   * `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * await auth.keys.setEnabled('reporting', false, { actor: SYSTEM });
   */
  setEnabled(name: string, enabled: boolean, by: ByRevised): Promise<KeyRecord>
  /**
   * {@link Keys.setEnabled}, blocking.
   *
   * @throws InspireAuthError as {@link Keys.setEnabled}
   */
  setEnabledSync(name: string, enabled: boolean, by: ByRevised): KeyRecord
  /**
   * Makes a key with all the settings of another, a new name and a new secret.
   *
   * @throws InspireAuthError as {@link Keys.create}, and `NOT_FOUND`, `CONFLICT`
   * @example
   * const { key } = await auth.keys.duplicate('reporting', 'reporting-2', { actor: SYSTEM });
   */
  duplicate(name: string, newName: string, by: ByRevised): Promise<CreatedKey>
  /**
   * {@link Keys.duplicate}, blocking for about 20 ms.
   *
   * @throws InspireAuthError as {@link Keys.duplicate}
   */
  duplicateSync(name: string, newName: string, by: ByRevised): CreatedKey
  /**
   * Gives a key a new secret. The old one is refused from then on, or, with an overlap, from its end on, so that
   * clients can be given the new one meanwhile; secrets older than that one end now.
   *
   * @param by `overlap` is how long the old secret stays good, in seconds: at most a year (31536000), and never beyond
   * the key's own expiry. Not given, or 0, it is not at all. {@link KeyRecord.overlapEndsAt} says until when it is
   * @throws InspireAuthError `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `BUSY`, a `STORE_*`
   * code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * const { key } = await auth.keys.rotate('reporting', { actor: SYSTEM, overlap: 24 * 3600 });
   */
  rotate(name: string, by: ByRevised & { overlap?: number }): Promise<CreatedKey>
  /**
   * {@link Keys.rotate}, blocking for about 20 ms.
   *
   * @throws InspireAuthError as {@link Keys.rotate}
   */
  rotateSync(name: string, by: ByRevised & { overlap?: number }): CreatedKey
  /**
   * Deletes a key: revokes it at once, and can't be undone.
   *
   * @throws InspireAuthError `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, a `STORE_*` code,
   * `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * await auth.keys.delete('reporting', { actor: SYSTEM });
   */
  delete(name: string, by: ByRevised): Promise<void>
  /**
   * {@link Keys.delete}, blocking.
   *
   * @throws InspireAuthError as {@link Keys.delete}
   */
  deleteSync(name: string, by: ByRevised): void
  /**
   * Seals every key anew under the current pepper, whatever its seal says: after a first pepper was configured, or
   * after a look at the store. Gives the number of keys.
   *
   * @throws InspireAuthError `PERMISSION_DENIED` for anyone but `SYSTEM`, `INVALID_ARGUMENT` without a pepper, a
   * `STORE_*` code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * await auth.keys.sealAll({ actor: SYSTEM });
   */
  sealAll(by: By): Promise<number>
  /**
   * {@link Keys.sealAll}, blocking.
   *
   * @throws InspireAuthError as {@link Keys.sealAll}
   */
  sealAllSync(by: By): number
}

/**
 * The license of a handle. Questions are answered from memory, and see each change, by any process, that returned
 * before. `now` is in Unix seconds; not given, it is the system's clock.
 */
export declare class License {
  #private
  private constructor()
  /**
   * Consumes credits (`AI_CREDITS_MONTHLY`), if so many are left: of the tenant, and of the whole installation.
   *
   * @param amount how many, at least 1
   * @param operation your own name of what they are for, 1 to 255 bytes: it is kept this month and the next, and whoever
   * asks again with it gets the same answer and consumes nothing
   * @throws InspireAuthError `LIMIT_EXCEEDED` when fewer are left, or the license is not active (the detail says why);
   * `CONFLICT` when the operation was for another amount or tenant, or was refunded; `INVALID_ARGUMENT`; a `STORE_*`
   * code: then it is not known whether they were consumed, and the same call says
   * @example
   * const { left } = await auth.license.consume(10, 'image-4711', { tenant: { name: 'north', limit: 500 } });
   */
  consume(amount: number, operation: string, options?: CreditOptions | null): Promise<CreditBalance>
  /**
   * {@link License.consume}, blocking.
   *
   * @throws InspireAuthError as {@link License.consume}
   */
  consumeSync(amount: number, operation: string, options?: CreditOptions | null): CreditBalance
  /**
   * Gives back what an operation consumed, once: again, it changes nothing.
   *
   * @param options the tenant that consumed them
   * @throws InspireAuthError `NOT_FOUND` for an operation that is not known (any more); `CONFLICT` for one of another
   * tenant; `INVALID_ARGUMENT`; a `STORE_*` code
   * @example
   * await auth.license.refund('image-4711', { tenant: { name: 'north', limit: 500 } });
   */
  refund(operation: string, options?: CreditOptions | null): Promise<CreditBalance>
  /**
   * {@link License.refund}, blocking.
   *
   * @throws InspireAuthError as {@link License.refund}
   */
  refundSync(operation: string, options?: CreditOptions | null): CreditBalance
  /**
   * What is left of this month's credits.
   *
   * @throws InspireAuthError `INVALID_ARGUMENT`, a `STORE_*` code
   * @example
   * const { used, limit, resetsAt } = await auth.license.balance();
   */
  balance(options?: CreditOptions | null): Promise<CreditBalance>
  /**
   * {@link License.balance}, blocking.
   *
   * @throws InspireAuthError as {@link License.balance}
   */
  balanceSync(options?: CreditOptions | null): CreditBalance
  /**
   * Whether `inUse` of a tenant, the new one included, is within its limit, and `inUseByAll` of the whole installation
   * within the license's.
   *
   * @throws InspireAuthError as {@link License.checkLimit}
   * @example
   * auth.license.checkTenantLimit('MAX_DISPLAYS', { name: 'north', limit: 10 }, north + 1, all + 1);
   */
  checkTenantLimit(name: string, tenant: Tenant, inUse: number, inUseByAll: number, now?: number): void
  /**
   * What is installed, and whether it is good.
   *
   * @throws InspireAuthError a `STORE_*` code
   * @example
   * const { state, reason } = auth.license.status();
   */
  status(now?: number): LicenseStatus
  /**
   * Whether an entitlement is granted; its code in any case. Without an active license nothing is.
   *
   * @throws InspireAuthError a `STORE_*` code
   * @example
   * if (auth.license.hasEntitlement('VIDEO_WALL_SYNC')) showWall();
   */
  hasEntitlement(code: string, now?: number): boolean
  /**
   * As {@link License.hasEntitlement}, for a gate: a refusal is an error that says why.
   *
   * @throws InspireAuthError `NOT_ENTITLED` when the license is active without it, `UNLICENSED` when there is none,
   * else the license's first failure; a `STORE_*` code
   * @example
   * auth.license.checkEntitlement('SSO_SAML'); // throws NOT_ENTITLED, UNLICENSED, ...
   */
  checkEntitlement(code: string, now?: number): void
  /**
   * A limit by name, in any case: -1 is unlimited, and 0 is what a license that is not active, or does not name the
   * limit, allows.
   *
   * @throws InspireAuthError a `STORE_*` code
   * @example
   * auth.license.limit('MAX_DISPLAYS'); // 25
   */
  limit(name: string, now?: number): number
  /**
   * Whether `inUse` of something, the new one included, is within its limit.
   *
   * @throws InspireAuthError `LIMIT_EXCEEDED`; its detail names the reason when the license is not active.
   * `INVALID_ARGUMENT` for a negative number; a `STORE_*` code
   * @example
   * auth.license.checkLimit('MAX_DISPLAYS', displays.length + 1);
   */
  checkLimit(name: string, inUse: number, now?: number): void
  /**
   * The catalogue of ten, then what else is granted.
   *
   * @throws InspireAuthError a `STORE_*` code
   * @example
   * auth.license.entitlements().filter(({ granted }) => granted).map(({ code }) => code);
   */
  entitlements(now?: number): Array<Entitlement>
  /**
   * Installs a file with its license key, for offline use, in the place of what is installed. A failure changes
   * nothing.
   *
   * @param licenseKey the key that belongs to the file
   * @param file what the `.lic` file holds, at most 256 KiB
   * @param by who installs it; a principal needs {@link OpenOptions.adminRequirement}. `force` installs a file that is
   * older than the installed one of the same license; never one that was deactivated
   * @throws InspireAuthError `PERMISSION_DENIED`; the code of the first check that fails (the detail lists all);
   * `LICENSE_KEY_REQUIRED` for an empty key; `FINGERPRINT_UNAVAILABLE`; a `STORE_*` code;
   * `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * await auth.license.activateOffline(key, await readFile('plant3.lic'), { actor: SYSTEM });
   */
  activateOffline(licenseKey: string, file: string | Uint8Array, by: By & { force?: boolean }): Promise<LicenseStatus>
  /**
   * {@link License.activateOffline}, blocking.
   *
   * @throws InspireAuthError as {@link License.activateOffline}
   */
  activateOfflineSync(licenseKey: string, file: string | Uint8Array, by: By & { force?: boolean }): LicenseStatus
  /**
   * Which machine this is, as license files name it.
   *
   * @throws InspireAuthError `FINGERPRINT_UNAVAILABLE`
   * @example
   * auth.license.machine().fingerprint; // what a vendor makes a machine file for
   */
  machine(): MachineIdentity
  /**
   * Activates this installation: registers this machine for the license at the licensing server
   * ({@link OpenOptions.server}), and installs the machine file that it issues, in the place of what is installed. A
   * failure changes nothing, but for a refusal that the server has signed of the license that is installed.
   *
   * @param by who activates it; a principal needs {@link OpenOptions.adminRequirement}. `signal` ends the call: the
   * promise rejects with `CANCELLED`, and what the server answers from then on is dropped
   * @throws InspireAuthError `PERMISSION_DENIED`; `UNSUPPORTED_OPTION` without a server; `LICENSE_KEY_REQUIRED` for an
   * empty key; what the server refuses with, its own words in the detail (`LICENSE_UNKNOWN`, `LICENSE_SUSPENDED`,
   * `LICENSE_EXPIRED`, `MACHINE_LIMIT_REACHED`, `LICENSE_REFUSED`); a `NETWORK_*` or `SERVER_*` code, `CLOCK_SKEW`;
   * `CANCELLED`; the first check that the issued file fails; `FINGERPRINT_UNAVAILABLE`; a `STORE_*` code;
   * `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
   * @example
   * const auth = open('service.db', { trustedKeys, server: { url: 'https://licensing.example.com/v1' } });
   * await auth.license.activateOnline(key, { actor: SYSTEM, signal: AbortSignal.timeout(3000) });
   */
  activateOnline(licenseKey: string, by: By & { signal?: AbortSignal }): Promise<LicenseStatus>
  /**
   * {@link License.activateOnline}, blocking for as long as the network takes.
   *
   * @throws InspireAuthError as {@link License.activateOnline}, but for `CANCELLED`; `UNSUPPORTED_OPTION` also with
   * {@link Server.transport}, which the blocked event loop could not run
   */
  activateOnlineSync(licenseKey: string, by: By): LicenseStatus
  /**
   * Asks the licensing server again, and installs the fresh machine file that it issues: only for a license that was
   * activated online. A failure changes nothing but {@link LicenseStatus.lastAttempt}; a refusal that the server has
   * signed acts at once.
   *
   * @param by as for {@link License.activateOnline}
   * @throws InspireAuthError `UNLICENSED`; `NOT_AVAILABLE_OFFLINE` for a license that was installed from a file;
   * `NOT_ACTIVATED` when somebody has taken this machine off the license; `CONFLICT` when the license was taken out, or
   * changed for another, meanwhile; else as {@link License.activateOnline}
   * @example
   * const { leaseExpiresAt } = await auth.license.revalidate({ actor: SYSTEM });
   */
  revalidate(by: By & { signal?: AbortSignal }): Promise<LicenseStatus>
  /**
   * {@link License.revalidate}, blocking for as long as the network takes.
   *
   * @throws InspireAuthError as {@link License.revalidate}; `UNSUPPORTED_OPTION` also with {@link Server.transport}
   */
  revalidateSync(by: By): LicenseStatus
  /**
   * Takes the license out, and buries its file: it can't be installed here again, only a newer one. What was activated
   * online is then released at the licensing server; should that fail, it stays noted, and can be tried again.
   *
   * @param by who takes it out; a principal needs {@link OpenOptions.adminRequirement}. `localOnly` says nothing to the
   * server, now or later. `signal` ends the wait for the server: the promise resolves all the same, as soon as the
   * request that is under way has ended, and the release is pending. Only a signal that is aborted before anything was
   * done makes it reject with `CANCELLED`
   * @throws InspireAuthError `PERMISSION_DENIED`, `UNLICENSED` when there is none, a `STORE_*` code,
   * `AUDIT_UNAVAILABLE` (only with `deny_mutations`); never because of the server
   * @example
   * const { release, receipt } = await auth.license.deactivate({ actor: SYSTEM });
   * if (release !== 'server') await writeFile('receipt.txt', receipt ?? ''); // for the vendor
   */
  deactivate(by: By & { localOnly?: boolean, signal?: AbortSignal }): Promise<Deactivation>
  /**
   * {@link License.deactivate}, blocking for as long as the network takes.
   *
   * @throws InspireAuthError as {@link License.deactivate}; `UNSUPPORTED_OPTION` with {@link Server.transport}, unless it
   * is `localOnly`
   */
  deactivateSync(by: By & { localOnly?: boolean }): Deactivation
  /**
   * Tries again to release the machines that are still to be released at the licensing server. Gives how many were.
   *
   * @param by as for {@link License.activateOnline}
   * @throws InspireAuthError what the first that could not be released failed with: a `NETWORK_*` or `SERVER_*` code,
   * `CLOCK_SKEW`, `CANCELLED`, `CONFLICT` when the server does not confirm it; `UNSUPPORTED_OPTION` without a server;
   * `PERMISSION_DENIED`, a `STORE_*` code
   * @example
   * await auth.license.releasePending({ actor: SYSTEM }); // 1
   */
  releasePending(by: By & { signal?: AbortSignal }): Promise<number>
  /**
   * {@link License.releasePending}, blocking for as long as the network takes.
   *
   * @throws InspireAuthError as {@link License.releasePending}; `UNSUPPORTED_OPTION` also with {@link Server.transport}
   */
  releasePendingSync(by: By): number
  /**
   * Does what is due at the licensing server, as the system: refreshes a lease of which two thirds are over, and releases
   * what is still to be released. When that fails, it is due again after a minute, then at distances that double up to
   * six hours. For hosts with a timer of their own; {@link Server.autoRefresh} does it without.
   *
   * @param options `now` in Unix seconds; `signal` as for {@link License.activateOnline}
   * @throws InspireAuthError a `STORE_*` code, `CANCELLED`. What the server was asked in vain is in
   * {@link LicenseTick.problem}
   * @example
   * setInterval(() => auth.license.tick().catch(console.error), 60_000).unref();
   */
  tick(options?: (TickOptions & { signal?: AbortSignal }) | null): Promise<LicenseTick>
  /**
   * {@link License.tick}, blocking for as long as the network takes.
   *
   * @throws InspireAuthError as {@link License.tick}; `UNSUPPORTED_OPTION` with {@link Server.transport}
   */
  tickSync(options?: TickOptions | null): LicenseTick
  /**
   * Installs a newer file of the license that is installed, with the license key that it was installed with. A failure
   * changes nothing.
   *
   * @param file what the `.lic` file holds, at most 256 KiB
   * @throws InspireAuthError `UNLICENSED`; `CONFLICT` for a file of another license; else as
   * {@link License.activateOffline}
   * @example
   * await auth.license.refresh(await readFile('plant3-2028.lic'), { actor: SYSTEM });
   */
  refresh(file: string | Uint8Array, by: By): Promise<LicenseStatus>
  /**
   * {@link License.refresh}, blocking.
   *
   * @throws InspireAuthError as {@link License.refresh}
   */
  refreshSync(file: string | Uint8Array, by: By): LicenseStatus
  /**
   * A request for a machine file, for the vendor: this machine's fingerprint, the product, a nonce, and the public key of
   * this installation, which signs it. Nothing is sent anywhere.
   *
   * @param by who asks; a principal needs {@link OpenOptions.adminRequirement}. `licenseKey` is sent along, if it is given
   * @throws InspireAuthError `FINGERPRINT_UNAVAILABLE`, `PERMISSION_DENIED`, a `STORE_*` code, `AUDIT_UNAVAILABLE` (only
   * with `deny_mutations`)
   * @example
   * await writeFile('plant3.req', await auth.license.request({ actor: SYSTEM, licenseKey: key }));
   */
  request(by: By & { licenseKey?: string }): Promise<string>
  /**
   * {@link License.request}, blocking.
   *
   * @throws InspireAuthError as {@link License.request}
   */
  requestSync(by: By & { licenseKey?: string }): string
  /**
   * The license key as it was entered, for an administrator who has to see it: {@link LicenseStatus.key} is masked. Who
   * saw it is recorded (`license.key_revealed`).
   *
   * @param by who asks; a principal needs {@link OpenOptions.adminRequirement}
   * @throws InspireAuthError `UNLICENSED`, `PERMISSION_DENIED`, a `STORE_*` code, `AUDIT_UNAVAILABLE` (only with
   * `deny_mutations`)
   * @example
   * const key = await auth.license.revealKey({ actor: request.principal });
   */
  revealKey(by: By): Promise<string>
  /**
   * {@link License.revealKey}, blocking.
   *
   * @throws InspireAuthError as {@link License.revealKey}
   */
  revealKeySync(by: By): string
}

/**
 * Who a granted request comes from. A frozen object, and the same one (`===`) for each request with the same key over
 * the same channel, until the key is changed or 65,536 others have come by.
 *
 * It says what was true when the request was decided, and is no lasting authority: when it acts ({@link By}), the
 * library finds the key by a hidden reference, never by these members, and judges it again. An object that only looks
 * like one is refused with `INVALID_ARGUMENT`.
 *
 * @example
 * const caller = auth.authenticateSync(req.rawHeaders, { channel: 'secure' });
 * console.log(`${caller.name} (${caller.id})`);
 */
export declare class Principal {
  #private
  private constructor()
  /** The key's identity, a UUID; `null` when anonymous. */
  readonly id: string | null
  /** The key's name; `null` when anonymous. */
  readonly name: string | null
  /** The key's revision when the request was decided; 0 when anonymous. */
  readonly revision: number
  /** The channel that the request came through. */
  readonly channel: Channel
  /** Whether nobody in particular was granted, since the requirement was `Public`. */
  readonly isAnonymous: boolean
  /** The license reason for which a stricter enforcement would have refused this request; `null` when there is none. */
  readonly warning: InspireAuthErrorCode | null
}

/** What a request must hold, compiled once for all requests by {@link InspireAuth.requirement}. Good for every handle. */
export declare class Requirement {
  #private
  private constructor()
  /** As it is written, such as `any(Authenticated/Ops/Write)`. */
  toString(): string
}

/**
 * A table that says what guards each path and method of a service, compiled by {@link Routes.parse}. Good for every
 * handle of its thread.
 *
 * The longest prefix of whole segments decides, and denies every method that it does not list; a path outside the table
 * is denied. Paths are compared as they were received, and never rewritten: one that could be read in two ways (`//`,
 * `..`, `%2F`, `%61` for `a`, `;`, ...) is refused with `PATH_NOT_CANONICAL`.
 *
 * @example
 * const routes = Routes.parse(await readFile('routes.json'));
 * const terms = { channel: 'secure', routes, method: req.method, path: req.url };
 * const caller = await auth.authenticate(req.rawHeaders, terms);
 */
export declare class Routes {
  #private
  private constructor()
  /**
   * Compiles a table.
   *
   * @param table JSON as text or bytes, or what such a text says. `methods` lists at least one; `["*"]` is every one
   * that no other rule of the prefix lists. A prefix has no trailing slash. With `ignore_case` ASCII letters of either
   * case are the same, for services whose own router has it so (Express does, unless it is told otherwise); with
   * `ignore_suffix` `/users.json` is what `/users` is (Connect ends a mount at a dot)
   * @throws InspireAuthError `INVALID_ARGUMENT`, whose detail says which route, and what is wrong; `INVALID_LEVEL`
   * @example
   * const routes = Routes.parse({ routes: [{ prefix: '/', methods: ['GET'], require: { any: ['Authenticated'] } }] });
   */
  static parse(table: string | Uint8Array | RouteTable): Routes
  /** The rules, in the order of the table. */
  get rules(): Array<RouteRule>
  /** Whether paths are compared without regard to ASCII case. */
  get ignoresCase(): boolean
  /** Whether what follows a dot in a segment of a path is left out of account. */
  get ignoresSuffix(): boolean
}

/**
 * An Ed25519 signing key: the issuer's secret. Wiped when it is garbage; printing it shows nothing.
 *
 * @example
 * const key = SigningKey.generate();
 * await writeFile('issuer.pem', key.toPem(), { mode: 0o600 });
 */
export declare class SigningKey {
  #private
  private constructor()
  /**
   * A new key, from the operating system's randomness.
   *
   * @throws InspireAuthError `INTERNAL` when the operating system refuses randomness
   * @example
   * await writeFile('vendor.key', SigningKey.generate().toPem(), { mode: 0o600 });
   */
  static generate(): SigningKey
  /**
   * Reads what a key file holds: an unencrypted PKCS#8 PEM of Ed25519, as `toPem` and OpenSSL write it, or the seed as
   * 64 hexadecimal digits.
   *
   * @param text the contents of the file, not its name
   * @throws InspireAuthError `INVALID_ARGUMENT`
   * @example
   * const signer = SigningKey.fromSeedFile(await readFile('vendor.key', 'utf8'));
   */
  static fromSeedFile(text: string): SigningKey
  /**
   * The secret as PEM PKCS#8, with a final newline.
   *
   * @example
   * SigningKey.generate().toPem(); // '-----BEGIN PRIVATE KEY-----...'
   */
  toPem(): string
  /** The public half, which goes into the products: 64 hexadecimal digits. */
  get publicKey(): string
}

/**
 * The addresses of proxies whose `X-Forwarded-Proto` is believed. That header is a claim that anybody can send: it is
 * read from these peers only.
 *
 * @example
 * const proxies = new TrustedProxies('10.0.0.0/8, ::1');
 * const channel = proxies.channel(req.socket.remoteAddress, 'plain', req.rawHeaders);
 */
export declare class TrustedProxies {
  #private
  /**
   * Reads addresses and CIDR blocks, separated by commas.
   *
   * @throws InspireAuthError `INVALID_ARGUMENT`
   */
  constructor(networks: string)
  /**
   * The channel of a request that `peer` sent. A peer that is not trusted has the channel that the host saw, `direct`.
   * A trusted one has what it says: `secure` when there is exactly one `X-Forwarded-Proto` and it is `https`, `plain`
   * for anything else.
   *
   * @param peer the address of the connection itself, such as `req.socket.remoteAddress`
   * @param rawHeaders all lines, flat, such as `req.rawHeaders`
   * @throws InspireAuthError `INVALID_ARGUMENT`, also for a peer that is no IP address
   * @example
   * proxies.channel(req.socket.remoteAddress, 'plain', req.rawHeaders); // 'secure'
   */
  channel(peer: string, direct: Channel, rawHeaders: readonly string[]): Channel
}

/** The version of the C ABI. Inside one, things are only added. */
export declare const ABI_VERSION: number

/** One line of the audit log. Holds no secret. */
export interface AuditEvent {
  /** Unix seconds. */
  at: number
  /** What happened, such as `key.created` or `key.refused`. */
  event: string
  /** Who did it: `system`, `key:<name>`, or empty where nobody is known. */
  actor: string
  /** The name of the key, or the id of the license, that it happened to. */
  subject: string
  /** The exact reason, or what was changed. */
  detail: string
  /** `OK` for what was done, else the code with which it was refused. */
  code: InspireAuthErrorCode | 'OK'
}

/**
 * A file that every change and every denial is written to, one JSON object a line, besides the store. Any number of
 * processes may write one file. It holds no secret.
 */
export interface AuditFile {
  /** The file; made with mode 0600 when it is not there. */
  path: string
  /**
   * It is renamed to `<path>.1` (and that one to `.2`, and so on) before it would grow past so many bytes; at least
   * 65536. Default 67108864 (64 MiB).
   */
  maxBytes?: number
  /** How many renamed files are kept: 1 to 1000. Default 10. */
  keep?: number
  /**
   * Whether each line holds the SHA-256 of the one before it, which shows what was changed, removed or inserted.
   * Default false.
   */
  chain?: boolean
  /**
   * What happens to a change that can't be recorded: it is made all the same, and counted in
   * `inspire_audit_failures_total` (`warn`, default), or refused with `AUDIT_UNAVAILABLE` (`deny_mutations`). Requests
   * are decided either way.
   */
  onFailure?: 'warn' | 'deny_mutations'
}

/** A place in an audit file. */
export interface AuditPlace {
  /** The file. */
  file: string
  /** The line, from 1. */
  line: number
}

/**
 * Copies a store to a new file, while it is in use. The copy holds hashes and the license key: it needs the same care as
 * the store.
 *
 * @param store the path of the store
 * @param to the path of the copy, which must not exist
 * @throws InspireAuthError `INVALID_ARGUMENT`, a `STORE_*` code
 * @example
 * await backupStore('service.db', `service-${today}.db`);
 */
export declare function backupStore(store: string, to: string): Promise<void>

/**
 * {@link backupStore}, blocking.
 *
 * @throws InspireAuthError as {@link backupStore}
 */
export declare function backupStoreSync(store: string, to: string): void

/** One row of {@link CATALOGUE}: an entitlement that is known by name. */
export interface CatalogueEntry {
  /** Its code, such as `VIDEO_WALL_SYNC`. */
  code: string
  /** What it gives. */
  feature: string
}

/**
 * A new secret, and the key that it belongs to. This is the only time that it is seen: JavaScript can't wipe it, so let
 * the object go soon, and never log it.
 */
export interface CreatedKey {
  /** The key as it is shown. */
  record: KeyRecord
  /** The secret, `isk_...`. */
  key: string
  /** Levels that were granted but are ignored in this mode (see {@link OpenOptions.mode}). */
  ignoredLevels: Array<string>
  /** `<name>:<key>`, as it stands after `Authorization: Bearer` or in `X-Ignition-API-Token`. */
  credential: string
  /** `<name>~<key>`, for middleboxes that allow only RFC 6750's alphabet after `Bearer`. */
  rfc6750Credential: string
}

/** What is left of an allocation of credits. */
export interface CreditBalance {
  /** The allocation a month; -1 is unlimited. 0 without an active license. */
  limit: number
  /** Consumed this month. */
  used: number
  /** What can still be consumed; -1 is without a bound. For a tenant, no more than the whole installation has left. */
  left: number
  /** The month, in UTC: `2027-01`. */
  period: string
  /** Unix seconds of the next month's beginning. */
  resetsAt: number
}

/** Whose credits, and when. */
export interface CreditOptions {
  /** Whose; not given, the whole installation's. */
  tenant?: Tenant
  /** Unix seconds; not given, the system's clock. */
  now?: number
}

/** What a deactivation came to. The license is out, whatever it was. */
export interface Deactivation {
  /** What is installed now: nothing. */
  status: LicenseStatus
  /**
   * What became of this machine's place on the license at the licensing server: the `server` has signed that it is free,
   * it is `pending` ({@link License.releasePending} tries again), or there was `none`.
   */
  release: 'server' | 'pending' | 'none'
  /** Why it is pending, such as `NETWORK_TIMEOUT`; else `null`. */
  problem: InspireAuthErrorCode | null | null
  /**
   * For the vendor: signed by this installation that the license was taken out here, and when; `null` where the license's
   * file could not be read on this machine.
   */
  receipt: string | null
}

/** An entitlement, and whether it is granted now. */
export interface Entitlement {
  /** Its code, such as `VIDEO_WALL_SYNC`. */
  code: string
  /** What it gives, for those of the catalogue; else `null`. */
  feature: string | null
  /** Whether the license grants it, and is active. */
  granted: boolean
}

/** One row of {@link ERRORS}: what a code means, and what to do about it. */
export interface ErrorEntry {
  /** The code, such as `LICENSE_EXPIRED`. */
  code: InspireAuthErrorCode | 'OK' | 'PENDING'
  /**
   * Its stable number, the same in the C ABI: 1xx arguments, 2xx API keys, 3xx licensing, 4xx the store, 9xx
   * internal.
   */
  number: number
  /** What happened, in lower case and without a full stop. Holds no caller data: it may be sent to anyone. */
  message: string
  /** What an administrator should do. */
  admin: string
  /** What a developer should do. */
  developer: string
  /** Whether the same call may succeed later without anything being changed. */
  retry: boolean
  /** The HTTP status with which a host answers a request refused by this code; `null` where no request is. */
  httpStatus: number | null
  /**
   * Whether the conformance vectors of this library reach the code through every language; the others have a test of
   * their own.
   */
  hasVector: boolean
}

/**
 * Every answer the library can give, by number. {@link ERRORS} is this list, made once.
 * @example
 * errors().find(({ code }) => code === 'BUSY').httpStatus; // 503
 */
export declare function errors(): Array<ErrorEntry>

/**
 * What is looked at for a fingerprint: for people who wonder why it changed, or is not there. Needs no handle.
 *
 * @throws InspireAuthError `INVALID_ARGUMENT`
 * @example
 * for (const { name, found } of explainMachine({ product: 'gateway' })) console.log(name, found);
 */
export declare function explainMachine(options?: MachineOptions | null): Array<MachinePart>

/** What a request would get, and why. For administrators, never for the caller of a service. */
export interface Explanation {
  /** Whether it would be granted. */
  allowed: boolean
  /** `OK`, or the code with which it would be refused. */
  code: InspireAuthErrorCode | 'OK'
  /** The rule that decides; `null` when the path or the method found none. */
  rule: RouteRule | null
  /** The levels for want of which it is refused, sorted by bytes. */
  missing: Array<string>
  /** A sentence that says why. */
  reason: string
}

/** Argon2id parameters for new hashes. More costs whoever has stolen the store more, and each key's first use too. */
export interface HashParameters {
  /** Memory in KiB: at least `8 * parallelism`, at most 1048576 (1 GiB). Default 19456. */
  memoryKib?: number
  /** Passes: 1 to 64. Default 2. */
  iterations?: number
  /** Lanes: 1 to 16. Default 1. */
  parallelism?: number
}

/** How a host answers a refused request: the library gives the texts, the host sends them. */
export interface HttpAnswer {
  /** The status; 500 for a code that answers no request. */
  status: number
  /** The value of `WWW-Authenticate`; `null` when none is sent. */
  challenge: string | null
  /** The value of `Retry-After` in seconds; `null` when none is sent. */
  retryAfter: number | null
}

/** A request to the licensing server, for a host that carries it. Headers, body and address hold the license key. */
export interface HttpRequest {
  /** The method. */
  method: 'GET' | 'POST' | 'DELETE'
  /** Absolute. To be sent byte for byte: the answer's signature covers path and query. */
  url: string
  /** Names in lower case; `authorization` has the license key. */
  headers: [name: string, value: string][]
  /** JSON, or empty. */
  body: Uint8Array
  /** How long the whole answer may take, in milliseconds; then nobody waits for it any more. */
  timeoutMs: number
  /** Aborted at that time, and when the call is ended by a signal of its own. */
  signal: AbortSignal
}

/** What the licensing server answered, whatever its status. */
export interface HttpResponse {
  /** The status. */
  status: number
  /** As they arrived: pairs, or a `Headers`. */
  headers: Iterable<readonly [name: string, value: string]>
  /** After any transfer coding; at most 1 MiB. */
  body: Uint8Array
}

/** A key whose secret was made elsewhere; only its hash is known. */
export interface ImportedKey {
  /** As in {@link NewKey}; so are the others up to `expiresAt`. */
  name: string
  /** Free text. */
  description?: string
  /** Granted security levels. */
  levels?: Array<string>
  /** Whether the key may only be used over a secure channel. Default true. */
  requireSecure?: boolean
  /** Whether the key may be used at all. Default true. */
  enabled?: boolean
  /** Unix seconds from which the key is expired. */
  expiresAt?: number | null
  /** What `hash` is: a PHC string of Argon2id, Argon2i or Argon2d, or the token hash of an Ignition token file. */
  format: 'phc' | 'ignition'
  /** The hash. */
  hash: string
  /**
   * How strong the secret is said to be: `random` (at least 128 bits), or `chosen` (default), which is not
   * remembered in memory and has a budget of failures.
   */
  strength?: 'random' | 'chosen'
}

/**
 * Reads a license file, and reports everything that is wrong with it. Installs nothing, and assumes no machine. A file
 * that is not good is no error: ask {@link Inspection.failures}.
 *
 * @param file what the `.lic` file holds, at most 256 KiB
 * @throws InspireAuthError `INVALID_ARGUMENT` or `WEAK_TRUSTED_KEY` for options that can't be used
 * @example
 * const { failures, license } = inspect(await readFile('plant3.lic'), { trustedKeys, licenseKey });
 */
export declare function inspect(file: string | Uint8Array, options?: InspectOptions | null): Inspection

/** What a file says, and what is wrong with it. */
export interface Inspection {
  /** Every check that failed, in the order of checking, each once. Empty when the file is good. */
  failures: InspireAuthErrorCode[]
  /** What the file was issued for; `null` when header and footer can't be read. */
  kind: 'license' | 'machine' | null | null
  /** The license in the file; `null` when it was not read. */
  license: LicenseView | null
  /** Unix seconds; `null` when the payload was not read. */
  issuedAt: number | null
  /** Unix seconds at which the file ends, as it says itself; `null` is never, or not read. */
  fileExpiresAt: number | null
  /** The fingerprint of the machine that a machine file was made for. */
  machineFingerprint: string | null
}

/** What a signed license key is verified with. */
export interface InspectKeyOptions {
  /** Public keys whose signatures are believed. */
  trustedKeys: Array<TrustedKey>
  /** Unix seconds; not given, the system's clock. */
  now?: number
}

/**
 * Reads a license key that is signed itself (`key/DATASET.SIGNATURE`, Keygen's `ED25519_SIGN`), and verifies it before its
 * dataset is looked at. It shows that a vendor made the key, before anybody is asked; it activates nothing.
 *
 * @throws InspireAuthError `LICENSE_MALFORMED` for what is no signed key; `LICENSE_UNSUPPORTED_ALGORITHM` for a signature of
 * another length than Ed25519's; `LICENSE_SIGNATURE_INVALID`; `INVALID_ARGUMENT` or `WEAK_TRUSTED_KEY` for the trusted keys
 * @example
 * const { license, expiresAt } = inspectLicenseKey(typed, { trustedKeys });
 */
export declare function inspectLicenseKey(licenseKey: string, options: InspectKeyOptions): SignedLicenseKey

/** What a file is inspected against. What is not given is not judged. */
export interface InspectOptions {
  /** Public keys whose signatures are believed. With none, no file verifies. */
  trustedKeys?: Array<TrustedKey>
  /** The license key: decrypts the file, and must be the one in it. */
  licenseKey?: string
  /**
   * A machine's fingerprint: decrypts a machine file, and must be the one in it. Never that of this machine, unless it
   * is given.
   */
  machineId?: string
  /** The product id that the license must be for. */
  product?: string
  /** Unix seconds; not given, the system's clock. */
  now?: number
  /** Whether the file must be fit for an offline installation. Default false. */
  offline?: boolean
}

/** What is to change; what is not given stays. */
export interface KeyChanges {
  /** Free text. */
  description?: string
  /** Granted security levels: all of them. */
  levels?: Array<string>
  /** Whether the key may only be used over a secure channel. */
  requireSecure?: boolean
  /** Whether the key may be used at all. */
  enabled?: boolean
  /** Unix seconds from which the key is expired; `null` is never. */
  expiresAt?: number | null
}

/** Which keys to list. */
export interface KeyFilter {
  /** Only names after this one, in byte order: the last of the page before. */
  after?: string
  /** At most so many. Not given: all. */
  limit?: number
  /** Only keys whose grants satisfy this level. */
  level?: string
}

/** A key, as it is shown: no secret, no hash. */
export interface KeyRecord {
  /** Random identity, a UUID; a rename keeps it. */
  id: string
  /** `basic-token`. */
  type: string
  /** Unique name. */
  name: string
  /** Free text. */
  description: string
  /** Granted security levels, sorted by bytes, without repeats. */
  levels: Array<string>
  /** Whether the key may only be used over a secure channel. */
  requireSecure: boolean
  /** Whether the key may be used at all. */
  enabled: boolean
  /** Unix seconds. */
  createdAt: number
  /** Unix seconds. */
  updatedAt: number
  /** Unix seconds from which the key is expired; `null` is never. */
  expiresAt: number | null
  /** Unix seconds of the last use that was noted (at most once a minute); `null` when there was none. */
  lastUsedAt: number | null
  /** Begins at 1; each change of the key adds one. */
  revision: number
  /** Whether the newest secret was made here. */
  origin: 'generated' | 'imported'
  /**
   * Unix seconds from which the secret before the newest is refused, while a rotation overlaps; `null` when there is
   * only one.
   */
  overlapEndsAt: number | null
}

/** A try to reach the licensing server that failed. */
export interface LicenseAttempt {
  /** Why, such as `NETWORK_TIMEOUT`. */
  code: InspireAuthErrorCode
  /** Unix seconds. */
  at: number
}

/** What a vendor writes down to have a file made. Unknown members are refused. */
export interface LicenseDescription {
  /** The license's id; any text that is not empty. */
  id: string
  /** The license key that the customer types. */
  key: string
  /** The name that status pages show. */
  name?: string
  /** When the license ends (RFC 3339); not given is never. */
  expiry?: string
  /** `ACTIVE` unless it says otherwise. */
  status?: string
  /** Whether the license is suspended. Default false. */
  suspended?: boolean
  /** The id of the product that the license is for. */
  product?: string
  /** The id of the policy that it was made under. */
  policy?: string
  /** Limits by name, such as `MAX_DISPLAYS`; -1 is unlimited. */
  limits?: Record<string, number>
  /** What else the metadata holds. */
  metadata?: Record<string, unknown>
  /** Granted codes. Not given, the file does not include entitlements at all, and can't be activated offline. */
  entitlements?: Array<string>
  /** The fingerprint of the machine that a machine file is for. */
  fingerprint?: string
  /** How long the file is good, in seconds from its issue; not given is as long as its license. */
  ttl?: number
  /** When the file was issued (RFC 3339); not given is now. */
  issued?: string
}

/** The license as it is at one moment. */
export interface LicenseStatus {
  /** Whether the license may be used. */
  state: 'unlicensed' | 'active' | 'expired' | 'suspended' | 'invalid'
  /** Why not: the first check that fails, or `UNLICENSED`; `null` when the license is active. */
  reason: InspireAuthErrorCode | null | null
  /** The license's name. */
  name: string | null
  /** The license key, masked: `********` and its last 4 characters. */
  key: string | null
  /** How it was activated. */
  mode: 'online' | 'offline' | null | null
  /** Unix seconds at which the license ends; `null` is never. */
  expiresAt: number | null
  /** Unix seconds at which the installed file ends, for whatever reason; `null` is never. */
  leaseExpiresAt: number | null
  /** Unix seconds of the last installation or successful validation. */
  lastValidatedAt: number | null
  /**
   * Limits by name, `MAX_DISPLAYS`, `MAX_AGILES` and `AI_CREDITS_MONTHLY` always among them: all 0 unless the license
   * is active; -1 is unlimited.
   */
  limits: Record<string, number>
  /** Granted codes in byte order; empty unless the license is active. */
  entitlements: Array<string>
  /** What will need attention. */
  warnings: LicenseWarning[]
  /** The last try to reach the licensing server, if it failed; else `null`. It changes nothing else. */
  lastAttempt: LicenseAttempt | null | null
}

/** What {@link License.tick} came to. */
export interface LicenseTick {
  /** Unix seconds at which there will be something to do; `null` as long as nothing is activated online. */
  next: number | null
  /** What was due and failed, and is tried again, such as `NETWORK_TIMEOUT`; else `null`. */
  problem: InspireAuthErrorCode | null | null
}

/** The license in a file. */
export interface LicenseView {
  /** The license's id at its issuer. */
  id: string
  /** The license key, not masked. */
  key: string | null
  /** The license's name. */
  name: string | null
  /** The status that the issuer wrote, such as `ACTIVE`. */
  status: string | null
  /** Unix seconds at which the license ends; `null` is never. */
  expiresAt: number | null
  /** Each limit, the three known names always among them; -1 is unlimited. */
  limits: Record<string, number>
  /** Codes in byte order; empty also when they were not included. */
  entitlements: Array<string>
  /** The metadata as it stands in the file. */
  metadata: Record<string, unknown>
}

/** Something that is still good, and will need attention. */
export interface LicenseWarning {
  /** Which. */
  code: 'EXPIRES_SOON' | 'LEASE_ENDS_SOON' | 'CLOCK_SUSPECT' | 'NOT_MACHINE_BOUND'
  /** `EXPIRES_SOON`: the license ends within this many days: 30, 14, 7 or 1; else `null`. */
  days: number | null
}

/**
 * This machine, as options like these would identify it. Needs no handle.
 *
 * @throws InspireAuthError `FINGERPRINT_UNAVAILABLE`, `INVALID_ARGUMENT`
 * @example
 * console.log(machineIdentity({ product: 'gateway' }).fingerprint);
 */
export declare function machineIdentity(options?: MachineOptions | null): MachineIdentity

/** This machine, as a machine file names it. */
export interface MachineIdentity {
  /** What a machine file for this machine must hold. */
  fingerprint: string
  /** Where it comes from: the `machineId` option, or the operating system's machine id. */
  source: 'option' | 'system'
  /**
   * The kind of container that this process seems to run in, or `null`. There, the operating system's machine id may
   * be gone with the next start: give the fingerprint as an option, from a file in a volume.
   */
  container: string | null
}

/** What a fingerprint is made of besides the machine. */
export interface MachineOptions {
  /** As {@link OpenOptions.machineId}. */
  machineId?: string
  /** As {@link OpenOptions.product}. */
  product?: string
}

/** One thing that goes into a fingerprint, or says something about it. */
export interface MachinePart {
  /** What it is. */
  name: string
  /** What was found; never the operating system's machine id itself. */
  found: string
}

/** What a new key is to be. */
export interface NewKey {
  /** Unique: 1 to 64 characters of `[A-Za-z0-9._-]`, a letter or digit first. */
  name: string
  /** Free text, at most 4096 bytes of UTF-8, without NUL. Default empty. */
  description?: string
  /**
   * Granted security levels, at most 1024, such as `Authenticated/Ops/Write`. Default none: the key is
   * `Authenticated`, and no more.
   */
  levels?: Array<string>
  /** Whether the key may only be used over a secure channel. Default true. */
  requireSecure?: boolean
  /** Whether the key may be used at all. Default true. */
  enabled?: boolean
  /** Unix seconds (above 0) from which the key is expired. Not given, or `null`: never. */
  expiresAt?: number | null
}

/**
 * Opens the store, and reads every key into memory. Starts no thread, and does no network I/O; blocks for as long as
 * reading takes (about 1 s for 500,000 keys).
 *
 * @param store the path of an SQLite file, made with mode 0600 if it is not there; the URL of a PostgreSQL database (`postgresql://...`); or `:memory:`
 * @param options what is not given has its default
 * @throws InspireAuthError `INVALID_ARGUMENT`, `INVALID_LEVEL` or `WEAK_TRUSTED_KEY` for options, a `STORE_*` code by
 * cause
 * @example
 * import { open } from 'inspire-auth';
 * const auth = open('service.db', { realm: 'gateway' });
 */
export declare function open(store: string, options?: OpenOptions | null): InspireAuth

/** What a host decides once. What is not given has its default; a name that is not known is refused. */
export interface OpenOptions {
  /** The realm in challenges: 1 to 200 printable ASCII characters without `"` and `\`. Default `inspire`. */
  realm?: string
  /** Header names, besides `Authorization` and `X-Ignition-API-Token`, that carry `<name>:<key>`. */
  extraHeaders?: Array<string>
  /**
   * Which reading of security levels applies: `default` (every grant counts), or `ignition` (grants under
   * `Authenticated/Roles` and `SecurityZones` are ignored, as Ignition does).
   */
  mode?: 'default' | 'ignition'
  /** Whether the channel `local` satisfies keys that need a secure one. Default false. */
  localIsSecure?: boolean
  /** Argon2id parameters for new hashes. */
  hash?: HashParameters
  /**
   * How generated keys are hashed: `argon2` (default), or `hmac-sha256`, which needs a pepper: for fleets that
   * restart with thousands of active keys.
   */
  scheme?: 'argon2' | 'hmac-sha256'
  /**
   * Bytes of memory that all hashing of this handle may take together; at least one hash's. Default 67108864
   * (64 MiB).
   */
  maxHashMemory?: number
  /** Peppers: the first is current, the others are retired and only read. */
  peppers?: Array<Pepper>
  /** What an actor needs to change keys. Not given: no principal may, only `SYSTEM`. */
  writeRequirement?: RequirementLike
  /** What an actor needs to change the license. Not given: no principal may, only `SYSTEM`. */
  adminRequirement?: RequirementLike
  /** Whether imported secrets that people chose are remembered in memory after their first success. Default false. */
  memoChosen?: boolean
  /** Wrong secrets a minute, for each imported key with a chosen secret, before it answers `BUSY`. Default 10. */
  chosenFailuresPerMinute?: number
  /** Public keys whose signatures on license files are believed. With none, no license can be activated. */
  trustedKeys?: Array<TrustedKey>
  /** The product id that a license must be for. Not given: any. */
  product?: string
  /** The machine's fingerprint, when the host knows better. Not given: from the operating system. */
  machineId?: string
  /** Whether a license file, which names no machine, may be installed. Default false. */
  allowUnbound?: boolean
  /**
   * How long a license file is good after it was issued, in seconds, when its license does not hold
   * `OFFLINE_LICENSING`. Default 2592000 (30 days).
   */
  maxLease?: number
  /** Where the license is activated and re-validated online. Not given: nowhere, and nothing ever connects. */
  server?: Server
  /**
   * What a gate does when the license does not allow something: refuse (`strict`, default), grant with a warning on
   * the principal (`warn`), or grant with an audit event (`report-only`).
   */
  enforcement?: 'strict' | 'warn' | 'report-only'
  /** Whether license refusals answer HTTP 402 instead of 403. Default false. */
  paymentRequired?: boolean
  /**
   * Receives audit events, besides the store: on the event loop, soon after they happened. It does not keep the
   * process alive, and when thousands of events wait for a busy event loop, further ones go to the store only.
   */
  audit?: (event: AuditEvent) => void
  /** Writes audit events to a file, besides the store. Not given: none. */
  auditFile?: AuditFile
}

/** A secret of the host's that is mixed into hashes and seals, and kept outside the store. */
export interface Pepper {
  /** Its name, kept with each hash: 1 to 32 characters of `[A-Za-z0-9._-]`. */
  id: string
  /** At least 16 bytes; copied. */
  secret: Uint8Array
}

/** How a backup is restored. */
export interface RestoreOptions {
  /**
   * Let keys that the live store has no history of come back as they were, instead of disabled: for a new machine,
   * when the operator knows that none of them was revoked since. Default false.
   */
  acceptRevived?: boolean
}

/** What a restore did, in numbers of keys. */
export interface RestoreReport {
  /** In both stores, and the live one at least as new: untouched. */
  kept: number
  /** Older in the live store: taken from the backup. */
  updated: number
  /** Unknown to the live store: inserted as they were. */
  revived: number
  /** Those that the restore disabled, to be enabled by an operator. */
  disabled: number
  /** Deleted in the live store since the backup: stay deleted. */
  stayedDeleted: number
  /** Left out, since another live key has the name. */
  nameTaken: number
  /** In the live store only: deleted. By name, in order. */
  deleted: Array<string>
  /**
   * What became of the license: there is `none`; the live store's was `kept`; the backup's was `restored`, or `left_out`
   * since a license was deactivated here.
   */
  license: 'none' | 'kept' | 'restored' | 'left_out'
}

/**
 * Brings a backup back into a store: it revives nothing that was revoked since, and what nothing is known of comes back
 * disabled.
 *
 * @param store the path of the store
 * @param from the path of the backup
 * @throws InspireAuthError `INVALID_ARGUMENT`, a `STORE_*` code; nothing is changed then
 * @example
 * const { disabled } = await restoreStore('service.db', 'service-backup.db');
 */
export declare function restoreStore(store: string, from: string, options?: RestoreOptions | null): Promise<RestoreReport>

/**
 * {@link restoreStore}, blocking.
 *
 * @throws InspireAuthError as {@link restoreStore}
 */
export declare function restoreStoreSync(store: string, from: string, options?: RestoreOptions | null): RestoreReport

/** What guards one prefix of a table, for some methods. */
export interface RouteRule {
  /** Whole segments of a path, such as `/data/api/v1`. */
  prefix: string
  /** As written in the table; `*` is every one that no other rule of the prefix lists. */
  methods: Array<string>
  /** What the caller must hold, such as `any(Authenticated/Ops/Read)`. */
  require: string
  /** What the license must hold as well; `null` for nothing. */
  entitlement: string | null
}

/** A licensing server that speaks Keygen's API. */
export interface Server {
  /**
   * Where its API begins: `https://host[:port][/path]`; `http` for this machine's own addresses alone, since the license
   * key is sent there.
   */
  url: string
  /** The account's id or slug, when it belongs into every path, as with servers of many vendors. */
  account?: string
  /** The account's id, when answers must say that they were signed for it. Not given: any that a trusted key signed. */
  accountId?: string
  /** The host name that the server signs, where a proxy in front of it shows it another one. Not given: that of `url`. */
  signingHost?: string
  /**
   * Hosts that may be connected to: exact names, or `*.domain` for every name below one. Not given: wherever `url` and
   * the proxy are.
   */
  allowedHosts?: Array<string>
  /** `http://[user:password@]host:port`, or `''` for none. Not given: as `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say. */
  proxy?: string
  /** A file of certificates (PEM) of authorities that are trusted besides the platform's. Node's own list is not used. */
  caFile?: string
  /** For a connection to be there, in milliseconds. Default 5000. */
  connectTimeoutMs?: number
  /** For a call until its answer is whole, retries included, in milliseconds. Default 10000. */
  timeoutMs?: number
  /** How long a machine file is asked for, in seconds; the server may have its own idea. Default 1209600 (14 days). */
  lease?: number
  /**
   * Whether the library does by itself, on a thread of its own, what {@link License.tick} does. Default false: nothing
   * connects anywhere but in a call of yours. It does not keep the process alive.
   */
  autoRefresh?: boolean
  /** Carries requests, when the host brings its own client; not given, the library's. */
  transport?: Transport
}

/**
 * Signs a license or machine file, as Keygen would. Gives the contents of the `.lic` file.
 *
 * @throws InspireAuthError `INVALID_ARGUMENT` when the description can't make such a file; `INTERNAL` when the operating
 * system refuses randomness
 * @example
 * const file = sign(key, { id: 'l1', key: 'ABCD', entitlements: ['MFA'] }, { encrypted: true });
 */
export declare function sign(key: SigningKey, license: LicenseDescription, options?: SignOptions | null): string

/** What a signed license key says. It was written when the key was made: a renewal or a suspension is not in it. */
export interface SignedLicenseKey {
  /** The trusted key that signed it. */
  keyId: string
  /** Everything that was signed, as bytes: what the vendor put in. */
  dataset: Uint8Array
  /** The license's id, where the dataset is the one that Keygen writes by itself. */
  license: string | null
  /** The product's id, in such a dataset. */
  product: string | null
  /** Unix seconds of the license's creation, in such a dataset. */
  createdAt: number | null
  /** Unix seconds of the license's end when the key was made, in such a dataset; `null` is never, or not told. */
  expiresAt: number | null
}

/** What file is to be made. */
export interface SignOptions {
  /** `license` (default) names no machine; `machine` needs {@link LicenseDescription.fingerprint}. */
  kind?: 'license' | 'machine'
  /**
   * Whether the contents are hidden from whoever does not have the license key (and, for a machine file, the
   * fingerprint). Default false.
   */
  encrypted?: boolean
  /** The time of issue in Unix seconds, unless the description names one; not given, the system's clock. */
  now?: number
}

/** A part of an installation, with a limit of its own. */
export interface Tenant {
  /** Its name: 1 to 255 bytes. */
  name: string
  /** Its limit. Default -1: the license's. */
  limit?: number
}

/**
 * The limit that holds for a tenant: the smaller of the license's and its own, where -1 is none.
 *
 * @param license the license's limit, such as `auth.license.limit('MAX_DISPLAYS')`
 * @throws InspireAuthError `INVALID_ARGUMENT`
 * @example
 * tenantEffective({ name: 'north', limit: 10 }, auth.license.limit('MAX_DISPLAYS')); // 10
 */
export declare function tenantEffective(tenant: Tenant, license: number): number

/** When, and until when, {@link License.tick} does what is due. */
export interface TickOptions {
  /** Unix seconds; not given, the system's clock. */
  now?: number
}

/** A public key whose signatures on license files are believed. */
export interface TrustedKey {
  /** Its name: 1 to 64 printable characters, unique among the configured keys. */
  id: string
  /** Ed25519: 64 hexadecimal digits, or the base64 of a `SubjectPublicKeyInfo` (`MCowBQYDK2VwAyEA...`). */
  publicKey: string
  /** Unix seconds from which the key is no longer believed, whatever it signed. Not given: never. */
  notAfter?: number
}

/** What the chain of an audit file comes to. */
export interface VerifiedAudit {
  /** How many lines were read. */
  lines: number
  /** The files that they are in, oldest first. */
  files: Array<string>
  /** The SHA-256 of the last line, in hexadecimal. Kept elsewhere, it shows later that nothing was cut off. */
  head: string
  /**
   * Whether the first line is the first that was ever written; else older files are gone, as {@link AuditFile.keep} has
   * it.
   */
  fromTheBeginning: boolean
  /** Lines at the beginning from before there was a chain, which nothing vouches for. */
  unchained: number
  /** Pieces of lines that a crash has left; the chain goes on after them. */
  torn: number
  /** Where the first of them is; `null` when there is none. */
  firstTorn: AuditPlace | null
}

/**
 * Checks the chain of an audit file ({@link AuditFile.chain}), and of the files that it was renamed to, oldest first. Needs
 * no handle, and may run while others write.
 *
 * @throws InspireAuthError `CONFLICT` when something was changed, removed or inserted, with the file and line in its
 * detail; `INVALID_ARGUMENT` for a file without a chain, or a `head` that is none; `AUDIT_UNAVAILABLE` when it can't be
 * read
 * @example
 * const { lines, head } = await verifyAudit('/var/log/service/audit.jsonl');
 */
export declare function verifyAudit(path: string, options?: VerifyAuditOptions | null): Promise<VerifiedAudit>

/** What else an audit file must show. */
export interface VerifyAuditOptions {
  /**
   * The `head` of an earlier verification, which must still be there: only so does anybody notice that the newest lines
   * were cut off.
   */
  head?: string
}

/**
 * {@link verifyAudit}, blocking for as long as reading takes.
 *
 * @throws InspireAuthError as {@link verifyAudit}
 */
export declare function verifyAuditSync(path: string, options?: VerifyAuditOptions | null): VerifiedAudit

/** The version of the library, such as `0.1.0`. */
export declare const VERSION: string
