'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const {
  open, inspect, sign, machineIdentity, explainMachine, InspireAuthError, License, SigningKey, SYSTEM, TrustedProxies,
} = require('inspire-auth');

const NOW = 1_800_000_000;
const by = { actor: SYSTEM, now: NOW };
const code = (expected) => (error) => error instanceof InspireAuthError && error.code === expected;

function issued(t) {
  const signer = SigningKey.generate();
  const trustedKeys = [{ id: 'k', publicKey: signer.publicKey }];
  const license = {
    id: 'l1', key: 'ABCD-EFGH', name: 'Plant 3', entitlements: ['MFA', 'OFFLINE_LICENSING'], limits: { MAX_DISPLAYS: 2 },
    fingerprint: 'box',
  };
  const file = sign(signer, license, { kind: 'machine', encrypted: true, now: NOW });
  const auth = open(':memory:', { trustedKeys, machineId: 'box' });
  t.after(() => auth.close());
  return { auth, file, license, trustedKeys };
}

test('what memory answers is what is installed now', async (t) => {
  const { auth, license: description } = issued(t);
  const { license } = auth;
  const answers = () => [license.hasEntitlement('MFA'), license.limit('MAX_DISPLAYS')];
  assert.deepStrictEqual(answers(), [false, 0]);
  const signer = SigningKey.generate();
  const other = open(':memory:', { trustedKeys: [{ id: 'k', publicKey: signer.publicKey }], machineId: 'box' });
  t.after(() => other.close());
  const long = 'ANOTHER_'.repeat(9);
  const entitlements = [...description.entitlements, long];
  const file = sign(signer, { ...description, entitlements }, { kind: 'machine' });
  await other.license.activateOffline('ABCD-EFGH', file, { actor: SYSTEM });
  for (const code of ['MFA', 'mfa', long, long.toLowerCase()]) assert.strictEqual(other.license.hasEntitlement(code), true, code);
  // The last one's lower halves are "MFA".
  for (const code of ['SSO_SAML', 'MF', 'MFAA', '', 'MFA\0', '\u00c3', '\u014d\u0146\u0141']) {
    assert.strictEqual(other.license.hasEntitlement(code), false, code);
  }
  for (const name of ['MAX_DISPLAYS', 'max_displays', 'maxDisplays']) assert.strictEqual(other.license.limit(name), 2);
  assert.strictEqual(other.license.limit('SEATS'), 0);
  assert.deepStrictEqual(answers(), [false, 0]);
  for (const wrong of [undefined, null, 7, {}, ['MFA']]) {
    assert.throws(() => other.license.hasEntitlement(wrong), code('INVALID_ARGUMENT'));
    assert.throws(() => other.license.limit(wrong), code('INVALID_ARGUMENT'));
  }
  other.license.deactivateSync({ actor: SYSTEM });
  assert.deepStrictEqual([other.license.hasEntitlement('MFA'), other.license.limit('MAX_DISPLAYS')], [false, 0]);
  other.close();
  assert.throws(() => other.license.hasEntitlement('MFA'), code('INVALID_ARGUMENT'));
  assert.throws(() => License.prototype.hasEntitlement.call({}, 'MFA'));
});

test('a license is installed, asked and taken out', async (t) => {
  const { auth: { license }, file } = issued(t);
  assert.deepStrictEqual([license.status(NOW).state, license.status(NOW).reason], ['unlicensed', 'UNLICENSED']);
  assert.throws(() => license.checkEntitlement('MFA', NOW), code('UNLICENSED'));
  await assert.rejects(license.activateOffline('WRONG', file, by), code('LICENSE_KEY_OR_MACHINE_MISMATCH'));
  const status = await license.activateOffline('ABCD-EFGH', Buffer.from(file), by);
  assert.deepStrictEqual(
    [status.state, status.reason, status.name, status.key, status.mode, status.limits.MAX_DISPLAYS, status.entitlements],
    ['active', null, 'Plant 3', '********EFGH', 'offline', 2, ['MFA', 'OFFLINE_LICENSING']],
  );
  assert.strictEqual(license.hasEntitlement('mfa', NOW), true);
  assert.strictEqual(license.hasEntitlement('SSO_SAML', NOW), false);
  assert.throws(() => license.checkEntitlement('SSO_SAML', NOW), code('NOT_ENTITLED'));
  assert.strictEqual(license.limit('maxDisplays', NOW), 2);
  license.checkLimit('MAX_DISPLAYS', 2, NOW);
  assert.throws(() => license.checkLimit('MAX_DISPLAYS', 3, NOW), code('LIMIT_EXCEEDED'));
  assert.throws(() => license.checkLimit('MAX_DISPLAYS', -1, NOW), code('INVALID_ARGUMENT'));
  const table = license.entitlements(NOW);
  assert.deepStrictEqual(table.find((row) => row.code === 'MFA'), { code: 'MFA', feature: 'Multi-factor authentication', granted: true });
  assert.throws(() => license.revalidateSync(by), code('NOT_AVAILABLE_OFFLINE'));
  assert.deepStrictEqual(license.machine(), { fingerprint: 'box', source: 'option', container: license.machine().container });
  const done = await license.deactivate(by);
  assert.deepStrictEqual([done.status.state, done.release, done.problem, typeof done.receipt], ['unlicensed', 'none', null, 'string']);
  assert.throws(() => license.activateOfflineSync('ABCD-EFGH', file, { ...by, force: true }), code('LICENSE_FILE_OLDER'));
});

test('a gate that only warns says so on the principal', (t) => {
  const { auth } = issued(t);
  const warned = open(':memory:', { enforcement: 'warn' });
  t.after(() => warned.close());
  assert.throws(() => auth.authenticateSync([], { require: 'Public', entitlement: 'MFA' }), code('UNLICENSED'));
  assert.strictEqual(warned.authenticateSync([], { require: 'Public', entitlement: 'MFA' }).warning, 'UNLICENSED');
  assert.strictEqual(warned.authenticateSync([], { require: 'Public' }).warning, null);
});

test('a file is inspected without being installed', (t) => {
  const { file, trustedKeys } = issued(t);
  const good = inspect(file, { trustedKeys, licenseKey: 'ABCD-EFGH', machineId: 'box', now: NOW, offline: true });
  assert.deepStrictEqual([good.failures, good.kind, good.machineFingerprint, good.issuedAt], [[], 'machine', 'box', NOW]);
  assert.deepStrictEqual([good.license.key, good.license.limits.MAX_DISPLAYS, good.license.metadata], ['ABCD-EFGH', 2, { maxDisplays: 2 }]);
  assert.deepStrictEqual(inspect(Buffer.from(file)).failures, ['LICENSE_SIGNATURE_INVALID']);
  assert.deepStrictEqual(inspect('junk'), {
    failures: ['LICENSE_MALFORMED'], kind: null, license: null, issuedAt: null, fileExpiresAt: null, machineFingerprint: null,
  });
  assert.throws(() => inspect(7), code('INVALID_ARGUMENT'));
  assert.throws(() => inspect(file, { trustedKeys: [{ id: 'k', publicKey: '00'.repeat(32) }] }), code('WEAK_TRUSTED_KEY'));
});

test('a signing key is read from its file, and its secret is not shown', () => {
  const key = SigningKey.generate();
  const again = SigningKey.fromSeedFile(key.toPem());
  assert.strictEqual(again.publicKey, key.publicKey);
  assert.throws(() => SigningKey.fromSeedFile('SECRET'), (error) => code('INVALID_ARGUMENT')(error) && !/SECRET/.test(error.message));
  assert.throws(() => sign({}, { id: 'l', key: 'K' }), code('INVALID_ARGUMENT'));
  assert.throws(() => sign(key, { id: 'l', key: 'K', expriy: 'x' }), /unknown field `expriy`/);
  const circle = {};
  circle.circle = circle;
  let deep = {};
  for (let depth = 0; depth < 200_000; depth++) deep = { deep };
  for (const metadata of [circle, deep, { n: 1n }]) {
    assert.throws(() => sign(key, { id: 'l', key: 'K', metadata }), code('INVALID_ARGUMENT'));
  }
  assert.throws(() => sign(key, { id: 'l', key: 'K' }, { kind: 'machine' }), code('INVALID_ARGUMENT'));
});

test('the machine has a fingerprint, and says what it is made of', () => {
  assert.strictEqual(machineIdentity({ machineId: 'x' }).source, 'option');
  assert.ok(explainMachine().some(({ name }) => name === 'fingerprint'));
  assert.throws(() => machineIdentity({ machine: 'x' }), code('INVALID_ARGUMENT'));
});

test('a proxy’s word counts from a trusted peer only', () => {
  const proxies = new TrustedProxies('10.0.0.0/8, fe80::/10');
  const https = ['X-Forwarded-Proto', 'https'];
  assert.strictEqual(proxies.channel('::ffff:10.1.2.3', 'plain', https), 'secure');
  assert.strictEqual(proxies.channel('fe80::1%eth0', 'plain', https), 'secure');
  assert.strictEqual(proxies.channel('10.1.2.3', 'plain', [...https, ...https]), 'plain');
  assert.strictEqual(proxies.channel('192.0.2.1', 'local', https), 'local');
  assert.throws(() => proxies.channel(undefined, 'plain', []), code('INVALID_ARGUMENT'));
  assert.throws(() => proxies.channel('10.1.2.3', 'plain', ['x']), code('INVALID_ARGUMENT'));
  assert.throws(() => new TrustedProxies('host'), code('INVALID_ARGUMENT'));
});
