// What one warm check costs, and a question about the license, with what they stand beside in the same run: the floor of a
// native call, and what one would otherwise write (SHA-256 of the key, a Map, a constant-time comparison).
//
//   node bench/warm.mjs [--json] [rounds]
//
// CPU time of the process, in many short rounds through all rows; the least and the median.
import { createHash, timingSafeEqual } from 'node:crypto';
import { open, Routes, sign, SigningKey, SYSTEM } from 'inspire-auth';

const words = process.argv.slice(2);
const asJson = words.includes('--json');
const ROUNDS = Number(words.find((word) => word !== '--json') ?? 300);
const CALLS = 2_000;
/** Rounds that are not counted: until then functions are still being compiled. */
const WARM_UP = 30;

const signer = SigningKey.generate();
const auth = open(':memory:', {
  hash: { memoryKib: 64, iterations: 1 }, trustedKeys: [{ id: 'bench', publicKey: signer.publicKey }], machineId: 'bench',
});
const { license } = auth;
license.activateOfflineSync('BENCH-0000', sign(signer, {
  id: 'bench', key: 'BENCH-0000', fingerprint: 'bench', limits: { MAX_DISPLAYS: 25, MAX_AGILES: -1 },
  entitlements: ['DEVICE_GROUPS', 'VIDEO_WALL_SYNC', 'SSO_SAML', 'MFA', 'OBSERVABILITY', 'OFFLINE_LICENSING'],
}, { kind: 'machine' }), { actor: SYSTEM });
const { credential, key } = auth.keys.createSync(
  { name: 'reporting', levels: ['Authenticated/Ops/Write'], requireSecure: false },
  { actor: SYSTEM },
);
const value = `Bearer ${credential}`;
const others = [
  'Host', 'api.example.org', 'User-Agent', 'curl/8.5.0', 'Accept', '*/*', 'Accept-Encoding', 'gzip, deflate, br',
  'Content-Type', 'application/json', 'Content-Length', '42', 'X-Request-Id', 'b4d1c6', 'Connection', 'keep-alive',
];
const rawHeaders = [...others.slice(0, 8), 'Authorization', value, ...others.slice(8)];
const headers = {};
for (let at = 0; at < rawHeaders.length; at += 2) headers[rawHeaders[at].toLowerCase()] = rawHeaders[at + 1];
const operators = auth.requirement('any(Authenticated/Ops/Write)');
const options = { channel: 'secure', require: operators };
const rule = { methods: ['GET'], require: { any: ['Authenticated/Ops'] } };
const prefixes = Array.from({ length: 100 }, (_, n) => ({ prefix: `/data/api/v1/thing${n}`, ...rule }));
const routed = {
  channel: 'secure', routes: Routes.parse({ routes: prefixes }), method: 'GET', path: '/data/api/v1/thing42/7?page=2',
};
auth.authenticateSync(rawHeaders);

const known = new Map([['reporting', {
  digest: createHash('sha256').update(key).digest(),
  principal: Object.freeze({ name: 'reporting', levels: new Set(['Authenticated/Ops/Write']) }),
}]]);
function handRolled(headers) {
  const line = headers.authorization;
  if (line === undefined || !line.startsWith('Bearer ')) throw new Error('401');
  const colon = line.indexOf(':');
  const entry = known.get(line.slice(7, colon));
  const digest = createHash('sha256').update(line.slice(colon + 1)).digest();
  if (entry === undefined || !timingSafeEqual(digest, entry.digest)) throw new Error('401');
  return entry.principal;
}

const floor = auth.warmFunction();
const ours = 'libinspire_auth';
/** Name, call, and [measure, who] for those that stand in other tables too. */
const variants = [
  ['native call, nothing decided (floor)', () => floor(), ['empty', ours]],
  ['hand-rolled: SHA-256 and a Map', () => handRolled(headers), ['authenticate', 'hand-rolled']],
  ['authenticateSync(string)', () => auth.authenticateSync(value), ['authenticate_any', ours]],
  ['authenticateSync(string, {channel, require})', () => auth.authenticateSync(value, options), ['authenticate', ours]],
  ['authenticateSync(rawHeaders)', () => auth.authenticateSync(rawHeaders)],
  ['authenticateSync(rawHeaders, {channel, require})', () => auth.authenticateSync(rawHeaders, options), ['authenticate_raw_headers', ours]],
  ['authenticateSync(rawHeaders, {channel, routes, method, path})', () => auth.authenticateSync(rawHeaders, routed)],
  ['authenticateSync(headers object)', () => auth.authenticateSync(headers)],
  ['license.hasEntitlement(code)', () => license.hasEntitlement('VIDEO_WALL_SYNC'), ['has_entitlement', ours]],
  ['license.limit(name)', () => license.limit('MAX_DISPLAYS'), ['limit', ours]],
];

/** Microseconds of CPU time. */
const used = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
// Each its own loop: one that all share would call functions that it does not know.
const loops = variants.map(([, call]) => new Function('call', 'n', 'while (n-- > 0) call();').bind(undefined, call));
const times = variants.map(() => []);
for (let round = -WARM_UP; round < ROUNDS; round++) {
  for (const [at, loop] of loops.entries()) {
    const begun = used();
    loop(CALLS);
    const each = (used() - begun) / CALLS * 1e3;
    if (round >= 0) times[at].push(each);
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const rival = median(times[1]);
if (asJson) {
  for (const [at, [, , listed]] of variants.entries()) {
    if (listed === undefined) continue;
    const [measure, who] = listed;
    const [ns, least] = [median(times[at]), Math.min(...times[at])].map((each) => Math.round(each * 10) / 10);
    console.log(JSON.stringify({ suite: 'node', measure, who, ns, least, rounds: ROUNDS }));
  }
} else {
  console.table(variants.map(([variant], at) => ({
    variant,
    'median ns': Math.round(median(times[at])),
    'least ns': Math.round(Math.min(...times[at])),
    'hand-rolled / this': (rival / median(times[at])).toFixed(2),
  })));
  // A promise's own cost is in here, and a turn of the microtask queue.
  const begun = used();
  for (let n = 0; n < 100_000; n++) await auth.authenticate(rawHeaders);
  console.log(`await authenticate(rawHeaders): ${Math.round((used() - begun) / 100_000 * 1e3)} ns`);
}
auth.close();
