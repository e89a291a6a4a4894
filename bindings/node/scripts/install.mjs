// Puts a finished build in its place, and makes index.d.ts of its types. `--check` only says whether index.d.ts is what
// the build gives.
import { copyFileSync, existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = join(root, 'build');
const addons = readdirSync(build).filter((name) => name.endsWith('.node'));

/** What Rust declares, behind what is written by hand; the codes come from the table of the library. */
function types() {
  const header = readFileSync(join(root, 'types', 'index.d.ts'), 'utf8');
  const declared = readFileSync(join(build, 'native.d.ts'), 'utf8')
    .replace(/^\/\* auto-generated[^\n]*\n\/\* eslint-disable \*\/\n*/, '')
    // A class's methods come after those that JavaScript adds, which are declared by hand.
    .replace(/^export declare class InspireAuth \{$/m, `${inClass(header)}`)
    // What is made by the library only: an object that has the same members is none, and `new` makes none.
    .replace(/^export declare class \w+ \{\n([\s\S]*?)^\}/gm, (whole, body) =>
      whole.replace('{\n', `{\n  #private\n${/^ {2}constructor\(/m.test(body) ? '' : '  private constructor()\n'}`))
    // An own member of an object is always there, `null` or not.
    .replace(/^( {2}readonly \w+)\?(: .*\bnull\b)/gm, '$1$2');
  const { errors } = createRequire(import.meta.url)(join(build, addons[0]));
  const union = errors()
    .filter(({ code }) => code !== 'OK' && code !== 'PENDING')
    .map(({ code, message }) => `  /** ${message} */\n  | '${code}'`)
    .join('\n');
  return `${outside(header).replace('/* the codes */', union)}\n${declared.trim()}\n`;
}

const MARK = /\/\/ in InspireAuth\n([\s\S]*?)\/\/ end\n/;
const inClass = (header) => `export declare class InspireAuth {\n${header.match(MARK)[1].trimEnd()}`;
const outside = (header) => header.replace(MARK, '').trimEnd();

const target = join(root, 'index.d.ts');
if (process.argv.includes('--check')) {
  if (!existsSync(target) || readFileSync(target, 'utf8') !== types()) {
    console.error('index.d.ts is not what the build gives: run `npm run build`, and commit it');
    process.exitCode = 1;
  }
} else {
  const text = types();
  for (const name of addons) {
    // Beside, then renamed: a process that has the old one loaded keeps it.
    copyFileSync(join(build, name), join(root, `.${name}.new`));
    renameSync(join(root, `.${name}.new`), join(root, name));
  }
  writeFileSync(target, text);
}
