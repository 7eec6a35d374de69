// What a service manager sees: when the server is ready, that it reloads and that it ends; how many files it may have open.
// And the manual page, which installing makes from the program's own tables.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BIN, ROOT, run, start, tempDir } from './lib/server.mjs';

// node has no datagram sockets in the file system. Each state is printed as a line.
const MANAGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True:
    print(s.recv(4096).decode(), flush=True)
`;

async function manager() {
  const path = join(tempDir(), 'notify');
  const child = spawn('python3', ['-c', MANAGER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  after(() => child.kill());
  const heard = [];
  const waiting = [];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    heard.push(...text.split('\n').filter((line) => line !== ''));
    waiting.splice(0).forEach((wake) => wake());
  });
  const hears = async (n) => {
    while (heard.length < n) {
      await new Promise((wake) => waiting.push(wake));
    }
    return heard.slice(0, n);
  };
  await hears(1);
  return { path, heard, hears };
}

test('the service manager hears when the server is ready, reloads and stops, each when it is so', async (t) => {
  const boss = await manager();
  const server = await start({ env: { NOTIFY_SOCKET: boss.path } });
  t.after(() => server.end === undefined && server.kill());
  assert.deepEqual(await boss.hears(2), ['listening', 'READY=1']);
  assert.match(server.log, /serve\.listening/);
  server.signal('SIGHUP');
  assert.deepEqual((await boss.hears(4)).slice(2), ['RELOADING=1', 'READY=1']);
  await server.stop();
  assert.deepEqual((await boss.hears(5)).slice(4), ['STOPPING=1']);
  assert.equal(boss.heard.length, 5);
  assert.match(server.log, /serve\.listening[^]*serve\.reloaded[^]*serve\.stopping/);       // all of it, now that it has ended
});

test('a server that cannot start never says that it is ready', async (t) => {
  const boss = await manager();
  const r = run(['serve', '--data', '/proc/nowhere'], { env: { NOTIFY_SOCKET: boss.path } });
  assert.equal(r.code, 1);
  const server = await start({ env: { NOTIFY_SOCKET: boss.path } });      // its READY would come after the other's
  t.after(() => server.end === undefined && server.kill());
  assert.deepEqual(await boss.hears(2), ['listening', 'READY=1']);
  await server.stop();
  assert.deepEqual(await boss.hears(3), ['listening', 'READY=1', 'STOPPING=1']);
});

test('fewer open files than connections are told at the start', async () => {
  const shell = spawn('bash', ['-c', 'ulimit -n 400 && exec "$0" serve --port 0 --host 127.0.0.1 --data "$1"', BIN, tempDir()],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH } });
  let log = '';
  shell.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
    if (log.includes('serve.listening')) {
      shell.kill('SIGTERM');
    }
  });
  const [code] = await once(shell, 'close');
  assert.equal(code, 0, log);
  assert.match(log, /warn serve\.files .*limit=400 needed=10100/);
});

test('the manual page names every command, option and setting, and reads as roff without a complaint', () => {
  const page = run(['help', 'man']);
  assert.equal(page.code, 0, page.stderr);
  const text = page.stdout.replaceAll('\\-', '-');
  for (const [, command] of run(['help']).stdout.matchAll(/^ {2}(\w+) /gm)) {
    assert.ok(text.includes(`tombolo ${command}`), command);
  }
  const conf = readFileSync(join(ROOT, 'conf/tombolo.conf'), 'utf8');
  const settings = [...conf.matchAll(/^\[(\w+)\]|^#?([a-z_]+) =/gm)];
  let section;
  for (const [, head, key] of settings) {
    section = head ?? section;
    assert.ok(key === undefined || text.includes(`.B ${section}.${key}\n`), `${section}.${key}`);
  }
  assert.ok(settings.length > 50);
  assert.match(page.stdout, /^\.TH TOMBOLO 1 /);
  assert.ok(page.stdout.split('\n').every((line) => !/^'|^\.(?!(TH|SH|TP|B|BR|br|nh|ad)\b)/.test(line)));
});
