'use strict';

const {
  FlagNotFoundError,
  GeneralError,
  OpenFeatureEventEmitter,
  ProviderEvents,
  ProviderNotReadyError,
  StandardResolutionReasons: Reasons,
  TypeMismatchError,
} = require('@openfeature/server-sdk');

const { CATALOGUE, InspireAuthError } = require('../index.js');

const LIMIT = 'limits.';
/** Milliseconds between looks at the license. */
const WATCH = 1000;
/** Why a license can't be believed at all, as opposed to: does not allow something here and now. */
const CORRUPT = ['LICENSE_MALFORMED', 'LICENSE_UNSUPPORTED_ALGORITHM', 'LICENSE_SIGNATURE_INVALID'];

class LicenseProvider {
  metadata = { name: 'inspire-auth' };
  runsOn = 'server';
  events = new OpenFeatureEventEmitter();

  #license;
  /** Codes that are flags even while they are not granted; what was granted once stays one. */
  #codes = new Set(CATALOGUE.map(({ code }) => code));
  /** The license as it was last seen, at most `WATCH` ago; undefined until initialised. */
  #status;
  /** Its flags, for the difference. */
  #seen = new Map();
  /** The provider's state, as the event that tells of it. */
  #state = ProviderEvents.Ready;
  #timer;

  constructor(auth) {
    this.#license = auth.license;
  }

  async initialize() {
    this.#state = ProviderEvents.Error; // until shown otherwise
    this.#timer = setInterval(() => this.#watch(), WATCH).unref();
    this.#keep(this.#read());
    const corrupt = corruption(this.#status);
    if (corrupt !== null) throw new GeneralError(corrupt);
    this.#state = ProviderEvents.Ready;
    setImmediate(() => this.#watch()); // a grace that is there from the beginning: READY is said first, by the SDK
  }

  async onClose() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#status = undefined;
  }

  async resolveBooleanEvaluation(key) {
    return this.#resolve(key, 'boolean');
  }

  async resolveStringEvaluation(key, fallback) {
    const details = this.#resolve(key, 'string');
    // Without a license there is no mode and no plan.
    return details.value === null ? { ...details, value: fallback, reason: Reasons.DEFAULT } : details;
  }

  async resolveNumberEvaluation(key) {
    return this.#resolve(key, 'number');
  }

  async resolveObjectEvaluation(key) {
    return this.#resolve(key, 'object');
  }

  #resolve(key, type) {
    if (this.#status === undefined) throw new ProviderNotReadyError('the provider is not initialised');
    let flag = this.#find(key);
    if (!this.#isCurrent(flag)) {
      this.#look();
      flag = this.#find(key);
    }
    if (flag === undefined) throw new FlagNotFoundError('the license knows no such entitlement, limit or fact');
    if (flag.type !== type) throw new TypeMismatchError(`the flag is a ${flag.type}`);
    const status = this.#status;
    const flagMetadata = metadataOf(status);
    if (type === 'number' && flag.value === -1) flagMetadata.unlimited = true;
    return { value: flag.value, variant: flag.variant, reason: reasonOf(status, flag), flagMetadata };
  }

  #find(key) {
    const status = this.#status;
    switch (key) {
      case 'license':
        return { type: 'object', value: structuredClone(status) };
      case 'license.status':
        return text(status.state);
      case 'license.mode':
        return text(status.mode);
      case 'license.plan':
        return text(status.name);
    }
    if (key.startsWith(LIMIT)) {
      const limit = Object.entries(status.limits).find(([name]) => limitKey(name) === key.toLowerCase());
      return limit && { type: 'number', value: limit[1], gated: true, limit: limit[0] };
    }
    const code = key.toUpperCase();
    if (!this.#codes.has(code)) return undefined;
    return { type: 'boolean', value: status.entitlements.includes(code), gated: true, entitlement: code };
  }

  /**
   * Whether what is granted has the value that it was last seen with: far cheaper than to look at the whole license.
   * Whoever is refused is told by a new look, why.
   */
  #isCurrent(flag) {
    if (!flag?.gated || !flag.value) return false;
    try {
      if (flag.entitlement !== undefined) return this.#license.hasEntitlement(flag.entitlement);
      return this.#license.limit(flag.limit) === flag.value;
    } catch {
      // To be told by a look.
    }
    return false;
  }

  #read() {
    try {
      return this.#license.status();
    } catch (error) {
      // The code alone: a detail is not for those who read flags.
      throw new GeneralError(error instanceof InspireAuthError ? error.code : 'INTERNAL');
    }
  }

  #keep(status) {
    for (const code of status.entitlements) this.#codes.add(code);
    this.#status = status;
    this.#seen = flagsOf(status);
  }

  /** Looks at the license as it is now; what has changed since the last look is told. */
  #look() {
    let status;
    try {
      status = this.#read();
    } catch (error) {
      this.#turn(ProviderEvents.Error, error.message);
      throw error;
    }
    const before = this.#seen;
    this.#keep(status);
    const changed = difference(before, this.#seen);
    if (changed.length > 0) this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: changed });
    const corrupt = corruption(status);
    if (corrupt !== null) this.#turn(ProviderEvents.Error, corrupt);
    else if (isGrace(status)) this.#turn(ProviderEvents.Stale, 'the licensing server was not reached for long');
    else this.#turn(ProviderEvents.Ready);
  }

  #watch() {
    if (this.#timer === undefined) return; // closed meanwhile
    try {
      this.#look();
    } catch {
      // Told as an event.
    }
  }

  #turn(state, message) {
    if (this.#state === state) return;
    this.#state = state;
    this.events.emit(state, { message });
  }
}

/** The code of what makes the installed file unbelievable, or null. */
function corruption(status) {
  return CORRUPT.includes(status.reason) ? status.reason : null;
}

/** Whether the lease of an online license was not renewed as it should have been. */
function isGrace(status) {
  return status.mode === 'online' && status.warnings.some(({ code }) => code === 'LEASE_ENDS_SOON');
}

function reasonOf(status, { value, gated }) {
  if (gated && (status.state !== 'active' || value === false)) return Reasons.DISABLED;
  if (isGrace(status)) return Reasons.STALE;
  return status.mode === 'online' ? Reasons.CACHED : Reasons.STATIC;
}

function metadataOf(status) {
  const metadata = { licenseStatus: status.state };
  if (status.mode !== null) metadata.mode = status.mode;
  if (status.expiresAt !== null) metadata.expiresAt = status.expiresAt;
  if (status.lastValidatedAt !== null) metadata.version = String(status.lastValidatedAt);
  return metadata;
}

function text(value) {
  return { type: 'string', value, variant: value ?? undefined };
}

function limitKey(name) {
  return LIMIT + name.toLowerCase();
}

/** Every flag with a value, but for the object that holds them all. */
function flagsOf(status) {
  const flags = new Map(status.entitlements.map((code) => [code, true]));
  for (const [name, limit] of Object.entries(status.limits)) flags.set(limitKey(name), limit);
  return flags.set('license.status', status.state).set('license.mode', status.mode).set('license.plan', status.name);
}

function difference(before, after) {
  const keys = new Set([...before.keys(), ...after.keys()]);
  const changed = [...keys].filter((key) => before.get(key) !== after.get(key));
  return changed.length > 0 ? [...changed.sort(), 'license'] : [];
}

module.exports = { LicenseProvider };
