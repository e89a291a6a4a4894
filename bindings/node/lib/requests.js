'use strict';

// One request: which lines carry a credential, what is asked of it, and the way to the core that is quick enough.

const { InspireAuthError } = require('./errors.js');
const { questions } = require('./questions.js');
const { routed } = require('./routes.js');
const { cancelled, unlessAborted } = require('./signals.js');

/**
 * What a handle and a requirement keep for requests. The names are shared: when a tool loads this file a second time, both
 * copies speak to one addon, and must know one truth.
 */
const WARM = Symbol.for('inspire-auth.warm');
const SLOT = Symbol.for('inspire-auth.slot');

const AUTHORIZATION = 'authorization';
/** Requirements that were given as text, compiled: so many are remembered. */
const MAX_TEXTS = 256;

const invalid = (detail) => new InspireAuthError('INVALID_ARGUMENT', detail);

/** In the two lowest bits of the terms; the number of the requirement stands above them. */
function channelBits(channel) {
  switch (channel) {
    case undefined:
    case 'plain':
      return 0;
    case 'secure':
      return 1;
    case 'local':
      return 2;
    default:
      throw invalid("options.channel is none of 'plain', 'secure' and 'local'");
  }
}

function checkOptions(options, withSignal) {
  if (typeof options !== 'object') throw invalid('options is not an object');
  for (const name in options) {
    switch (name) {
      case 'channel':
      case 'now':
        break;
      case 'require':
      case 'entitlement':
      case 'routes':
      case 'method':
      case 'path':
        // A misspelled constant must not become "any key", or "no entitlement".
        if (options[name] === undefined || options[name] === null) throw invalid(`options.${name} is ${options[name]}`);
        break;
      case 'signal':
        if (withSignal) {
          const { signal } = options;
          if (signal === undefined || signal === null || typeof signal.addEventListener === 'function') break;
          throw invalid('options.signal is no AbortSignal');
        }
      // falls through
      default:
        throw invalid(`options has an unknown member ${name}`);
    }
  }
}

/** The names of the headers that may carry a credential, and their lengths, to pass over the others quickly. */
class CredentialHeaders {
  constructor(names) {
    this.names = new Set(names.map((name) => name.toLowerCase()));
    /** 1 at each length that one of the names has; what is longer than any of them is 0 as well. */
    this.lengths = new Uint8Array(1024);
    for (const { length } of this.names) this.lengths[Math.min(length, 1023)] = 1;
    /** Whether some name is too long for that table: then every name is looked at. */
    this.anyLength = names.some((name) => name.length >= 1023);
  }

  /** Whether a line of this name may carry one. What is no string is never passed over. */
  has(name) {
    if (typeof name !== 'string') return true;
    return (this.lengths[name.length] === 1 || this.anyLength) && this.names.has(name.toLowerCase());
  }

  /**
   * From a flat array: the value of the one Authorization line, if that is the only line that counts and its value is a
   * text; else all lines that count, flat.
   */
  fromRaw(raw) {
    const { lengths } = this;
    const { length } = raw;
    if (this.anyLength || length % 2 !== 0) return this.all(raw);
    let only;
    for (let at = 0; at < length; at += 2) {
      const name = raw[at];
      if (typeof name !== 'string') return this.all(raw);
      if (lengths[name.length] !== 1) continue;
      if (name === 'Authorization' || name === AUTHORIZATION || name.toLowerCase() === AUTHORIZATION) {
        if (only !== undefined) return this.all(raw);
        only = raw[at + 1];
        if (typeof only !== 'string') return this.all(raw);
      } else if (this.names.has(name.toLowerCase())) {
        return this.all(raw);
      }
    }
    return only ?? [];
  }

  all(raw) {
    if (raw.length % 2 !== 0) return raw;
    const lines = [];
    for (let at = 0; at < raw.length; at += 2) {
      if (this.has(raw[at])) lines.push(raw[at], raw[at + 1]);
    }
    return lines;
  }

  fromObject(headers) {
    let lines;
    const names = Object.keys(headers);
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      if (!this.has(name)) continue;
      const value = headers[name];
      if (value === undefined) continue;
      lines ??= [];
      if (Array.isArray(value)) for (const each of value) lines.push(name, each);
      else lines.push(name, value);
    }
    return lines === undefined ? [] : lines.length === 2 ? this.fromRaw(lines) : lines;
  }

  fromFetch(headers) {
    const lines = [];
    for (const name of this.names) {
      const value = headers.get(name);
      if (value !== null) lines.push(name, value);
    }
    return this.fromRaw(lines);
  }

  /** A text (the value of the one Authorization line), or a flat array of all lines that count. */
  read(headers) {
    if (typeof headers === 'string') return headers;
    if (Array.isArray(headers)) {
      if (!Array.isArray(headers[0])) return this.fromRaw(headers);
      const raw = [];
      for (const pair of headers) {
        if (!Array.isArray(pair) || pair.length !== 2) throw invalid('headers are not pairs of strings');
        raw.push(pair[0], pair[1]);
      }
      return this.fromRaw(raw);
    }
    if (headers === null || typeof headers !== 'object') {
      throw invalid('headers are neither rawHeaders, nor pairs, nor Headers, nor an object, nor a string');
    }
    return typeof headers.get === 'function' && typeof headers.forEach === 'function'
      ? this.fromFetch(headers)
      : this.fromObject(headers);
  }
}

/** Puts `authenticate` and `authenticateSync` on the native class; returns what makes an instance ready for them. */
function requests(native) {
  const { InspireAuth } = native;
  const asked = questions(native);
  const compiled = (requirement) => {
    Object.defineProperty(requirement, SLOT, { value: requirement.slot() });
    return requirement;
  };
  const anyone = compiled(native.compileRequirement('any(Authenticated)'));
  const texts = new Map();

  function slotOf(require) {
    if (require === undefined || require === null) return anyone[SLOT];
    if (typeof require === 'string') {
      let known = texts.get(require);
      if (known === undefined) {
        known = compiled(native.compileRequirement(require));
        if (texts.size >= MAX_TEXTS) texts.clear();
        texts.set(require, known);
      }
      return known[SLOT];
    }
    return require[SLOT];
  }

  const isRouted = (options) =>
    options.routes !== undefined || options.method !== undefined || options.path !== undefined;

  /** Decides with the terms that the options ask for. A requirement that nobody holds on to is compiled for this once. */
  function termsOf(auth, options, use) {
    const require = options?.require;
    const channel = channelBits(options?.channel);
    if (options !== undefined && options !== null && isRouted(options)) {
      const { slot, entitlement } = routed(auth, options);
      return use((slot << 2) | channel, entitlement);
    }
    const slot = slotOf(require);
    if (slot !== undefined) return use((slot << 2) | channel, options?.entitlement);
    const once = compiled(native.compileRequirement(require));
    const answer = use((once[SLOT] << 2) | channel, options?.entitlement);
    // Alive until here: its number is free for another as soon as it is garbage.
    return once === undefined ? undefined : answer;
  }

  class Warm {
    constructor(auth) {
      this.decide = auth.warmFunction();
      this.headers = new CredentialHeaders(auth.credentialHeaders());
      this.principals = [];
    }
  }

  const warmOf = (auth) => auth[WARM] ?? prepare(auth);
  function prepare(auth) {
    const warm = new Warm(auth);
    Object.defineProperty(auth, WARM, { value: warm });
    return warm;
  }

  /** The object for a number; a negative one says that there is none, or one that has become untrue. */
  function principalOf(auth, warm, slot) {
    if (slot >= 0) return warm.principals[slot] ?? made(auth, warm, slot);
    // Forgotten first: should making it fail, the untrue one is gone.
    warm.principals[~slot] = undefined;
    return made(auth, warm, ~slot);
  }

  function made(auth, warm, slot) {
    const principal = auth.principal(slot);
    warm.principals[slot] = principal;
    return principal;
  }

  const linesOf = (found) => (typeof found === 'string' ? [AUTHORIZATION, found] : found);

  const methods = {
    authenticateSync(headers, options) {
      const warm = warmOf(this);
      const found = warm.headers.read(headers);
      let terms = anyone[SLOT] << 2;
      let entitlement;
      let now;
      if (options !== undefined && options !== null) {
        checkOptions(options, false);
        ({ entitlement, now } = options);
        if (isRouted(options)) {
          terms = channelBits(options.channel);
          const rule = routed(this, options);
          terms |= rule.slot << 2;
          ({ entitlement } = rule);
        } else {
          const slot = slotOf(options.require);
          if (slot === undefined) {
            return termsOf(this, options, (terms) =>
              principalOf(this, warm, this.decideNow(linesOf(found), terms, entitlement, now)));
          }
          terms = (slot << 2) | channelBits(options.channel);
        }
      }
      if (typeof found === 'string' && entitlement === undefined && now === undefined) {
        const slot = warm.decide(found, terms);
        if (slot !== undefined) return principalOf(this, warm, slot);
      }
      return principalOf(this, warm, this.decideNow(linesOf(found), terms, entitlement, now));
    },

    async authenticate(headers, options) {
      const warm = warmOf(this);
      const found = warm.headers.read(headers);
      if (options !== undefined && options !== null) checkOptions(options, true);
      const { now, signal } = options ?? {};
      const answer = termsOf(this, options, (terms, entitlement) => {
        if (typeof found === 'string' && entitlement === undefined && now === undefined && !signal?.aborted) {
          const slot = warm.decide(found, terms);
          if (slot !== undefined) return slot;
        }
        if (signal?.aborted) throw cancelled(signal);
        return this.decide(linesOf(found), terms, entitlement, now);
      });
      if (typeof answer === 'number') return principalOf(this, warm, answer);
      try {
        const principal = await unlessAborted(answer, signal);
        const slot = this.slot(principal);
        if (slot < 0) warm.principals[~slot] = principal;
        return principalOf(this, warm, slot < 0 ? ~slot : slot);
      } catch (error) {
        Error.captureStackTrace(error);
        throw error;
      }
    },

    requirement(spec) {
      return compiled(nativeRequirement.call(this, spec));
    },
  };

  const nativeRequirement = InspireAuth.prototype.requirement;
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(InspireAuth.prototype, name, { value, writable: true, configurable: true });
  }
  if (Symbol.dispose !== undefined) {
    Object.defineProperty(InspireAuth.prototype, Symbol.dispose, {
      value() {
        this.close();
      },
      writable: true,
      configurable: true,
    });
  }

  return function equip(auth) {
    prepare(auth);
    // Own properties: the same objects at each look, without a call.
    Object.defineProperty(auth, 'keys', { value: auth.keys });
    Object.defineProperty(auth, 'license', { value: asked(auth.license) });
    return auth;
  };
}

module.exports = { requests };
