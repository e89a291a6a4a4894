'use strict';

/**
 * Lets the rejections of what there is twice (`name` with a promise, `nameSync` without) say where the call came from:
 * they are made on the event loop, where nobody has called anything.
 */
function withUsefulStacks(holder) {
  for (const sync of Object.getOwnPropertyNames(holder).filter((name) => name.endsWith('Sync'))) {
    const name = sync.slice(0, -'Sync'.length);
    const begin = holder[name];
    const method = {
      async [name](...given) {
        try {
          return await begin.apply(this, given);
        } catch (error) {
          Error.captureStackTrace(error);
          throw error;
        }
      },
    }[name];
    Object.defineProperty(method, 'length', { value: begin.length, configurable: true });
    holder[name] = method;
  }
  return holder;
}

module.exports = { withUsefulStacks };
