// A container engine for docker-compose, where none runs: podman, answering as docker does on a socket of the test's own. It
// sees one cgroup hierarchy, whatever this machine has, and limits nobody, so it needs no rights over either; and a network
// of its own, whose bridges and rules go with it. A published port is reached through a relay between the two networks.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ROOT, tempDir } from '../../api/lib/server.mjs';
import { STORE } from './image.mjs';

const SERVE = 'ip link set lo up && umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"';
const RELAY = `const net = require('node:net');
net.createServer((here) => {
  const there = net.connect(Number(process.argv[2]), '127.0.0.1');
  here.pipe(there).pipe(here);
  [here, there].forEach((end) => end.on('error', () => { here.destroy(); there.destroy(); }));
}).listen(process.argv[1])`;
const START_MS = 20_000;

const limit = (name) => new RegExp(`^Max ${name} +\\S+ +(\\S+)`, 'm').exec(readFileSync('/proc/self/limits', 'utf8'))[1];

const settings = (dir) => `[containers]
cgroups = "disabled"
default_ulimits = ["nofile=${limit('open files')}:${limit('open files')}", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[network]
network_backend = "netavark"
network_config_dir = "${dir}/networks"
`;

export class Engine {
  constructor(project, env) {
    this.dir = tempDir();
    this.project = project;
    this.relays = [];
    this.servers = [];
    mkdirSync(join(this.dir, 'networks'));
    writeFileSync(join(this.dir, 'containers.conf'), settings(this.dir));
    writeFileSync(join(this.dir, 'env'), Object.entries(env).map(([name, value]) => `${name}=${value}\n`).join(''));
    // podman would ask a systemd to look at the health of containers; here it is the test that does.
    this.env = { PATH: process.env.PATH, HOME: this.dir, CONTAINERS_CONF: join(this.dir, 'containers.conf'), DISABLE_HC_SYSTEMD: 'true',
      DOCKER_HOST: `unix://${this.dir}/podman.sock`, COMPOSE_PROJECT_NAME: project };
    process.prependListener('exit', () => this.stop());        // before the folder goes
  }

  async start() {
    this.child = spawn('unshare', ['--mount', '--net', 'sh', '-c', SERVE, 'sh', 'podman', ...STORE, 'system', 'service', '--time=0', this.env.DOCKER_HOST],
      { env: this.env, stdio: 'ignore' });
    await this.appears('podman.sock');
  }

  async appears(name) {
    const deadline = Date.now() + START_MS;
    while (!existsSync(join(this.dir, name))) {
      if (Date.now() > deadline || this.child.exitCode !== null) {
        throw new Error(`there is no ${name}`);
      }
      await pause(50);
    }
  }

  // A port of this machine's that leads to one that a container publishes there.
  async publishes(port) {
    const path = join(this.dir, `${port}`);
    this.relays.push(spawn('nsenter', ['-t', String(this.child.pid), '-n', '--', process.execPath, '-e', RELAY, path, String(port)]));
    await this.appears(`${port}`);
    const server = net.createServer((here) => {
      const there = net.connect(path);
      here.pipe(there).pipe(here);
      [here, there].forEach((end) => end.on('error', () => { here.destroy(); there.destroy(); }));
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    this.servers.push(server);
    return server.address().port;
  }

  // Everything that was made for the project goes; also when a test was cut off.
  stop() {
    if (this.child?.exitCode === null) {
      this.compose('down', '--volumes', '--timeout', '1');
      this.servers.forEach((server) => server.close());
      [...this.relays, this.child].forEach((child) => child.kill());
    }
    this.child = undefined;
  }

  args(args) {
    return ['--env-file', join(this.dir, 'env'), '--profile', 'sites', ...args];
  }

  compose(...args) {
    const r = spawnSync('docker-compose', this.args(args), { cwd: ROOT, env: this.env, encoding: 'utf8' });
    return { code: r.status, all: `${r.stdout}${r.stderr}` };
  }

  // In podman's view of the machine, where the containers' networks are.
  podman(...args) {
    return spawnSync('nsenter', ['-t', String(this.child.pid), '-m', '-n', '--', 'podman', ...STORE, ...args], { env: this.env, encoding: 'utf8' });
  }

  isHealthy(service) {
    return this.podman('healthcheck', 'run', `${this.project}_${service}_1`).status === 0;
  }

  // docker-compose up, which waits for the centre to be healthy, while we look.
  async up() {
    const child = spawn('docker-compose', this.args(['up', '--detach', '--no-build']), { cwd: ROOT, env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    [child.stdout, child.stderr].forEach((out) => out.setEncoding('utf8').on('data', (text) => { said += text; }));
    const ended = new Promise((done) => child.once('close', done));
    while (child.exitCode === null) {
      this.isHealthy('mysql');
      await Promise.race([pause(500), ended]);
    }
    await ended;
    return { code: child.exitCode, all: said };
  }
}
