// The files that are the project's own: what lies in its folders, whether or not git is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(resolve(fileURLToPath(import.meta.url), '../../../..'));

const FOLDERS = ['include', 'src', 'sync', 'tests', 'scripts', 'web'];
const SKIPPED = /(^|\/)(node_modules|corpus)(\/|$)/;
const KINDS = /\.([ch]|m?js|css|html|sh)$|^scripts\//;

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return SKIPPED.test(path) ? [] : entry.isDirectory() ? walk(path) : [path];
  });
}

export function sources() {
  return FOLDERS.filter((folder) => existsSync(folder)).flatMap(walk).filter((path) => KINDS.test(path)).sort();
}

// Runs a tool and gives what it printed; a tool that is missing is a failure.
export function tool(name, args, input) {
  const r = spawnSync(name, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (r.error !== undefined) {
    throw new Error(`${name}: ${r.error.message}`);
  }
  return r;
}
