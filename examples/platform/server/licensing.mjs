// Licensing, for administrators: the library holds whoever is signed in to its adminRequirement.
import { CATALOGUE } from 'inspire-auth';

import { explained } from './errors.mjs';

const LIMITS = { MAX_DISPLAYS: 'Max Displays', MAX_AGILES: 'Max Agiles', AI_CREDITS_MONTHLY: 'AI Credits a month' };
const ACTIVATION = {
  type: 'object',
  properties: {
    mode: { enum: ['online', 'offline'] },
    key: { type: 'string', maxLength: 4096 },
    file: { type: 'string', maxLength: 256 * 1024 },
  },
  required: ['mode', 'key'],
  additionalProperties: false,
};

export async function licensing(app, { auth, sessions, inventory, hasServer }) {
  /** Everyone who is signed in: what is locked, and what is about to be. */
  app.get('/features', async (request) => {
    sessions.of(request);
    const status = auth.license.status();
    const granted = new Set(status.entitlements);
    return {
      state: status.state,
      notices: notices(status),
      features: CATALOGUE.map(({ code, feature }) => ({ code, feature, granted: granted.has(code) })),
    };
  });
  app.get('/license', async (request) => {
    const session = sessions.of(request);
    administer(session);
    return view(auth.license.status());
  });
  app.post('/license', { schema: { body: ACTIVATION } }, async (request) => {
    const { principal } = sessions.of(request);
    const { mode, key, file } = request.body;
    const by = { actor: principal };
    const { license } = auth;
    return view(mode === 'online' ? await license.activateOnline(key.trim(), by) : await license.activateOffline(key.trim(), file ?? '', by));
  });
  app.post('/license/revalidate', async (request) => {
    const { principal } = sessions.of(request);
    return view(await auth.license.revalidate({ actor: principal }));
  });
  app.delete('/license', async (request) => {
    const { principal } = sessions.of(request);
    const { status, release, problem, receipt } = await auth.license.deactivate({ actor: principal });
    return { license: await view(status), release, problem: problem && explained(problem), receipt };
  });
  /** The key whole. It is asked for, not read along: the library records who saw it. */
  app.post('/license/key', async (request) => {
    const { principal } = sessions.of(request);
    return { key: await auth.license.revealKey({ actor: principal }) };
  });
  /** A file for the vendor, who makes a machine file from it. */
  app.post('/license/request', async (request) => {
    const { principal } = sessions.of(request);
    return { request: await auth.license.request({ actor: principal }), fingerprint: auth.license.machine().fingerprint };
  });

  const admin = auth.requirement({ any: ['Authenticated/Platform/Admin'] });
  function administer({ principal }) {
    auth.recheck(principal, admin);
  }

  async function view(status) {
    const credits = await auth.license.balance();
    const used = { ...inventory.counts(), AI_CREDITS_MONTHLY: credits.used };
    return {
      ...status,
      reason: status.reason && explained(status.reason),
      lastAttempt: status.lastAttempt && { ...explained(status.lastAttempt.code), at: status.lastAttempt.at },
      notices: notices(status),
      limits: Object.entries(LIMITS).map(([name, title]) => ({ name, title, limit: status.limits[name], used: used[name] })),
      entitlements: auth.license.entitlements(),
      hasServer,
    };
  }
}

/** What will need attention, or does. */
function notices({ state, reason, warnings, lastAttempt, leaseExpiresAt, mode }) {
  const said = [];
  if (state === 'unlicensed') said.push({ code: 'UNLICENSED', severity: 'info', message: 'This installation is not licensed: some features are locked.' });
  else if (reason) said.push({ severity: 'error', ...explained(reason) });
  for (const { code, days } of warnings) {
    if (code === 'EXPIRES_SOON') said.push({ code, severity: 'warning', message: `The license expires ${days === 1 ? 'within a day' : `in ${days} days or less`}.` });
    else if (code === 'LEASE_ENDS_SOON') said.push({ code, severity: 'warning', until: leaseExpiresAt, message: 'The license has to be validated soon' });
    else if (code === 'CLOCK_SUSPECT') said.push({ code, severity: 'warning', message: 'The clock of this machine may be wrong: check it.' });
    else said.push({ code, severity: 'warning', message: 'The license file names no machine.' });
  }
  if (state === 'active' && mode === 'online' && lastAttempt) {
    const { message } = explained(lastAttempt.code);
    said.push({ code: lastAttempt.code, severity: 'warning', until: leaseExpiresAt, message: `The last validation failed. ${message} The license stays in force` });
  }
  return said;
}
