// A small disk that a test may fill, made with whatever this machine allows: a tmpfs of its own where one may mount,
// the same inside a user namespace where not, or a /dev/shm that is small because it is a container's own.
// With none of the three the test fails and says so: it is not skipped.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SIZE_MB = 48;
const SHM_MAX_MB = 128;             // beyond this /dev/shm is the machine's, and filling it would hurt others
const BLOCK = Buffer.alloc(64 * 1024);

const freeBytes = (dir) => { const s = statfsSync(dir); return s.bavail * s.bsize; };

function mounted(sizeMb) {
  const dir = mkdtempSync(join(tmpdir(), 'tombolo-disk-'));
  const r = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m,mode=700`, 'tombolo-test', dir], { encoding: 'utf8' });
  if (r.status === 0) {
    return { dir, dispose: () => { spawnSync('umount', ['-l', dir]); rmSync(dir, { recursive: true, force: true }); } };
  }
  rmSync(dir, { recursive: true, force: true });
  return null;
}

// Runs this whole test file again where it may mount.
function againInNamespace() {
  if (process.env.TB_IN_NAMESPACE !== undefined || spawnSync('unshare', ['-Urm', 'true']).status !== 0) {
    return;
  }
  const r = spawnSync('unshare', ['-Urm', process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    { stdio: 'inherit', env: { ...process.env, TB_IN_NAMESPACE: '1' } });
  process.exit(r.status ?? 1);
}

function smallShm() {
  const s = statfsSync('/dev/shm');
  if (s.blocks * s.bsize > SHM_MAX_MB << 20 || freeBytes('/dev/shm') < 32 << 20) {
    return null;
  }
  const dir = mkdtempSync('/dev/shm/tombolo-disk-');
  return { dir, dispose: () => rmSync(dir, { recursive: true, force: true }) };
}

// Call once, before anything else of the test file.
export function smallDisk(sizeMb = SIZE_MB) {
  let disk = mounted(sizeMb);
  if (disk === null) {
    againInNamespace();
    disk = smallShm();
  }
  if (disk === null) {
    throw new Error('this test needs a small disk: run it as root, or where user namespaces are allowed, or with a /dev/shm ' +
      `of at most ${SHM_MAX_MB} MB (a container's)`);
  }
  process.on('exit', disk.dispose);
  return new Disk(disk.dir);
}

class Disk {
  constructor(dir) {
    this.dir = dir;
    this.ballast = join(dir, 'ballast');
  }

  free() { return freeBytes(this.dir); }

  // Leaves at most this many bytes free.
  fill(leave = 0) {
    const fd = openSync(this.ballast, 'a');
    try {
      while (this.free() > leave) {
        writeSync(fd, BLOCK, 0, Math.min(BLOCK.length, Math.max(this.free() - leave, 1)));
      }
    } catch (e) {
      if (e.code !== 'ENOSPC') {
        throw e;
      }
    } finally {
      closeSync(fd);
    }
  }

  makeRoom() { rmSync(this.ballast, { force: true }); }
}
