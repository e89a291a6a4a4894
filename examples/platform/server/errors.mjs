// What a person is told when something fails: the code, what it means, and what an administrator should do about it.
import { ERRORS, InspireAuthError } from 'inspire-auth';

const ENTRIES = new Map(ERRORS.map((entry) => [entry.code, entry]));

/** Codes of this application's own, which the library does not have. */
const OWN = new Map([
  ['SIGNED_OUT', { status: 401, message: 'you are signed out', admin: 'sign in again' }],
  ['CROSS_SITE', { status: 403, message: 'this request did not come from these pages', admin: 'reload the page, and try again' }],
  ['NO_SUCH_ROUTE', { status: 404, message: 'there is nothing here', admin: 'check the address' }],
  ['MALFORMED_REQUEST', { status: 400, message: 'the request can not be read', admin: 'reload the page, and try again' }],
]);

export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** The status and the body for an error. Nothing of one that nobody has foreseen is shown. */
export function told(error) {
  if (error instanceof Refused) {
    const { status, message, admin } = OWN.get(error.code);
    return { status, body: { error: error.code, message: sentence(message), advice: sentence(admin) } };
  }
  const code = error instanceof InspireAuthError ? error.code : undefined;
  const entry = ENTRIES.get(code) ?? ENTRIES.get('INTERNAL');
  const status = code === undefined ? (error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : 500) : statusOf(entry);
  return { status, body: { error: entry.code, message: sentence(entry.message), advice: sentence(entry.admin) } };
}

/** Codes of management have no status of their own. */
function statusOf({ code, httpStatus }) {
  const own = { NOT_FOUND: 404, NAME_TAKEN: 409, CONFLICT: 409, PERMISSION_DENIED: 403 };
  if (own[code]) return own[code];
  if (code === 'INTERNAL') return 500;
  return httpStatus ?? (code.startsWith('NETWORK_') || code.startsWith('SERVER_') ? 502 : 422);
}

/** What a code means, for a warning or a state that is no error of a request. */
export function explained(code) {
  const entry = ENTRIES.get(code);
  return entry && { code, message: sentence(entry.message), advice: sentence(entry.admin) };
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
