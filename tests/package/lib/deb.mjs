// The Debian package of the release build, made as scripts/package makes it, in a folder of the test's own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BIN, tempDir } from '../../api/lib/server.mjs';

export const BUILD = dirname(BIN);
process.umask(0o022);               // files are packed with the modes they are laid out with

export function tool(name, args, options = {}) {
  const r = spawnSync(name, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (r.error !== undefined) {
    throw r.error;
  }
  assert.equal(r.status, 0, `${name} ${args.join(' ')}:\n${r.stdout}${r.stderr}`);
  return r.stdout;
}

// revision: Debian's, what stands behind the program's own version.
export function makeDeb(revision = 1) {
  const dir = tempDir();
  const env = { ...process.env, SOURCE_DATE_EPOCH: '1767225600' };
  tool('cpack', ['-G', 'DEB', '-D', `CPACK_DEBIAN_PACKAGE_RELEASE=${revision}`, '-B', dir], { cwd: BUILD, env });
  return join(dir, readdirSync(dir).find((name) => name.endsWith('.deb')));
}
