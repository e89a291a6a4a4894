// What a Node program pays for a request, an entitlement and a first use, beside what it would otherwise take.
//
//   node suite.mjs [keys | argon2] [ROUNDS]
//
// All in turn, round by round, by the processor time of the process, with what other threads of it do (the garbage collector,
// libuv's pool). One JSON line a figure; `cargo xtask bench` runs it where everything is installed.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inspect, open, sign, SigningKey, SYSTEM } from 'inspire-auth';

const SAMPLE_NS = 2e6;
const SLOW_NS = 5e6;
// How long each runs before it is measured: until then the compiler is at work, and is paid for.
const WARM_UP_NS = 1e9;
const [suite = 'keys', rounds] = process.argv.slice(2);

function now() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

// `run(n)` calls so many times, in a loop of its own, so that each is compiled by itself; it may be asynchronous.
function candidate(who, run) {
  return { who, run, samples: [], number: 1 };
}

async function total({ run, number }) {
  const begun = now();
  const done = run(number);
  if (done !== undefined) await done;
  return now() - begun;
}

async function interleaved(measure, rounds, candidates) {
  for (const one of candidates) {
    let took;
    for (let spent = 0; spent < WARM_UP_NS; spent += took) {
      took = await total(one);
      if (took < SAMPLE_NS) one.number *= 2;
    }
    while (one.number > 1 && took > 2 * SAMPLE_NS) {
      one.number >>= 1;
      took = await total(one);
    }
    while ((took = await total(one)) < SAMPLE_NS) one.number *= 2;
    one.each = took / one.number;
  }
  const mixed = candidates.some(({ each }) => each <= SLOW_NS);
  for (let round = 0; round < rounds; round++) {
    for (const one of candidates) {
      // Its figure is no closer for more samples, and the others need the rounds.
      if (mixed && one.each > SLOW_NS && round % 8 !== 0) continue;
      one.samples.push(await total(one) / one.number);
    }
  }
  for (const { who, samples } of candidates) {
    samples.sort((a, b) => a - b);
    const [ns, least] = [samples[samples.length >> 1], samples[0]].map((value) => Number(value.toFixed(2)));
    console.log(JSON.stringify({ suite: 'node', measure, who, ns, least, rounds: samples.length }));
  }
}

// What is usually written: the name finds a digest, the digests are compared.
function handRolled(key) {
  const known = new Map([['gateway-client-7', {
    digest: createHash('sha256').update(key).digest(),
    principal: Object.freeze({ name: 'gateway-client-7', levels: new Set(['Authenticated/Ops/Write']) }),
  }]]);
  return (line) => {
    if (!line.startsWith('Bearer ')) throw new Error('401');
    const colon = line.indexOf(':');
    const entry = known.get(line.slice(7, colon));
    const digest = createHash('sha256').update(line.slice(colon + 1)).digest();
    if (entry === undefined || !timingSafeEqual(digest, entry.digest)) throw new Error('401');
    if (!entry.principal.levels.has('Authenticated/Ops/Write')) throw new Error('403');
    return entry.principal;
  };
}

// prefixed-api-key: extract, a Map, check.
async function prefixed() {
  const { checkAPIKey, extractShortToken, generateAPIKey } = await import('prefixed-api-key');
  const { token, shortToken, longTokenHash } = await generateAPIKey({ keyPrefix: 'gateway' });
  const known = new Map([[shortToken, { longTokenHash, name: 'gateway-client-7' }]]);
  const line = `Bearer ${token}`;
  return () => {
    const given = line.slice(7);
    const entry = known.get(extractShortToken(given));
    if (entry === undefined || !checkAPIKey(given, entry.longTokenHash)) throw new Error('401');
    return entry.name;
  };
}

// better-auth with its API key plugin: keys kept in a Map beside the memory adapter, no rate limit.
async function betterAuth() {
  const { betterAuth } = await import('better-auth');
  const { memoryAdapter } = await import('better-auth/adapters/memory');
  const { apiKey } = await import('@better-auth/api-key');
  const database = { user: [], session: [], account: [], verification: [], apikey: [] };
  const kept = new Map();
  const auth = betterAuth({
    baseURL: 'http://localhost:3000',
    secret: 'a secret that has more than 32 bytes in it, and is no default',
    database: memoryAdapter(database),
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    logger: { disabled: true },
    secondaryStorage: {
      get: (key) => kept.get(key) ?? null,
      set: (key, value) => void kept.set(key, value),
      delete: (key) => void kept.delete(key),
    },
    plugins: [apiKey({ rateLimit: { enabled: false }, storage: 'secondary-storage' })],
  });
  const { user } = await auth.api.signUpEmail({
    body: { email: 'gateway@example.org', password: 'correct horse battery', name: 'gateway' },
  });
  const { key } = await auth.api.createApiKey({ body: { userId: user.id, name: 'gateway-client-7' } });
  return async () => {
    const { valid } = await auth.api.verifyApiKey({ body: { key } });
    if (!valid) throw new Error('401');
  };
}

async function keys(rounds) {
  const { default: jwt } = await import('jsonwebtoken');
  const { createSecretKey } = await import('node:crypto');
  const signer = SigningKey.generate();
  const license = {
    id: '5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01',
    key: 'KEY-1',
    limits: { MAX_DISPLAYS: 25 },
    entitlements: ['MFA', 'OFFLINE_LICENSING', 'VIDEO_WALL_SYNC', 'AI'],
  };
  // What a secret is hashed with says how long the first use of a key takes, not those that follow.
  const auth = open(':memory:', {
    hash: { memoryKib: 8, iterations: 1 },
    trustedKeys: [{ id: 'vendor', publicKey: signer.publicKey }],
    allowUnbound: true,
  });
  auth.license.activateOfflineSync('KEY-1', sign(signer, license, { kind: 'license' }), { actor: SYSTEM });
  const create = (name) => auth.keys.createSync({ name, levels: ['Authenticated/Ops/Write'] }, { actor: SYSTEM });
  const [{ credential, key }, other] = [create('gateway-client-7'), create('gateway-client-8')];
  const value = `Bearer ${credential}`;
  const others = [
    'Host', 'api.example.org', 'User-Agent', 'curl/8.5.0', 'Accept', '*/*', 'Accept-Encoding', 'gzip, deflate, br',
    'Content-Type', 'application/json', 'Content-Length', '42', 'X-Request-Id', 'b4d1c6', 'Connection', 'keep-alive',
  ];
  const rawHeaders = [...others.slice(0, 8), 'Authorization', value, ...others.slice(8)];
  const options = { channel: 'secure', require: auth.requirement('any(Authenticated/Ops/Write)') };
  auth.authenticateSync(value, options);

  const byHand = handRolled(key);
  const byPrefix = await prefixed();
  const secret = createSecretKey(Buffer.from('a secret that has 32 bytes in it'));
  const claims = { sub: 'gateway-client-7', exp: 4_000_000_000, levels: ['Authenticated/Ops/Write'] };
  const token = jwt.sign(claims, secret, { algorithm: 'HS256' });
  const byBetterAuth = await betterAuth();
  await interleaved('warm', rounds, [
    candidate('ours', (n) => { for (let i = 0; i < n; i++) auth.authenticateSync(value, options); }),
    candidate('ours, all raw headers', (n) => { for (let i = 0; i < n; i++) auth.authenticateSync(rawHeaders, options); }),
    candidate('ours, awaited', async (n) => { for (let i = 0; i < n; i++) await auth.authenticate(value, options); }),
    candidate('hand-rolled', (n) => { for (let i = 0; i < n; i++) byHand(value); }),
    candidate('prefixed-api-key', (n) => { for (let i = 0; i < n; i++) byPrefix(); }),
    candidate('jsonwebtoken HS256', (n) => {
      for (let i = 0; i < n; i++) jwt.verify(token, secret, { algorithms: ['HS256'] });
    }),
    candidate('better-auth', async (n) => { for (let i = 0; i < n; i++) await byBetterAuth(); }),
  ]);

  const refused = (value) => (n) => {
    for (let i = 0; i < n; i++) {
      try {
        auth.authenticateSync(value, options);
      } catch (error) {
        if (error.code === 'INVALID_CREDENTIAL') continue;
      }
      throw new Error('not refused');
    }
  };
  await interleaved('refused', rounds, [
    candidate('ours, wrong secret, key in use', refused(`Bearer gateway-client-7:${other.key}`)),
    candidate('ours, wrong secret, key not used yet', refused(`Bearer gateway-client-8:${key}`)),
    candidate('ours, unknown name', refused(`Bearer gateway-client-9:${other.key}`)),
    candidate('hand-rolled, wrong secret', (n) => {
      for (let i = 0; i < n; i++) {
        try { byHand(`Bearer gateway-client-7:${other.key}`); } catch { continue; }
        throw new Error('not refused');
      }
    }),
  ]);

  const held = new Set(['MFA', 'AI']);
  const { license: installed } = auth;
  const must = (good) => { if (!good) throw new Error('not so'); };
  await interleaved('entitled', rounds, [
    candidate('ours, has_entitlement', (n) => { for (let i = 0; i < n; i++) must(installed.hasEntitlement('MFA')); }),
    candidate('ours, not entitled', (n) => {
      for (let i = 0; i < n; i++) must(!installed.hasEntitlement('NOBODY_HAS_IT'));
    }),
    candidate('ours, limit', (n) => { for (let i = 0; i < n; i++) must(installed.limit('MAX_DISPLAYS') === 25); }),
    candidate('a Set of JavaScript', (n) => { for (let i = 0; i < n; i++) must(held.has('MFA')); }),
  ]);

  const file = readFileSync(process.env.PEER_FILE);
  const judged = {
    trustedKeys: [{ id: 'vendor', publicKey: readFileSync(process.env.PEER_PUBLIC_KEY, 'utf8') }],
    licenseKey: 'C1B6DE-39A6E3-DE1529-8559A0-4AF593-V3',
  };
  await interleaved('file', rounds, [
    candidate('ours', (n) => { for (let i = 0; i < n; i++) must(inspect(file, judged).failures.length === 0); }),
  ]);
  auth.close();
}

// One Argon2id of 19456 KiB and 2 passes.
async function argon2(rounds) {
  const { default: reference } = await import('argon2');
  const { Algorithm, hash, verify, verifySync } = await import('@node-rs/argon2');
  const secret = 'a-secret-of-sixty-bytes-as-long-as-a-generated-key-would-be-';
  const parameters = { memoryCost: 19456, timeCost: 2, parallelism: 1, algorithm: Algorithm?.Argon2id ?? 2 };
  const phc = await hash(secret, parameters);
  const auth = open(':memory:');
  // A secret that a person chose is hashed at every use: each is a cold one.
  auth.keys.importSync({ name: 'imported', format: 'phc', hash: phc, strength: 'chosen' }, { actor: SYSTEM });
  const [value, options] = [`Bearer imported:${secret}`, { channel: 'secure' }];
  const must = (good) => { if (!good) throw new Error('not so'); };
  await interleaved('cold', rounds, [
    candidate('ours', (n) => { for (let i = 0; i < n; i++) auth.authenticateSync(value, options); }),
    candidate('ours, awaited', async (n) => { for (let i = 0; i < n; i++) await auth.authenticate(value, options); }),
    candidate('@node-rs/argon2', (n) => { for (let i = 0; i < n; i++) must(verifySync(phc, secret)); }),
    candidate('@node-rs/argon2, awaited', async (n) => { for (let i = 0; i < n; i++) must(await verify(phc, secret)); }),
    candidate('argon2, awaited', async (n) => { for (let i = 0; i < n; i++) must(await reference.verify(phc, secret)); }),
  ]);
  auth.close();
}

if (suite === 'argon2') await argon2(Number(rounds ?? 41));
else await keys(Number(rounds ?? 201));
