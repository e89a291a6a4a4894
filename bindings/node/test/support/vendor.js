'use strict';

// A vendor: a signing key, a license for one machine, and `inspire-auth issuer serve`.

const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { createInterface } = require('node:readline');

/** The program; without it there is nothing to test against. */
const CLI = process.env.INSPIRE_AUTH_CLI;
const skip = CLI === undefined && 'SKIP: INSPIRE_AUTH_CLI does not say where the program inspire-auth is';

class Vendor {
  #folder = mkdtempSync(join(tmpdir(), 'inspire-auth-'));
  #server;

  /** A vendor whose server runs until the test ends; `failures` are words of `--fail`. */
  static async start(t, { failures = [], license = [] } = {}) {
    const vendor = new Vendor();
    t.after(async () => {
      await vendor.stop();
      rmSync(vendor.#folder, { recursive: true, force: true });
    });
    vendor.#run('issuer', 'keygen', '--out-dir', vendor.#folder, '--id', 'acme');
    const [id, publicKey] = readFileSync(join(vendor.#folder, 'acme.pub'), 'utf8').trim().split(' ');
    vendor.trustedKeys = [{ id, publicKey }];
    const made = vendor.#licenses('create', '--name', 'Plant 3', '--max-machines', '1', '--entitle', 'MFA', ...license).license;
    ({ id: vendor.license, key: vendor.key } = made);
    await vendor.serve(...failures);
    return vendor;
  }

  /** Starts the server; where it was before, if it was. */
  async serve(...failures) {
    const listen = this.url === undefined ? '127.0.0.1:0' : new URL(this.url).host;
    const words = failures.flatMap((failure) => ['--fail', failure]);
    const place = ['--db', this.path('licenses.db'), '--key', this.path('acme.key'), '--listen', listen];
    this.#server = spawn(CLI, ['--json', 'issuer', 'serve', ...place, ...words], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = await once(createInterface({ input: this.#server.stdout }), 'line');
    this.url = JSON.parse(line).url;
  }

  async stop() {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const exit = once(server, 'exit');
    server.kill();
    await exit;
  }

  /** Changes the license, while the server runs or not: `change('entitle', '--add', 'SSO_SAML')`. */
  change(verb, ...words) {
    this.#licenses(verb, this.license, ...words);
  }

  /** How many machines use the license. */
  machines() {
    return this.#licenses('show', this.license).license.machines.length;
  }

  path(name) {
    return join(this.#folder, name);
  }

  #licenses(verb, ...words) {
    return JSON.parse(this.#run('--json', 'issuer', 'license', verb, '--db', this.path('licenses.db'), ...words));
  }

  #run(...words) {
    return execFileSync(CLI, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }
}

module.exports = { Vendor, skip };
