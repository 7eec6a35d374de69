// A site that was away for longer than its lease, with people on it all the time: the centre's log has let go of what it lacks, so it
// takes the tables. Its live sockets hear what is new, what its people wrote alone reaches the others, a kill -9 in the middle
// costs nothing, and in the end there is no difference anywhere.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, Person, request } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { run, start } from '../api/lib/server.mjs';
import { Line } from '../api/lib/sockets.mjs';

const SECRET = 'one secret of both sites, 32 bytes or more';
const WAIT_MS = 60_000, LEASE_DAYS = 90, KEEP_DAYS = 30;
const CONFIG = { limit: { messages: 0 }, live: { events_per_second: 0 } };
let db, home, away, ann, annAway, bob, room;

const options = () => ({ env: { DATABASE_URL: db.url, JWT_SECRET: SECRET }, config: CONFIG });
const sync = (server, command) => run(['sync', command, '--data', server.dir, '--json'], { env: { DATABASE_URL: db.url } });

async function eventually(find, what) {
  for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await pause(20)) {
    const found = await find();
    if (found) {
      return found;
    }
  }
  throw new Error(`${what}: not within ${WAIT_MS} ms\n${home.log.slice(-1500)}\n${away.log.slice(-2500)}`);
}

const level = (who) => eventually(async () => {
  const s = done(await who.get('/sync'), 200);
  return s.state === 'up' && s.lagOps === 0;
}, 'level');

before(async () => {
  process.stderr.write(`# TB_SEED=${SEED}\n`);
  db = await MariaDb.make();
  home = await start(options());
  ann = await person(home, 'ann');
  room = await ann.room('harbour');
  await level(ann);
  away = await start(options());
  const login = await eventually(async () => {
    const r = await request(away, 'POST', '/auth/login', { body: { email: ann.user.email, password: ann.password } });
    return r.status === 200 && r;
  }, 'ann known away');
  annAway = new Person(away, login.body, ann.password);
  bob = await person(away, 'bob');
  await eventually(async () => (await bob.post('/rooms/join', { roomId: room.id })).status === 200, 'the room away');
  await level(bob);
});
after(async () => {
  const ends = await Promise.allSettled([home.stop(), away.stop()]);
  await db.kill();
  ends.forEach((end) => assert.equal(end.status, 'fulfilled', end.reason?.message));
});

async function write(n, text) {
  const sent = [];
  for (let i = 0; i < n; i += 50) {
    const some = Array.from({ length: Math.min(50, n - i) }, (_, k) => ann.send(room.id, `${text} ${i + k}`));
    sent.push(...(await Promise.all(some)).map((m) => m.id));
  }
  return sent.sort((a, b) => a - b);
}

// By the centre's calendar. A link that is made anew says that its site is here, and looks what may go.
async function daysPass(days) {
  db.query(`UPDATE site_day SET day = day - ${days} ORDER BY day`);
  db.query(`UPDATE site SET seen_at = seen_at - INTERVAL ${days} DAY`);
  assert.equal(sync(home, 'pause').code, 0);
  assert.equal(sync(home, 'resume').code, 0);
  await level(ann);
}

// What site 0 wrote until now leaves op_log, though the other has not got it.
async function leaseEnds() {
  await level(ann);
  await daysPass(LEASE_DAYS);
  await daysPass(KEEP_DAYS + 1);
  await eventually(() => {
    const [[floor, left, seen]] = db.query('SELECT s.floor, (SELECT COUNT(*) FROM op_log WHERE node = 0 AND seq <= s.floor), ' +
      'COALESCE((SELECT seq FROM seen WHERE site = 1 AND origin = 0), 0) FROM site s WHERE s.id = 0');
    return Number(floor) > Number(seen) && Number(left) === 0;
  }, 'the log has let go');
}

const historyOf = async (who) => {
  const all = [];
  for (let cursor; cursor !== null;) {
    const page = done(await who.get(`/messages/rooms/${room.id}/messages?limit=100${cursor ? `&cursor=${cursor}` : ''}`), 200);
    all.push(...page.items.map((m) => m.id));
    cursor = page.nextCursor;
  }
  return all;
};

async function thereIsNoDifference() {
  const [first, second] = [await historyOf(ann), await historyOf(annAway)];
  assert.deepEqual(second, first);
  for (const server of [home, away]) {
    const r = sync(server, 'verify');
    assert.equal(r.code, 0, r.all);
  }
}

test('it takes the tables when it comes back, its sockets hear what is new, and what was written there alone comes out', async () => {
  const [near, far] = [await Line.to(ann), await Line.to(bob)];
  assert.equal(sync(away, 'pause').code, 0);
  await eventually(async () => done(await bob.get('/sync'), 200).state === 'down', 'away');
  const sent = await write(60, 'while they were away');
  const alone = [];
  for (let i = 0; i < 5; i++) {
    alone.push((await bob.send(room.id, `alone ${i}`)).id);
  }
  await leaseEnds();
  const unreadBefore = done(await bob.get('/rooms'), 200)[0].unread;
  assert.equal(sync(away, 'resume').code, 0);
  await far.until(() => sent.every((id) => far.named('receive_message').some((m) => m.id === id)), 'all of them', WAIT_MS);
  assert.deepEqual(far.named('receive_message').map((m) => m.id).filter((id) => sent.includes(id)), sent);
  assert.equal(far.named('receive_message').find((m) => m.id === sent[0]).sender.username, 'ann');
  await near.until(() => alone.every((id) => near.named('receive_message').some((m) => m.id === id)), 'what was written alone', WAIT_MS);
  assert.match(away.log, /sync\.taking_tables.*node=0/);
  await eventually(() => /sync\.took_tables/.test(away.log), 'the end of the tables');
  assert.doesNotMatch(away.log, /stream_refused/);
  assert.equal(done(await bob.get('/rooms'), 200)[0].unread, unreadBefore + sent.length);
  await level(bob);
  await thereIsNoDifference();
  near.close();
  far.close();
});

test('killed with -9 among the tables and started again it ends with all of them, and its journal is whole', async () => {
  assert.equal(sync(away, 'pause').code, 0);
  const sent = await write(3000, 'many');
  await leaseEnds();
  assert.equal(sync(away, 'resume').code, 0);
  await eventually(() => away.log.split('sync.taking_tables').length > 2, 'the tables');
  await pause(randomFrom(SEED)() * 150);
  const before = away.log;
  await away.kill();
  away = await start({ ...options(), data: away.dir });
  [annAway, bob].forEach((one) => { one.server = away; });
  await eventually(() => (before + away.log).split('sync.took_tables').length > 2, 'the end of the tables');
  await level(bob);
  await thereIsNoDifference();
  assert.equal((await historyOf(bob)).filter((id) => sent.includes(id)).length, sent.length);
  await away.stop();
  const check = run(['check', '--data', away.dir]);
  assert.equal(check.code, 0, check.all);
  away = await start({ ...options(), data: away.dir });
  [annAway, bob].forEach((one) => { one.server = away; });
});
