// What one warm check costs, with what it stands beside in the same run: the floor of a native call, and what one would
// otherwise write (SHA-256 of the key, a Map, a constant-time comparison).
//
//   node bench/warm.mjs [rounds]
//
// Each round times all variants, one after the other; a row is the median and the minimum over the rounds.
import { createHash, timingSafeEqual } from 'node:crypto';
import { open, Routes, SYSTEM } from 'inspire-auth';

const ROUNDS = Number(process.argv[2] ?? 25);
const CALLS = 20_000;

const auth = open(':memory:', { hash: { memoryKib: 64, iterations: 1 } });
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
const variants = {
  'native call, nothing decided (floor)': () => floor(),
  'hand-rolled: SHA-256 and a Map': () => handRolled(headers),
  'authenticateSync(rawHeaders)': () => auth.authenticateSync(rawHeaders),
  'authenticateSync(rawHeaders, {channel, require})': () => auth.authenticateSync(rawHeaders, options),
  'authenticateSync(rawHeaders, {channel, routes, method, path})': () => auth.authenticateSync(rawHeaders, routed),
  'authenticateSync(headers object)': () => auth.authenticateSync(headers),
  'authenticateSync(string)': () => auth.authenticateSync(value),
};

const names = Object.keys(variants);
const times = new Map(names.map((name) => [name, []]));
for (let round = -3; round < ROUNDS; round++) {
  for (const name of names) {
    const call = variants[name];
    const begun = process.hrtime.bigint();
    for (let n = 0; n < CALLS; n++) call();
    const each = Number(process.hrtime.bigint() - begun) / CALLS;
    if (round >= 0) times.get(name).push(each);
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const rival = times.get(names[1]);
console.table(names.map((name) => {
  const all = times.get(name);
  return {
    variant: name,
    'median ns': Math.round(median(all)),
    'minimum ns': Math.round(Math.min(...all)),
    'hand-rolled / this': (median(rival) / median(all)).toFixed(2),
  };
}));

// A promise's own cost is in here, and a turn of the microtask queue.
const begun = process.hrtime.bigint();
for (let n = 0; n < 100_000; n++) await auth.authenticate(rawHeaders);
console.log(`await authenticate(rawHeaders): ${Math.round(Number(process.hrtime.bigint() - begun) / 100_000)} ns`);
auth.close();
