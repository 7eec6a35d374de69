// Recovery: who comes back with his pid and offset hears what he missed, once and in order, under his old id; whoever
// knows nothing of it notices nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, afterEach, before, test } from 'node:test';
import { io as io3 } from 'socket.io-client-3';
import { done, hasKeys, person, refused, request } from '../api/lib/client.mjs';
import { freePort, start } from '../api/lib/server.mjs';
import { Line, TRANSPORTS, Wire } from '../api/lib/sockets.mjs';

const GRACE_MS = 300;
const CONFIG = { presence: { grace_ms: GRACE_MS }, live: { events_per_second: 0 } };
let server, port, wire, ann, bob, room, a;
const lines = [];
before(async () => {
  port = await freePort();
  server = await start({ config: CONFIG, port });
  wire = await Wire.to(server);
  [ann, bob] = [await person(server, 'ann'), await person(server, 'bob')];
  room = await ann.room('harbour');
  await bob.join(room.id);
  a = await Line.to(ann, { reconnection: true, reconnectionDelay: 20, randomizationFactor: 0 });
});
afterEach(() => { lines.splice(0).forEach((one) => one.close()); wire.mend(); });
after(async () => {
  a.close();
  wire.close();
  await server.stop();
});

const HOLD = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50, randomizationFactor: 0 };
async function up(who, options) {
  const line = new Line(who, options);
  lines.push(line);
  await line.connected();
  return line;
}
const ids = (line, roomId = room.id) => line.named('receive_message').filter((m) => m.roomId === roomId).map((m) => m.id);
const credentials = (line) => ({ pid: line.socket._pid, offset: line.socket._lastOffset });
async function hearsOffset(line) {
  await line.until(() => line.socket._lastOffset !== undefined, 'an offset');
}

async function restart(signal) {
  if (signal === 'SIGKILL') {
    await server.kill();
  } else {
    await server.stop();
  }
  server = await start({ data: server.dir, port, config: CONFIG });
  wire.server = server;
  [ann, bob].forEach((one) => { one.server = server; });
  await a.until(() => a.socket.connected, 'ann is back');
}

test('who was online when the server was killed is offline after it, with a last seen, until he comes back', async () => {
  const cem = await person(server, 'crashed');
  const began = Date.now();
  const c = await up(cem);
  await a.hears('user_status', { userId: cem.id, status: 'online' });
  await a.send(room.id, 'what was to be stored before this is on disk');
  a.forget();
  await restart('SIGKILL');
  const killed = Date.now();
  cem.server = server;
  const login = await request(server, 'POST', '/auth/login', { body: { email: cem.user.email, password: cem.password } });
  const lastSeen = Date.parse(done(login, 200).user.lastSeen);
  assert.ok(lastSeen >= began - 5 && lastSeen <= killed, login.text);
  await c.down();
  const later = await up(bob);
  await a.hears('user_status', { userId: bob.id, status: 'online' });
  assert.deepEqual(a.named('user_status').filter((s) => s.userId === cem.id), [], 'he is not there');
  const again = await up(cem);
  await a.hears('user_status', { userId: cem.id, status: 'online' });
  again.close(), later.close();
  await a.hears('user_status', { userId: cem.id, status: 'offline' });
});

for (const [how, end] of [['a stop', (s) => s.stop()], ['kill -9', (s) => s.kill()]]) {
  test(`after ${how} of the server others hear once who does not come back, and nothing of who does`, async () => {
    const config = { presence: { grace_ms: 100, audience: 'shared-rooms' }, live: { ping_interval_ms: 800, ping_timeout_ms: 700 } };
    const own = await freePort();
    let small = await start({ config, port: own });
    const [kim, lea, max, stranger] = await Promise.all([1, 2, 3, 4].map(() => person(small)));
    const attic = await kim.room('attic');
    await lea.join(attic.id);
    await max.join(attic.id);
    await stranger.room('elsewhere');
    const back = [kim, stranger, lea];
    const [k, s, l] = await Promise.all(back.map((who) => up(who, HOLD)));
    const m = await up(max);
    await k.hears('user_status', { userId: max.id, status: 'online' });
    await k.hears('user_status', { userId: lea.id, status: 'online' });
    [k, s, l].forEach((line) => line.forget());
    for (let i = 0; i < 2; i++) {
      await end(small);
      await m.until(() => !m.socket.connected, 'the end');
      small = await start({ data: small.dir, port: own, config });
      back.forEach((who) => { who.server = small; });
      await Promise.all([k, s, l].map((line) => line.until(() => line.socket.connected, 'the return')));
      const began = Date.now();
      if (i === 0) {
        await k.hears('user_status', { userId: max.id, status: 'offline' });
        assert.ok(Date.now() - began < 5000);
        await kim.send(attic.id, 'what was to be stored before this is on disk');
      } else {
        await new Promise((over) => setTimeout(over, 2500));
      }
    }
    await k.fence(), await s.fence();
    const told = k.named('user_status').filter((t) => t.status === 'offline');
    assert.deepEqual(told, [{ userId: max.id, status: 'offline' }]);
    assert.deepEqual(s.named('user_status').filter((t) => t.userId !== stranger.id), [], 'they share no room');
    [k, s, l].forEach((line) => line.close());
    await small.stop();
  });
}

test('the last seen is when his last socket ended, not when that was told', async () => {
  const small = await start({ config: { presence: { grace_ms: 1500 } } });
  const [kim, lea] = [await person(small), await person(small)];
  const [k, l] = [await up(kim), await up(lea)];
  await k.hears('user_status', { userId: lea.id, status: 'online' });
  const ended = Date.now();
  l.close();
  await k.hears('user_status', { userId: lea.id, status: 'offline' });
  const login = await request(small, 'POST', '/auth/login', { body: { email: lea.user.email, password: lea.password } });
  const lastSeen = Date.parse(done(login, 200).user.lastSeen);
  assert.ok(Math.abs(lastSeen - ended) < 1000, `${lastSeen - ended} ms after it`);
  k.close();
  await small.stop();
});

const CUTS = [
  ['a cut of the connection', async () => wire.break()],
  ['a restart of the server', async () => { wire.break(); await restart('SIGTERM'); }],
  ['kill -9 of the server', async () => { wire.break(); await restart('SIGKILL'); }],
];
for (const [transport, transports] of TRANSPORTS) {
  for (const [what, cut] of CUTS) {
    test(`after ${what} a stock client is recovered with what it missed, once and in order (${transport})`, async () => {
      const b = await up(bob, { through: wire, transports, ...HOLD });
      const id = b.socket.id;
      const expected = [];
      for (let i = 0; i < 5; i++) {
        expected.push((await a.send(room.id, `before ${i}`)).id);
      }
      await b.hears('receive_message', { id: expected.at(-1) });
      await hearsOffset(b);
      b.socket.io.reconnection(false);
      await cut();
      await b.until(() => !b.socket.connected, 'the cut');
      for (let i = 0; i < 5; i++) {
        expected.push((await a.send(room.id, `missed ${i}`)).id);
      }
      const last = await ann.send(room.id, 'missed over REST');
      expected.push(last.id);
      wire.mend();
      b.socket.connect();
      await b.hears('receive_message', { id: last.id });
      const fresh = await a.send(room.id, 'after');
      expected.push(fresh.id);
      await b.hears('receive_message', { id: fresh.id });
      assert.equal(b.socket.recovered, true);
      assert.equal(b.socket.id, id);
      assert.equal(b.downs, 1);
      assert.deepEqual(ids(b), expected);
      await a.hears('delivered', (d) => d.messageId === last.id && d.userIds.includes(bob.id));
    });
  }
}

test('a cut while messages flow loses none and repeats at most the one at the cut', async () => {
  const b = await up(bob, { through: wire, ...HOLD });
  const sent = [];
  for (let round = 0; round < 8; round++) {
    const flow = Promise.all(Array.from({ length: 40 }, (_, i) => a.send(room.id, `flow ${round} ${i}`)));
    await b.until(() => ids(b).length > sent.length + 3, 'some');
    wire.cut();
    sent.push(...(await flow).map((m) => m.id));
    await b.hears('receive_message', { id: Math.max(...sent) });
  }
  const heard = ids(b);
  const each = heard.filter((id, i) => heard.indexOf(id) === i);
  assert.deepEqual(each, sent.sort((x, y) => x - y));
  assert.ok(heard.length - each.length <= 8 * 40, `${heard.length - each.length} repeats`);
  assert.equal(b.socket.recovered, true);
});

for (const [mode, args] of [['event', 1], ['argument', 2], ['off', 1]]) {
  test(`with auth.recovery "${mode}" an event has ${args} argument(s)`, async () => {
    const b = await up(bob, { auth: { recovery: mode } });
    const m = await a.send(room.id, `mode ${mode}`);
    await b.hears('receive_message', { id: m.id });
    await b.hears('delivered', { messageId: m.id });
    await b.fence();
    for (const one of b.heard.filter(([name]) => name === 'receive_message' || name === 'delivered')) {
      assert.equal(one.length, args + 1, JSON.stringify(one));
      if (args === 2) {
        assert.match(one[2], /^\d+-[0-9a-f]{8}$/);
      }
    }
    assert.equal(b.offsets.length > 0, mode === 'event');
    b.offsets.forEach((one) => { assert.equal(one.length, 1); assert.match(one[0], /^\d+-[0-9a-f]{8}$/); });
  });
}

test('in the mode "argument" a stock client is recovered without any repeat', async () => {
  const b = await up(bob, { through: wire, auth: { recovery: 'argument' }, ...HOLD });
  const sent = [];
  for (let round = 0; round < 6; round++) {
    const flow = Promise.all(Array.from({ length: 30 }, (_, i) => a.send(room.id, `argument ${round} ${i}`)));
    await b.until(() => ids(b).length > sent.length + 3, 'some');
    wire.cut();
    sent.push(...(await flow).map((m) => m.id));
    await b.until(() => b.downs === round + 1 && b.socket.connected, 'being back');
    await b.hears('receive_message', { id: Math.max(...sent) });
    assert.equal(b.socket.recovered, true);
  }
  assert.deepEqual(ids(b), sent.sort((x, y) => x - y));
});

test('with "off" a pid and an offset give a plain new session', async () => {
  const first = await up(bob);
  await a.send(room.id, 'x');
  await hearsOffset(first);
  const auth = credentials(first);
  first.close();
  await a.send(room.id, 'missed');
  const b = await up(bob, { auth: { ...auth, recovery: 'off' } });
  const m = await a.send(room.id, 'y');
  await b.hears('receive_message', { id: m.id });
  assert.deepEqual(ids(b), [m.id]);
  assert.notEqual(b.socket.id, first.socket.id);
});

test('without an offset everything since the first CONNECT comes', async () => {
  const first = await up(bob);
  const id = first.socket.id;
  const { pid } = credentials(first);
  first.close();
  const missed = [(await a.send(room.id, 'missed 1')).id, (await a.send(room.id, 'missed 2')).id];
  const b = await up(bob, { auth: { pid } });
  await b.hears('receive_message', { id: missed[1] });
  assert.equal(b.socket.id, id);
  assert.deepEqual(ids(b), missed);
});

test('receipts and membership are replayed in their place, typing is not', async () => {
  const hall = await ann.room('hall');
  const left = await ann.room('left');
  await bob.join(left.id);
  const b = await up(bob);
  const m0 = await a.send(room.id, 'first');
  await b.hears('delivered', { messageId: m0.id });
  await b.until(() => b.offsets.length > 1, 'the offset behind it');
  const auth = credentials(b);
  b.close();
  const cem = await person(server, 'cem');
  const inLeft = await a.send(left.id, 'before bob left');
  done(await bob.delete(`/rooms/${left.id}/members/me`), 204);
  await a.send(left.id, 'not for bob');
  await a.send(hall.id, 'not for bob either');
  await bob.join(hall.id);
  const inHall = await a.send(hall.id, 'for bob');
  await cem.join(room.id);
  a.socket.emit('typing', { roomId: room.id, isTyping: true });
  const m1 = await a.send(room.id, 'second');
  done(await cem.post('/messages/read', { messageIds: [m1.id] }), 200);
  done(await cem.delete(`/rooms/${room.id}/members/me`), 204);
  const back = await up(bob, { auth });
  await back.hears('member_left', { roomId: room.id });
  await back.fence();
  const told = back.heard.filter(([name]) => !['user_status', 'delivered'].includes(name))
    .map(([name, v]) => [name, v.roomId, v.id ?? v.user?.id ?? v.userId]);
  assert.deepEqual(told, [
    ['receive_message', left.id, inLeft.id],
    ['member_left', left.id, bob.id],
    ['member_joined', hall.id, bob.id],
    ['receive_message', hall.id, inHall.id],
    ['member_joined', room.id, cem.id],
    ['receive_message', room.id, m1.id],
    ['read', room.id, cem.id],
    ['member_left', room.id, cem.id],
  ]);
  const m2 = await a.send(hall.id, 'live again');
  await back.hears('receive_message', { id: m2.id });
  a.socket.emit('typing', { roomId: room.id, isTyping: false });
});

test('what does not fit gives a plain new session', async () => {
  const other = await start();
  const stranger = await person(other, 'bob');
  const foreign = await Line.to(stranger);
  const his = await stranger.room('his');
  await foreign.send(his.id, 'x');
  await hearsOffset(foreign);

  const first = await up(bob);
  const annsOwn = await up(ann);
  await a.send(room.id, 'x');
  await Promise.all([hearsOffset(first), hearsOffset(annsOwn)]);
  const good = credentials(first);
  const [pos, tag] = good.offset.split('-');
  const [start_, sid, mac] = good.pid.split('.');
  first.close();
  await a.send(room.id, 'missed');
  const flip = (text) => text.slice(0, -1) + (text.at(-1) === '0' ? '1' : '0');
  for (const [what, auth] of [
    ['a pid with another tag', { ...good, pid: flip(good.pid) }],
    ['a pid with another start', { ...good, pid: `${start_ - 1}.${sid}.${mac}` }],
    ['a pid with another sid', { ...good, pid: `${start_}.${'A'.repeat(20)}.${mac}` }],
    ['half a pid', { ...good, pid: good.pid.slice(0, -2) }],
    ['a pid with more behind it', { ...good, pid: `${good.pid}00` }],
    ['an empty pid', { ...good, pid: '' }],
    ["another user's pid", { ...credentials(annsOwn), offset: good.offset }],
    ["another journal's pid", credentials(foreign)],
    ['an offset with another tag', { ...good, offset: flip(good.offset) }],
    ['an offset ahead of the head', { ...good, offset: `${Number(pos) + 1000}-${tag}` }],
    ['an offset far ahead', { ...good, offset: `9223372036854775807-${tag}` }],
    ['an offset beyond 64 bits', { ...good, offset: `99999999999999999999-${tag}` }],
    ['an offset below 0', { ...good, offset: `-1-${tag}` }],
    ["another journal's offset", { ...good, offset: credentials(foreign).offset }],
    ['no offset at all', { ...good, offset: 'x' }],
    ['an offset without a tag', { ...good, offset: `${pos}-` }],
  ]) {
    const b = await up(bob, { auth });
    assert.notEqual(b.socket.id, sid, what);
    assert.notEqual(b.socket._pid, auth.pid, what);
    const m = await a.send(room.id, what);
    await b.hears('receive_message', { id: m.id });
    assert.deepEqual(ids(b), [m.id], what);
    b.close();
  }
  const b = await up(bob, { auth: good });
  assert.equal(b.socket.id, sid, 'so the rest was good');
  foreign.close();
  await other.stop();
});

test('a socket that is still alive under that id is closed, and the later one of two stays', async () => {
  const first = await up(bob);
  await a.send(room.id, 'x');
  await hearsOffset(first);
  const auth = credentials(first);
  const crowd = Array.from({ length: 6 }, () => new Line(bob, { auth }));
  lines.push(...crowd);
  await Promise.all(crowd.map((one) => one.until(() => one.why !== undefined || one.socket.connected || one.error, 'in or out')));
  await first.down();
  const m = await a.send(room.id, 'who hears it?');
  await crowd[0].until(() => crowd.every((one) => !one.socket.connected || ids(one).includes(m.id)), 'all who are there', 3000)
    .catch(async () => { await Promise.race(crowd.map((one) => one.hears('receive_message', { id: m.id }))); });
  assert.equal(crowd.filter((one) => ids(one).includes(m.id)).length, 1);
});

test('who comes back behind more than the queue of a socket holds gets all of it', async () => {
  const small = await start({ config: { live: { max_queued: 16_384, ring_batches: 4, events_per_second: 0 } } });
  const far = await Wire.to(small);
  const [kim, lea] = [await person(small), await person(small)];
  const big = await kim.room('big');
  const extra = await kim.room('extra');
  await lea.join(big.id);
  const [k, first] = [await Line.to(kim), await Line.to(lea)];
  const { pid } = credentials(first);
  first.close();
  const sent = [];
  for (let i = 0; i < 40; i++) {
    if (i % 10 === 5) {             // comes and goes in another room, so that rooms differ along the way
      await lea.join(extra.id);
      sent.push((await k.send(extra.id, 'x'.repeat(4000))).id);
      done(await lea.delete(`/rooms/${extra.id}/members/me`), 204);
    }
    await k.send(extra.id, 'not for lea');
    sent.push((await k.send(big.id, `${i} ${'x'.repeat(4000)}`)).id);
  }
  for (const [, transports] of TRANSPORTS) {
    const back = new Line(lea, { transports, auth: { pid }, through: far });
    lines.push(back);
    await back.hears('receive_message', { id: sent.at(-1) });
    assert.deepEqual(back.named('receive_message').map((m) => m.id), sent);
    const live = await k.send(big.id, 'live');
    await back.hears('receive_message', { id: live.id });
    back.close();
    sent.push(live.id);
  }
  k.close();
  far.close();
  await small.stop();
});

test('an op of more packets than a queue holds gets through, each packet once', async () => {
  const small = await start({ config: { live: { max_queued: 16_384, events_per_second: 0 } } });
  const [kim, lea] = [await person(small), await person(small)];
  const big = await kim.room('big');
  await lea.join(big.id);
  const first = await Line.to(lea);
  const auth = { pid: credentials(first).pid };
  first.close();
  const sent = [];
  for (let i = 0; i < 400; i++) {
    sent.push((await kim.send(big.id, `${i}`)).id);
  }
  const k = await Line.to(kim);
  const back = await Line.to(lea, { auth });        // 400 receipts, gathered into few ops
  await back.hears('receive_message', { id: sent.at(-1) });
  for (const line of [k, back]) {
    await line.until(() => line.named('delivered').length >= sent.length, 'all receipts');
    await line.fence();
    assert.deepEqual(line.named('delivered').map((d) => d.messageId), sent);
  }
  const last = await kim.send(big.id, 'and on');
  await k.hears('receive_message', { id: last.id });
  [k, back].forEach((line) => line.close());
  await small.stop();
});

for (const mode of ['event', 'argument']) {
  test(`a line that is cut again and again before a page is through gets on all the same (${mode})`, async () => {
    const small = await start({ config: { live: { max_queued: 16_384, events_per_second: 0 } } });
    const far = await Wire.to(small);
    const [kim, lea] = [await person(small), await person(small)];
    const big = await kim.room('big');
    await lea.join(big.id);
    const l = new Line(lea, { through: far, auth: { recovery: mode }, ...HOLD });
    lines.push(l);
    await l.connected();
    far.break();
    await l.until(() => !l.socket.connected, 'the cut');
    const sent = [];
    for (let i = 0; i < 60; i++) {
      sent.push((await kim.send(big.id, `${i} ${'x'.repeat(4000)}`)).id);
    }
    far.cutEachAfter(40_000);                       // some eight or nine messages further each time
    far.mend();
    await l.hears('receive_message', { id: sent.at(-1) });
    far.cutEachAfter(undefined);
    const heard = ids(l, big.id);
    assert.deepEqual(heard.filter((id, i) => heard.indexOf(id) === i), sent);
    assert.ok(mode === 'event' || heard.length === sent.length, 'no repeat where each event has its offset');
    assert.ok(l.downs >= 5 && l.downs <= 20, `${l.downs} cuts`);
    assert.equal(l.socket.recovered, true);
    l.close();
    far.close();
    await small.stop();
  });
}

test('in the mode "argument" a cut in the middle of an op loses none of its receipts and repeats none', async () => {
  const far = await Wire.to(server);
  const [kim, lea] = [await person(server), await person(server)];
  const big = await kim.room('big');
  await lea.join(big.id);
  const first = await Line.to(lea);
  const auth = { pid: credentials(first).pid };
  first.close();
  const sent = [];
  for (let i = 0; i < 400; i++) {
    sent.push((await kim.send(big.id, `${i}`)).id);
  }
  const k = new Line(kim, { through: far, auth: { recovery: 'argument' }, ...HOLD });
  lines.push(k);
  await k.connected();
  for (let downs = 0; downs < 3; downs++) {         // each time some eighty packets further into the 400 of that op
    far.cutAfter(10_000);
    if (downs === 0) {
      await up(lea, { auth });
    }
    await k.until(() => k.downs > downs, 'the cut');
  }
  await k.until(() => k.named('delivered').length >= sent.length && k.socket.connected, 'all receipts');
  await k.fence();
  assert.deepEqual(k.named('delivered').map((d) => d.messageId), sent);
  assert.equal(k.socket.recovered, true);
  const { offset } = credentials(k);
  assert.match(offset, /^\d+-[0-9a-f]{8}\.\d+$/, 'it says how much of the op was heard');
  assert.deepEqual((await kim.history(big.id, `?since=${encodeURIComponent(offset)}`)).items, [], 'which history understands, too');
  for (const wrong of ['.', '.-1', '.x', '.1.1', '.4294967296', ' .1']) {
    const since = encodeURIComponent(offset.split('.')[0] + wrong);
    refused(await kim.get(`/messages/rooms/${big.id}/messages?since=${since}`), 400, 'bad_request');
  }
  far.close();
});

test('who sends many long messages at once gets all acks', async () => {
  const [kim] = [await person(server, 'kim')];
  const own = await kim.room('own');
  const k = await up(kim);
  const sent = await Promise.all(Array.from({ length: 30 }, (_, i) => k.send(own.id, `${i} ${'x'.repeat(16_000)}`)));
  await k.hears('receive_message', { id: sent.at(-1).id });
  assert.equal(k.downs, 0);
});

test('a live socket that reads too slowly falls behind, and later has everything once and in order', async () => {
  const small = await start({ config: { live: { ring_batches: 8, events_per_second: 0 } } });
  const far = await Wire.to(small);
  const [kim, lea] = [await person(small), await person(small)];
  const big = await kim.room('big');
  await lea.join(big.id);
  const [k, slow] = [await Line.to(kim), await Line.to(lea, { through: far })];
  far.hold();
  const sent = [];
  for (let i = 0; i < 70; i++) {    // 11 MB: more than the kernel's buffers and the queue hold
    sent.push(...await Promise.all(Array.from({ length: 10 }, (_, n) => k.send(big.id, `${i} ${n} ${'x'.repeat(16_000)}`))));
  }
  const asked = slow.send(big.id, 'y'.repeat(16_000));     // its ack has a place in a queue that the journal has filled
  await k.hears('receive_message', { content: 'y'.repeat(16_000) });
  far.go();
  sent.push(await asked);
  const expected = sent.map((m) => m.id).sort((x, y) => x - y);
  await slow.hears('receive_message', { id: expected.at(-1) });
  assert.deepEqual(slow.named('receive_message').map((m) => m.id), expected);
  assert.equal(slow.downs, 0);
  [k, slow].forEach((one) => one.close());
  far.close();
  await small.stop();
});

test('history takes since= an offset, and a page carries one', async () => {
  const log = await ann.room('log');
  await bob.join(log.id);
  await a.send(log.id, 'before');
  const { offset } = await bob.history(log.id);
  assert.match(offset, /^\d+-[0-9a-f]{8}$/);
  const sent = [(await a.send(log.id, '1')).id, (await a.send(log.id, '2')).id];
  const page = await bob.history(log.id, `?since=${offset}`);
  assert.deepEqual(page.items.map((m) => m.id), sent, "in the journal's order");
  assert.deepEqual((await bob.history(log.id, `?since=${page.offset}`)).items, []);
  refused(await bob.get(`/messages/rooms/${log.id}/messages?since=1-00000000`), 400, 'bad_request');
  const b = await up(bob);
  await a.send(log.id, '3');
  await hearsOffset(b);
  const { offset: his } = credentials(b);
  const later = await a.send(log.id, '4');
  assert.ok((await bob.history(log.id, `?since=${his}`)).items.some((m) => m.id === later.id),
    "a socket's offset is good for it");
});

for (const [transport, transports] of TRANSPORTS) {
  test(`socket.io-client 3.x, which knows nothing of recovery, notices nothing of it (${transport})`, async () => {
    const heard = [];
    const socket = io3(`http://127.0.0.1:${wire.port}`, { transports, auth: { token: bob.token }, forceNew: true,
      reconnectionDelay: 20, randomizationFactor: 0 });
    const connected = () => new Promise((told) => socket.once('connect', told));
    const hears = (id) => new Promise((told) => {
      if (heard.some((m) => m.id === id)) { told(); }
      socket.on('receive_message', (m) => m.id === id && told());
    });
    socket.on('receive_message', (m, ...more) => { assert.deepEqual(more, []); heard.push(m); });
    await connected();
    const first = socket.id;
    const m1 = await a.send(room.id, 'one');
    await hears(m1.id);
    const answer = await new Promise((told) => socket.emit('send_message', { roomId: room.id, content: 'from 3.x' }, told));
    hasKeys(answer, ['ok', 'message']);
    const down = new Promise((told) => socket.once('disconnect', told));
    wire.break();
    await down;
    wire.mend();
    await connected();
    assert.notEqual(socket.id, first);
    const m2 = await a.send(room.id, 'two');
    await hears(m2.id);
    assert.deepEqual(heard.map((m) => m.content), ['one', 'from 3.x', 'two']);
    socket.close();
  });
}

// Debian's python3-socketio. It prints what it hears, one JSON text a line; handlers that take exactly one argument fail on
// any more. It is told to send by a line on its stdin.
const PYTHON = `
import asyncio, json, sys, socketio
sio = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.1, randomization_factor=0)
say = lambda *what: print(json.dumps(what), flush=True)
@sio.event
async def connect(): say('connect')
@sio.event
async def disconnect(): say('disconnect')
@sio.event
async def receive_message(m): say('receive_message', m)
@sio.event
async def delivered(d): say('delivered', d)
async def main():
    url, token, transport, room = sys.argv[1:]
    await sio.connect(url, auth={'token': token}, transports=transport.split(','))
    loop = asyncio.get_event_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        say('ack', await sio.call('send_message', {'roomId': int(room), 'content': line.strip()}))
    await sio.disconnect()
asyncio.run(main())
`;

for (const [transport, transports] of TRANSPORTS) {
  test(`python3-socketio, which knows nothing of recovery, notices nothing of it (${transport})`, async () => {
    const child = spawn('/usr/bin/python3', ['-c', PYTHON, `http://127.0.0.1:${wire.port}`, bob.token, transports.join(','), String(room.id)],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    const heard = [], waiting = new Set();
    createInterface({ input: child.stdout }).on('line', (line) => {
      heard.push(JSON.parse(line));
      waiting.forEach((look) => look());
    });
    const hears = (find) => new Promise((told) => {
      const look = () => heard.some(([name, v]) => find(name, v)) && (waiting.delete(look), told());
      waiting.add(look);
      look();
    });
    const ended = once(child, 'close');
    const count = (what) => heard.filter(([name]) => name === what).length;
    try {
      await hears((name) => name === 'connect');
      const m1 = await a.send(room.id, 'for python');
      await hears((name, v) => name === 'receive_message' && v.id === m1.id);
      await hears((name, v) => name === 'delivered' && v.messageId === m1.id && v.userIds.includes(bob.id));
      child.stdin.write('from python\n');
      await hears((name, v) => name === 'ack' && v.ok);
      wire.break();
      await hears((name) => name === 'disconnect');
      wire.mend();
      await hears(() => count('connect') === 2);
      const m2 = await a.send(room.id, 'for python again');
      await hears((name, v) => name === 'receive_message' && v.id === m2.id);
      child.stdin.end();
      const [code] = await ended;
      assert.equal(code, 0);
      assert.deepEqual(heard.filter(([name]) => name === 'receive_message').map(([, m]) => m.content),
        ['for python', 'from python', 'for python again']);
    } finally {
      child.kill('SIGKILL');
    }
  });
}
