// What the server is asked, and what it answers.

export interface Told {
  error: string;
  message: string;
  advice: string;
}

/** A refusal, with the sentence that says what to do about it. */
export class ApiError extends Error implements Told {
  readonly error: string;
  readonly advice: string;

  constructor({ error, message, advice }: Told) {
    super(message);
    this.error = error;
    this.advice = advice;
  }
}

export interface Session {
  name: string;
  isAdmin: boolean;
  canWrite: boolean;
  csrf: string;
}

export interface Key {
  id: string;
  name: string;
  description: string;
  levels: string[];
  requireSecure: boolean;
  enabled: boolean;
  createdAt: number;
  lastUsedAt: number | null;
  expiresAt: number | null;
  revision: number;
}

export interface Level {
  level: string;
  about: string;
  children: Level[];
}

export interface Notice {
  code: string;
  severity: 'info' | 'warning' | 'error';
  message: string;
  advice?: string;
  until?: number | null;
}

export interface Explained {
  code: string;
  message: string;
  advice: string;
}

export interface License {
  state: 'unlicensed' | 'active' | 'expired' | 'suspended' | 'invalid';
  reason: Explained | null;
  name: string | null;
  key: string | null;
  mode: 'online' | 'offline' | null;
  expiresAt: number | null;
  leaseExpiresAt: number | null;
  lastValidatedAt: number | null;
  lastAttempt: (Explained & { at: number }) | null;
  limits: { name: string; title: string; limit: number; used: number }[];
  entitlements: { code: string; feature: string | null; granted: boolean }[];
  notices: Notice[];
  hasServer: boolean;
}

export interface Features {
  state: License['state'];
  notices: Notice[];
  features: { code: string; feature: string; granted: boolean }[];
}

let token = '';

/** Sends a request; what changes something carries the session's token. */
export async function ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { 'X-CSRF-Token': token };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  } catch {
    const advice = 'Check that it is running, and try again.';
    throw new ApiError({ error: 'UNREACHABLE', message: 'The server does not answer.', advice });
  }
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return answer as Answer;
  const told = answer as Told | null;
  const unread = { error: 'INTERNAL', message: 'The server failed.', advice: 'Look at its log.' };
  throw new ApiError(told?.error ? told : unread);
}

/** Who is signed in; null is nobody. */
export async function session(): Promise<Session | null> {
  try {
    const found = await ask<Session>('GET', '/api/session');
    token = found.csrf;
    return found;
  } catch (error) {
    token = '';
    if (error instanceof ApiError && error.error === 'SIGNED_OUT') return null;
    throw error;
  }
}
