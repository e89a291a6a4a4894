'use strict';

// The host's own way to the licensing server. A thread of the library's waits for the answer, until its deadline.

const native = require('../native.js');
const { InspireAuthError } = require('./errors.js');

/** Requests that are under way, by the number of their question: what aborts them. Shared by copies of this file. */
const UNDER_WAY = Symbol.for('inspire-auth.questions');
const underWay = (native[UNDER_WAY] ??= new Map());

/** What a timer of Node's can wait at most, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** Answers a question of the library's with what the host's function comes to. */
async function carry(transport, { question, ...request }) {
  const controller = new AbortController();
  underWay.set(question, controller);
  const late = () => controller.abort(new DOMException('the licensing server has not answered in time', 'TimeoutError'));
  const timer = setTimeout(late, Math.min(request.timeoutMs, LONGEST)).unref();
  try {
    const { status, headers, body } = await transport({ ...request, signal: controller.signal });
    const pairs = [...headers].map(([name, value]) => [name, value]);
    native.answerQuestion(question, { status, headers: pairs, body });
  } catch (error) {
    // Whatever words the host's client has for it: it was us who ended it.
    native.failQuestion(question, codeOf(controller.signal.aborted ? controller.signal.reason : error));
  } finally {
    clearTimeout(timer);
    underWay.delete(question);
  }
}

/** Nobody waits for this answer any more. */
function withdrawn(question) {
  if (question !== undefined && question !== null) {
    underWay.get(question)?.abort(new InspireAuthError('CANCELLED'));
  }
}

/** What a transport may say itself: what else this package has thrown is no word about a network. */
const SAYABLE = new Set([
  'NETWORK_DNS', 'NETWORK_CONNECT', 'NETWORK_TLS', 'NETWORK_PROXY', 'NETWORK_TIMEOUT', 'NETWORK_POLICY',
  'SERVER_ANSWER_MALFORMED', 'CANCELLED',
]);

const KINDS = [
  ['NETWORK_TIMEOUT', /^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/],
  ['NETWORK_DNS', /^(ENOTFOUND|EAI_[A-Z]+|ENODATA|ESERVFAIL)$/],
  [
    'NETWORK_TLS',
    /^(ERR_TLS_.*|ERR_SSL_.*|EPROTO|CERT_.*|CRL_.*|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|HOSTNAME_MISMATCH|INVALID_CA)$/,
  ],
  ['SERVER_ANSWER_MALFORMED', /^(HPE_.*|UND_ERR_(RESPONSE|HTTP_PARSER).*|UND_ERR_.*_OVERFLOW|UND_ERR_REQ_.*_MISMATCH)$/],
  // A network's other words: refused, reset, unreachable, closed.
  ['NETWORK_CONNECT', /^(E[A-Z]+|UND_ERR_.*)$/],
];

/**
 * The code for what a transport threw: its own network code, a timeout, or what the system said, wherever it stands in the
 * chain of causes. Anything else is no connection; and since it may be a mistake of the program's, it is shown.
 */
function codeOf(error) {
  for (let at = error, depth = 0; at !== null && typeof at === 'object' && depth < 8; at = at.cause, depth++) {
    if (at instanceof InspireAuthError) {
      if (SAYABLE.has(at.code)) return at.code;
      break;
    }
    if (at.name === 'TimeoutError') return 'NETWORK_TIMEOUT';
    if (at.name === 'AbortError') return 'CANCELLED';
    const known = typeof at.code === 'string' && KINDS.find(([, codes]) => codes.test(at.code));
    if (known) return known[0];
  }
  process.emitWarning(`a transport has failed: ${error?.stack ?? error}`, 'InspireAuthWarning');
  return 'NETWORK_CONNECT';
}

native.useCarry(carry);

module.exports = { withdrawn };
