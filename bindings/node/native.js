'use strict';

// Loads the native half: the one that was built here, or the platform's package.

const { existsSync } = require('node:fs');
const { join } = require('node:path');

const { platform, arch } = process;

/** The C library, where there is more than one: the addon is linked against it. */
function libc() {
  if (platform !== 'linux') return null;
  // glibc says its version here; musl says nothing.
  return process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl';
}

const parts = [platform, arch, libc()].filter(Boolean);
const triple = parts.join('-');
const packageName = `inspire-auth-${triple}`;
const local = join(__dirname, `inspire-auth.${triple}.node`);

function load() {
  const causes = [];
  for (const place of existsSync(local) ? [local, packageName] : [packageName]) {
    try {
      return require(place);
    } catch (cause) {
      causes.push(cause);
    }
  }
  throw new Error(
    `inspire-auth has no native half for this system: platform ${platform}, architecture ${arch}, ` +
      `C library ${parts[2] ?? 'the only one'}. Looked for ${local} and for the package ${packageName}. ` +
      'It is an optional dependency: install without --omit=optional, on the system that it is to run on. ' +
      `Causes: ${causes.map((cause) => cause.message.split('\n', 1)[0]).join('; ')}`,
    { cause: causes.length === 1 ? causes[0] : new AggregateError(causes) },
  );
}

module.exports = load();
