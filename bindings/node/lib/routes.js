'use strict';

// Which rule of a route table a request is decided by.

const { InspireAuthError } = require('./errors.js');

/** What a table keeps for requests; shared by copies of this file, as in requests.js. */
const RULES = Symbol.for('inspire-auth.rules');

const invalid = (detail) => new InspireAuthError('INVALID_ARGUMENT', detail);

/** What each rule of a table asks, in the order of the table. */
function rulesOf(routes) {
  const known = routes[RULES];
  if (known !== undefined) return known;
  const slots = routes.slots();
  const rules = routes.rules.map(({ entitlement }, at) => ({ slot: slots[at], entitlement: entitlement ?? undefined }));
  Object.defineProperty(routes, RULES, { value: rules });
  return rules;
}

/**
 * The rule of `{routes, method, path}`: the number of its requirement, and its entitlement.
 *
 * @throws InspireAuthError what refuses the path or the method; `INVALID_ARGUMENT` when one of the three is missing, or
 * the options ask for something else as well: a mistake that must not become "any key"
 */
function routed(auth, { routes, method, path, require, entitlement }) {
  if (require !== undefined || entitlement !== undefined) {
    throw invalid('options has routes, and require or entitlement: a table says both');
  }
  if (routes === undefined || method === undefined || path === undefined) {
    throw invalid('options.routes, options.method and options.path are given together, or none of them');
  }
  const place = auth.route(routes, method, path);
  return rulesOf(routes)[place];
}

module.exports = { routed };
