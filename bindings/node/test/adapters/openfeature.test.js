'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { after, describe, test } = require('node:test');

const {
  ErrorCode,
  OpenFeature,
  ProviderEvents,
  ProviderStatus,
  createEvaluationEvent,
} = require('@openfeature/server-sdk');
const { open } = require('inspire-auth');

const { LicenseProvider } = require('inspire-auth/openfeature');

const { MACHINE, license, site, vendor } = require('./support/site.js');

const DAY = 86_400;
const now = Math.floor(Date.now() / 1000);

let domains = 0;

/** A client of the real SDK on the license of `auth`, and the events that it has told of. */
async function connect(auth) {
  const provider = new LicenseProvider(auth);
  const domain = `test ${++domains}`;
  const client = OpenFeature.getClient(domain);
  const events = [];
  for (const event of Object.values(ProviderEvents))
    client.addHandler(event, (details) => events.push({ event, ...details }));
  await OpenFeature.setProviderAndWait(domain, provider).catch(() => {});
  const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  await settled();
  return { provider, client, events, settled };
}

/** What the SDK says of a flag, without its name and what is undefined. */
async function details(client, kind, key, fallback) {
  const { flagKey, ...rest } = await client[`get${kind}Details`](key, fallback);
  assert.equal(flagKey, key);
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
}

/** The part of a handle that the provider asks, with a license that a test makes up. */
function pretend(status) {
  const license = {
    state: 'active',
    reason: null,
    name: 'Test',
    key: '********3333',
    mode: 'online',
    expiresAt: null,
    leaseExpiresAt: null,
    lastValidatedAt: now,
    limits: { MAX_DISPLAYS: 4 },
    entitlements: ['MFA'],
    warnings: [],
    ...status,
  };
  return {
    license: {
      status: () => ({ ...license }),
      hasEntitlement: (code) => license.entitlements.includes(code),
      limit: (name) => license.limits[name] ?? 0,
    },
    change: (more) => Object.assign(license, more),
  };
}

describe('openfeature', () => {
  after(() => OpenFeature.close());

  test('before it is there, nothing is known', async (t) => {
    const { auth } = site(t);
    license(auth, ['MFA']);
    const provider = new LicenseProvider(auth);
    await assert.rejects(provider.resolveBooleanEvaluation('MFA', false), { code: ErrorCode.PROVIDER_NOT_READY });
    await provider.initialize();
    assert.equal((await provider.resolveBooleanEvaluation('MFA', false)).value, true);
    await provider.onClose();
    await assert.rejects(provider.resolveBooleanEvaluation('MFA', false), { code: ErrorCode.PROVIDER_NOT_READY });
  });

  test('an entitlement is granted, or disabled, or not known', async (t) => {
    const { auth } = site(t);
    license(auth, ['SSO_SAML', 'OWN_FEATURE'], { expiry: new Date((now + 90 * DAY) * 1000).toISOString() });
    const { client } = await connect(auth);
    const { lastValidatedAt } = auth.license.status();
    const flagMetadata = {
      licenseStatus: 'active',
      mode: 'offline',
      expiresAt: now + 90 * DAY,
      version: String(lastValidatedAt),
    };
    assert.deepEqual(await details(client, 'Boolean', 'SSO_SAML', false), {
      value: true,
      reason: 'STATIC',
      flagMetadata,
    });
    assert.deepEqual(await details(client, 'Boolean', 'sso_saml', false), {
      value: true,
      reason: 'STATIC',
      flagMetadata,
    });
    assert.deepEqual(await details(client, 'Boolean', 'OWN_FEATURE', false), {
      value: true,
      reason: 'STATIC',
      flagMetadata,
    });
    assert.deepEqual(await details(client, 'Boolean', 'MFA', true), { value: false, reason: 'DISABLED', flagMetadata });
    const unknown = await details(client, 'Boolean', 'FOO', false);
    assert.deepEqual([unknown.value, unknown.reason, unknown.errorCode], [false, 'ERROR', ErrorCode.FLAG_NOT_FOUND]);
  });

  test('without a license, or after its end, every known entitlement is disabled', async (t) => {
    const { auth } = site(t);
    const { client } = await connect(auth);
    const none = await details(client, 'Boolean', 'MFA', true);
    assert.deepEqual(none, { value: false, reason: 'DISABLED', flagMetadata: { licenseStatus: 'unlicensed' } });
    assert.equal((await details(client, 'Number', 'limits.max_displays', 9)).value, 0);
    assert.deepEqual(await details(client, 'String', 'license.status', ''), {
      value: 'unlicensed',
      variant: 'unlicensed',
      reason: 'STATIC',
      flagMetadata: { licenseStatus: 'unlicensed' },
    });
    for (const key of ['license.mode', 'license.plan']) {
      const { value, reason, errorCode } = await details(client, 'String', key, 'none');
      assert.deepEqual([value, reason, errorCode], ['none', 'DEFAULT', undefined]);
    }
    const past = {
      now: now - 10 * DAY,
      expiry: new Date((now - DAY) * 1000).toISOString(),
      limits: { MAX_DISPLAYS: 3 },
    };
    license(auth, ['MFA'], past);
    const ended = await details(client, 'Boolean', 'MFA', true);
    assert.deepEqual([ended.value, ended.reason, ended.errorCode], [false, 'DISABLED', undefined]);
    assert.equal(ended.flagMetadata.licenseStatus, 'expired');
    const limit = await details(client, 'Number', 'limits.max_displays', 9);
    assert.deepEqual([limit.value, limit.reason], [0, 'DISABLED']);
  });

  test('limits are numbers', async (t) => {
    const { auth } = site(t);
    license(auth, [], { limits: { MAX_DISPLAYS: 12, MAX_AGILES: -1, SEATS: 3 } });
    const { client } = await connect(auth);
    const value = async (key) => {
      const { value, reason, flagMetadata } = await details(client, 'Number', key, 0);
      return [value, reason, flagMetadata.unlimited];
    };
    assert.deepEqual(await value('limits.max_displays'), [12, 'STATIC', undefined]);
    assert.deepEqual(await value('limits.max_agiles'), [-1, 'STATIC', true]);
    assert.deepEqual(await value('limits.seats'), [3, 'STATIC', undefined]);
    assert.deepEqual(await value('limits.ai_credits_monthly'), [0, 'STATIC', undefined]);
    for (const key of ['limits.nothing', 'limits.', 'limits', 'max_displays', 'limits.constructor']) {
      assert.equal((await details(client, 'Number', key, 7)).errorCode, ErrorCode.FLAG_NOT_FOUND, key);
    }
  });

  test('facts are texts, and all of them an object', async (t) => {
    const { auth } = site(t);
    license(auth, ['MFA']);
    const { client } = await connect(auth);
    for (const [key, value] of [
      ['license.status', 'active'],
      ['license.mode', 'offline'],
      ['license.plan', 'Test'],
    ]) {
      const found = await details(client, 'String', key, '');
      assert.deepEqual([found.value, found.variant, found.reason], [value, value, 'STATIC']);
    }
    const { value } = await details(client, 'Object', 'license', {});
    assert.deepEqual(value, auth.license.status());
    assert.deepEqual(JSON.parse(JSON.stringify(value)), value, 'JSON');
    value.entitlements.push('SSO_SAML'); // what the caller does to its copy is its own affair
    assert.equal(await client.getBooleanValue('SSO_SAML', false), false);
  });

  test("another type than the flag's is a mismatch", async (t) => {
    const { auth } = site(t);
    license(auth, ['MFA']);
    const { client } = await connect(auth);
    for (const [kind, key, fallback] of [
      ['Number', 'MFA', 0],
      ['String', 'MFA', ''],
      ['Object', 'MFA', {}],
      ['Boolean', 'limits.max_displays', false],
      ['Boolean', 'license.status', false],
      ['Boolean', 'license', false],
      ['String', 'license', ''],
    ]) {
      const found = await details(client, kind, key, fallback);
      assert.deepEqual([found.value, found.errorCode], [fallback, ErrorCode.TYPE_MISMATCH], `${kind} ${key}`);
    }
  });

  test('whichever process changes the license: the difference is told', async (t) => {
    const { auth, store } = site(t);
    license(auth, ['MFA'], { limits: { MAX_DISPLAYS: 1 } });
    const { client, events, settled } = await connect(auth);
    assert.deepEqual(
      events.splice(0).map(({ event }) => event),
      [ProviderEvents.Ready],
    );
    const other = open(store, { trustedKeys: [{ id: 'vendor', publicKey: vendor.publicKey }], machineId: MACHINE });
    t.after(() => other.close());
    license(other, ['OBSERVABILITY'], { limits: { MAX_DISPLAYS: 2 } });
    assert.equal(await client.getBooleanValue('MFA', true), false);
    assert.equal(await client.getBooleanValue('OBSERVABILITY', false), true);
    await settled();
    assert.deepEqual(
      events.map(({ event, flagsChanged }) => [event, flagsChanged]),
      [[ProviderEvents.ConfigurationChanged, ['MFA', 'OBSERVABILITY', 'limits.max_displays', 'license']]],
    );
    assert.equal(client.providerStatus, ProviderStatus.READY);
    license(other, ['OBSERVABILITY'], { limits: { MAX_DISPLAYS: 3 } });
    assert.equal(await client.getNumberValue('limits.max_displays', 0), 3);
  });

  test('a change is told also when nobody asks', async (t) => {
    const { auth } = site(t);
    const { client } = await connect(auth);
    const told = new Promise((resolve) => client.addHandler(ProviderEvents.ConfigurationChanged, resolve));
    license(auth, ['MFA']);
    const alive = setInterval(() => {}, 1000); // the provider's own timer keeps no process alive
    assert.ok((await told).flagsChanged.includes('MFA'));
    clearInterval(alive);
  });

  test('an online license whose lease is not renewed is stale, until it is', async () => {
    const handle = pretend({ warnings: [{ code: 'LEASE_ENDS_SOON', days: null }] });
    const { client, events, settled } = await connect(handle);
    assert.deepEqual(
      events.splice(0).map(({ event }) => event),
      [ProviderEvents.Ready, ProviderEvents.Stale],
    );
    assert.equal(client.providerStatus, ProviderStatus.STALE);
    for (const [kind, key, value] of [
      ['Boolean', 'MFA', true],
      ['Number', 'limits.max_displays', 4],
      ['String', 'license.mode', 'online'],
    ]) {
      const found = await details(client, kind, key, null);
      assert.deepEqual([found.value, found.reason], [value, 'STALE']);
    }
    handle.change({ warnings: [] });
    assert.equal(await client.getStringValue('license.mode', ''), 'online'); // a text is asked for anew
    assert.equal((await details(client, 'Boolean', 'MFA', false)).reason, 'CACHED');
    await settled();
    assert.equal(client.providerStatus, ProviderStatus.READY);
    handle.change({ warnings: [{ code: 'LEASE_ENDS_SOON', days: null }], mode: 'offline' });
    assert.equal(await client.getStringValue('license.mode', ''), 'offline');
    assert.equal((await details(client, 'Boolean', 'MFA', false)).reason, 'STATIC');
  });

  test('a corrupt file is an error from the beginning, and until it is replaced', async () => {
    for (const reason of ['LICENSE_MALFORMED', 'LICENSE_SIGNATURE_INVALID', 'LICENSE_UNSUPPORTED_ALGORITHM']) {
      const handle = pretend({ state: 'invalid', reason, entitlements: [], limits: { MAX_DISPLAYS: 0 } });
      await assert.rejects(OpenFeature.setProviderAndWait(new LicenseProvider(handle)), {
        code: ErrorCode.GENERAL,
        message: reason,
      });
      const { client, events, settled } = await connect(handle);
      assert.equal(client.providerStatus, ProviderStatus.ERROR);
      const found = await details(client, 'Boolean', 'MFA', true);
      assert.deepEqual([found.value, found.reason, found.flagMetadata.licenseStatus], [false, 'DISABLED', 'invalid']);
      handle.change({ state: 'active', reason: null, entitlements: ['MFA'] });
      assert.equal(await client.getBooleanValue('MFA', false), true);
      await settled();
      assert.equal(client.providerStatus, ProviderStatus.READY);
      assert.ok(events.some(({ event }) => event === ProviderEvents.ConfigurationChanged));
    }
  });

  test('a file that is for elsewhere or another time is no error', async () => {
    for (const reason of ['MACHINE_MISMATCH', 'CLOCK_ROLLBACK', 'LICENSE_SUSPENDED']) {
      const { client } = await connect(pretend({ state: 'invalid', reason, entitlements: [], limits: {} }));
      assert.equal(client.providerStatus, ProviderStatus.READY);
      assert.equal((await details(client, 'Boolean', 'MFA', true)).reason, 'DISABLED');
    }
  });

  test('a store that fails is an error, without its details', async (t) => {
    const { auth } = site(t);
    license(auth, ['MFA']);
    const { client, events, settled } = await connect(auth);
    auth.close();
    const found = await details(client, 'Boolean', 'MFA', false);
    assert.deepEqual([found.value, found.reason, found.errorCode], [false, 'ERROR', ErrorCode.GENERAL]);
    assert.match(found.errorMessage, /^[A-Z_]+$/);
    await settled();
    assert.equal(client.providerStatus, ProviderStatus.ERROR);
    assert.equal(events.at(-1).event, ProviderEvents.Error);
  });

  test('telemetry of the specification comes from the details', async (t) => {
    const { auth } = site(t);
    license(auth, ['MFA']);
    const { client } = await connect(auth);
    const seen = [];
    client.addHooks({ finally: (context, found) => void seen.push(createEvaluationEvent(context, found)) });
    await client.getBooleanValue('MFA', false);
    assert.deepEqual(seen[0].attributes, {
      'feature_flag.key': 'MFA',
      'feature_flag.provider.name': 'inspire-auth',
      'feature_flag.result.reason': 'static',
      'feature_flag.result.value': true,
      'feature_flag.version': String(auth.license.status().lastValidatedAt),
    });
  });

  test('it keeps no process alive', () => {
    const script = `
      const { open } = require('inspire-auth');
      const { LicenseProvider } = require('inspire-auth/openfeature');
      const { OpenFeature } = require('@openfeature/server-sdk');
      OpenFeature.setProviderAndWait(new LicenseProvider(open(':memory:'))).then(() => console.log('ready'));`;
    assert.equal(
      execFileSync(process.execPath, ['-e', script], { cwd: __dirname, encoding: 'utf8', timeout: 30_000 }),
      'ready\n',
    );
  });
});
