'use strict';

// Every error of this package, whether thrown or in a rejection.

const native = require('../native.js');

const ERRORS = Object.freeze(native.errors().map(Object.freeze));
const BY_CODE = new Map(ERRORS.map((entry) => [entry.code, entry]));

class Own extends Error {
  constructor(code, detail, options) {
    const entry = BY_CODE.get(code) ?? BY_CODE.get('INTERNAL');
    super(detail === undefined ? entry.message : `${entry.message}: ${detail}`, options);
    this.code = entry.code;
    this.detail = detail ?? null;
    this.retry = entry.retry;
    this.httpStatus = entry.httpStatus;
  }
}
Object.defineProperty(Own, 'name', { value: 'InspireAuthError' });
Object.defineProperty(Own.prototype, 'name', { value: 'InspireAuthError', writable: true, configurable: true });

/** The class, also where a tool loads this file a second time. */
const InspireAuthError = native.useErrorClass(Own);

module.exports = { ERRORS, InspireAuthError };
