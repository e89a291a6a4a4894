'use strict';

// What a host asks about its license all the time: of memory, without the cost of a native method, where memory knows.

const GRANTS = Symbol.for('inspire-auth.grants');
const LIMIT = Symbol.for('inspire-auth.limit');

/** Puts `hasEntitlement` and `limit` on the native class; returns what makes an instance ready for them. */
function questions({ License: { prototype } }) {
  const { hasEntitlement, limit } = prototype;
  const methods = {
    hasEntitlement(code, now) {
      const known = now === undefined ? this[GRANTS]?.(code) : undefined;
      return known ?? hasEntitlement.call(this, code, now);
    },
    limit(name, now) {
      const known = now === undefined ? this[LIMIT]?.(name) : undefined;
      return known ?? limit.call(this, name, now);
    },
  };
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
  return function equip(license) {
    Object.defineProperty(license, GRANTS, { value: license.grantsFunction() });
    Object.defineProperty(license, LIMIT, { value: license.limitFunction() });
    return license;
  };
}

module.exports = { questions };
