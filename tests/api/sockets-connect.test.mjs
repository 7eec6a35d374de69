// Getting in and being there: tokens, rooms, presence, the end of a token.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { person } from './lib/client.mjs';
import { start } from './lib/server.mjs';
import { Line, TRANSPORTS, forge } from './lib/sockets.mjs';

const SECRET = 'a secret of the tests, 32 bytes or more';
const GRACE_MS = 300;

let server, ann, bob, eve, room;
const lines = [];
before(async () => {
  server = await start({ env: { JWT_SECRET: SECRET }, config: { presence: { grace_ms: GRACE_MS }, live: { sockets_per_user: 3 } } });
  [ann, bob, eve] = [await person(server, 'ann'), await person(server, 'bob'), await person(server, 'eve')];
  room = await ann.room('harbour');
  await bob.join(room.id);
});
afterEach(() => lines.splice(0).forEach((line) => line.close()));
after(() => server.stop());

function line(who, options) {
  const one = new Line(who, options);
  lines.push(one);
  return one;
}
async function up(who, options) {
  const one = line(who, options);
  await one.connected();
  return one;
}
const now = () => Math.floor(Date.now() / 1000);

// One packet by polling, as it stands, and what the next poll brings.
async function polled(packet, expected) {
  const url = `${server.url}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1));
  assert.equal((await fetch(`${url}&sid=${sid}`, { method: 'POST', body: packet })).status, 200);
  assert.match(await (await fetch(`${url}&sid=${sid}`)).text(), expected);
  await fetch(`${url}&sid=${sid}`, { method: 'POST', body: '1' });
}

for (const [what, auth, text] of [
  ['no token', { token: undefined }, 'Unauthorized: missing token'],
  ['an empty token', { token: '' }, 'Unauthorized: missing token'],
  ['a number for a token', { token: 5 }, 'Unauthorized: missing token'],
  ['an object for a token', { token: { a: 1 } }, 'Unauthorized: missing token'],
  ['some text for a token', { token: 'abc' }, 'Unauthorized: invalid token'],
  ['half a token', { token: 'a.b' }, 'Unauthorized: invalid token'],
]) {
  test(`${what} is refused`, async () => { assert.equal(await line(ann, { auth }).refused(), text); });
}

test('a token that has expired, or of another secret, is refused', async () => {
  for (const token of [forge(ann, SECRET, { exp: now() - 5 }), forge(ann, 'another secret', { exp: now() + 60 })]) {
    assert.equal(await line(ann, { auth: { token } }).refused(), 'Unauthorized: invalid token');
  }
});

for (const [what, more] of [['a NUL in a key', { 'a\u0000b': 1 }], ['half of a surrogate pair', { nick: 'x\ud83d' }],
  ['half of one in a key', { '\ude00': 1 }], ['a number that no double holds whole', { n: 123456789012345678901234567890n }]]) {
  test(`a good token beside ${what} lets in`, async () => {
    const raw = JSON.stringify({ token: ann.token, ...more }, (_, v) => (typeof v === 'bigint' ? Number(v) : v));
    await polled(`40${raw}`, /^40\{"sid":/);
    await polled(`40${raw.replace(/}$/, ',"big":1e400,"long":99999999999999999999}')}`, /^40\{"sid":/);
    await polled(`40${raw.replace(ann.token, 'x')}`, /^44\{"message":"Unauthorized: invalid token"/);
  });
}

for (const [name, transports] of TRANSPORTS) {
  test(`with ${name} a token lets in, and a wrong one does not`, async () => {
    const one = await up(ann, { transports });
    assert.match(one.socket.id, /^[\w-]{20}$/);
    assert.equal(one.socket.recovered, false);
    assert.equal(await line(ann, { transports, auth: { token: 'x' } }).refused(), 'Unauthorized: invalid token');
  });
}

test('the token may come as a header, and auth.token comes before it', async () => {
  const extraHeaders = { Authorization: `Bearer ${ann.token}` };
  for (const [, transports] of TRANSPORTS) {
    await up(ann, { transports, auth: { token: undefined }, extraHeaders });
    assert.equal(await line(ann, { transports, auth: { token: 'wrong' }, extraHeaders }).refused(), 'Unauthorized: invalid token');
    lines.splice(0).forEach((one) => one.close());
  }
  await up(ann, { auth: { token: `Bearer ${ann.token}` } });
});

test('another namespace is refused', async () => {
  const one = new Line(ann);
  const other = one.socket.io.socket('/admin', { auth: { token: ann.token } });
  lines.push(one);
  const error = await new Promise((told) => { other.once('connect_error', told); other.connect(); });
  assert.equal(error.message, 'Invalid namespace');
});

test('one is in all one\'s rooms before CONNECT is answered', async () => {
  const cem = await person(server);
  const rooms = [];
  for (let i = 0; i < 30; i++) {
    const one = await ann.room(`room ${i}`);
    await cem.join(one.id);
    rooms.push(one.id);
  }
  const a = await up(ann);
  const c = line(cem);
  const sends = new Promise((done) => c.socket.once('connect', () => done(Promise.all(rooms.map((id) => a.send(id, 'hello'))))));
  await sends;
  for (const id of rooms) {
    await c.hears('receive_message', { roomId: id });
  }
  assert.equal(c.named('receive_message').length, rooms.length);
});

test('who comes with his first socket is online for everyone, once, and offline after the last one and the grace time', async () => {
  const watcher = await up(eve);    // shares no room with bob: the audience is everyone
  const [one, two] = [await up(bob), await up(bob)];
  assert.deepEqual(await watcher.hears('user_status', { userId: bob.id }), { userId: bob.id, status: 'online' });
  one.close();
  const dan = await person(server);
  await up(dan);
  await watcher.hears('user_status', { userId: dan.id, status: 'online' });
  const began = Date.now();
  two.close();
  assert.deepEqual(await watcher.hears('user_status', { userId: bob.id, status: 'offline' }), { userId: bob.id, status: 'offline' });
  assert.ok(Date.now() - began >= GRACE_MS - 20, `told after ${Date.now() - began} ms`);
  assert.deepEqual(watcher.named('user_status').filter((s) => s.userId === bob.id).map((s) => s.status), ['online', 'offline']);
});

test('who comes back within the grace time was never away', async () => {
  const watcher = await up(eve);
  const first = await up(bob);
  await watcher.hears('user_status', { userId: bob.id, status: 'online' });
  first.close();
  const second = await up(bob);
  const [fay, gus] = [await person(server), await person(server)];
  const passing = await up(fay);    // comes and goes: a whole grace time and a gathering later than bob's cut
  await watcher.hears('user_status', { userId: fay.id, status: 'online' });
  passing.close();
  await watcher.hears('user_status', { userId: fay.id, status: 'offline' });
  await up(gus);
  await watcher.hears('user_status', { userId: gus.id, status: 'online' });
  assert.deepEqual(watcher.named('user_status').filter((s) => s.userId === bob.id).map((s) => s.status), ['online']);
  assert.ok(second.socket.connected);
});

test('the last seen of who has gone is stored', async () => {
  const watcher = await up(eve);
  const cem = await person(server);
  assert.equal(cem.user.lastSeen, null);
  const began = Date.now();
  (await up(cem)).close();
  await watcher.hears('user_status', { userId: cem.id, status: 'offline' });
  const { body } = await cem.patch('/auth/me', { username: 'cem', currentPassword: cem.password });
  assert.ok(Date.parse(body.user.lastSeen) >= began - 5, body.user.lastSeen);
});

test('with the audience shared-rooms only those who share a room hear of it', async () => {
  const quiet = await start({ config: { presence: { audience: 'shared-rooms', grace_ms: GRACE_MS } } });
  const [kim, lea, max] = [await person(quiet), await person(quiet), await person(quiet)];
  const shared = await kim.room('shared');
  await lea.join(shared.id);
  const mixed = await lea.room('also shared');
  await max.join(mixed.id);
  const [friend, stranger] = [await up(kim), await up(max)];
  const one = await up(lea);
  await friend.hears('user_status', { userId: lea.id, status: 'online' });
  await stranger.hears('user_status', { userId: lea.id, status: 'online' });
  await lea.delete(`/rooms/${mixed.id}/members/me`);
  await stranger.hears('member_left', { userId: lea.id });
  one.close();
  await friend.hears('user_status', { userId: lea.id, status: 'offline' });
  await friend.fence();
  await stranger.fence();
  assert.deepEqual(stranger.named('user_status').filter((s) => s.userId === lea.id).map((s) => s.status), ['online']);
  assert.deepEqual(friend.named('user_status').filter((s) => s.userId === max.id), [], 'kim and max share no room');
  lines.splice(0).forEach((each) => each.close());
  await quiet.stop();
});

for (const [name, transports] of TRANSPORTS) {
  test(`when its token expires a socket is closed (${name})`, async () => {
    const token = forge(ann, SECRET, { exp: now() + 3 });
    const one = await up(ann, { transports, auth: { token } });
    await one.down();
    assert.ok(Date.now() / 1000 >= JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).exp - 0.1);
    assert.notEqual(one.why, 'io server disconnect', 'a client that was told so would not come back with a new token');
    assert.equal(await line(ann, { transports, auth: { token } }).refused(), 'Unauthorized: invalid token');
  });
}

test('a user has so many sockets and no more, and others are not hindered', async () => {
  for (let i = 0; i < 3; i++) {
    await up(ann);
  }
  const one = line(ann, { reconnection: false });
  await one.until(() => one.error !== undefined || one.why !== undefined || !one.socket.active, 'the end');
  assert.ok(!one.socket.connected);
  await up(bob);
  lines[0].close();
  const again = line(ann, { reconnection: true, reconnectionDelay: 20 });
  await again.until(() => again.socket.connected, 'CONNECT');
});

test('ten people who come at once are told to everyone in gatherings, each once', async () => {
  const watcher = await up(eve);
  const crowd = [];
  for (let i = 0; i < 10; i++) {
    crowd.push(await person(server));
  }
  await Promise.all(crowd.map((one) => up(one)));
  for (const one of crowd) {
    await watcher.hears('user_status', { userId: one.id, status: 'online' });
  }
  const told = watcher.named('user_status').map((s) => s.userId);
  assert.deepEqual(crowd.map((one) => told.filter((id) => id === one.id).length), Array(10).fill(1));
});
