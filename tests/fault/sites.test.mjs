// Two servers on one centre, as their users see it: accounts, rooms and messages of one are at the other, live sockets hear of
// them, senders hear when their messages are at the centre, and of two who took one e-mail the first keeps it.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, Person, request } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { run, start, tempDir } from '../api/lib/server.mjs';
import { Line } from '../api/lib/sockets.mjs';

const SECRET = 'one secret of both sites, 32 bytes or more';
const WAIT_MS = 60_000;
let db, home, away, ann, room;
const lines = [];
const open = async (who) => { lines.push(await Line.to(who)); return lines.at(-1); };

before(async () => {
  db = await MariaDb.make();
  const options = { env: { DATABASE_URL: db.url, JWT_SECRET: SECRET } };
  home = await start(options);      // the first to come has namespace 0
  ann = await person(home, 'ann');
  room = await ann.room('harbour');
  await level(ann);
  away = await start(options);
});
afterEach(() => lines.splice(0).forEach((line) => line.close()));
after(async () => {
  await home.stop();
  await away.stop();
  await db.kill();
});

async function eventually(find, what) {
  for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await pause(50)) {
    const found = await find();
    if (found) {
      return found;
    }
  }
  throw new Error(`${what}: not within ${WAIT_MS} ms\n${home.log.slice(-1500)}\n${away.log.slice(-1500)}`);
}

const level = (who) => eventually(async () => {
  const s = done(await who.get('/sync'), 200);
  return s.state === 'up' && s.lagOps === 0;
}, 'level');

const tryLogIn = (server, email, password) => request(server, 'POST', '/auth/login', { body: { email, password } });

// The same account, at the other site.
async function logIn(server, who) {
  const answer = await eventually(async () => {
    const r = await tryLogIn(server, who.user.email, who.password);
    return r.status === 200 ? r : undefined;
  }, `${who.user.email} known at the other site`);
  return new Person(server, answer.body, who.password);
}

async function register(server, username, email, password) {
  return new Person(server, done(await request(server, 'POST', '/auth/register', { body: { email, username, password } }), 201), password);
}

test('an account of one site logs in at the other and sees its rooms and messages', async () => {
  const message = await ann.send(room.id, 'from home 😀');
  const there = await logIn(away, ann);
  assert.equal(there.user.id, ann.user.id);
  const seen = await eventually(async () => {
    const r = await there.get(`/messages/rooms/${room.id}/messages`);
    return r.status === 200 && r.body.items.find((m) => m.id === message.id);
  }, 'the message at the other site');
  assert.equal(seen.content, 'from home 😀');
  assert.deepEqual(seen.sender, message.sender);
});

test('a token that one site gives is good at the other, with neither of them started anew since they met their centre', async () => {
  const [tia, tom] = [await person(home, 'tia'), await person(away, 'tom')];
  for (const [who, site] of [[tia, away], [tom, home]]) {
    const isIn = async () => (await request(site, 'GET', '/rooms', { token: who.token })).status === 200;
    await eventually(isIn, `a token of ${who.user.username}, who is known there a little later,`);
  }
  assert.equal((await ann.get('/rooms')).status, 200, 'and one from before that stays good where it was given');
});

test('an empty journal has got a number of its own, and its ids are apart', async () => {
  const dora = await person(away, 'dora');
  assert.equal(Math.floor(dora.user.id / 2 ** 41), 1);
  assert.equal(Math.floor(ann.user.id / 2 ** 41), 0);
});

test('live sockets of one site hear what is sent at the other, in one order, and who sent it hears when it is at the centre', async () => {
  const there = await logIn(away, ann);
  const bob = await person(away, 'bob');
  await eventually(async () => (await bob.post('/rooms/join', { roomId: room.id })).status === 200, 'the room at the other site');
  const [a, b] = [await open(ann), await open(bob)];
  await a.hears('member_joined', { roomId: room.id, user: { id: bob.id, username: 'bob' } });
  const sent = [];
  for (let i = 0; i < 20; i++) {
    sent.push(done(await there.post('/messages', { roomId: room.id, content: `away ${i}` }), 201).id);
  }
  for (const id of sent) {
    await a.hears('receive_message', { id }, WAIT_MS);
  }
  assert.deepEqual(a.named('receive_message').map((m) => m.id).filter((id) => sent.includes(id)), sent);
  const mine = await b.send(room.id, 'is it there?');
  const synced = await b.hears('synced', (s) => s.messageIds.includes(mine.id), WAIT_MS);
  assert.match(synced.syncedAt, /^\d{4}-\d\d-\d\dT/);
  const { items } = done(await bob.get(`/messages/rooms/${room.id}/messages?limit=1`), 200);
  await eventually(async () => done(await bob.get(`/messages/rooms/${room.id}/messages?limit=1`), 200).items[0].syncedAt, 'syncedAt');
  assert.equal(items[0].id, mine.id);
});

test('who was delivered a message at the other site shows in the receipts at home', async () => {
  const eve = await person(away, 'eve');
  await eventually(async () => (await eve.post('/rooms/join', { roomId: room.id })).status === 200, 'joined');
  await open(eve);
  const a = await open(ann);
  await a.hears('member_joined', (m) => m.user.id === eve.id, WAIT_MS).catch(() => {});
  const message = await ann.send(room.id, 'did it arrive?');
  await eventually(async () => done(await ann.get(`/messages/${message.id}/receipts`), 200).items.some((r) => r.userId === eve.id),
    'the receipt at home');
});

test('of two who registered one e-mail while the link was down the first keeps it, and the other is told and takes another', async () => {
  await db.kill();
  const first = await register(away, 'first', 'same@example.org', 'the password of the first');
  await pause(20);
  const second = await register(home, 'second', 'Same@example.org', 'the password of the second');
  await db.start();
  const loser = await eventually(async () => {
    const r = await tryLogIn(home, 'same@example.org', second.password);
    return r.status === 409 && r;
  }, 'the conflict');
  assert.equal(loser.body.code, 'email_conflict');
  assert.equal((await logIn(home, first)).id, first.id);
  assert.equal((await tryLogIn(home, 'same@example.org', 'neither of the two')).status, 401);
  second.user = done(await second.patch('/auth/me', { email: 'other@example.org', currentPassword: second.password }), 200).user;
  assert.equal((await logIn(away, second)).id, second.id);
});

// A server with its own data folder, which outlives it.
const standalone = (data, env = {}) => start({ data, env: { JWT_SECRET: SECRET, ...env } });

const join = (data, command) => run(['sync', command, '--data', data, '--json'], { env: { DATABASE_URL: db.url } });
function joined(data, command) {
  const { code, stdout, stderr } = join(data, command);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test('a server that wrote before it met a centre whose first number is taken enrols late, and all it wrote is there under new ids', async () => {
  const data = tempDir();
  let lone = await standalone(data);
  const gus = await register(lone, 'gus', 'gus@example.org', 'the password of gus');
  const cellar = await gus.room('cellar');
  await gus.send(cellar.id, 'written alone');
  assert.equal(gus.id, 1);          // as ann's at home
  await lone.stop();
  lone = await standalone(data, { DATABASE_URL: db.url });
  await eventually(() => lone.log.includes('tombolo sync enroll'), 'a line that says what to do');
  await eventually(async () => done(await request(lone, 'GET', '/sync', { token: gus.token }), 200).state === 'diverged', 'diverged');
  await lone.stop();
  const told = joined(data, 'enroll');
  assert.equal(told.changed, true);
  assert.equal(told.users, 1);
  assert.equal(told.messages, 1);
  lone = await standalone(data, { DATABASE_URL: db.url });
  assert.equal((await request(lone, 'GET', '/rooms', { token: gus.token })).status, 401, 'a token from before names another user');
  const again = await logIn(lone, gus);
  assert.equal(Math.floor(again.id / 2 ** 41), told.node);
  const there = await logIn(home, gus);
  assert.equal(there.id, again.id);
  const [room] = done(await there.get('/rooms'), 200);
  assert.equal(room.lastMessage.content, 'written alone');
  assert.equal((await logIn(lone, ann)).id, ann.id);
  assert.match(join(data, 'rejoin').stderr, /in use/);
  await lone.stop();
  assert.equal(joined(data, 'rejoin').changed, false, 'nothing to do any more');
});
