'use strict';

const { checkCase, checkSuffix, gate, refusal, tableOf, targetOf } = require('./gate.js');

const ADVICE =
  'say "ignore_case": true in the table; or give apiKey caseSensitive: true, when the app has `case sensitive routing` ' +
  'and every router of it was made with caseSensitive: true';

const SUFFIX_ADVICE =
  'say "ignore_suffix": true in the table; or give apiKey wholeSegments: true, when nothing that routes behind it is ' +
  "Connect's";

function apiKey(auth, options) {
  const { caseSensitive, wholeSegments, ...rest } = options ?? {};
  for (const [name, word] of Object.entries({ caseSensitive, wholeSegments })) {
    if (word === undefined) continue;
    if (typeof word !== 'boolean') throw new TypeError(`${name} is true or false`);
    if (rest.routes === undefined) throw new TypeError(`${name} is for routes`);
  }
  const isTable = rest.routes !== undefined && rest.routes !== null;
  if (isTable) {
    rest.routes = tableOf(rest.routes);
    if (!caseSensitive) checkCase(rest.routes, ADVICE);
  }
  const decide = gate(auth, rest);
  return async function apiKey(req, res, next) {
    try {
      if (isTable && req.app?.disabled?.('case sensitive routing')) checkCase(rest.routes, ADVICE);
      // Connect, and whatever else is not Express: only a request tells.
      if (isTable && !wholeSegments && !isExpress(req)) checkSuffix(rest.routes, SUFFIX_ADVICE);
      req.principal = await decide(req.rawHeaders, req, req, isTable ? target(req) : undefined);
    } catch (error) {
      refuse(auth, error, res, next);
      return;
    }
    next();
  };
}

/** Whether an Express application has passed the request on. */
function isExpress({ baseUrl }) {
  return typeof baseUrl === 'string';
}

/**
 * The whole path as it was received. Express keeps it, and says how much of it is behind (`baseUrl`) and before (`url`)
 * the router: unless something has rewritten `url`. Others keep it at most, and then it must be what the router sees.
 */
function target(req) {
  const { method, url, baseUrl } = req;
  const received = req.originalUrl ?? url;
  if (!isExpress(req)) return targetOf(method, received, received === url);
  // Where a mount has taken the whole path, Express puts a slash in front of what is left.
  const isSlash = baseUrl !== '' && (url === '/' || url.startsWith('/?')) && received === baseUrl + url.slice(1);
  return targetOf(method, received, received === baseUrl + url || isSlash);
}

function entitled(auth, code) {
  if (typeof code !== 'string' || code === '') throw new TypeError('an entitlement is a code such as VIDEO_WALL_SYNC');
  // Asked as a request that everyone may make, so that the `enforcement` of the handle applies as it does there.
  const terms = { require: auth.requirement('Public'), entitlement: code };
  return function entitled(_req, res, next) {
    try {
      auth.authenticateSync([], terms);
    } catch (error) {
      refuse(auth, error, res, next);
      return;
    }
    next();
  };
}

function refuse(auth, error, res, next) {
  let answer;
  try {
    answer = refusal(auth, error);
  } catch (foreign) {
    next(foreign);
    return;
  }
  if (res.headersSent) return; // by a time limit, say, while a hash was being computed
  res.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers)) res.setHeader(name, value);
  res.end(answer.body);
}

module.exports = { apiKey, entitled };
