'use strict';

// The package's entry point: the native classes, with the check that every request makes written in front of them.
//
// What is decided here is only which header lines may carry a credential. No credential is read here, and no line that
// could carry one is left out: anything but exactly one such line goes to the core as it is.

const native = require('./native.js');
const { InspireAuthError, ERRORS } = require('./lib/errors.js');
const { withUsefulStacks } = require('./lib/promises.js');
const { requests } = require('./lib/requests.js');
const { endable } = require('./lib/signals.js');

const SYSTEM = Symbol.for('inspire-auth.SYSTEM');
const CATALOGUE = Object.freeze(native.catalogue().map(Object.freeze));

const { InspireAuth, Keys, License, Principal, Requirement, Routes, SigningKey, TrustedProxies } = native;

const equip = requests(native);
endable(License.prototype, {
  activateOnline: { at: 1, what: 'by' },
  revalidate: { at: 0, what: 'by' },
  deactivate: { at: 0, what: 'by', isWaitedFor: true },
  releasePending: { at: 0, what: 'by' },
  tick: { at: 0, what: 'options' },
});
withUsefulStacks(Keys.prototype);
withUsefulStacks(License.prototype);

function open(store, options) {
  return equip(native.open(store, options));
}

/** As JSON: what nests without an end, or turns in a circle, ends there. */
function sign(key, license, options) {
  let description;
  try {
    description = JSON.stringify(license);
  } catch {
    throw new InspireAuthError('INVALID_ARGUMENT', 'license is no JSON');
  }
  return native.sign(key, description, options);
}

module.exports = {
  ABI_VERSION: native.ABI_VERSION,
  CATALOGUE,
  ERRORS,
  InspireAuth,
  InspireAuthError,
  Keys,
  License,
  Principal,
  Requirement,
  Routes,
  SYSTEM,
  SigningKey,
  TrustedProxies,
  VERSION: native.VERSION,
  errors: native.errors,
  explainMachine: native.explainMachine,
  inspect: native.inspect,
  inspectLicenseKey: native.inspectLicenseKey,
  machineIdentity: native.machineIdentity,
  open,
  sign,
  tenantEffective: native.tenantEffective,
  ...withUsefulStacks({
    backupStore: native.backupStore,
    backupStoreSync: native.backupStoreSync,
    restoreStore: native.restoreStore,
    restoreStoreSync: native.restoreStoreSync,
    verifyAudit: native.verifyAudit,
    verifyAuditSync: native.verifyAuditSync,
  }),
};
