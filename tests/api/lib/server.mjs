// The built program as a test sees it: started on a free loopback port with a data folder of its own, stopped by its
// process id. TOMBOLO_BIN says which build (scripts/tap sets it).
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import http from 'node:http';

export const ROOT = resolve(fileURLToPath(import.meta.url), '../../../..');
export const BIN = resolve(ROOT, process.env.TOMBOLO_BIN ?? 'build/release/tombolo');
export const LONG = process.env.TB_LONG === '1';

const START_MS = 60_000;            // a sanitizer build on a busy machine takes seconds
const SAY_MS = 60_000;
const STOP_MS = 60_000;             // the promise is 10 s (DESIGN section 7); the rest is for the machine

// Nothing of the caller's settings reaches the program under test, and passwords cost next to nothing.
export const ENV = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  TOMBOLO_PASSWORD_COST: 'min',
  TOMBOLO_RATE_LIMIT: '0',
  TOMBOLO_LOGIN_LIMIT: '0',
};
for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS']) {
  if (process.env[name] !== undefined) {
    ENV[name] = process.env[name];
  }
}

// For tests of a rate: no machine is so slow that the window has passed before the rate is reached.
export const LONG_WINDOW = { messages_window_ms: 600_000, logins_window_ms: 600_000 };

const running = new Set();
const folders = new Set();
process.on('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  folders.forEach((dir) => rmSync(dir, { recursive: true, force: true }));
});

process.on('SIGTERM', () => process.exit(143));
process.on('SIGINT', () => process.exit(130));

// In memory where there is room, since no test cuts the power and a disk that others use makes each commit wait. What is
// killed loses nothing there either.
export const [ROOMY, ELSEWHERE] = hasRoom('/dev/shm') ? ['/dev/shm', tmpdir()] : [tmpdir(), '/dev/shm'];
function hasRoom(dir) {
  try {
    accessSync(dir, constants.W_OK);
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize > 2 ** 32;
  } catch {
    return false;
  }
}

export function tempDir(under = ROOMY) {
  const dir = mkdtempSync(join(under, 'tombolo-test-'));
  folders.add(dir);
  return dir;
}

// A free port below the range from which the kernel takes ports for outgoing connections, so that none of these can
// take it between this look and the program's start.
export async function freePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    const probe = net.createServer();
    const isFree = await new Promise((answer) => {
      probe.once('error', () => answer(false));
      probe.listen(port, '127.0.0.1', () => answer(true));
    });
    if (isFree) {
      await new Promise((done) => probe.close(done));
      return port;
    }
  }
}

// { section: { key: value } } as an INI file.
function writeConfig(file, config) {
  const lines = Object.entries(config).flatMap(([section, keys]) => [
    `[${section}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${value}`)]);
  writeFileSync(file, lines.join('\n') + '\n');
}

// Runs a command to its end: `tombolo check --data DIR` and the like.
export function run(args, { env = {}, input } = {}) {
  const r = spawnSync(BIN, args, { env: { ...ENV, ...env }, input, encoding: 'utf8', timeout: 120_000 });
  return { code: r.status, signal: r.signal, stdout: r.stdout, stderr: r.stderr, all: r.stdout + r.stderr };
}

// data: the data folder, made and removed here unless given. A start that fails throws with what the program said. A server with a
// centre is given back when it takes changes, unless waits is false: a new journal asks for its number first.
export async function start({ data = tempDir(), env = {}, config = {}, args = [], port, waits = true } = {}) {
  const server = new Server(data, port ?? await freePort());
  const settings = join(tempDir(), 'test.conf');
  writeConfig(settings, { ...config, server: { host: '127.0.0.1', ...config.server } });
  server.spawn(['serve', '--port', String(server.port), '--data', data, '--config', settings, ...args],
    { ...ENV, ...env });
  await server.listening();
  if (waits && env.DATABASE_URL !== undefined) {
    await server.met();
  }
  return server;
}

export class Server {
  constructor(dir, port) {
    this.dir = dir;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.log = '';
    this.agent = new http.Agent({ keepAlive: true });
  }

  start(args, env) {
    return spawn(BIN, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  spawn(args, env) {
    this.child = this.start(args, env);
    this.pid = this.child.pid;
    running.add(this.child);
    this.child.stdout.setEncoding('utf8').on('data', (text) => { this.log += text; });
    this.child.stderr.setEncoding('utf8').on('data', (text) => { this.log += text; });
    this.ended = new Promise((done, broken) => {
      this.child.once('error', broken);
      this.child.once('close', (code, signal) => {
        running.delete(this.child);
        this.end = { code, signal };
        done(this.end);
      });
    });
    this.ended.catch(() => {});
  }

  // Ready when it has logged so and answers.
  async listening() {
    const deadline = Date.now() + START_MS;
    while (this.end === undefined && Date.now() < deadline) {
      if (this.log.includes('serve.listening') && await answers(this.port)) {
        return;
      }
      await Promise.race([pause(20), this.ended]);
    }
    this.child.kill('SIGKILL');
    throw new Error(`tombolo did not start (${JSON.stringify(this.end ?? 'no answer')}):\n${this.log}`);
  }

  // Until the log says that. 'sync.up': a site that has written nothing has been given its number by the centre.
  async says(text) {
    for (const deadline = Date.now() + SAY_MS; !this.log.includes(text); await Promise.race([pause(20), this.ended])) {
      if (this.end !== undefined || Date.now() > deadline) {
        throw new Error(`the log never said ${text}:\n${this.log.slice(-8000)}`);
      }
    }
  }

  // The journal has met its centre, or waits for it no more.
  async met() {
    for (const deadline = Date.now() + START_MS; Date.now() < deadline && this.end === undefined; await pause(20)) {
      if ((await codeOf(`${this.url}/readyz`)) !== 'busy') {
        return;
      }
    }
    throw new Error(`the server still waits for its centre:\n${this.log}`);
  }

  signal(name) {
    this.child.kill(name);
  }

  // SIGTERM, then the orderly end that DESIGN section 7 promises. Sanitizers report through the exit code, too.
  async stop() {
    this.agent.destroy();
    if (this.end === undefined) {
      this.signal('SIGTERM');
    }
    await this.ends();
    if (this.end.code !== 0) {
      throw new Error(`tombolo ended with ${JSON.stringify(this.end)} instead of 0:\n${this.log.slice(-8000)}`);
    }
  }

  async kill() {
    this.signal('SIGKILL');
    await this.ends();
    this.agent.destroy();
  }

  async ends(ms = STOP_MS) {
    const late = new AbortController();
    const tooLate = pause(ms, null, { signal: late.signal }).then(() => {
      this.child.kill('SIGKILL');
      throw new Error(`tombolo did not end within ${ms} ms:\n${this.log.slice(-8000)}`);
    });
    tooLate.catch(() => {});
    const end = await Promise.race([this.ended, tooLate]);
    late.abort();
    return end;
  }
}

async function codeOf(url) {
  const [answer] = await once(http.get(url, { agent: false }), 'response');
  return JSON.parse((await answer.setEncoding('utf8').toArray()).join('')).code;
}

async function answers(port) {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const [event] = await Promise.race([once(socket, 'connect').then(() => ['up']), once(socket, 'close').then(() => ['down'])])
    .catch(() => ['down']);
  socket.destroy();
  return event === 'up';
}

if (!existsSync(BIN)) {
  throw new Error(`${BIN} is not built; scripts/test builds it, or set TOMBOLO_BIN`);
}
