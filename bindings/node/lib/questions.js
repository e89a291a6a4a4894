'use strict';

// What a host asks about its license all the time: of memory, without the cost of a native method, where memory knows.

/** What a license keeps for that; shared by copies of this file, as in requests.js. */
const ASK = Symbol.for('inspire-auth.ask');

class Questions {
  constructor(license) {
    this.grants = license.grantsFunction();
    this.limit = license.limitFunction();
    /** The numbers of the names that were asked for. */
    this.slots = new Map();
  }

  /** Learns a name that was just answered, and so is a text. */
  learn(license, name) {
    const slot = license.nameSlot(name);
    if (slot !== null) this.slots.set(name, slot);
  }
}

/** Puts `hasEntitlement` and `limit` on the native class; returns what makes an instance ready for them. */
function questions({ License: { prototype } }) {
  const { hasEntitlement, limit } = prototype;
  const methods = {
    hasEntitlement(code, now) {
      const ask = this[ASK];
      if (ask === undefined || now !== undefined) return hasEntitlement.call(this, code, now);
      const slot = ask.slots.get(code);
      const known = slot === undefined ? undefined : ask.grants(slot);
      if (known !== undefined) return known;
      const answer = hasEntitlement.call(this, code);
      if (slot === undefined) ask.learn(this, code);
      return answer;
    },
    limit(name, now) {
      const ask = this[ASK];
      if (ask === undefined || now !== undefined) return limit.call(this, name, now);
      const slot = ask.slots.get(name);
      const known = slot === undefined ? undefined : ask.limit(slot);
      if (known !== undefined) return known;
      const answer = limit.call(this, name);
      if (slot === undefined) ask.learn(this, name);
      return answer;
    },
  };
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
  return function equip(license) {
    Object.defineProperty(license, ASK, { value: new Questions(license) });
    return license;
  };
}

module.exports = { questions };
