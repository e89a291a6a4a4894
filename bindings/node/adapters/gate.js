'use strict';

// What the adapters for HTTP frameworks have in common: how a request is decided, and how a refusal is answered.

const { ERRORS, InspireAuth, InspireAuthError, Routes } = require('../index.js');

const CHANNELS = ['plain', 'secure', 'local'];
/** So many header lines of a request does Node keep, unless `server.maxHeadersCount` is set; further ones it drops. */
const MAX_LINES = 1000;
/** What is asked about a request of which lines were dropped, since a second credential may be among them. */
const REPEATED = ['Authorization', '', 'Authorization', ''];
const MESSAGES = new Map(ERRORS.map((entry) => [entry.code, entry.message]));

/**
 * Throws for a name that is not known: a misspelled `require` would otherwise guard nothing.
 *
 * @param {object} options
 * @param {string[]} known
 */
function checkNames(options, known) {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new TypeError(`there is no option "${name}"; there are ${known.join(', ')}`);
  }
}

/** @param {unknown} auth throws unless it is a handle */
function checkHandle(auth) {
  if (!(auth instanceof InspireAuth)) throw new TypeError('auth is what open() gave');
}

/**
 * Compiles the options of a guard: what is wrong with them is said when a server starts, not at its first request.
 *
 * @param {import('../index.js').InspireAuth} auth
 * @param {{require?: unknown, entitlement?: string, routes?: unknown, channel?: unknown}} options
 * @returns {(headers: unknown, subject: unknown, incoming?: import('node:http').IncomingMessage,
 *   target?: {method: string, path: string}) => Promise<import('../index.js').Principal>} decides a request; `subject` is
 *   what a `channel` function is given, and `target` what a table judges
 */
function gate(auth, options = {}) {
  checkHandle(auth);
  checkNames(options, ['require', 'entitlement', 'routes', 'channel']);
  const { entitlement } = options;
  if (entitlement !== undefined && (typeof entitlement !== 'string' || entitlement === '')) {
    throw new TypeError('entitlement is the code of one, such as VIDEO_WALL_SYNC');
  }
  // Left out, it is any key; given as undefined, it is a mistake that must not become "any key".
  for (const name of ['require', 'routes']) {
    if (name in options && options[name] == null) throw new TypeError(`${name} is given, and is nothing`);
  }
  const channelOf = channelReader(options.channel ?? 'plain');
  const headersOf = (headers, incoming) => (isWhole(incoming) ? headers : REPEATED);
  if (options.routes !== undefined) {
    if (options.require !== undefined || entitlement !== undefined) {
      throw new TypeError('give routes, or require and entitlement: a table says both');
    }
    const routes = tableOf(options.routes);
    return async (headers, subject, incoming, target) =>
      auth.authenticate(headersOf(headers, incoming), { routes, ...target, channel: channelOf(subject, incoming) });
  }
  const require = auth.requirement(options.require ?? 'Authenticated');
  const terms = entitlement === undefined ? { require } : { require, entitlement };
  return async (headers, subject, incoming) =>
    auth.authenticate(headersOf(headers, incoming), { ...terms, channel: channelOf(subject, incoming) });
}

/** A table: compiled, or what `Routes.parse` makes one of. */
const tableOf = (routes) => (routes instanceof Routes ? routes : Routes.parse(routes));

/**
 * Whether paths are compared as a router has it that does not care for case: by a table that does, one path is another's
 * rule.
 *
 * @param {import('../index.js').Routes} routes
 * @param {string} advice what to do about it
 */
function checkCase(routes, advice) {
  if (!routes.ignoresCase) throw new TypeError(`the router does not care for case, and the table does: ${advice}`);
}

/**
 * Whether paths are compared as by a router that takes `/users.json` to the handler of `/users`.
 *
 * @param {import('../index.js').Routes} routes
 * @param {string} advice what to do about it
 */
function checkSuffix(routes, advice) {
  if (!routes.ignoresSuffix) throw new TypeError(`the router ends a mount at a dot, and the table does not: ${advice}`);
}

/**
 * The target of a request: the path as it was received, if the router goes by the same.
 *
 * @param {string} method
 * @param {string} path
 * @param {boolean} isSeen whether the router sees this path
 */
function targetOf(method, path, isSeen) {
  const [bare] = path.split('?', 1);
  return {
    // Some routers take `get` for GET, and others do not; a text with a space is no method.
    method: method === method.toUpperCase() ? method : `${method} `,
    // An empty segment is always refused, and the audit log still says which path it was.
    path: isSeen ? bare : `${bare}//`,
  };
}

function isWhole(incoming) {
  if (incoming === undefined) return true;
  const limit = incoming.socket?.server?.maxHeadersCount ?? MAX_LINES;
  return limit <= 0 || incoming.rawHeaders.length < 2 * limit;
}

function channelReader(channel) {
  if (CHANNELS.includes(channel)) return () => channel;
  if (typeof channel === 'function') return (subject) => channel(subject);
  if (typeof channel?.channel === 'function') {
    return (_, incoming) => {
      const socket = incoming?.socket;
      const direct = socket?.encrypted ? 'secure' : 'plain';
      // No address: no connection over IP, and so no proxy that could have been listed.
      return socket?.remoteAddress ? channel.channel(socket.remoteAddress, direct, incoming.rawHeaders) : direct;
    };
  }
  throw new TypeError(`channel is one of ${CHANNELS.join(', ')}, a TrustedProxies, or a function of the request`);
}

/**
 * How a refusal is answered: with its code and general message. The detail (which level is missing) is for the audit
 * log.
 *
 * @param {import('../index.js').InspireAuth} auth
 * @param {unknown} error what `authenticate` threw; anything that is not the library's is thrown on
 * @returns {{status: number, headers: Record<string, string>, body: string}}
 */
function refusal(auth, error) {
  if (!(error instanceof InspireAuthError)) throw error;
  const { status, challenge, retryAfter } = answerTo(auth, error);
  const headers = { 'content-type': 'application/json' };
  if (challenge !== null) headers['www-authenticate'] = challenge;
  if (retryAfter !== null) headers['retry-after'] = String(retryAfter);
  return { status, headers, body: JSON.stringify({ error: error.code, message: MESSAGES.get(error.code) }) };
}

function answerTo(auth, error) {
  try {
    return auth.http(error);
  } catch {
    return { status: 500, challenge: null, retryAfter: null }; // the handle is closed
  }
}

module.exports = { checkCase, checkHandle, checkNames, checkSuffix, gate, refusal, tableOf, targetOf };
