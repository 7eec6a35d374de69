// tombolo health and top: of a server that works, one that does not, and none; in a terminal and without one.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { person } from './lib/client.mjs';
import { BIN, ENV, freePort, run, start, tempDir } from './lib/server.mjs';

let server;
before(async () => { server = await start(); });
after(() => server.stop());

const health = (...more) => run(['health', '--data', server.dir, ...more]);

// ---- health

test('health of a server that works ends with 0, by its data folder and by its address', () => {
  const r = health();
  assert.equal(r.code, 0, r.all);
  assert.equal(r.stdout, 'ready\n');
  const { loopMs, ...rest } = JSON.parse(health('--json').stdout);
  assert.ok(loopMs >= 0 && loopMs < 3000);
  assert.deepEqual(rest, { ready: true, why: '', journal: 'writable', sync: 'off' });
  for (const url of [`http://127.0.0.1:${server.port}`, `http://localhost:${server.port}/`]) {
    const byUrl = run(['health', '--url', url]);
    assert.equal(byUrl.code, 0, byUrl.all);
    assert.deepEqual(JSON.parse(run(['health', '--url', url, '--json']).stdout), { ready: true, why: '' });
  }
});

test('health of a server that is not there ends with 1 and says so', async () => {
  for (const args of [['--data', tempDir()], ['--data', join(tempDir(), 'not-there')], ['--url', `http://127.0.0.1:${await freePort()}`],
    ['--url', `http://127.0.0.1:${server.port}/not-there`]]) {
    const r = run(['health', ...args]);
    assert.equal(r.code, 1, r.all);
    assert.match(r.stdout, /^not ready: \S/);
  }
  for (const url of ['https://127.0.0.1', 'nonsense', 'http://', 'http://[::1', 'http://a:', 'http://[::1]x']) {
    assert.equal(run(['health', '--url', url]).code, 2, url);
  }
  assert.equal(run(['health', 'now']).code, 2);
});

test('health of a server whose disk is full, or that stands still, ends with 1', async () => {
  const full = await start({ config: { journal: { reserve_mb: 1_000_000 } } });
  for (const args of [['--data', full.dir], ['--url', `http://127.0.0.1:${full.port}`]]) {
    const r = run(['health', ...args]);
    assert.equal(r.code, 1, r.all);
    assert.match(r.stdout, args[0] === '--data' ? /not ready: the disk is full/ : /not ready: it answered HTTP\/1.1 507/);
  }
  full.signal('SIGSTOP');
  for (const args of [['--data', full.dir], ['--url', `http://127.0.0.1:${full.port}`]]) {
    const r = run(['health', ...args]);
    assert.equal(r.code, 1, r.all);
    assert.match(r.stdout, /answer/);
  }
  full.signal('SIGCONT');
  await full.stop();
});

// ---- top

test('top --once prints a line of what happened in an interval', async () => {
  const me = await person(server);
  const room = await me.room();
  let isOver = false;
  const sending = (async () => { while (!isOver) { await me.send(room.id, 'hello'); } })();
  const child = spawn(BIN, ['top', '--once', '--json', '--data', server.dir], { env: ENV, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => { said += text; });
  const [code] = await once(child, 'close');
  isOver = true;
  await sending;
  assert.equal(code, 0);
  const line = JSON.parse(said);
  assert.ok(line.changesPerSecond > 5 && line.requestsPerSecond > 5, said);
  assert.ok(line.sendP99Ms > 0 && line.commitP99Ms > 0 && line.sendP99Ms >= line.sendP50Ms, said);
  assert.deepEqual([line.sync, line.writable, line.failuresPerSecond], ['off', 1, 0]);
  const text = run(['top', '--once', '--interval', '0.2', '--data', server.dir]);
  assert.equal(text.code, 0, text.all);
  assert.match(text.stdout, /^20\S+Z connections=\d+ sockets=0 .*sync=off/);
});

test('top without a server says so; --interval takes seconds', () => {
  const none = run(['top', '--once', '--data', tempDir()]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no journal/);
  for (const bad of ['0', 'x', '-1', '1x', '', '1e9']) {
    assert.equal(run(['top', '--once', '--interval', bad, '--data', server.dir]).code, 2, bad);
  }
});

test('top without a terminal prints a line at each interval until it is ended', async () => {
  const child = spawn(BIN, ['top', '--interval', '0.2', '--data', server.dir], { env: ENV, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
    if (said.split('\n').length > 3) {
      child.kill('SIGTERM');
    }
  });
  const [, signal] = await once(child, 'close');
  assert.equal(signal, 'SIGTERM');
  said.split('\n').slice(0, 3).forEach((line) => assert.match(line, /^20\S+Z connections=/));
});

// On a terminal of its own, of that size. Once it shows `for`, keys are typed; prints what came, whether the terminal's settings
// are what they were, and how it ended.
function onTerminal({ rows = 24, columns = 80, for: awaited = 'process', keys = 'q', env = {}, dir = server.dir }) {
  const r = spawnSync('python3', ['-c', `
import fcntl, json, os, pty, struct, sys, termios
rows, columns, awaited, keys = json.loads(sys.argv[1])
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.execv(sys.argv[2], sys.argv[2:])
seen, typed = b"", False
while True:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        break
    import select
    if select.select([master], [], [], 0.05)[0]:
        seen += os.read(master, 65536)
    if not typed and awaited.encode() in seen:
        os.write(master, keys.encode())
        typed = True
while select.select([master], [], [], 0.2)[0]:
    seen += os.read(master, 65536)
print(json.dumps({"seen": seen.decode(), "restored": termios.tcgetattr(slave) == before,
                  "code": os.waitstatus_to_exitcode(status)}))
`, JSON.stringify([rows, columns, awaited, keys]), BIN, 'top', '--interval', '0.2', '--data', dir],
  { encoding: 'utf8', env: { ...ENV, TERM: 'xterm', ...env }, timeout: 60_000 });
  assert.equal(r.status, 0, r.stderr);
  return JSON.parse(r.stdout);
}

const ENTERED = '\u001b[?1049h', LEFT = '\u001b[?1049l';

test('top in a terminal of 80 by 24 shows all rows, and q gives the terminal back', () => {
  const { seen, restored, code } = onTerminal({});
  assert.equal(code, 0);
  assert.ok(seen.startsWith(ENTERED) && seen.trimEnd().endsWith(LEFT));
  assert.ok(restored, 'the terminal is not as it was');
  for (const row of ['state', 'requests', 'events', 'latency', 'sockets', 'connections', 'journal', 'waiting', 'centre', 'limits hit', 'process']) {
    assert.ok(seen.includes(row), row);
  }
  assert.ok(seen.includes('\u001b[1m'));
});

test('top gives the terminal back on ctrl-C, too, and knows NO_COLOR and narrow terminals', () => {
  const interrupted = onTerminal({ keys: '\u0003' });
  assert.equal(interrupted.code, -2);           // by SIGINT
  assert.ok(interrupted.restored && interrupted.seen.trimEnd().endsWith(LEFT));
  const bare = onTerminal({ env: { NO_COLOR: '1' } });
  assert.doesNotMatch(bare.seen, /\u001b\[\d+m/);
  const narrow = onTerminal({ rows: 5, columns: 30, for: 'events' });
  assert.equal(narrow.code, 0);
  const lines = narrow.seen.replace(/\u001b\[\??[\d;]*[A-Za-z]/g, '').split('\r\n');
  lines.forEach((line) => assert.ok(line.length <= 30 * 2, line));      // the first of a screen follows the last of the one before
  assert.ok(!narrow.seen.includes('sockets'));
});

test('top in a terminal without a server says so and goes on looking', async () => {
  const gone = await start();
  await gone.stop();
  const { seen, restored, code } = onTerminal({ dir: gone.dir, for: 'no server runs' });
  assert.equal(code, 0);
  assert.ok(restored && seen.includes('no server runs'));
});
