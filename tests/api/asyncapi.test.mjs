// docs/api/asyncapi.json: a valid document, which has every event of both sides and no other, and everything in it can be met with a
// stock client: each event, each ack, each text of a refusal. That nothing else is heard is checked by each Line (lib/spec.mjs).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import addFormats from 'ajv-formats';
import Ajv from 'ajv';
import WebSocket from 'ws';
import { person } from './lib/client.mjs';
import { MariaDb } from './lib/mariadb.mjs';
import { LONG_WINDOW, ROOT, run, start } from './lib/server.mjs';
import { Line } from './lib/sockets.mjs';
import { normal } from './lib/tour.mjs';
import { asked, asyncapi, openapi, resolved, seen, told } from './lib/spec.mjs';

const { messages, schemas } = asyncapi.components;

// What nothing from outside can bring about.
const OUT_OF_REACH = new Set(Object.keys(messages).map((key) => `${key} The server could not save that`));

let server, ann, bob, room, a, b;
before(async () => {
  server = await start({ config: { limit: { rooms_per_user: 4, members_per_room: 3 }, live: { events_per_second: 0 } } });
  [ann, bob] = [await person(server, 'ann'), await person(server, 'bob')];
  room = await ann.room('harbour');
  [a, b] = [await Line.to(ann), await Line.to(bob, { auth: { recovery: 'argument' } })];
});
after(async () => {
  [a, b].forEach((line) => line.close());
  await server.stop();
});

// ---- the document ----

test('the document is AsyncAPI 3.0', () => {
  const meta = JSON.parse(readFileSync(createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json'), 'utf8'));
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
  addFormats.default(ajv);
  const isValid = ajv.compile(meta);
  assert.ok(isValid(asyncapi), ajv.errorsText(isValid.errors));
});

test('its version is the program\'s, and what it shares with openapi.json is the same there', () => {
  assert.ok(run(['version']).stdout.includes(asyncapi.info.version));
  for (const [name, schema] of Object.entries(schemas).filter(([key]) => key in openapi.components.schemas)) {
    assert.deepEqual(schema, openapi.components.schemas[name], name);
  }
});

test('every reference leads somewhere, and every component is referred to', () => {
  const used = new Set(JSON.stringify(asyncapi).match(/#\/(components|channels)\/[\w/.-]+/g));
  used.forEach(($ref) => resolved(asyncapi, { $ref }));
  for (const [kind, all] of Object.entries(asyncapi.components)) {
    Object.keys(all).forEach((name) => assert.ok(used.has(`#/components/${kind}/${name}`), `nothing refers to ${kind}/${name}`));
  }
});

test('every example is as its schema says', () => {
  for (const [key, message] of Object.entries(messages)) {
    assert.ok(message.examples.length > 0, key);
    for (const { payload } of message.examples) {
      assert.equal((key.startsWith('client.') ? asked : told)(message.payload, payload), '', `${key}: ${JSON.stringify(payload)}`);
    }
  }
});

// ---- the events ----

const namesOf = (side) => Object.entries(messages).filter(([key]) => key.startsWith(`${side}.`)).map(([, m]) => m.name).sort();

test('each event that the program takes is in the document, and the other way round', () => {
  const source = readFileSync(join(ROOT, 'src/chat/events.c'), 'utf8');
  const table = /^\} events\[EVENT_COUNT\] = \{\n(.*?)^\};/ms.exec(source)[1], rows = [...table.matchAll(/^ {4}\[(\w+)\] = /gm)];
  const names = rows.map(([, row]) => new RegExp(`\\[${row}\\] = "(\\w+)"`).exec(source)[1]);
  assert.equal(names.length, table.match(/\{ FIELDS/g).length, 'a row was not understood');
  assert.deepEqual(namesOf('client'), ['connect', ...names].sort());
});

test('each event that the program sends is in the document, and the other way round', () => {
  const chat = join(ROOT, 'src/chat');
  const sources = readdirSync(chat).filter((f) => f.endsWith('.c')).map((f) => readFileSync(join(chat, f), 'utf8')).join('');
  const names = [...sources.matchAll(/(?:sio_message_new|\btell)\([^;"]*?TB_LIT\("(\w+)"\)/g)].map((m) => m[1]);
  assert.deepEqual(namesOf('server'), [...new Set(names)].sort());
});

// ---- the examples ----

// As they come about on a server of its own; payloads of clients are sent as they stand.
test('every example of an ack and of an event is what the server says', async () => {
  const fresh = await start({ config: { presence: { grace_ms: 0 } } });
  const [one, two] = [await person(fresh, 'ann'), await person(fresh, 'bob')];
  await one.room('harbour');
  const [first, second] = [await Line.to(one), await Line.to(two)];
  const payload = (key) => messages[`client.${key}`].examples.map((e) => e.payload);
  const acks = {};
  const ask = async (line, event, what) => { acks[`ack.${event}`] = await line.ask(event, what); };
  await ask(second, 'join_room', payload('join_room')[0]);
  await ask(first, 'send_message', payload('send_message')[0]);
  const again = await first.ask('send_message', payload('send_message')[1]);
  await first.hears('delivered', { messageId: again.message.id });
  await ask(second, 'read_message', payload('read_message')[0]);
  await ask(second, 'typing', payload('typing')[0]);
  await first.hears('read');
  await first.until(() => first.offsets.length > 0, 'an offset');
  await two.delete('/rooms/1/members/me');
  await first.hears('member_left');
  for (const [key, answer] of Object.entries(acks)) {
    const done = messages[key].examples.find((e) => e.name === 'done').payload;
    assert.deepEqual(normal(answer), normal(done), key);
  }
  first.heard.push(...first.offsets.map((args) => ['offset', ...args]));
  for (const [key, { name, examples: [{ payload: example }] }] of Object.entries(messages)) {
    if (key.startsWith('server.') && name !== 'synced') {       // that needs a centre, see below
      const isIt = (said) => isDeepStrictEqual(normal({ offset: said }), normal({ offset: example }));
      await first.until(() => first.named(name).some(isIt), `${name} as in the example: ${JSON.stringify(first.named(name))}`);
    }
  }
  [first, second].forEach((line) => line.close());
  await fresh.stop();
});

// ---- everything can be met ----

test('what goes well, and what is heard of it', async () => {
  await b.ask('join_room', { roomId: room.id });
  await a.hears('member_joined', { roomId: room.id });
  const m = await a.send(room.id, 'The tide is out', { clientId: 'note-1' });
  await b.hears('receive_message', { id: m.id });
  await a.hears('delivered', { messageId: m.id });
  await b.ask('read_message', { roomId: room.id, messageIds: [m.id] });
  await a.hears('read', { userId: bob.id });
  await b.ask('typing', { roomId: room.id, isTyping: true });
  await a.hears('typing', { userId: bob.id, isTyping: true });
  assert.equal((await bob.delete(`/rooms/${room.id}/members/me`)).status, 204);
  await a.hears('member_left', { userId: bob.id });
  await a.until(() => a.offsets.length > 0, 'an offset');
  const cem = await Line.to(await person(server));
  await a.hears('user_status', { userId: cem.who.id, status: 'online' });
  cem.close();
  await a.hears('user_status', { userId: cem.who.id, status: 'offline' });
});

test('a sender hears when it is at the centre', async () => {
  const db = await MariaDb.make();
  const site = await start({ env: { DATABASE_URL: db.url } });
  const me = await person(site);
  const own = await me.room('own');
  const line = await Line.to(me);
  await line.send(own.id, 'over there');
  await line.hears('synced');
  line.close();
  await site.stop();
  await db.kill();
});

test('what CONNECT is answered with, whole', async () => {
  const answerTo = (packet) => new Promise((answer, broken) => {
    const ws = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    ws.on('error', broken);
    ws.on('message', (text) => { String(text).startsWith('0') ? ws.send(packet) : (ws.terminate(), answer(String(text))); });
  });
  const connected = await answerTo(`40${JSON.stringify({ token: ann.token })}`);
  assert.match(connected, /^40\{/);
  assert.equal(told(messages['ack.connect'].payload, JSON.parse(connected.slice(2))), '');
  seen.add('ack.connect');
  for (const [packet, prefix, text] of [['40', '44', 'Unauthorized: missing token'], ['40{"token":"x"}', '44', 'Unauthorized: invalid token'],
    ['40/admin,', '44/admin,', 'Invalid namespace']]) {
    const refusal = await answerTo(packet);
    assert.ok(refusal.startsWith(prefix), refusal);
    assert.deepEqual(JSON.parse(refusal.slice(prefix.length)), { message: text });
    seen.add(`ack.connect_error ${text}`);
  }
});

const REFUSED = {
  join_room: [{}, { roomId: 'x' }, { roomId: 999 }],
  send_message: [{}, { roomId: 'x' }, { roomId: 1 }, { roomId: 1, content: 5 }, { roomId: 1, content: 'x', clientId: [5] },
    { roomId: 1, content: 'x', clientId: '\n' }, { roomId: 999, content: 'x' }, { roomId: 1, content: 'x'.repeat(16385) },
    { roomId: 1, content: 'another', clientId: 'note-1' }],
  typing: [{}, { roomId: 'x' }, { roomId: 1, isTyping: 2 }, { roomId: 999 }],
  read_message: [{}, { roomId: 'x', messageIds: [1] }, { roomId: 1, messageIds: 'x' }, { roomId: 999, messageIds: [1] },
    { roomId: 1, messageIds: Array.from({ length: 10_001 }, (_, i) => i + 1) }],
};

test('what is refused for what it says', async () => {
  for (const [event, payloads] of Object.entries(REFUSED)) {
    for (const args of [...payloads.map((one) => [one]), ['text'], [{}, {}], [Buffer.from('bytes')], [{ more: 'x'.repeat(300_000) }]]) {
      assert.equal((await a.ask(event, ...args)).ok, false, `${event} ${JSON.stringify(args)}`);
    }
  }
  await a.ask('no such event', {});
});

test('what is refused for who asks, and because it is full', async () => {
  const eve = await person(server), closed = await eve.room('closed', { isPrivate: true });
  assert.equal((await a.ask('join_room', { roomId: closed.id })).code, 'not_found');
  for (let i = 0; i < 2; i++) {
    await (await person(server)).join(room.id);
  }
  const line = await Line.to(eve);
  assert.equal((await line.ask('join_room', { roomId: room.id })).error, 'This room is full');
  const open = await bob.room('open');
  for (let i = 0; i < 3; i++) {
    await eve.room(`room ${i}`);
  }
  assert.equal((await line.ask('join_room', { roomId: open.id })).error, 'Too many rooms: leave one first');
  line.close();
});

test('what comes too often', async () => {
  const strict = await start({ env: { TOMBOLO_RATE_LIMIT: '1' }, config: { live: { events_per_second: 1 }, limit: LONG_WINDOW } });
  const me = await person(strict);
  const own = await me.room('own');
  for (const [event, payload] of [['join_room', { roomId: own.id }], ['send_message', { roomId: own.id, content: 'x' }],
    ['typing', { roomId: own.id }], ['read_message', { roomId: own.id, messageIds: [1] }], ['no such event', {}]]) {
    const line = await Line.to(me);
    const answers = await Promise.all(Array.from({ length: 40 }, () => line.ask(event, payload)));     // the second is the server's own
    assert.ok(answers.some((answer) => answer.code === 'rate_limited'), event);
    line.close();
  }
  const again = await Line.to(me);
  assert.equal((await again.ask('send_message', { roomId: own.id, content: 'x' })).error, 'Rate limit exceeded. Try again shortly.');
  again.close();
  await strict.stop();
});

const STORED = { join_room: (id) => ({ roomId: id }), send_message: (id) => ({ roomId: id, content: 'x' }),
  read_message: (id) => ({ roomId: id, messageIds: [1] }) };

test('what comes while too much waits', async () => {
  const narrow = await start({ config: { journal: { queue: 1 }, live: { events_per_second: 0 } } });
  const me = await person(narrow);
  const own = await me.room('own');
  const line = await Line.to(me);
  await line.send(own.id, 'x');
  for (const [event, payload] of Object.entries(STORED)) {
    let isBusy = false;
    for (let round = 0; round < 50 && !isBusy; round++) {
      isBusy = (await Promise.all(Array.from({ length: 60 }, () => line.ask(event, payload(own.id))))).some(({ code }) => code === 'busy');
    }
    assert.ok(isBusy, event);
  }
  line.close();
  await narrow.stop();
});

test('what comes while the disk is full, and from one who is no longer there', async () => {
  const first = await start();
  const me = await person(first), gone = await person(first);
  const [own, other] = [await me.room('own'), await me.room('other')];
  await gone.join(own.id);
  await me.send(own.id, 'x');
  await first.stop();
  me.server = await start({ data: first.dir, config: { journal: { reserve_mb: 1_000_000 } } });
  const line = await Line.to(me);
  for (const [event, payload] of Object.entries(STORED)) {
    assert.equal((await line.ask(event, payload(own.id))).code, 'storage_full', event);
  }
  line.close();
  await me.server.stop();
  gone.server = await start({ data: first.dir });
  const ghost = await Line.to(gone);      // after this it would be refused
  const sql = spawnSync('sqlite3', [join(first.dir, 'tombolo.db'), `DELETE FROM user WHERE id = ${gone.id}`], { encoding: 'utf8' });
  assert.equal(sql.status, 0, sql.stderr);
  assert.equal((await ghost.ask('join_room', { roomId: other.id })).code, 'unauthorized');
  assert.equal((await ghost.ask('send_message', { roomId: own.id, content: 'x' })).code, 'unauthorized');
  ghost.close();
  await gone.server.stop();
});

// What is documented: a line for each event that is heard, each ack, each text of a refusal.
const documented = Object.entries(messages).flatMap(([key, { name, examples }]) => (key.startsWith('client.') ? []
  : key.startsWith('server.') ? [name]
    : examples.map(({ payload: p }) => [key, p.error ?? p.message].filter((t) => typeof t === 'string').join(' '))));

test('all that is documented was met here, but for what is out of reach', () => {
  assert.deepEqual([...new Set(documented)].filter((what) => !seen.has(what) && !OUT_OF_REACH.has(what)), []);
});
