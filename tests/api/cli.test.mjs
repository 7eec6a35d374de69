// tombolo serve | config | version | check: what they print, what they refuse, how they end.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, raw, request } from './lib/client.mjs';
import { ROOT, freePort, run, start, tempDir } from './lib/server.mjs';

test('version prints the version and ends with 0', () => {
  const r = run(['version']);
  assert.equal(r.code, 0);
  assert.match(r.stdout, /\b\d+\.\d+\.\d+\b/);
});

test('help names every command, for people who ask and for those who erred', () => {
  const asked = run(['--help']);
  assert.equal(asked.code, 0);
  const erred = run(['brew']);
  assert.notEqual(erred.code, 0);
  assert.match(erred.all, /brew/);
  for (const command of ['serve', 'config', 'version', 'check', 'sync', 'user', 'backup', 'restore', 'health', 'top']) {
    assert.match(asked.all, new RegExp(`\\b${command}\\b`));
  }
  assert.notEqual(run(['serve', '--brew']).code, 0);
  assert.notEqual(run(['serve', '--port']).code, 0);
});

test('each line of help on an option has what the option takes, a gap, and what it does', () => {
  let n = 0;
  for (const command of ['serve', 'top', 'health', 'user list', 'import', 'restore', 'cert', 'sync status']) {
    for (const [line] of run(['help', ...command.split(' ')]).all.matchAll(/^ +--.*$/gm)) {
      assert.match(line, /^ +--[a-z-]+( [A-Z=]+)? {2,}\S/);
      n++;
    }
  }
  assert.ok(n > 25, `${n}`);
  assert.match(run(['help', 'man']).stdout, /^how often to look/m);
});

test('a URL of a centre that cannot be understood is a wrong setting, for every command, before anything is made', async () => {
  const dir = await tempDir();
  for (const url of ['mysql://u:p@', 'postgres://u:p@h/d', 'mysql://u:p@h', 'mysql://u:p@h:99999/d', 'mysql://u:p@h/d?bogus=1']) {
    for (const command of ['config', 'serve']) {
      const r = run([command, '--data', join(dir, 'data'), '--port', '0', '--set', `sync.url=${url}`]);
      assert.equal(r.code, 2, `${command} ${url}: ${r.all}`);
      assert.match(r.stderr, /^tombolo: sync\.url/m);
      assert.ok(!r.all.includes('u:p'), 'the password');
    }
  }
  assert.deepEqual(readdirSync(dir), []);
});

test('what root makes in the folder of another user is that user\'s', { skip: process.getuid() !== 0 && 'for root only' }, async () => {
  const [NOBODY, from, to] = [65534, tempDir(), tempDir()];
  const server = await start({ data: from });
  await person(server);
  assert.equal(run(['backup', join(from, 'copy.db'), '--data', from]).code, 0);
  await server.stop();
  chownSync(to, NOBODY, NOBODY);
  for (let i = 0; i < 2; i++) {
    const restored = run(['restore', join(from, 'copy.db'), '--data', to, '--force']);
    assert.equal(restored.code, 0, restored.all);
  }
  const made = run(['cert', '--self-signed', '--data', to, 'localhost']);
  assert.equal(made.code, 0, made.all);
  const names = readdirSync(to);
  assert.ok(['tombolo.db', 'tombolo.lock'].every((name) => names.includes(name)) && names.some((name) => name.startsWith('replaced-')) &&
    names.some((name) => name.endsWith('.key')), `${names}`);
  assert.deepEqual(names.filter((name) => statSync(join(to, name)).uid !== NOBODY), []);
  assert.equal(statSync(from).uid, 0);
});

test('bash completes commands, options, settings and files', () => {
  const script = run(['help', 'bash']);
  assert.equal(script.code, 0);
  const complete = (...words) => {
    const r = spawnSync('bash', ['-c', `compopt() { :; }\n${script.stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tombolo; ` +
      'printf "%s\\n" "${COMPREPLY[@]}"', 'bash', 'tombolo', ...words], { encoding: 'utf8' });
    assert.equal(r.stderr, '');
    return r.stdout.trim().split('\n');
  };
  assert.deepEqual(complete('ser'), ['serve']);
  assert.deepEqual(complete('sync', 'sta'), ['status']);
  assert.deepEqual(complete('user', 'import', '--d'), ['--data', '--dry-run']);
  assert.deepEqual(complete('serve', '--set', 'server.po'), ['server.port=']);
  assert.deepEqual(complete('top', '--data', '/va'), ['/var']);
  assert.deepEqual(complete('backup', '/va'), ['']);        // bash goes on with files
});

test('config prints every setting of conf/tombolo.conf with where it comes from', () => {
  const r = run(['config'], { env: { PORT: '5999' } });
  assert.equal(r.code, 0, r.stderr);
  const conf = readFileSync(join(ROOT, 'conf/tombolo.conf'), 'utf8');
  const keys = [...conf.matchAll(/^[#;]? ?([a-z_]+) = /gm)].map((m) => m[1]);
  assert.ok(keys.length > 20, `${keys}`);
  for (const key of keys) {
    assert.match(r.stdout, new RegExp(`\\b${key}\\b`), key);
  }
  assert.match(r.stdout, /port.*5999.*PORT/);
});

test('config as JSON holds the same settings with their origin', () => {
  const r = run(['config', '--json', '--port', '5998'], { env: { JWT_SECRET: 'sesame-sesame-sesame' } });
  assert.equal(r.code, 0, r.stderr);
  const text = JSON.stringify(JSON.parse(r.stdout));
  assert.match(text, /5998/);
  assert.match(text, /JWT_SECRET/);
  assert.doesNotMatch(text, /sesame/);
});

test('config never shows a secret', () => {
  const r = run(['config'], { env: { JWT_SECRET: 'sesame-sesame-sesame', DATABASE_URL: 'mysql://chat:geheim@db.example/chat' } });
  assert.equal(r.code, 0, r.stderr);
  assert.doesNotMatch(r.all, /sesame|geheim/);
  assert.match(r.stdout, /db\.example/, 'where the centre is may be seen');
});

test('the commented settings file is a valid one, as it is and with its comments taken off', () => {
  const file = join(ROOT, 'conf/tombolo.conf');
  assert.equal(run(['config', '--config', file]).code, 0);
  const all = join(tempDir(), 'all.conf');
  writeFileSync(all, readFileSync(file, 'utf8').replace(/^[#;] ?([a-z_]+ = )/gm, '$1'));
  const r = run(['config', '--config', all]);
  assert.equal(r.code, 0, r.all);
});

for (const [what, text, says] of [
  ['an unknown key', '[server]\nport = 5000\nprot = 5001\n', /:3.*prot/s],
  ['an unknown section', '[servre]\nport = 5000\n', /:2.*servre/s],
  ['a port beyond 65535', '[server]\n\nport = 65536\n', /:3.*port/s],
  ['a number that is text', '[journal]\nbatch = many\n', /:2.*batch/s],
  ['a batch beyond 256', '[journal]\nbatch = 257\n', /:2.*batch/s],
  ['a level that is none', '[log]\nlevel = loud\n', /:2.*level/s],
]) {
  test(`${what} in the settings is refused with file, line and key`, () => {
    const file = join(tempDir(), 'wrong.conf');
    writeFileSync(file, text);
    for (const args of [['config', '--config', file], ['serve', '--config', file, '--data', tempDir()]]) {
      const r = run(args);
      assert.notEqual(r.code, 0);
      assert.match(r.all, /wrong\.conf/);
      assert.match(r.all, says);
    }
  });
}

test('a bad value in the environment is refused by name', () => {
  const r = run(['serve', '--data', tempDir()], { env: { PORT: 'x' } });
  assert.notEqual(r.code, 0);
  assert.match(r.all, /PORT/);
});

test('a port that is taken is said so, and the journal stays whole', async () => {
  const port = await freePort();
  const other = net.createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const data = tempDir();
  const r = run(['serve', '--port', String(port), '--data', data]);
  other.close();
  assert.notEqual(r.code, 0);
  assert.match(r.all, new RegExp(`${port}`));
  assert.deepEqual(readdirSync(data), [], 'something was made');
});

test('a certificate that cannot be used, and an address that is not here, make nothing either', () => {
  for (const wrong of [['tls.cert=/nowhere.pem'], ['server.host=192.0.2.1'], ['server.host=no.such.host.invalid']]) {
    const data = tempDir();
    const r = run(['serve', '--port', '0', '--data', data, ...wrong.flatMap((one) => ['--set', one])]);
    assert.equal(r.code, 1, r.all);
    assert.deepEqual(readdirSync(data), [], r.all);
  }
});

test('variables of Kubernetes services are passed over with a warning, and typing errors are not', () => {
  const r = run(['config'], { env: { TOMBOLO_PORT: 'tcp://10.0.0.1:5000', TOMBOLO_SERVICE_HOST: '10.0.0.1' } });
  assert.equal(r.code, 0, r.all);
  assert.match(r.stderr, /warn config\.service_link .*name=TOMBOLO_PORT/);
  assert.equal(run(['config'], { env: { TOMBOLO_PORTS: '5000' } }).code, 2);
});

test('commands that look into a folder without a journal say that there is none, end with 1 and make none', () => {
  const empty = tempDir();
  for (const data of [empty, join(empty, 'not-there')]) {
    for (const command of ['health', 'top', 'top --once', 'top --json', 'check', 'sync status', 'sync conflicts', 'sync alone', 'user list',
      'user passwd 1 --password-stdin', 'user email 1 x@example.org', `backup ${join(tempDir(), 'x')}`]) {
      const r = run([...command.split(' '), '--data', data], { input: 'correct horse battery\n' });
      assert.equal(r.code, 1, `${command}: ${r.all}`);
      assert.match(r.all, /no journal/, command);
    }
  }
  assert.deepEqual(readdirSync(empty), []);
});

test('a second server on the same data folder is refused', async () => {
  const server = await start();
  const r = run(['serve', '--port', String(await freePort()), '--data', server.dir]);
  assert.notEqual(r.code, 0);
  assert.match(r.all, /in use|another/i);
  const me = await person(server);
  done(await me.get('/rooms'), 200);
  await server.stop();
});

test('check finds a fresh and a used journal whole, and says so in JSON as well', async () => {
  const server = await start();
  const me = await person(server);
  const room = await me.room('harbour');
  await me.send(room.id, 'hello');
  await server.stop();
  const r = run(['check', '--data', server.dir]);
  assert.equal(r.code, 0, r.all);
  const json = run(['check', '--data', server.dir, '--json']);
  assert.equal(json.code, 0, json.all);
  assert.equal(typeof JSON.parse(json.stdout), 'object');
});

test('the journal of a newer program is refused by serve and check, and left as it is', async () => {
  const server = await start();
  await person(server);
  await server.stop();
  const file = join(server.dir, 'tombolo.db');
  assert.equal(spawnSync('sqlite3', [file, 'PRAGMA user_version = 9999']).status, 0);
  const before = readFileSync(file);
  for (const args of [['serve', '--port', String(await freePort()), '--data', server.dir], ['check', '--data', server.dir]]) {
    const r = run(args);
    assert.notEqual(r.code, 0);
    assert.match(r.all, /9999.*newer/s);
  }
  assert.deepEqual(readFileSync(file), before);
});

test('check of a folder without a journal is a failure, and makes none', () => {
  const dir = tempDir();
  assert.notEqual(run(['check', '--data', dir]).code, 0);
  assert.notEqual(run(['check', '--data', join(dir, 'not-there')]).code, 0);
});

test('SIGTERM: what is in flight is answered, then it ends with 0 and starts again with everything', async () => {
  const server = await start();
  const me = await person(server);
  const room = await me.room('harbour');
  let ended = false;
  const sends = Array.from({ length: 200 }, async (_, i) => {
    try {
      const answer = await me.post('/messages', { roomId: room.id, content: `message ${i}` });
      return answer.status === 201 ? answer.body : null;
    } catch (e) {
      return null;                  // never accepted: the listener was closed, the connection gone
    }
  });
  await Promise.race(sends);
  server.signal('SIGTERM');
  const kept = (await Promise.all(sends)).filter((m) => m !== null);
  ended = (await server.ends(10_000)).code === 0;
  server.agent.destroy();
  assert.ok(ended, server.log);
  const again = await start({ data: server.dir });
  me.server = again;
  const there = new Map();
  for (let cursor = ''; cursor !== null;) {
    const page = await me.history(room.id, `?limit=100${cursor && `&cursor=${cursor}`}`);
    page.items.forEach((m) => there.set(m.id, m.content));
    cursor = page.nextCursor;
  }
  for (const m of kept) {
    assert.equal(there.get(m.id), m.content);
  }
  await again.stop();
});

test('SIGTERM with idle and half-open connections ends within the ten seconds it promises', async () => {
  const server = await start();
  const idle = Array.from({ length: 5 }, () => net.connect(server.port, '127.0.0.1'));
  idle[0].write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  idle[1].write('POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
  idle.forEach((socket) => socket.on('error', () => {}));
  await request(server, 'GET', '/');
  server.signal('SIGTERM');
  assert.equal((await server.ends(10_000)).code, 0);
  idle.forEach((socket) => socket.destroy());
  server.agent.destroy();
});

test('SIGINT ends it as SIGTERM does', async () => {
  const server = await start();
  server.signal('SIGINT');
  assert.equal((await server.ends(10_000)).code, 0, server.log);
});

// The second one ends it at once, whatever the first has come to by then, so it is sent at many moments.
test('SIGINT twice does no harm, whenever the second comes', async () => {
  const data = tempDir();
  for (let i = 0; i < 12; i++) {
    const server = await start({ data });
    server.signal('SIGINT');
    await pause(i * 4);
    server.signal('SIGINT');
    assert.equal((await server.ends(10_000)).code, 0, `the second after ${i * 4} ms:\n${server.log}`);
  }
  assert.equal(run(['check', '--data', data]).code, 0);
});

test('SIGHUP rereads level and limits while connections stay', async () => {
  const server = await start({ config: { limit: { messages: 0 } }, env: { TOMBOLO_RATE_LIMIT: undefined } });
  const me = await person(server);
  const room = await me.room('harbour');
  const send = () => me.post('/messages', { roomId: room.id, content: 'x' });
  for (let i = 0; i < 8; i++) {
    done(await send(), 201);
  }
  const file = /--config (\S+)/.exec(server.child.spawnargs.join(' '))[1];
  writeFileSync(file, readFileSync(file, 'utf8').replace('messages = 0', 'messages = 1'));
  server.signal('SIGHUP');
  const deadline = Date.now() + 10_000;
  let last;
  do {
    await pause(50);
    last = await send();
  } while (last.status === 201 && Date.now() < deadline);
  assert.equal(last.status, 429);
  await server.stop();
});

test('the log holds no content, password or token', async () => {
  const server = await start({ config: { log: { level: 'debug' } } });
  const me = await person(server);
  const room = await me.room('harbour');
  await me.send(room.id, 'a very private remark');
  await request(server, 'POST', '/auth/login', { body: { email: me.user.email, password: 'a very wrong guess' } });
  await raw(server, 'GET /rooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer gossip\r\nConnection: close\r\n\r\n');
  await server.stop();
  for (const secret of ['a very private remark', me.password, 'a very wrong guess', me.token, 'gossip']) {
    assert.ok(!server.log.includes(secret), `the log holds ${secret}`);
  }
});
