// No packet that a registered user can send ends or wedges the server or his own connection: every event in every wrong
// shape, and the limits of what one socket may ask for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { person } from './lib/client.mjs';
import { LONG_WINDOW, start } from './lib/server.mjs';
import { Line, TRANSPORTS, denied } from './lib/sockets.mjs';

let server, ann, bob, room;
before(async () => {
  server = await start({ config: { live: { events_per_second: 0 } } });
  [ann, bob] = [await person(server, 'ann'), await person(server, 'bob')];
  room = await ann.room('harbour');
  await bob.join(room.id);
});
after(() => server.stop());

const EVENTS = ['join_room', 'send_message', 'typing', 'read_message'];
const deep = (n, inner = 1) => { let v = inner; for (let i = 0; i < n; i++) { v = i % 2 ? [v] : { a: v }; } return v; };
const good = () => ({ roomId: room.id, content: 'x', isTyping: true, messageIds: [1] });

// What emit is given behind the event's name; every one of them must be answered with an error.
const SHAPES = [
  ['no payload', () => []],
  ['null', () => [null]],
  ['text', () => ['text']],
  ['empty text', () => ['']],
  ['a number', () => [5]],
  ['a huge number', () => [1e308]],
  ['true', () => [true]],
  ['false', () => [false]],
  ['an empty list', () => [[]]],
  ['a list with a good payload', () => [[good()]]],
  ['an empty object', () => [{}]],
  ['two good payloads', () => [good(), good()]],
  ['a good payload and null', () => [good(), null]],
  ['a hundred arguments', () => Array.from({ length: 100 }, good)],
  ['bytes', () => [Buffer.from('bytes')]],
  ['no bytes', () => [Buffer.alloc(0)]],
  ['a good payload and bytes', () => [good(), Buffer.from('bytes')]],
  ['bytes for roomId', () => [{ ...good(), roomId: Buffer.from('1') }]],
  ['bytes somewhere in it', () => [{ ...good(), more: { a: [Buffer.alloc(100), Buffer.alloc(1000)] } }]],
  ['an object for roomId', () => [{ ...good(), roomId: {} }]],
  ['a list for roomId', () => [{ ...good(), roomId: [room.id] }]],
  ['a boolean for roomId', () => [{ ...good(), roomId: true }]],
  ['a fraction for roomId', () => [{ ...good(), roomId: 1.5 }]],
  ['a negative roomId', () => [{ ...good(), roomId: -1 }]],
  ['2^53 for roomId', () => [{ ...good(), roomId: 2 ** 53 }]],
  ['2^64 for roomId', () => [{ ...good(), roomId: 2 ** 64 }]],
  ['1e300 for roomId', () => [{ ...good(), roomId: 1e300 }]],
  ['digits beyond 64 bits for roomId', () => [{ ...good(), roomId: '9'.repeat(40) }]],
  ['roomId as text with a sign', () => [{ ...good(), roomId: '+1' }]],
  ['roomId as text with a blank', () => [{ ...good(), roomId: ' 1' }]],
  ['roomId in hex', () => [{ ...good(), roomId: '0x1' }]],
  ['roomId with a NUL', () => [{ ...good(), roomId: '1\u0000' }]],
  ['a payload 190 deep', () => [deep(190)]],
  ['200 kB of text', () => ['x'.repeat(200_000)]],
  ['200 kB of numbers', () => [Array.from({ length: 100_000 }, () => 1)]],
  ['ten thousand keys', () => [Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]))]],
  ['__proto__', () => [JSON.parse('{"__proto__":{"roomId":1},"constructor":{"a":1}}')]],
];
for (const [transport, transports] of TRANSPORTS) {
  test(`every event in ${SHAPES.length} wrong shapes gets an error and costs nobody the connection (${transport})`, async () => {
    const [line, other] = [await Line.to(ann, { transports }), await Line.to(bob)];
    const id = line.socket.id;
    for (const event of EVENTS) {
      for (const [what, make] of SHAPES) {
        const answer = await line.ask(event, ...make());
        assert.equal(answer.ok, false, `${event} with ${what}: ${JSON.stringify(answer)}`);
        assert.equal(answer.code, 'bad_request', `${event} with ${what}: ${JSON.stringify(answer)}`);
        assert.equal(typeof answer.error, 'string');
        line.socket.emit(event, ...make());                 // and without an ack: nothing at all
      }
    }
    await line.fence();
    assert.equal(line.socket.id, id);
    assert.equal(line.downs, 0);
    const m = await line.send(room.id, 'still here');
    await other.hears('receive_message', { id: m.id });
    assert.deepEqual(other.named('typing'), []);
    line.close(), other.close();
  });
}

const LATER = [
  ['join_room', 'a room that is not there', { roomId: 999_999 }, 'not_found'],
  ['send_message', 'a list for the content', { content: ['x'] }, 'bad_request'],
  ['send_message', 'an object for the content', { content: {} }, 'bad_request'],
  ['send_message', 'content over the limit', { content: 'ü'.repeat(8193) }, 'too_large'],
  ['send_message', 'a huge clientId', { clientId: 'k'.repeat(100_000) }, 'bad_request'],
  ['send_message', 'a list for clientId', { clientId: [] }, 'bad_request'],
  ['send_message', 'a yes for clientId', { clientId: true }, 'bad_request'],
  ['typing', 'a number for isTyping', { isTyping: 2 }, 'bad_request'],
  ['typing', 'a list for isTyping', { isTyping: [] }, 'bad_request'],
  ['read_message', 'an object for the ids', { messageIds: {} }, 'bad_request'],
  ['read_message', 'a list in the ids', { messageIds: [[1]] }, 'bad_request'],
  ['read_message', 'bytes in the ids', { messageIds: [Buffer.alloc(3)] }, 'bad_request'],
  ['read_message', 'too many ids', { messageIds: Array.from({ length: 10_001 }, (_, i) => i + 1) }, 'bad_request'],
];
for (const [event, what, change, code] of LATER) {
  test(`${event} with ${what} is refused`, async () => {
    const line = await Line.to(ann);
    denied(await line.ask(event, { ...good(), ...change }), code);
    line.close();
  });
}

test('more members than needed do no harm', async () => {
  const line = await Line.to(ann);
  assert.equal((await line.ask('send_message', { ...good(), extra: deep(30), more: null })).ok, true);
  line.close();
});

test('an unknown event gets an error ack, and nothing without one', async () => {
  const line = await Line.to(ann);
  for (const name of ['nothing', 'connection', 'offset', 'receive_message', '', 'x'.repeat(1000), 'send_message ', 'SEND_MESSAGE']) {
    denied(await line.ask(name, {}), 'bad_request');
    line.socket.emit(name, {});
  }
  await line.fence();
  assert.equal(line.downs, 0);
  line.close();
});

for (const [what, payload] of [
  ['over max_payload', { content: 'x'.repeat(1_100_000) }],
  ['nested deeper than 200, which is no Socket.IO packet any more', { content: deep(1000) }],
]) {
  test(`a packet ${what} closes this connection and no other`, async () => {
    const [line, other] = [await Line.to(ann), await Line.to(bob)];
    line.socket.emit('send_message', { roomId: room.id, ...payload });
    await line.down();
    await other.send(room.id, 'here');
    other.close();
  });
}

test('a socket that leaves while its answers are under way leaves nothing behind', async () => {
  for (let i = 0; i < 30; i++) {
    const line = await Line.to(ann, { transports: TRANSPORTS[i % 3][1] });
    for (let k = 0; k < 10; k++) {
      line.socket.emit('send_message', { roomId: room.id, content: `going ${i} ${k}` }, () => {});
      line.socket.emit('read_message', { roomId: room.id, messageIds: [1, 2] }, () => {});
      line.socket.emit('join_room', { roomId: room.id }, () => {});
    }
    line.close();
  }
  const line = await Line.to(ann);
  await line.send(room.id, 'done');
  line.close();
});

test('an event that is larger than any that is allowed is refused, and the line stays', async () => {
  const line = await Line.to(ann);
  for (const payload of [{ roomId: 1, content: 'x'.repeat(300_000) }, { roomId: 1, content: 'x', more: 'x'.repeat(900_000) }]) {
    denied(await line.ask('send_message', payload), 'too_large');
  }
  for (const name of ['join_room', 'typing', 'read_message']) {
    denied(await line.ask(name, { roomId: 1, more: Array(90_000).fill({}) }), 'too_large');
  }
  assert.equal(line.downs, 0);
  line.close();
});

test('a CONNECT that is larger than a token needs ends the connection', async () => {
  const line = new Line(ann, { auth: { more: 'x'.repeat(8192) } });
  await line.until(() => line.downs > 0 || line.error !== undefined, 'the end');
  assert.equal(line.socket.connected, false);
  line.close();
});

test('a payload to CONNECT may hold anything', async () => {
  for (const auth of [{ pid: 5 }, { pid: {}, offset: [] }, { pid: 'x', offset: 'y' }, { recovery: 7 }, { recovery: 'no such mode' },
    { pid: 'p'.repeat(3000), offset: 'o'.repeat(3000) }, { more: deep(190) }, { pid: '\u0000', offset: '\u0000' }]) {
    const line = await Line.to(ann, { auth });
    assert.equal(line.socket.recovered, false);
    line.close();
  }
});

test('more events in a second than allowed get an error ack with retryAfter, and later ones pass', async () => {
  const strict = await start({ config: { live: { events_per_second: 10 } } });
  const me = await person(strict);
  const own = await me.room('own');
  const line = await Line.to(me);
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => line.ask('send_message', { roomId: own.id, content: `${i}` })));
  const refused = answers.filter((a) => !a.ok);
  assert.ok(refused.length > 0 && refused.length <= 30, `${refused.length} of 40 refused`);    // ten a second, however many it took
  for (const answer of refused) {
    const { retryAfter } = denied(answer, 'rate_limited');
    assert.equal(retryAfter, 1);
  }
  const unknown = await Promise.all(Array.from({ length: 40 }, () => line.ask('no such event')));
  assert.ok(unknown.some((a) => a.code === 'rate_limited'), 'unknown events count, too');
  assert.equal((await me.history(own.id, '?limit=100')).items.length, 40 - refused.length);
  while (!(await line.ask('send_message', { roomId: own.id, content: 'later' })).ok) {
    await pause(200);               // the second is the server's own; who asks without a pause is closed
  }
  assert.equal(line.downs, 0);
  line.close();
  await strict.stop();
});

test('when more waits for the disk than may, an ack says so and when to try again', async () => {
  const small = await start({ config: { journal: { queue: 1 }, live: { events_per_second: 0 } } });
  const me = await person(small);
  const own = await me.room('own');
  const line = await Line.to(me);
  const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => line.ask('send_message', { roomId: own.id, content: `${i}` })));
  const refused = answers.filter((a) => !a.ok);
  assert.ok(refused.length > 0 && refused.length < 300, `${refused.length} of 300 refused`);
  for (const answer of refused) {
    assert.equal(denied(answer, 'busy').retryAfter, 1);
  }
  line.close();
  await small.stop();
});

test('the rate of messages is one for all sockets of a user and REST, and is looked at between content and membership', async () => {
  const strict = await start({ env: { TOMBOLO_RATE_LIMIT: '4' }, config: { limit: LONG_WINDOW } });
  const [me, other] = [await person(strict), await person(strict)];
  const own = await me.room('own');
  const closed = await other.room('closed');
  const [one, two] = [await Line.to(me), await Line.to(me, { transports: ['polling'] })];
  const first = await one.send(own.id, '1', { clientId: 'a key' });
  await two.send(own.id, '2');
  await me.send(own.id, '3');
  denied(await one.ask('send_message', { roomId: closed.id, content: 'x' }), 'forbidden', 'You are not a member of this room');
  await one.send(own.id, '4');      // what was refused did not count
  for (const line of [one, two]) {
    const { retryAfter } = denied(await line.ask('send_message', { roomId: own.id, content: '5' }), 'rate_limited',
      'Rate limit exceeded. Try again shortly.');
    assert.ok(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= 600, `${retryAfter}`);
    denied(await line.ask('send_message', { roomId: closed.id, content: 'x' }), 'rate_limited');
    denied(await line.ask('send_message', { roomId: closed.id, content: '' }), 'bad_request', 'Message content cannot be empty');
  }
  assert.equal((await me.post('/messages', { roomId: own.id, content: '5' })).status, 429);
  assert.deepEqual(await one.send(own.id, '1', { clientId: 'a key' }), first, 'what a key has given is not limited');
  [one, two].forEach((line) => line.close());
  await strict.stop();
});

test('connections from one address may be limited per minute', async () => {
  const strict = await start({ config: { live: { connects: 3 } } });
  const me = await person(strict);
  const lines = [];
  for (let i = 0; i < 3; i++) {
    lines.push(await Line.to(me));
  }
  const late = new Line(me);
  await late.until(() => late.error !== undefined, 'a refusal');
  assert.ok(!late.socket.connected);
  lines.forEach((line) => line.close());
  await strict.stop();
});
