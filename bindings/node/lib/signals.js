'use strict';

// What an AbortSignal does to a promise of this package.

const native = require('../native.js');
const { InspireAuthError } = require('./errors.js');
const { withdrawn } = require('./transport.js');

const cancelled = (signal) => new InspireAuthError('CANCELLED', undefined, { cause: signal.reason });

/** The promise, until the signal is aborted; `onAbort` is told of that. */
function unlessAborted(promise, signal, onAbort = () => {}) {
  if (signal === undefined || signal === null) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => {
      onAbort();
      reject(cancelled(signal));
    };
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    signal.addEventListener('abort', abort, { once: true });
  });
}

/**
 * Lets `signal`, in the last argument, end the methods that wait for the licensing server. `places` says which argument
 * that is, and whether the method is waited for even then.
 */
function endable(prototype, places) {
  for (const [name, { at, what, isWaitedFor = false }] of Object.entries(places)) {
    const begin = prototype[name];
    prototype[name] = function (...given) {
      const signal = given[at]?.signal;
      if (signal === undefined || signal === null) return begin.apply(this, given.slice(0, at + 1));
      if (typeof signal.addEventListener !== 'function') {
        throw new InspireAuthError('INVALID_ARGUMENT', `${what}.signal is no AbortSignal`);
      }
      if (signal.aborted) throw cancelled(signal);
      const call = native.beginCall();
      const end = () => withdrawn(native.cancelCall(call));
      let underWay;
      try {
        underWay = begin.call(this, ...given.slice(0, at + 1), call);
      } finally {
        // The work has the call by now, or there is none.
        if (underWay === undefined) native.endCall(call);
      }
      underWay = underWay.finally(() => native.endCall(call));
      if (!isWaitedFor) return unlessAborted(underWay, signal, end);
      signal.addEventListener('abort', end, { once: true });
      return underWay.finally(() => signal.removeEventListener('abort', end));
    };
  }
}

module.exports = { cancelled, endable, unlessAborted };
