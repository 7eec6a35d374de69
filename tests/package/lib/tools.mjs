// Programs that the tests of packaging run, and whether they can.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

export function tool(name, args, options = {}) {
  const r = spawnSync(name, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (r.error !== undefined) {
    throw r.error;
  }
  assert.equal(r.status, 0, `${name} ${args.join(' ')}:\n${r.stdout}${r.stderr}`);
  return r.stdout;
}

// For node:test's { skip }: false, or what is missing. Mounting, in a namespace of its own, is more than root may do in most
// containers and in a bare chroot.
export function without(...programs) {
  const missing = programs.filter((name) => spawnSync('which', [name]).status !== 0);
  if (missing.length > 0) {
    return `needs ${missing.join(', ')}`;
  }
  const mounts = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']);
  return process.getuid() === 0 && mounts.status === 0 ? false : 'needs root that may mount';
}
