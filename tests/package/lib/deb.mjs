// The Debian package of the release build, made as scripts/package makes it, in a folder of the test's own.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BIN, tempDir } from '../../api/lib/server.mjs';
import { tool } from './tools.mjs';

export const BUILD = dirname(BIN);
process.umask(0o022);               // files are packed with the modes they are laid out with

// revision: Debian's, what stands behind the program's own version.
export function makeDeb(revision = 1) {
  const dir = tempDir();
  const env = { ...process.env, SOURCE_DATE_EPOCH: '1767225600' };
  tool('cpack', ['-G', 'DEB', '-D', `CPACK_DEBIAN_PACKAGE_RELEASE=${revision}`, '-B', dir], { cwd: BUILD, env });
  return join(dir, readdirSync(dir).find((name) => name.endsWith('.deb')));
}

export const field = (deb, name) => tool('dpkg-deb', ['-f', deb, name]).trim();
