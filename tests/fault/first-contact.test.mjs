// A site that has a centre meets it before the first write: a new one for its number, and for a while; a restored one for what it
// has lost, however long that takes, and never in the place of an original that is in use.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Person, done, person, refused, request, wholeHistory } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { freePort, run, start, tempDir } from '../api/lib/server.mjs';
import { Line } from '../api/lib/sockets.mjs';

const JWT_SECRET = 'sesame-sesame-sesame-sesame-sesame';
const NOWHERE = 'mysql://chat:chat@127.0.0.1:1/chat';
const LONG_MS = 3_600_000;          // no test lasts so long: who is answered did not wait for its end
const ELEVEN_MINUTES = 'UPDATE site SET here_at = here_at - INTERVAL 11 MINUTE';

let db;
before(async () => { db = await MariaDb.make(); });
after(() => db.kill());

async function until(what, holds) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(20)) {
    if (await holds()) {
      return;
    }
  }
  throw new Error(`not within 60 s: ${what}`);
}

// A way to the centre that is there when a test wants it; for servers: commands are run while nothing else does.
class Door {
  static async shut() {
    const door = new Door();
    door.port = await freePort();
    return door;
  }
  urlOf(name) { return db.urlOf(name).replace(`:${db.port}/`, `:${this.port}/`); }
  async open() {
    this.sockets = new Set();
    this.listener = net.createServer((near) => {
      const far = net.connect(db.port, '127.0.0.1');
      [[near, far], [far, near]].forEach(([a, b]) => {
        this.sockets.add(a);
        a.pipe(b);
        a.on('error', () => b.destroy());
      });
    });
    await new Promise((up) => this.listener.listen(this.port, '127.0.0.1', up));
  }
  close() {
    this.listener.close();
    this.sockets.forEach((socket) => socket.destroy());
  }
}

const envOf = (url, more = {}) => ({ DATABASE_URL: url, JWT_SECRET, ...more });
const waiting = (url, ms = LONG_MS) => envOf(url, { TOMBOLO_SYNC_FIRST_CONTACT_MS: String(ms) });
const register = (server, name) => request(server, 'POST', '/auth/register',
  { body: { email: `${name}@example.org`, username: name, password: 'correct horse battery' } });
const isBusy = (answer) => assert.equal(refused(answer, 503, 'busy').retryAfter, 1);
// As the server and the journal say it, whatever its centre does meanwhile.
const status = (data) => {
  const r = run(['sync', 'status', '--data', data, '--json'], { env: { DATABASE_URL: NOWHERE } });
  assert.equal(r.code, 0, r.all);
  return JSON.parse(r.stdout);
};
const statusText = (data) => run(['sync', 'status', '--data', data], { env: { DATABASE_URL: NOWHERE } }).stdout;
const nodeOf = (user) => Math.floor(user.id / 2 ** 41);
const stateOf = async (who) => done(await who.get('/sync'), 200).state;
const level = (who) => until('level', async () => {
  const s = done(await who.get('/sync'), 200);
  return s.state === 'up' && s.lagOps === 0;
});

// As a client does that is told to come again.
async function registered(server, name) {
  let answer;
  await until('it is taken', async () => {
    answer = await register(server, name);
    return answer.status === 201 || void isBusy(answer);
  });
  return new Person(server, answer.body);
}

function succeeds(args, env) {
  const r = run(args, { env });
  assert.equal(r.code, 0, r.all);
  return r;
}

// ---- new sites

test('sites that are asked to write at once have each a number of its own, and are level', async () => {
  const env = envOf(db.makeDatabase('race'));
  const first = await registered(await start({ env, waits: false }), 'first');
  const others = await Promise.all([1, 2].map(async (i) => registered(await start({ env, waits: false }), `other${i}`)));
  assert.equal(nodeOf(first.user), 0);
  assert.deepEqual(others.map((who) => nodeOf(who.user)).sort(), [1, 2]);
  for (const who of [first, ...others]) {
    await level(who);
    assert.deepEqual([status(who.server.dir).awaits, status(who.server.dir).alone], [null, false]);
    await who.server.stop();
  }
});

test('while the centre is away a new site answers writes busy, and reads; it gets its number when the centre comes', async () => {
  db.makeDatabase('late');
  const door = await Door.shut();
  const env = waiting(door.urlOf('late'));
  const server = await start({ env, waits: false });
  isBusy(await register(server, 'early'));
  done(await request(server, 'GET', '/healthz'), 200);
  assert.equal((await request(server, 'GET', '/readyz')).body.code, 'busy');
  const health = run(['health', '--data', server.dir]);
  assert.equal(health.code, 1);
  assert.match(health.stdout, /waits for its centre/);
  refused(await request(server, 'POST', '/auth/login', { body: { email: 'early@example.org', password: 'correct horse battery' } }), 401, 'unauthorized');
  assert.equal(status(server.dir).awaits, 'number');
  assert.match(statusText(server.dir), /^waits .*number from the centre/m);
  const added = run(['user', 'add', 'by@example.org', 'by', '--password-stdin', '--data', server.dir], { env, input: 'correct horse\n' });
  assert.equal(added.code, 1);
  await server.kill();
  const again = await start({ data: server.dir, env, waits: false });
  isBusy(await register(again, 'early'));
  await door.open();
  const who = await registered(again, 'early');
  await level(who);
  assert.equal(status(server.dir).alone, false);
  await again.stop();
  door.close();
});

test('a new site goes on alone when its time is up, and says so', async () => {
  db.makeDatabase('alone');
  const door = await Door.shut();
  const env = waiting(door.urlOf('alone'), 1000);
  const server = await start({ env, waits: false });
  const who = await registered(server, 'alone');
  assert.equal(nodeOf(who.user), 0);
  assert.match(server.log, /store\.goes_alone .*sync enroll/);
  assert.equal(status(server.dir).alone, true);
  assert.match(statusText(server.dir), /^alone .*number 0[^]*tombolo sync enroll/m);
  await door.open();
  await level(who);
  assert.equal(status(server.dir).alone, false);
  await server.stop();
  door.close();
});

test('tombolo sync alone ends the wait of a new site', async () => {
  db.makeDatabase('impatient');
  const env = waiting((await Door.shut()).urlOf('impatient'));
  const server = await start({ env, waits: false });
  isBusy(await register(server, 'ann'));
  succeeds(['sync', 'alone', '--data', server.dir], env);
  done(await register(server, 'ann'), 201);
  await server.stop();
});

test('a centre that refuses is not waited for', async () => {
  const url = db.makeDatabase('refusing');
  db.makeDatabase('newer');
  const newer = envOf(db.urlOf('newer'));
  await (await start({ env: newer })).stop();
  db.load("INSERT INTO newer.schema_version (version, name, applied_at) VALUES (99, 'of the future', NOW())");
  for (const bad of [url.replace('chat:chat@', 'chat:wrong@'), url.replace('/refusing', '/nowhere'), db.urlOf('newer')]) {
    const server = await start({ env: waiting(bad), waits: false });
    await registered(server, 'ann');
    assert.match(server.log, /store\.goes_alone/);
    await server.stop();
  }
});

test('without a centre, with a number from the settings, paused, or with no time for it nothing waits', async () => {
  const url = (await Door.shut()).urlOf('nothing');
  const paused = tempDir();
  writeFileSync(join(paused, 'sync.paused'), '');
  for (const one of [{ env: {} }, { env: waiting(url), config: { sync: { node: 5 } } }, { env: waiting(url), data: paused },
    { env: waiting(url, 0) }]) {
    const server = await start({ ...one, waits: false });
    const user = new Person(server, done(await register(server, 'ann'), 201)).user;
    assert.equal(nodeOf(user), one.config?.sync.node ?? 0);
    await server.stop();
    const again = await start({ ...one, data: server.dir, waits: false });      // with ops
    done(await register(again, 'bob'), 201);
    await again.stop();
  }
});

// ---- restored ones

async function original(name) {
  const env = envOf(db.makeDatabase(name));
  const server = await start({ env });
  const ann = await person(server, 'ann');
  const room = await ann.room('harbour');
  await level(ann);
  const file = join(tempDir(), 'tombolo.backup');
  succeeds(['backup', file, '--data', server.dir], env);
  const lost = await ann.send(room.id, 'not in the backup');
  await level(ann);
  return { env, server, ann, room, file, lost };
}
const has = async (who, room, message) => (await wholeHistory(who, room.id)).some((m) => m.id === message.id);
const at = (server, who) => new Person(server, { user: who.user, token: who.token });

test('a restore does not put an original out that is in use, unless it is told to; a drill needs no centre', async () => {
  const { env, server, ann, file } = await original('drill');
  const data = join(tempDir(), 'drill');
  const no = run(['restore', file, '--data', data], { env });
  assert.equal(no.code, 1);
  assert.match(no.stderr, /original was at the centre \d+ s ago.*--set sync\.url=.*--take-over/);
  assert.ok(!existsSync(join(data, 'tombolo.db')), readdirSync(data).join());
  const drill = JSON.parse(succeeds(['restore', file, '--data', data, '--set', 'sync.url=', '--json'], env).stdout);
  assert.equal(drill.centre, 'none');
  const copy = await start({ data, env, args: ['--set', 'sync.url='], waits: false });
  done(await at(copy, ann).post('/rooms', { name: 'of the drill' }), 201);
  await copy.stop();
  succeeds(['check', '--data', data]);
  await level(ann);
  await server.stop();
});

test('a drill that is started with the centre by mistake waits, and the original stays', async () => {
  const { env, server, ann, room, file, lost } = await original('mistake');
  const data = join(tempDir(), 'drill');
  succeeds(['restore', file, '--data', data, '--set', 'sync.url='], env);
  const copy = await start({ data, env, waits: false });
  const annThere = at(copy, ann);
  isBusy(await annThere.post('/messages', { roomId: room.id, content: 'in the drill' }));
  assert.equal(await has(annThere, room, lost), false);
  await until('it says why', async () => /original .*10 minutes.*--take-over/.test(status(data).lastError ?? ''));
  assert.equal(status(data).awaits, 'centre');
  await ann.send(room.id, 'the original goes on');
  await level(ann);
  await server.stop();
  db.query(ELEVEN_MINUTES.replace('site', 'mistake.site'));
  await until('it goes on in its place', async () => has(annThere, room, lost));
  await until('it takes changes', async () => (await annThere.post('/messages', { roomId: room.id, content: 'here' })).status === 201);
  await copy.stop();
  succeeds(['sync', 'verify', '--data', data], env);
});

test('restored with the centre away, it takes nothing from those who connect, and goes on when the centre comes', async () => {
  const { server, ann, room, file, lost } = await original('away');
  const door = await Door.shut();
  const env = envOf(door.urlOf('away'));
  await server.stop();
  const data = join(tempDir(), 'restored');
  const r = succeeds(['restore', file, '--data', data, '--take-over'], env);
  assert.match(r.stdout, /not reached[^]*"busy"[^]*tombolo sync alone/);
  assert.match(statusText(data), /^waits .*restored[^]*tombolo sync alone/m);
  const again = await start({ data, env, waits: false });
  const annHere = at(again, ann);
  const line = await Line.to(annHere);
  await line.socket.close();
  isBusy(await annHere.post('/messages', { roomId: room.id, content: 'too early' }));
  await again.stop();
  const oneMore = await start({ data, env, waits: false });
  const annLast = at(oneMore, ann);
  isBusy(await annLast.post('/messages', { roomId: room.id, content: 'too early' }));
  await door.open();
  await until('it is back', async () => has(annLast, room, lost));
  await level(annLast);
  await annLast.send(room.id, 'and on');
  await level(annLast);
  assert.equal(status(data).journal.epoch, 2);
  await oneMore.stop();
  door.close();
  succeeds(['sync', 'verify', '--data', data], envOf(db.urlOf('away')));
});

test('tombolo sync alone lets people write before that, with the server and without, paused and not', async () => {
  const { server, ann, room, file } = await original('without');
  const door = await Door.shut();
  const env = envOf(door.urlOf('without'));
  await server.stop();
  for (const isServed of [true, false]) {
    const data = join(tempDir(), 'restored');
    mkdirSync(data);
    writeFileSync(join(data, 'sync.paused'), '');
    const told = JSON.parse(succeeds(['restore', file, '--data', data, '--json'], env).stdout);
    assert.equal(told.centre, 'paused');
    if (!isServed) {
      succeeds(['sync', 'alone', '--data', data], env);
    }
    const copy = await start({ data, env, waits: false });
    const annThere = at(copy, ann);
    if (isServed) {
      isBusy(await annThere.post('/messages', { roomId: room.id, content: 'too early' }));
      succeeds(['sync', 'alone', '--data', data], env);
    }
    await annThere.send(room.id, 'alone');
    assert.equal(status(data).awaits, null);
    await door.open();
    succeeds(['sync', 'resume', '--data', data], env);
    await until('it went its own way', async () => await stateOf(annThere) === 'diverged');
    await annThere.send(room.id, 'service goes on');
    await copy.stop();
    door.close();
  }
});
