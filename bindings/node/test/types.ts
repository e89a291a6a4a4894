// What the types must allow, and what they must refuse. Checked by `npm run check-types`; never run.
import inspireAuth, {
  CATALOGUE, ERRORS, InspireAuth, InspireAuthError, Routes, SYSTEM, SigningKey, TrustedProxies, VERSION, backupStore,
  inspect, inspectLicenseKey, machineIdentity, open, restoreStore, sign, tenantEffective, verifyAudit,
} from 'inspire-auth';
import type {
  AuditEvent, AuditFile, By, Channel, CreatedKey, CreditBalance, Deactivation, Explanation, HeadersLike, HttpRequest, HttpResponse,
  InspireAuthErrorCode, KeyRecord, LicenseStatus, LicenseTick, OpenOptions, Principal, Requirement, RequirementLike, RestoreReport, RouteRule,
  RouteTable, Server, SignedLicenseKey, Tenant, Transport, VerifiedAudit,
} from 'inspire-auth';
import type { IncomingMessage } from 'node:http';

declare const req: IncomingMessage;

const options: OpenOptions = {
  realm: 'gate',
  mode: 'ignition',
  hash: { memoryKib: 64 },
  peppers: [{ id: 'p1', secret: new Uint8Array(32) }],
  writeRequirement: { any: ['Authenticated/Admin'] },
  trustedKeys: [{ id: 'k', publicKey: '00', notAfter: 1 }],
  audit: (event: AuditEvent) => console.log(event.at + 1, event.detail.length),
};
const auth: InspireAuth = open('service.db', options);
const requirement: Requirement = auth.requirement('any(A)');

async function requests() {
  const shapes: HeadersLike[] = [req.rawHeaders, req.headers, [['a', 'b']], new Headers(), 'Bearer a:b'];
  const caller: Principal = await auth.authenticate(shapes[0]!, { channel: 'secure', require: requirement, signal: AbortSignal.timeout(1) });
  const same: Principal = auth.authenticateSync(req.rawHeaders, { require: { all: ['A'] }, entitlement: 'MFA', now: 1 });
  const name: string | null = caller.name;
  const channel: Channel = same.channel;
  const warning: InspireAuthErrorCode | null = same.warning;
  const levels: string[] = auth.principalLevels(caller);
  auth.recheck(caller, 'A', { now: 1 });
  const { status, challenge, retryAfter } = auth.http('BUSY');
  const answer: [number, string | null, number | null] = [status, challenge, retryAfter];
  return [name, channel, warning, levels, answer];
}

async function routes(caller: Principal) {
  const table: RouteTable = { routes: [{ prefix: '/', methods: ['GET'], require: { any: ['A'] } }] };
  const routes: Routes = Routes.parse(table);
  Routes.parse('{}');
  Routes.parse(new Uint8Array(2));
  const rules: RouteRule[] = routes.rules;
  const entitlement: string | null | undefined = rules[0]?.entitlement;
  const granted: Principal = await auth.authenticate(req.rawHeaders, { routes, method: 'GET', path: '/', channel: 'secure' });
  const told: Explanation = auth.wouldAllow(routes, null, 'GET', '/', { channel: 'local', now: 1 });
  const code: InspireAuthErrorCode | 'OK' = told.code;
  const rule: RouteRule | null = auth.explainRoute(routes, caller, 'GET', '/').rule;
  const text: string = auth.metricsText();
  const file: AuditFile = { path: 'audit.jsonl', chain: true, onFailure: 'deny_mutations' };
  open('a', { auditFile: file }).close();
  const chain: VerifiedAudit = await verifyAudit('audit.jsonl', { head: '' });
  const torn: number | undefined = chain.firstTorn?.line;
  const until: number | null = auth.keys.get('a').overlapEndsAt;
  return [routes.ignoresCase, entitlement, granted, code, rule, text, torn, until];
}

async function keys(actor: Principal) {
  const by: By = { actor: SYSTEM };
  const made: CreatedKey = await auth.keys.create({ name: 'a', expiresAt: null }, by);
  const record: KeyRecord = auth.keys.updateSync('a', made.record.revision, { expiresAt: null }, { actor, now: 1 });
  await auth.keys.rotate('a', { actor, revision: record.revision, overlap: 0 });
  const nothing: void = await auth.keys.delete('a', { actor, revision: 2 });
  const all: KeyRecord[] = auth.keys.list({ after: 'a', limit: 1 });
  const count: number = await auth.keys.sealAll(by);
  await auth.keys.import({ name: 'b', format: 'phc', hash: '$argon2id$' }, by);
  const many: number = await auth.keys.importAll([{ name: 'c', format: 'ignition', hash: 'x', strength: 'random' }], by);
  // @ts-expect-error: a format that does not exist
  auth.keys.importAllSync([{ name: 'c', format: 'md5', hash: 'x' }], by);
  return [nothing, all, count, many];
}

async function licenses() {
  const status: LicenseStatus = auth.license.status();
  const state: 'unlicensed' | 'active' | 'expired' | 'suspended' | 'invalid' = status.state;
  const displays: number = (status.limits.MAX_DISPLAYS ?? 0) + auth.license.limit('MAX_DISPLAYS', 1);
  await auth.license.activateOffline('key', new Uint8Array(1), { actor: SYSTEM, force: true });
  const key: SigningKey = SigningKey.generate();
  const file: string = sign(key, { id: 'l', key: 'K', limits: { A: 1 }, metadata: { a: [1] } }, { kind: 'machine' });
  const failures: InspireAuthErrorCode[] = inspect(file, { trustedKeys: [{ id: 'k', publicKey: key.publicKey }] }).failures;
  await backupStore('a', 'b');
  const report: RestoreReport = await restoreStore('a', 'b', { acceptRevived: true });
  const fingerprint: string = machineIdentity().fingerprint;
  const channel: Channel = new TrustedProxies('::1').channel('::1', 'plain', req.rawHeaders);
  return [state, displays, failures, report, fingerprint, channel, CATALOGUE[0]?.feature, ERRORS.length, VERSION, inspireAuth];
}

async function online(signal: AbortSignal) {
  const transport: Transport = async ({ method, url, headers, body, signal, timeoutMs }: HttpRequest): Promise<HttpResponse> => {
    const known: 'GET' | 'POST' | 'DELETE' = method;
    const response = await fetch(url, { method: known, headers, body, signal: timeoutMs > 0 ? signal : null });
    return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
  };
  const server: Server = {
    url: 'https://licensing.example/v1', account: 'a', accountId: 'b', signingHost: 'c', allowedHosts: ['*.example'], proxy: '',
    caFile: 'ca.pem', connectTimeoutMs: 1, timeoutMs: 2, lease: 3, autoRefresh: true, transport,
  };
  const { license } = open('a', { server });
  const status: LicenseStatus = await license.activateOnline('key', { actor: SYSTEM, signal });
  const tried: InspireAuthErrorCode | undefined = status.lastAttempt?.code;
  const done: Deactivation = await license.deactivate({ actor: SYSTEM, signal, localOnly: false });
  const release: 'server' | 'pending' | 'none' = done.release;
  const problem: InspireAuthErrorCode | null = done.problem;
  const released: number = (await license.releasePending({ actor: SYSTEM, signal })) + license.releasePendingSync({ actor: SYSTEM });
  const tick: LicenseTick = await license.tick({ signal, now: 1 });
  const next: number | null = license.tickSync({ now: 1 }).next ?? tick.next;
  const state: LicenseStatus['state'] = (await license.refresh(new Uint8Array(1), { actor: SYSTEM })).state;
  const asked: string = (await license.request({ actor: SYSTEM, licenseKey: 'key' })) + license.requestSync({ actor: SYSTEM });
  const revealed: string = (await license.revealKey({ actor: SYSTEM })) + license.revealKeySync({ actor: SYSTEM });
  const tenant: Tenant = { name: 'north', limit: tenantEffective({ name: 'north' }, 3) };
  const balance: CreditBalance = await license.consume(1, 'a', { tenant, now: 1 });
  const left: number = balance.left + license.refundSync('a').left + (await license.balance({ tenant })).left;
  license.checkTenantLimit('MAX_DISPLAYS', tenant, 1, 2, 3);
  const signed: SignedLicenseKey = inspectLicenseKey('key/a.b', { trustedKeys: [], now: 1 });
  const dataset: Uint8Array = signed.dataset;
  return [tried, release, problem, released, next, state, asked, left, dataset, done.receipt?.length];
}

function errors(error: unknown) {
  if (error instanceof InspireAuthError) {
    const code: InspireAuthErrorCode = error.code;
    if (code === 'LICENSE_EXPIRED') return error.detail?.length;
    // @ts-expect-error: not a code
    if (code === 'LICENCE_EXPIRED') return 1;
    // @ts-expect-error: read-only
    error.code = 'BUSY';
  }
  return undefined;
}

function refused(actor: Principal, like: RequirementLike) {
  // @ts-expect-error: made by the library only
  auth.authenticateSync([], { routes: { rules: [] }, method: 'GET', path: '/' });
  // @ts-expect-error: what the caller must hold is not left out
  Routes.parse({ routes: [{ prefix: '/', methods: ['GET'] }] });
  // @ts-expect-error: nobody is null, and said
  auth.wouldAllow(Routes.parse('{}'), undefined, 'GET', '/');
  // @ts-expect-error: not a policy
  open('a', { auditFile: { path: 'x', onFailure: 'deny' } });
  // @ts-expect-error: who changes it must be said
  auth.keys.createSync({ name: 'a' });
  // @ts-expect-error: who changes it must be said
  auth.keys.deleteSync('a', {});
  // @ts-expect-error: a symbol of the caller's own is not the host
  auth.keys.deleteSync('a', { actor: Symbol('SYSTEM') });
  // @ts-expect-error: what is created has no revision yet
  auth.keys.createSync({ name: 'a' }, { actor, revision: 1 });
  // @ts-expect-error: not an option
  open('a', { reaml: 'x' });
  // @ts-expect-error: not a channel
  auth.authenticateSync([], { channel: 'tls' });
  // @ts-expect-error: not a requirement
  auth.authenticateSync([], { require: 7 });
  // @ts-expect-error: only a promise can be given up
  auth.authenticateSync([], { signal: AbortSignal.abort() });
  // @ts-expect-error: only a promise can be given up
  auth.license.revalidateSync({ actor, signal: AbortSignal.abort() });
  // @ts-expect-error: a function
  open('a', { server: { url: 'https://h', transport: 7 } });
  // @ts-expect-error: who changes it must be said
  auth.license.activateOnline('key', {});
  // @ts-expect-error: read-only
  actor.name = 'somebody';
  // @ts-expect-error: made by the library only
  auth.recheck({ id: 'x', name: 'x' }, like);
  // @ts-expect-error: bytes
  open('a', { peppers: [{ id: 'p', secret: 'text' }] });
  // @ts-expect-error: a promise
  auth.keys.create({ name: 'a' }, { actor }).key;
}

using disposed = open(':memory:');
export { disposed, errors, keys, licenses, online, refused, requests, routes };
