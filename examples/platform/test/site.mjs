// What an administrator and a vendor have set up: a store, keys, signed files, a licensing server, and the application itself.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const CLI = process.env.INSPIRE_AUTH_CLI ?? 'inspire-auth';
const MAIN = fileURLToPath(new URL('../server/main.mjs', import.meta.url));
const TROUBLESHOOTING = readFileSync(new URL('../../../docs/troubleshooting.md', import.meta.url), 'utf8');
const MACHINE = 'platform-test';
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('INSPIRE_AUTH_')));

export const ADMIN = 'Authenticated/Platform/Admin';
export const WRITE = 'Authenticated/Gateway/Write';
export const READ = 'Authenticated/Gateway/Read';

/** What docs/troubleshooting.md says of a code: what it means, and what an administrator does about it. */
export function troubleshooting(code) {
  const row = TROUBLESHOOTING.split('\n').find((line) => line.includes(`</a>\`${code}\``));
  return row.split('|').slice(2, 4).map((sentence) => sentence.trim());
}

/** A process, and the first line that it wrote. */
export async function started(command, options, hasBegun) {
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let wrote = '';
  child.stderr.on('data', (data) => (wrote += data));
  const lines = createInterface({ input: child.stdout });
  const line = await new Promise((resolve, reject) => {
    lines.once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command.join(' ')} ended with ${code}: ${wrote}`)));
  });
  return { child, said: hasBegun(line), wrote: () => wrote };
}

export async function ended(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await over;
}

export class Site {
  #running = [];
  #installations = 0;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'inspire-auth-platform.'));
    this.begin();
    this.trusted = `vendor=${this.ask('issuer', 'keygen', '--out-dir', '.', '--id', 'vendor').public_key}`;
  }

  /** Another installation, on the same machine. */
  begin() {
    this.#installations += 1;
    this.store = this.path(`platform-${this.#installations}.db`);
  }

  path(name) {
    return join(this.folder, name);
  }

  /** Runs the command line; what it answers. */
  ask(...words) {
    const trust = this.trusted ? ['--trusted-key', this.trusted] : [];
    const all = ['--json', '--quiet', '--no-input', '--store', this.store, '--machine-id', MACHINE, ...trust, '--hash-m', '1024', '--hash-t', '1', ...words];
    const wrote = execFileSync(CLI, all, { cwd: this.folder, env: ENVIRONMENT, encoding: 'utf8' });
    return wrote.trim() === '' ? null : JSON.parse(wrote);
  }

  /** A key's credential. */
  key(name, ...levels) {
    return this.ask('keys', 'create', name, ...levels.flatMap((level) => ['--level', level])).credential;
  }

  /** A machine file for this machine, and the license key that belongs to it. */
  file(name, more = {}, options = []) {
    const key = `FILE-${name.toUpperCase()}-1111`;
    const fingerprint = this.ask('machine', 'id').fingerprint;
    const entitlements = ['OFFLINE_LICENSING', 'VIDEO_WALL_SYNC', 'MFA'];
    const limits = { MAX_DISPLAYS: 2, MAX_AGILES: -1, AI_CREDITS_MONTHLY: 1000 };
    const description = { id: `license-${name}`, key, name: `Plant ${name}`, fingerprint, entitlements, limits, ...more };
    writeFileSync(this.path(`${name}.json`), JSON.stringify(description));
    this.ask('issuer', 'sign', '--key', 'vendor.key', '--in', `${name}.json`, '--out', `${name}.lic`, ...options);
    return { key, text: readFileSync(this.path(`${name}.lic`), 'utf8'), path: this.path(`${name}.lic`) };
  }

  /** A licensing server on the vendor's licenses. */
  async vendor() {
    const command = [CLI, '--json', 'issuer', 'serve', '--db', 'licenses.db', '--key', 'vendor.key', '--listen', '127.0.0.1:0'];
    const { child, said } = await started(command, { cwd: this.folder, env: ENVIRONMENT }, JSON.parse);
    this.#running.push(child);
    return { url: said.url, child };
  }

  /** A new license. */
  sell(name) {
    const limits = ['--limit', 'MAX_DISPLAYS=25', '--limit', 'MAX_AGILES=-1'];
    const entitlements = ['--entitle', 'VIDEO_WALL_SYNC', '--entitle', 'OFFLINE_LICENSING'];
    return this.vends('create', '--name', name, '--max-machines', '2', ...limits, ...entitlements).license;
  }

  /** What the vendor does with licenses. */
  vends(verb, ...words) {
    return this.ask('issuer', 'license', verb, '--db', 'licenses.db', ...words);
  }

  /** The application, on the site's store. */
  async platform({ server } = {}) {
    const command = [process.execPath, MAIN, '--store', this.store, '--trusted-key', this.trusted, '--machine-id', MACHINE];
    if (server) command.push('--server', server);
    const { child, said, wrote } = await started(command, { env: ENVIRONMENT }, (line) => line.replace('listening on ', ''));
    this.#running.push(child);
    return { url: said, child, wrote };
  }

  async close() {
    await Promise.all(this.#running.map((child) => ended(child)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
