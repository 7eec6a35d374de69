// POST /messages: what is accepted, what is refused, and in which order the checks come.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { done, hasKeys, isId, isTime, person, refused } from './lib/client.mjs';
import { start } from './lib/server.mjs';

let server, ann, bob, room;
before(async () => {
  server = await start({ config: { limit: { content_bytes: 16384 } } });
  [ann, bob] = [await person(server, 'ann'), await person(server, 'bob')];
  room = await ann.room('harbour');
});
after(() => server.stop());

const send = (body) => ann.post('/messages', body);

test('a message comes back with its id, its time and its sender', async () => {
  const m = await ann.send(room.id, 'hello');
  hasKeys(m, ['id', 'content', 'createdAt', 'senderId', 'roomId', 'sender']);
  isId(m.id);
  isTime(m.createdAt);
  assert.ok(Math.abs(Date.parse(m.createdAt) - Date.now()) < 60_000);
  assert.equal(m.content, 'hello');
  assert.equal(m.senderId, ann.id);
  assert.equal(m.roomId, room.id);
  assert.deepEqual(m.sender, { id: ann.id, username: 'ann', email: ann.user.email });
});

test('a message is in the history as it was answered', async () => {
  const sent = await ann.send(room.id, 'as it was');
  const { syncedAt, ...stored } = (await ann.history(room.id, '?limit=1')).items[0];
  assert.deepEqual(stored, sent);
});

for (const [what, roomId] of [['missing', undefined], ['null', null], ['empty', '']]) {
  test(`a roomId that is ${what} is refused`, async () => {
    refused(await send({ roomId, content: 'x' }), 400, 'bad_request', 'roomId is required');
  });
}
for (const roomId of ['abc', '1abc', ' ', {}, [], [1], true, 1.5, -1, 0, '9007199254740993', 2 ** 53, 1e300]) {
  test(`roomId ${JSON.stringify(roomId)} is refused by name`, async () => {
    refused(await send({ roomId, content: 'x' }), 400, 'bad_request', /roomId/);
  });
}

for (const content of [undefined, null, '', ' ', '\n\t \r', '\u00a0\u2003\ufeff']) {
  test(`content ${JSON.stringify(content)} is refused as empty`, async () => {
    refused(await send({ roomId: room.id, content }), 400, 'bad_request', 'Message content cannot be empty');
  });
}
for (const content of [5, true, {}, ['x']]) {
  test(`content ${JSON.stringify(content)} is refused by name`, async () => {
    refused(await send({ roomId: room.id, content }), 400, 'bad_request', /content/i);
  });
}

test('content is trimmed, and nothing inside is touched', async () => {
  for (const [content, kept] of [
    ['  both ends \n', 'both ends'], ['a  b\n\nc', 'a  b\n\nc'], ['\u00a0\ufeffx\u2003', 'x'],
    ['<b>"&\'</b>\\u0041', '<b>"&\'</b>\\u0041'], ["Robert'); DROP TABLE message;--", "Robert'); DROP TABLE message;--"],
    ['grüße 港 😀 e\u0301 \u202e', 'grüße 港 😀 e\u0301 \u202e'], ['\u0001\u001f\u007f', '\u0001\u001f\u007f'],
    ['%s%n%d ${x} $1', '%s%n%d ${x} $1'],
  ]) {
    const m = await ann.send(room.id, content);
    assert.equal(m.content, kept);
    assert.equal((await ann.history(room.id, '?limit=1')).items[0].content, kept);
  }
});

test('a roomId may be numeric text', async () => {
  assert.equal((await ann.send(String(room.id), 'by text')).roomId, room.id);
});

test('content up to the limit is taken, one byte more is too large', async () => {
  assert.equal((await ann.send(room.id, 'x'.repeat(16384))).content.length, 16384);
  refused(await send({ roomId: room.id, content: 'x'.repeat(16385) }), 413, 'too_large');
  refused(await send({ roomId: room.id, content: 'é'.repeat(8193) }), 413, 'too_large');
});

test('who is no member cannot send, and is not told whether the room exists', async () => {
  const MESSAGE = 'You are not a member of this room';
  refused(await bob.post('/messages', { roomId: room.id, content: 'let me in' }), 403, 'forbidden', MESSAGE);
  refused(await bob.post('/messages', { roomId: 999_999, content: 'anyone?' }), 403, 'forbidden', MESSAGE);
  assert.ok((await ann.history(room.id)).items.every((m) => m.senderId === ann.id));
});

test('the room is checked before the content, and the content before the membership', async () => {
  refused(await bob.post('/messages', {}), 400, 'bad_request', 'roomId is required');
  refused(await bob.post('/messages', { roomId: room.id, content: ' ' }), 400, 'bad_request', 'Message content cannot be empty');
});

test('two hundred sends at once are all kept, each once, ids growing with the order of the history', async () => {
  const busy = await ann.room('busy');
  const sent = await Promise.all(Array.from({ length: 200 }, (_, i) => ann.send(busy.id, `message ${i}`)));
  assert.equal(new Set(sent.map((m) => m.id)).size, 200);
  const items = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await ann.history(busy.id, `?limit=100${cursor && `&cursor=${cursor}`}`);
    items.push(...page.items);
    cursor = page.nextCursor;
  }
  assert.deepEqual(items.map((m) => m.id), items.map((m) => m.id).sort((a, b) => b - a));
  assert.deepEqual(items.map((m) => m.content).sort(), sent.map((m) => m.content).sort());
});

test('a message outlives a restart', async () => {
  const first = await start();
  const me = await person(first);
  const r = await me.room('kept');
  const sent = await me.send(r.id, 'still here');
  await first.stop();
  const second = await start({ data: first.dir });
  me.server = second;
  const { syncedAt, ...stored } = (await me.history(r.id)).items[0];
  assert.deepEqual(stored, sent);
  assert.ok((await me.send(r.id, 'and more')).id > sent.id);
  done(await me.get('/rooms'), 200);
  await second.stop();
});
