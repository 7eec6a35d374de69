// The container image as scripts/image builds it, and a container of it without an engine: its files as a read-only root, its
// user without any privilege, process 1 of its own, a folder of the test's as /data. The network is this machine's.
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, Server, tempDir } from '../../api/lib/server.mjs';
import { tool } from './tools.mjs';

export const STORE = ['--root', join(ROOT, 'build/image/store'), '--runroot', join(ROOT, 'build/image/run')];
const RUN = `set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount -t tmpfs tmpfs "$0/tmp"
mount --bind "$1" "$0/data"
mount -t proc proc "$0/proc"
mount --bind /dev "$0/dev"
root=$0 user=$2 group=$3
shift 3
exec chroot "$root" setpriv --reuid "$user" --regid "$group" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"`;

// In a namespace of its own, with which goes what it mounts.
export const buildah = (...args) => tool('unshare', ['--mount', '--propagation', 'private', 'buildah', ...STORE, ...args]).trim();

export class Image {
  constructor() {
    this.name = tool(join(ROOT, 'scripts/image'), []).trim().split('\n').at(-1);
    this.config = JSON.parse(JSON.parse(buildah('inspect', '--type', 'image', this.name)).Config).config;
    this.container = buildah('from', '--pull-never', this.name);
    process.on('exit', () => this.remove());
    this.root = tool('buildah', [...STORE, 'mount', this.container]).trim();
    this.size = JSON.parse(buildah('images', '--json', this.name))[0].size;     // as text: "97 MB"
  }

  remove() {
    if (this.container !== undefined) {
      spawnSync('buildah', [...STORE, 'rm', this.container]);
      spawnSync('umount', [join(STORE[1], 'overlay')]);
    }
    this.container = undefined;
  }

  inside(data, command) {
    const [user, group] = this.config.User.split(':');
    return ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', RUN, this.root, data, user, group, ...command];
  }

  environment(more) {
    return { ...Object.fromEntries(this.config.Env.map((line) => /^([^=]*)=(.*)$/s.exec(line).slice(1))), ...more };
  }

  dataFolder() {
    const dir = tempDir();
    const [user, group] = this.config.User.split(':').map(Number);
    chownSync(dir, user, group);
    return dir;
  }

  // Runs a command in a container of the image, to its end.
  runs(command, env, data = this.dataFolder()) {
    const r = spawnSync('unshare', this.inside(data, command), { env: this.environment(env), encoding: 'utf8', timeout: 30_000 });
    return { code: r.status, all: `${r.stdout}${r.stderr}` };
  }

  // A server as the image starts it when it is told nothing but its port.
  async serves(port, env, data = this.dataFolder()) {
    const server = new Contained(data, port);
    const command = [...this.config.Entrypoint, ...this.config.Cmd];
    server.spawn(this.inside(data, command), this.environment({ PORT: String(port), ...env }));
    await server.listening();
    return server;
  }
}

// Its process is unshare's child, and hears signals as process 1 does.
class Contained extends Server {
  start(args, env) {
    return spawn('unshare', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  get first() {
    return Number(readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').trim());
  }

  signal(name) {
    process.kill(this.first, name);
  }
}
