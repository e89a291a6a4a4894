'use strict';

// Licensing online, against a real server.

const assert = require('node:assert');
const { createPublicKey, generateKeyPairSync, sign: signBytes, verify } = require('node:crypto');
const { test } = require('node:test');
const { InspireAuthError, SYSTEM, SigningKey, inspectLicenseKey, open, sign } = require('inspire-auth');
const { Vendor, skip } = require('./support/vendor.js');

const by = { actor: SYSTEM };
const code = (expected) => (error) => error instanceof InspireAuthError && error.code === expected;

/** An installation at a vendor's. */
function installed(t, { url, trustedKeys }, server = {}, options = {}) {
  const auth = open(':memory:', { trustedKeys, machineId: 'box', server: { url, proxy: '', ...server }, ...options });
  t.after(() => auth.close());
  return auth;
}

/** The document of what an installation has signed, once its signature is found good. */
function statement(label, text) {
  const [, base64] = text.match(new RegExp(`^-----BEGIN ${label}-----\n([^-]+)-----END ${label}-----\n$`));
  const { enc, sig, key } = JSON.parse(Buffer.from(base64, 'base64'));
  const x = Buffer.from(key, 'hex').toString('base64url');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const prefix = label === 'LICENSE REQUEST' ? 'request/' : 'receipt/';
  assert.ok(verify(null, Buffer.from(prefix + enc), publicKey, Buffer.from(sig, 'base64')));
  return JSON.parse(Buffer.from(enc, 'base64'));
}

test('a license lives through what its vendor does', { skip }, async (t) => {
  const vendor = await Vendor.start(t);
  const { license } = installed(t, vendor);
  const active = await license.activateOnline(vendor.key, by);
  assert.deepStrictEqual([active.state, active.mode, active.name, active.lastAttempt], ['active', 'online', 'Plant 3', null]);
  assert.strictEqual(vendor.machines(), 1);

  vendor.change('entitle', '--add', 'VIDEO_WALL_SYNC');
  assert.strictEqual(license.hasEntitlement('VIDEO_WALL_SYNC'), false);
  assert.deepStrictEqual((await license.revalidate(by)).entitlements, ['MFA', 'VIDEO_WALL_SYNC']);

  vendor.change('suspend');
  assert.strictEqual(license.hasEntitlement('MFA'), true);
  await assert.rejects(license.revalidate(by), code('LICENSE_SUSPENDED'));
  assert.deepStrictEqual([license.status().state, license.hasEntitlement('MFA')], ['suspended', false]);
  assert.throws(() => license.checkEntitlement('MFA'), code('LICENSE_SUSPENDED'));
  vendor.change('reinstate');
  vendor.change('renew', '--expires', '2099-01-31T12:00:00Z');
  const renewed = license.revalidateSync(by);
  assert.deepStrictEqual([renewed.state, renewed.expiresAt], ['active', Date.parse('2099-01-31T12:00:00Z') / 1000]);

  const done = await license.deactivate(by);
  assert.deepStrictEqual([done.status.state, done.release, done.problem], ['unlicensed', 'server', null]);
  const receipt = statement('DEACTIVATION RECEIPT', done.receipt);
  assert.deepStrictEqual([receipt.license, receipt.fingerprint], [vendor.license, 'box']);
  assert.strictEqual(vendor.machines(), 0);
  const other = installed(t, vendor, {}, { machineId: 'other box' });
  assert.strictEqual(other.license.activateOnlineSync(vendor.key, by).state, 'active');
  await assert.rejects(license.activateOnline(vendor.key, by), code('MACHINE_LIMIT_REACHED'));
  await assert.rejects(license.activateOnline('NOBODY-S', by), code('LICENSE_UNKNOWN'));
  await assert.rejects(license.activateOnline('', by), code('LICENSE_KEY_REQUIRED'));
});

test('a server that is not there changes nothing but what is noted of it', { skip }, async (t) => {
  const vendor = await Vendor.start(t);
  const { license } = installed(t, vendor);
  const before = await license.activateOnline(vendor.key, by);
  await vendor.stop();

  await assert.rejects(license.revalidate(by), code('NETWORK_CONNECT'));
  const { lastAttempt, ...after } = license.status();
  assert.deepStrictEqual({ ...after, lastAttempt: null }, before);
  assert.strictEqual(lastAttempt.code, 'NETWORK_CONNECT');
  assert.ok(Number.isInteger(lastAttempt.at));

  const done = await license.deactivate(by);
  assert.deepStrictEqual([done.status.state, done.release, done.problem], ['unlicensed', 'pending', 'NETWORK_CONNECT']);
  assert.strictEqual(typeof done.receipt, 'string');
  await assert.rejects(license.releasePending(by), code('NETWORK_CONNECT'));
  await vendor.serve();
  assert.strictEqual(vendor.machines(), 1);
  assert.strictEqual(await license.releasePending(by), 1);
  assert.deepStrictEqual([vendor.machines(), license.releasePendingSync(by)], [0, 0]);
});

test('what a server does wrong has a code', { skip }, async (t) => {
  const vendor = await Vendor.start(t, {
    failures: ['status=500', 'drop', 'signature=bad', 'signature=none', 'date=-3600', 'status=503,retry-after=600', 'truncate'],
  });
  const { license } = installed(t, vendor);
  const codes = [];
  for (let n = 0; n < 7; n++) await license.activateOnline(vendor.key, by).catch((error) => codes.push(error.code));
  assert.strictEqual(codes.length, 7, `${codes}`);
  assert.ok(codes.every((each) => /^(NETWORK|SERVER|CLOCK)_/.test(each)), `${codes}`);
  assert.deepStrictEqual([license.status().state, vendor.machines()], ['unlicensed', 0]);
  assert.strictEqual((await license.activateOnline(vendor.key, by)).state, 'active');
});

test('what is due is done by a tick', { skip }, async (t) => {
  const vendor = await Vendor.start(t);
  const { license } = installed(t, vendor);
  assert.deepStrictEqual(await license.tick(), { next: null, problem: null });
  const { leaseExpiresAt } = await license.activateOnline(vendor.key, by);
  const { next, problem } = await license.tick({ signal: new AbortController().signal });
  assert.strictEqual(problem, null);
  assert.ok(next < leaseExpiresAt);
  await vendor.stop();
  const later = license.tickSync({ now: next });
  assert.strictEqual(later.problem, 'NETWORK_CONNECT');
  assert.ok(later.next > next);
  await assert.rejects(license.tick({ never: 1 }), code('INVALID_ARGUMENT'));
});

test('without a server nothing is asked, and one is read strictly', async (t) => {
  const auth = open(':memory:', { machineId: 'box' });
  t.after(() => auth.close());
  await assert.rejects(auth.license.activateOnline('KEY', by), code('UNSUPPORTED_OPTION'));
  assert.throws(() => auth.license.activateOnlineSync('KEY', by), code('UNSUPPORTED_OPTION'));
  await assert.rejects(auth.license.revalidate(by), code('UNLICENSED'));
  await assert.rejects(auth.license.deactivate(by), code('UNLICENSED'));
  assert.deepStrictEqual([await auth.license.releasePending(by), await auth.license.tick()], [0, { next: null, problem: null }]);
  for (const [server, expected] of [
    [{}, 'INVALID_ARGUMENT'],
    [{ url: 'http://licensing.example/v1' }, 'INVALID_ARGUMENT'],
    [{ url: 'https://licensing.example/v1', prxoy: '' }, 'INVALID_ARGUMENT'],
    [{ url: 'https://licensing.example/v1', timeoutMs: -1 }, 'INVALID_ARGUMENT'],
    [{ url: 'https://licensing.example/v1', proxy: 'nonsense://' }, 'INVALID_ARGUMENT'],
    [{ url: 'https://licensing.example/v1', transport: {} }, 'INVALID_ARGUMENT'],
    [{ url: 'https://licensing.example/v1', allowedHosts: ['other.example'] }, 'NETWORK_POLICY'],
  ]) {
    assert.throws(() => open(':memory:', { server }), code(expected), JSON.stringify(server));
  }
  assert.throws(() => auth.license.revalidateSync({ ...by, signal: new AbortController().signal }), code('INVALID_ARGUMENT'));
  await assert.rejects(auth.license.revalidate({ ...by, signal: 'now' }), code('INVALID_ARGUMENT'));
});

test('a newer file takes the place of its license’s, and a request is signed', async (t) => {
  const signer = SigningKey.generate();
  const auth = open(':memory:', { machineId: 'box', product: 'gate', trustedKeys: [{ id: 'k', publicKey: signer.publicKey }] });
  t.after(() => auth.close());
  const at = { ...by, now: 1_800_000_000 };
  const file = (id, name, now) =>
    sign(signer, { id, key: 'KEY', name, product: 'gate', fingerprint: 'box', entitlements: ['OFFLINE_LICENSING'] }, { kind: 'machine', now });
  await assert.rejects(auth.license.refresh(file('l1', 'new', at.now), at), code('UNLICENSED'));
  await assert.rejects(auth.license.revealKey(at), code('UNLICENSED'));
  await auth.license.activateOffline('KEY', file('l1', 'old', at.now - 60), at);
  assert.deepStrictEqual([await auth.license.revealKey(at), auth.license.revealKeySync(at)], ['KEY', 'KEY']);
  assert.strictEqual((await auth.license.refresh(file('l1', 'new', at.now), at)).name, 'new');
  assert.strictEqual(auth.license.refreshSync(Buffer.from(file('l1', 'newest', at.now)), at).name, 'newest');
  await assert.rejects(auth.license.refresh(file('l2', 'other', at.now), at), code('CONFLICT'));

  const asked = statement('LICENSE REQUEST', await auth.license.request({ ...at, licenseKey: 'KEY' }));
  assert.deepStrictEqual([asked.fingerprint, asked.product, asked.license_key], ['box', 'gate', 'KEY']);
  assert.strictEqual(statement('LICENSE REQUEST', auth.license.requestSync(at)).license_key, null);
});

test('a signed license key is verified, and read', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const hex = Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url').toString('hex');
  const options = { trustedKeys: [{ id: 'acme', publicKey: hex }] };
  const made = (dataset) => {
    const signed = `key/${Buffer.from(dataset).toString('base64url')}`;
    return `${signed}.${signBytes(null, Buffer.from(signed), privateKey).toString('base64url')}`;
  };
  const dataset = JSON.stringify({
    product: { id: 'gate' }, license: { id: 'l1', created: '2027-01-01T00:00:00Z', expiry: '2028-01-01T00:00:00Z' },
  });
  const found = inspectLicenseKey(made(dataset), options);
  assert.ok(found.dataset instanceof Uint8Array);
  assert.deepStrictEqual({ ...found, dataset: `${found.dataset}` }, {
    keyId: 'acme', dataset, license: 'l1', product: 'gate', createdAt: 1_798_761_600, expiresAt: 1_830_297_600,
  });
  assert.deepStrictEqual(inspectLicenseKey(made('zeke'), options), {
    keyId: 'acme', dataset: Buffer.from('zeke'), license: null, product: null, createdAt: null, expiresAt: null,
  });
  assert.throws(() => inspectLicenseKey(`${made('zeke').slice(0, 5)}B${made('zeke').slice(6)}`, options), code('LICENSE_SIGNATURE_INVALID'));
  assert.throws(() => inspectLicenseKey('ABCD-EFGH', options), code('LICENSE_MALFORMED'));
  assert.throws(() => inspectLicenseKey(made('zeke'), { trustedKeys: [] }), code('LICENSE_SIGNATURE_INVALID'));
  assert.throws(() => inspectLicenseKey(made('zeke')), code('INVALID_ARGUMENT'));
});
