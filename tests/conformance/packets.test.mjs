// Socket.IO 5 on the wire: what the published test suite asks for, and what it leaves out.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Poll, start } from './lib/program.mjs';

const CONNECT_TIMEOUT = 1000;       // as sio_conformance.c sets it
const FOLDER = '/socket.io/';
let server;
const open = [];
before(async () => { server = await start(); });
afterEach(() => open.splice(0).forEach((one) => one.close()));
after(() => server.stop());

async function connection() {
  const one = server.wire(`${FOLDER}?EIO=4&transport=websocket`);
  open.push(one);
  assert.equal((await one.take())[0], '0');
  return one;
}
// In the main namespace.
async function joined() {
  const one = await connection();
  await one.send('40');
  assert.match(await one.next(), /^40\{"sid":"[\w-]{20}"\}$/);
  assert.equal(await one.next(), '42["auth",{}]');
  return one;
}

for (const [what, packet, answer, auth] of [
  ['the main namespace', '40', /^40\{"sid":"[\w-]{20}"\}$/, '42["auth",{}]'],
  ['the main namespace with a payload', '40{"token":"123"}', /^40\{"sid":/, '42["auth",{"token":"123"}]'],
  ['the main namespace by its name', '40/,', /^40\{"sid":/, '42["auth",{}]'],
  ['a custom namespace', '40/custom,', /^40\/custom,\{"sid":"[\w-]{20}"\}$/, '42/custom,["auth",{}]'],
  ['a custom namespace without the comma', '40/custom', /^40\/custom,\{"sid":/, '42/custom,["auth",{}]'],
  ['a custom namespace with a payload', '40/custom,{"token":"abc"}', /^40\/custom,/, '42/custom,["auth",{"token":"abc"}]'],
]) {
  test(`one connects to ${what}`, async () => {
    const one = await connection();
    await one.send(packet);
    assert.match(await one.next(), answer);
    assert.equal(await one.next(), auth);
  });
}

test('an unknown namespace is an invalid one, and the connection stays', async () => {
  const one = await connection();
  await one.send('40/random', '40');
  assert.equal(await one.next(), '44/random,{"message":"Invalid namespace"}');
  assert.match(await one.next(), /^40/);
});

test('by polling one connects and is answered, too', async () => {
  const poll = await Poll.open(server, FOLDER);
  await poll.post('40{"a":1}\x1e42["message",1]\x1e427["message-with-ack",2]');
  const packets = (await poll.get()).text.split('\x1e');
  assert.match(packets.shift(), /^40\{"sid":/);
  assert.deepEqual(packets, ['42["auth",{"a":1}]', '42["message-back",1]', '437[2]']);
});

test('who joins no namespace is closed after connectTimeout, and not before', async () => {
  const began = performance.now();
  assert.equal(await (await connection()).next(), undefined);
  assert.ok(performance.now() - began > CONNECT_TIMEOUT - 100);
});

for (const [what, packet] of [
  ['rubbish instead of a connect packet', '4abc'],
  ['an event before it has connected', '42["message",1]'],
  ['a connect payload that is no object', '40[1]'],
  ['a connect payload that is no JSON', '40{'],
]) {
  test(`${what} closes the connection`, async () => {
    const one = await connection();
    await one.send(packet);
    assert.equal(await one.next(), undefined);
  });
}

for (const [what, ...packets] of [
  ['an unknown packet type', '4abc'],
  ['a packet type past the last', '47'],
  ['an event whose payload is no array', '42{}'],
  ['an event without a payload', '42'],
  ['an event without a name', '42[]'],
  ['an event whose name is an object', '42[{}]'],
  ['an event with half a payload', '42["message",'],
  ['an ack id that is no number', '42abc["message-with-ack",1]'],
  ['more placeholders than attachments', '451-["message",{"_placeholder":true,"num":1}]', Buffer.from([1])],
  ['an attachment that nobody announced', Buffer.from([1])],
  ['text where an attachment should come', '451-["message",{"_placeholder":true,"num":0}]', '42["message"]'],
  ['too many attachments', '411-["message"]', '4599999-["message"]'],
]) {
  test(`${what} closes the connection`, async () => {
    const one = await joined();
    await one.send(...packets);
    assert.equal(await one.next(), undefined);
  });
}

test('who leaves the main namespace keeps the connection', async () => {
  const one = await joined();
  await one.send('41');
  assert.equal(await one.take(), '2');
  await one.send('3', '40');
  assert.match(await one.next(), /^40/);
});

test('who leaves a custom namespace stays in the main one', async () => {
  const one = await joined();
  await one.send('40/custom');
  assert.match(await one.next(), /^40\/custom,/);
  assert.match(await one.next(), /^42\/custom,/);
  await one.send('41/custom', '42["message","to the main namespace"]');
  assert.equal(await one.next(), '42["message-back","to the main namespace"]');
});

const two = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
const attachments = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];
for (const [what, packets, answers] of [
  ['an event', ['42["message",1,"2",{"3":[true]}]'], ['42["message-back",1,"2",{"3":[true]}]']],
  ['an event without arguments', ['42["message"]'], ['42["message-back"]']],
  ['an event in its namespace\'s long form', ['42/,["message",null]'], ['42["message-back",null]']],
  ['an event with attachments', [`452-["message",${two}]`, ...attachments], [`452-["message-back",${two}]`, ...attachments]],
  ['an event with an empty attachment', ['451-["message",{"_placeholder":true,"num":0}]', Buffer.alloc(0)],
    ['451-["message-back",{"_placeholder":true,"num":0}]', Buffer.alloc(0)]],
  ['an ack', ['42456["message-with-ack",1,"2",{"3":[false]}]'], ['43456[1,"2",{"3":[false]}]']],
  ['an ack of id 0', ['420["message-with-ack"]'], ['430[]']],
  ['an ack with attachments', [`452-789["message-with-ack",${two}]`, ...attachments], [`462-789[${two}]`, ...attachments]],
]) {
  test(`${what} comes back as the protocol writes it`, async () => {
    const one = await joined();
    await one.send(...packets);
    for (const answer of answers) {
      assert.deepEqual(await one.next(), answer);
    }
  });
}
