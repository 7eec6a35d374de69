// A bare Debian 12 with a systemd of its own, booted by systemd-nspawn: a machine to install a package on. What is changed
// on it lies in a layer over build/root/systemd and goes with it; its network is a loopback of its own.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ROOT, tempDir } from '../../api/lib/server.mjs';
import { tool } from './tools.mjs';

const ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' };
const BOOT_MS = 60_000;
const IN_LAYER = `set -e
mount -t overlay overlay -o "lowerdir=$0,upperdir=$1/upper,workdir=$1/work" "$1/merged"
cd "$1/merged"
shift
exec "$@"`;

export class Machine {
  constructor() {
    this.base = tool(join(ROOT, 'scripts/root'), ['systemd', 'systemd', 'systemd-sysv', 'dbus']).trim();
    this.layer = tempDir();
    ['upper', 'work', 'merged'].forEach((name) => mkdirSync(join(this.layer, name)));
    process.on('exit', () => this.leader !== undefined && process.kill(this.leader, 'SIGKILL'));
  }

  // The root that things may be laid into while the machine is off.
  get files() {
    return join(this.layer, 'upper');
  }

  takes(file, name) {
    copyFileSync(file, join(this.files, name));
  }

  // The layer is mounted in a namespace of its own, so that nothing stays mounted, however this ends.
  inLayer(...command) {
    return ['unshare', ['--mount', '--propagation', 'private', 'sh', '-c', IN_LAYER, this.base, this.layer, ...command]];
  }

  // In the root of the machine that is off, as in a container: no systemd runs there. The network is this machine's.
  off(...command) {
    const [name, args] = this.inLayer('chroot', '.', ...command);
    return tool(name, args, { env: ENV }).trim();
  }

  async boot() {
    const [name, args] = this.inLayer('systemd-nspawn', '--quiet', '--directory=.', `--machine=tombolo-test-${process.pid}`,
      '--register=no', '--keep-unit', '--private-network', '--boot');
    const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'], env: ENV });
    this.console = '';
    [child.stdout, child.stderr].forEach((out) => out.setEncoding('utf8').on('data', (text) => { this.console += text; }));
    this.isOn = true;
    this.ended = new Promise((done) => child.once('close', done)).then(() => { this.isOn = false; this.leader = undefined; });
    const deadline = Date.now() + BOOT_MS;
    while (!this.isUp(child.pid)) {
      assert.ok(this.isOn && Date.now() < deadline, `the machine does not boot:\n${this.console}`);
      await pause(100);
    }
  }

  // Its init is the only child of systemd-nspawn, which the spawned shell has become.
  isUp(nspawn) {
    const children = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8').trim();
    this.leader = children === '' ? undefined : Number(children.split(' ')[0]);
    return this.leader !== undefined && /running|degraded/.test(this.tries('systemctl', 'is-system-running').all);
  }

  // Ends it in order.
  async powerOff() {
    this.runs('systemctl', 'poweroff', '--no-block');
    await this.ended;
  }

  tries(...command) {
    const r = spawnSync('nsenter', ['-t', String(this.leader), '-a', '--', ...command], { env: ENV, encoding: 'utf8', timeout: 60_000 });
    return { code: r.status, stdout: r.stdout, all: `${r.stdout}${r.stderr}` };
  }

  runs(...command) {
    const r = this.tries(...command);
    assert.equal(r.code, 0, `${command.join(' ')}:\n${r.all}`);
    return r.stdout.trim();
  }

  // A request from within its network.
  asks(method, path, body, port = 5000) {
    const args = ['-t', String(this.leader), '-n', '--', 'curl', '-s', '-m', '10', '-X', method, '-w', '\n%{http_code}',
      ...(body === undefined ? [] : ['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)]),
      `http://127.0.0.1:${port}${path}`];
    const text = spawnSync('nsenter', args, { encoding: 'utf8', env: ENV }).stdout;
    const at = text.lastIndexOf('\n');
    return { status: Number(text.slice(at + 1)), body: text.slice(0, at) };
  }
}
