'use strict';

const { gate, refusal } = require('./gate.js');

function apiKey(auth, options) {
  const decide = gate(auth, options);
  return async function apiKey(req, res, next) {
    try {
      req.principal = await decide(req.rawHeaders, req, req);
    } catch (error) {
      refuse(auth, error, res, next);
      return;
    }
    next();
  };
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
