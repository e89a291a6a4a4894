// Who is signed in. A session holds a principal, which is judged anew at each request: whoever revokes the key ends it.
import { randomBytes, timingSafeEqual } from 'node:crypto';

import { Refused } from './errors.mjs';
import { ADMIN, SIGN_IN, WRITE } from './levels.mjs';

const COOKIE = 'platform-session';
/** Without a request for so long, a session ends. */
const IDLE_MS = 30 * 60 * 1000;
/** More at once are a mistake, or somebody who tries something: the oldest goes. */
const MOST = 1000;

export class Sessions {
  #auth;
  #open = new Map();
  #requirements;

  constructor(auth) {
    this.#auth = auth;
    this.#requirements = {
      signIn: auth.requirement(SIGN_IN),
      admin: auth.requirement({ any: [ADMIN] }),
      write: auth.requirement({ any: [WRITE] }),
    };
  }

  /** Signs in with a key's credential; the new session. */
  async begin(credential) {
    const value = `Bearer ${credential}`;
    const principal = await this.#auth.authenticate(['Authorization', value], {
      channel: 'local',
      require: this.#requirements.signIn,
    });
    const id = randomBytes(32).toString('base64url');
    if (this.#open.size >= MOST) this.#open.delete(this.#open.keys().next().value);
    this.#open.set(id, { principal, csrf: randomBytes(32).toString('base64url'), usedAt: Date.now() });
    return id;
  }

  /** The session of a request, judged as things stand now. Whatever changes something must show its token as well. */
  of(request) {
    const id = cookie(request);
    const session = id === undefined ? undefined : this.#open.get(id);
    if (session === undefined) throw new Refused('SIGNED_OUT');
    try {
      if (Date.now() - session.usedAt > IDLE_MS) throw new Refused('SIGNED_OUT');
      this.#auth.recheck(session.principal, this.#requirements.signIn);
    } catch (error) {
      // An error of the store is nobody's end; everything else is.
      if (!String(error.code).startsWith('STORE_')) this.#open.delete(id);
      throw error.code === 'INVALID_CREDENTIAL' || error.code === 'INSUFFICIENT_LEVEL' ? new Refused('SIGNED_OUT') : error;
    }
    session.usedAt = Date.now();
    if (!['GET', 'HEAD'].includes(request.method) && !same(request.headers['x-csrf-token'], session.csrf)) {
      throw new Refused('CROSS_SITE');
    }
    return session;
  }

  /** What the pages are told of a session. */
  view({ principal, csrf }) {
    const holds = (requirement) => this.#auth.explain(principal, requirement).length === 0;
    return {
      name: principal.name,
      isAdmin: holds(this.#requirements.admin),
      canWrite: holds(this.#requirements.write),
      csrf,
    };
  }

  end(request) {
    this.#open.delete(cookie(request));
  }

  /** The cookie that names a session: no script reads it, and no other site sends it. */
  static cookie(id) {
    const ends = id === '' ? '; Max-Age=0' : '';
    return `${COOKIE}=${id}; Path=/; HttpOnly; SameSite=Strict${ends}`;
  }
}

function cookie(request) {
  const pairs = (request.headers.cookie ?? '').split('; ').filter((pair) => pair.startsWith(`${COOKIE}=`));
  return pairs.length === 1 ? pairs[0].slice(COOKIE.length + 1) : undefined;
}

function same(given, expected) {
  if (typeof given !== 'string') return false;
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
