// tombolo backup and restore: under load, interrupted, onto other disks, from damaged files; and back to the centre that has
// more than the backup.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, wholeHistory } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { BIN, ELSEWHERE, ENV, freePort, run, start, tempDir } from '../api/lib/server.mjs';

const SENDERS = 8;
const TEXT = 'x'.repeat(8000);      // so that there are pages to copy

let db;
before(async () => { db = await MariaDb.make(); });
after(() => db.kill());

async function until(what, holds) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(50)) {
    if (await holds()) {
      return;
    }
  }
  throw new Error(`not within 60 s: ${what}`);
}

// A command that runs beside what this process does.
function begin(args, env = {}) {
  const child = spawn(BIN, args, { env: { ...ENV, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 });
  let stdout = '', stderr = '';
  child.stdout.setEncoding('latin1').on('data', (text) => { stdout += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { stderr += text; });
  return { child, ended: once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr, all: stdout + stderr })) };
}

const backup = async (data, file, ...more) => begin(['backup', file, '--data', data, ...more]).ended;
const restore = (file, data, { env = {}, more = [] } = {}) => run(['restore', file, '--data', data, '--json', ...more], { env });

function whole(data) {
  const r = run(['check', '--data', data]);
  assert.equal(r.code, 0, r.all);
}

// People who send as fast as they are answered, as many as they may: with more under way a backup takes longer, in which more
// would be sent. acked holds what was answered, in the order of the answers.
class Load {
  constructor(people, room) {
    Object.assign(this, { acked: [], isOver: false, left: 0, waiting: [] });
    this.senders = people.map((who) => this.send(who, room));
  }

  async send(who, room) {
    for (let i = 0; !this.isOver; i++) {
      if (this.left === 0) {
        await new Promise((go) => this.waiting.push(go));
        continue;
      }
      this.left--;
      this.acked.push((await who.send(room.id, `${who.user.username} ${i} ${TEXT}`)).id);
    }
  }

  allow(n) {
    this.left += n;
    this.waiting.splice(0).forEach((go) => go());
  }

  async more(n) {
    const goal = this.acked.length + n;
    this.allow(n);
    await until(`${n} more messages`, () => this.acked.length >= goal);
  }

  async stop() {
    this.isOver = true;
    this.allow(0);
    await Promise.all(this.senders);
  }
}

async function crowd(server, n = SENDERS) {
  const people = [];
  for (let i = 0; i < n; i++) {
    people.push(await person(server, `p${i}`));
  }
  const room = await people[0].room('harbour');
  await Promise.all(people.slice(1).map((p) => p.join(room.id)));
  return { people, room };
}

function ids(data) {
  const r = spawnSync('sqlite3', ['-readonly', join(data, 'tombolo.db'), 'SELECT id FROM message'], { encoding: 'utf8', maxBuffer: 1 << 26 });
  assert.equal(r.status, 0, r.stderr);
  return new Set(r.stdout.trim().split('\n').map(Number));
}

const walBytes = (server) => statSync(join(server.dir, 'tombolo.db-wal')).size;

// Nothing of a backup is left where it was made or taken.
function isTidy(data, file) {
  assert.ok(!existsSync(join(data, 'backup.new')), 'the data folder has a copy left');
  const left = readdirSync(dirname(file)).filter((name) => name.startsWith('.tombolo-backup') || /-(wal|shm)$/.test(name));
  assert.deepEqual(left, []);
}

test('a backup under load holds what was acknowledged before it began, is whole, and its server never stops answering', async () => {
  const server = await start();
  const { people, room } = await crowd(server);
  const load = new Load(people, room);
  await load.more(1500);
  const file = join(tempDir(), 'tombolo.backup');
  let n = 0;
  for (let round = 0; round < 3; round++) {
    const sure = load.acked.slice(), seen = load.acked.length;
    load.allow(1500);
    const r = await backup(server.dir, file, '--json');
    assert.equal(r.code, 0, r.all);
    n += load.acked.length - seen;
    const made = JSON.parse(r.stdout);
    assert.ok(made.bytes > 1e6 && made.position >= sure.length, r.stdout);
    assert.equal(statSync(file).size, made.bytes);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    isTidy(server.dir, file);
    const data = join(tempDir(), 'restored');
    const back = restore(file, data);
    assert.equal(back.code, 0, back.all);
    assert.deepEqual([JSON.parse(back.stdout).position, JSON.parse(back.stdout).centre], [made.position, 'none']);
    whole(data);
    const there = ids(data);
    sure.forEach((id) => assert.ok(there.has(id), `message ${id} was acknowledged before and is not there`));
  }
  await load.stop();
  assert.ok(n >= 100, `only ${n} messages were sent while three backups were made`);
  assert.ok(walBytes(server) < 80e6, `the WAL has ${walBytes(server)} bytes`);
  await server.stop();
  whole(server.dir);
});

test('a restored journal takes its own lost changes back from the centre and goes on; the original is refused', async () => {
  const env = { DATABASE_URL: db.makeDatabase('rejoin'), JWT_SECRET: 'sesame-sesame-sesame-sesame-sesame' };
  const server = await start({ env });
  const { people, room } = await crowd(server);
  const load = new Load(people, room);
  await load.more(300);
  const sure = load.acked.slice();
  const file = join(tempDir(), 'tombolo.backup');
  const r = await backup(server.dir, file, '--json');
  assert.equal(r.code, 0, r.all);
  const { seq } = JSON.parse(r.stdout);
  await load.more(300);
  await load.stop();
  const level = async (who) => until('level', async () => {
    const state = done(await who.get('/sync'), 200);
    return state.state === 'up' && state.lagOps === 0;
  });
  await level(people[0]);
  await server.kill();
  const own = Number(spawnSync('sqlite3', ['-readonly', join(server.dir, 'tombolo.db'),
    'SELECT seq FROM self'], { encoding: 'utf8' }).stdout);

  const data = join(tempDir(), 'restored');
  const back = restore(file, data, { env, more: ['--take-over'] });        // it was killed a moment ago
  assert.equal(back.code, 0, back.all);
  const told = JSON.parse(back.stdout);
  assert.deepEqual([told.centre, told.seq, told.cameBack], ['met', seq, own - seq]);
  whole(data);
  const again = await start({ data, env });
  people.forEach((p) => { p.server = again; });
  await level(people[0]);
  const there = new Set((await wholeHistory(people[0], room.id)).map((m) => m.id));
  load.acked.forEach((id) => assert.ok(there.has(id), `message ${id} was acknowledged and is not there`));
  const more = await people[1].send(room.id, 'after the restore');
  assert.ok(!load.acked.includes(more.id));
  await level(people[0]);
  const verify = run(['sync', 'verify', '--data', data, '--json'], { env });
  assert.equal(verify.code, 0, verify.all);
  const status = JSON.parse(run(['sync', 'status', '--data', data, '--json'], { env }).stdout);
  assert.equal(status.journal.epoch, 2);

  const original = await start({ data: server.dir, env });
  people[0].server = original;
  await until('the original is refused', async () => done(await people[0].get('/sync'), 200).state === 'diverged');
  await original.stop();
  await again.stop();
  whole(data);
});

test('with the centre away a restore says so, and the server gets the changes back when it comes', async () => {
  const env = { DATABASE_URL: db.makeDatabase('away') };
  const server = await start({ env });
  const { people, room } = await crowd(server, 2);
  const file = join(tempDir(), 'tombolo.backup');
  assert.equal((await backup(server.dir, file)).code, 0);
  const lost = await people[0].send(room.id, 'not in the backup');
  await until('level', async () => done(await people[0].get('/sync'), 200).lagOps === 0);
  await server.stop();
  const data = join(tempDir(), 'restored');
  const nowhere = `mysql://chat:chat@127.0.0.1:${await freePort()}/away`;
  const missed = restore(file, data, { env: { DATABASE_URL: nowhere }, more: ['--take-over'] });
  assert.equal(missed.code, 0, missed.all);
  const told = JSON.parse(missed.stdout);
  assert.deepEqual([told.centre, told.cameBack, told.hasSecret], ['missed', 0, false]);
  assert.notEqual(told.why, null);
  assert.doesNotMatch(missed.all, /chat:chat/);
  writeFileSync(join(data, 'jwt.secret'), readFileSync(join(server.dir, 'jwt.secret')), { mode: 0o600 });
  const again = await start({ data, env });
  people.forEach((p) => { p.server = again; });
  await until('it is back', async () => (await wholeHistory(people[0], room.id)).some((m) => m.id === lost.id));
  await again.stop();

  const paused = join(tempDir(), 'paused');
  mkdirSync(paused, { mode: 0o700 });
  writeFileSync(join(paused, 'sync.paused'), '');
  assert.equal(JSON.parse(restore(file, paused, { env }).stdout).centre, 'paused');
});

test('a backup that people wrote to before it met the centre is told to rejoin', async () => {
  const env = { DATABASE_URL: db.makeDatabase('twice') };
  const server = await start({ env });
  const { people, room } = await crowd(server, 2);
  await until('level', async () => done(await people[0].get('/sync'), 200).lagOps === 0);
  const file = join(tempDir(), 'tombolo.backup');
  assert.equal((await backup(server.dir, file)).code, 0);
  await people[0].send(room.id, 'only in the original');
  await until('level', async () => done(await people[0].get('/sync'), 200).lagOps === 0);
  await server.stop();
  const data = join(tempDir(), 'restored');
  assert.equal(restore(file, data).code, 0);                    // as if there were no centre
  const added = run(['user', 'add', 'late@example.org', 'late', '--password-stdin', '--data', data], { input: 'correct horse' });
  assert.equal(added.code, 0, added.all);
  const second = join(tempDir(), 'second');
  const copy = join(tempDir(), 'second.backup');
  assert.equal((await backup(data, copy)).code, 0);
  const apart = restore(copy, second, { env, more: ['--take-over'] });
  assert.equal(apart.code, 0, apart.all);
  const told = JSON.parse(apart.stdout);
  assert.equal(told.centre, 'diverged');
  assert.match(told.why, /tombolo sync rejoin/);
});

test('standard output, another file system, a server that does not run, and a file that is there already', async () => {
  const server = await start();
  const { people, room } = await crowd(server, 1);
  await people[0].send(room.id, 'hello');
  const piped = begin(['backup', '-', '--data', server.dir, '--json']);
  const r = await piped.ended;
  assert.equal(r.code, 0, r.stderr);
  const file = join(tempDir(), 'piped.backup');
  writeFileSync(file, Buffer.from(r.stdout, 'latin1'));
  assert.equal(JSON.parse(r.stderr).bytes, statSync(file).size);
  const elsewhere = join(tempDir(ELSEWHERE), 'shm.backup');
  writeFileSync(elsewhere, 'an older one');
  assert.equal((await backup(server.dir, elsewhere)).code, 0);
  await server.stop();
  const offline = join(tempDir(), 'offline.backup');
  const told = await backup(server.dir, offline);
  assert.equal(told.code, 0, told.all);
  assert.match(told.stdout, /jwt\.secret.*keep a copy/);
  for (const one of [file, elsewhere, offline]) {
    isTidy(server.dir, one);
    const data = join(tempDir(), 'restored');
    assert.equal(restore(one, data).code, 0);
    whole(data);
    assert.equal(ids(data).size, 1);
  }
});

test('a backup that cannot be written, or is interrupted, leaves the old file and nothing else', async () => {
  const server = await start();
  const { people, room } = await crowd(server);
  const load = new Load(people, room);
  await load.more(1500);
  await load.stop();
  const dir = tempDir();
  const file = join(dir, 'tombolo.backup');
  writeFileSync(file, 'yesterday');
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const going = begin(['backup', file, '--data', server.dir]);
    await until('the copy begins', () => existsSync(join(server.dir, 'backup.new')) || going.child.exitCode !== null);
    going.child.kill(signal);
    const r = await going.ended;
    if (r.code === 0) {
      writeFileSync(file, 'yesterday');         // it was faster
    }
    assert.ok(r.code === 0 || /interrupted/.test(r.stderr), r.all);
    isTidy(server.dir, file);
    assert.equal(readFileSync(file, 'utf8'), 'yesterday');
  }
  const killed = begin(['backup', file, '--data', server.dir]);
  await until('the copy begins', () => existsSync(join(server.dir, 'backup.new')) || killed.child.exitCode !== null);
  killed.child.kill('SIGKILL');
  await killed.ended;
  await until('another can be made', async () => (await backup(server.dir, file)).code === 0);
  assert.ok(!existsSync(join(server.dir, 'backup.new')));
  for (const [where, says] of [[join(dir, 'not-there', 'x'), /not-there.*No such file/], [dir, /directory/i]]) {
    const r = await backup(server.dir, where);
    assert.equal(r.code, 1, r.all);
    assert.match(r.stderr, says);
    assert.ok(!existsSync(join(server.dir, 'backup.new')));
  }
  const other = join(dir, 'other.db');
  writeFileSync(other, 'a database');
  writeFileSync(`${other}-wal`, 'of somebody who is writing');
  for (const [where, says] of [[join(server.dir, 'tombolo.db'), /the journal itself/], [other, /in use/]]) {
    const r = await backup(server.dir, where);
    assert.equal(r.code, 1, r.all);
    assert.match(r.stderr, says);
  }
  assert.equal(readFileSync(other, 'utf8'), 'a database');
  assert.ok(existsSync(join(server.dir, 'tombolo.db-wal')));
  assert.equal((await backup(tempDir(), file)).code, 1);
  assert.equal(run(['backup', '--data', server.dir]).code, 2);
  await server.stop();
  whole(server.dir);
});

test('restore refuses what is no whole backup, a journal that is there, and a folder in use; and changes nothing', async () => {
  const server = await start();
  const { people, room } = await crowd(server, 1);
  await people[0].send(room.id, 'a rather long text that can be found in the file');
  const file = join(tempDir(), 'tombolo.backup');
  assert.equal((await backup(server.dir, file)).code, 0);
  const good = readFileSync(file);
  const inUse = restore(file, server.dir, { more: ['--force'] });
  assert.equal(inUse.code, 1, inUse.all);
  assert.match(inUse.stderr, /in use/);
  await server.stop();
  const taken = restore(file, server.dir);
  assert.equal(taken.code, 1, taken.all);
  assert.match(taken.stderr, /has a journal.*--force/);

  const bad = (bytes) => {
    const path = join(tempDir(), 'bad.backup');
    writeFileSync(path, bytes);
    return path;
  };
  const changed = Buffer.from(good);
  changed.write('A', changed.indexOf('a rather long text'));
  const withWal = bad(good);
  writeFileSync(`${withWal}-wal`, 'frames');
  for (const [path, says] of [
    [bad(''), /no journal|no backup/], [bad('not a database at all '.repeat(100)), /not a database/],
    [bad(good.subarray(0, good.length / 2)), /fault|malformed/], [bad(changed), /fault/], [withWal, /database in use/],
    [join(tempDir(), 'nothing'), /No such file/], [tempDir(), /directory/i],
  ]) {
    const data = join(tempDir(), 'data');
    const r = restore(path, data);
    assert.equal(r.code, 1, r.all);
    assert.match(r.stderr, says);
    const left = existsSync(data) ? readdirSync(data) : [];
    assert.deepEqual(left.filter((name) => name !== 'tombolo.lock'), [], `${says}`);
  }
  const forced = restore(bad(changed), server.dir, { more: ['--force'] });
  assert.equal(forced.code, 1);
  whole(server.dir);
  assert.equal(ids(server.dir).size, 1);
  assert.ok(!readdirSync(server.dir).some((name) => name.startsWith('replaced')));

  const other = join(tempDir(), 'other.db');
  assert.equal(spawnSync('sqlite3', [other, 'CREATE TABLE t (x); INSERT INTO t VALUES (1)']).status, 0);
  const foreign = restore(other, join(tempDir(), 'data'));
  assert.equal(foreign.code, 1, foreign.all);
  assert.match(foreign.stderr, /another program's database/);
});

test('--force sets the journal aside, whole, and the folder has the backup', async () => {
  const server = await start();
  const { people, room } = await crowd(server, 1);
  await people[0].send(room.id, 'in both');
  const file = join(tempDir(), 'tombolo.backup');
  assert.equal((await backup(server.dir, file)).code, 0);
  await people[0].send(room.id, 'in the one that is set aside');
  await server.kill();                          // so that there is a WAL to be set aside
  assert.ok(walBytes(server) > 0);
  const r = restore(file, server.dir, { more: ['--force'] });
  assert.equal(r.code, 0, r.all);
  const { setAside, hasSecret } = JSON.parse(r.stdout);
  assert.equal(hasSecret, true);
  assert.equal(ids(server.dir).size, 1);
  whole(server.dir);
  whole(join(server.dir, setAside));
  assert.equal(ids(join(server.dir, setAside)).size, 2);
  const again = await start({ data: server.dir });
  people[0].server = again;
  assert.equal((await wholeHistory(people[0], room.id)).length, 1);     // with the token from before
  await again.stop();
});
