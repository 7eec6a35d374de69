// GET /messages/rooms/:roomId/messages: pages by cursor, and what became known since an offset.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hasKeys, isTime, person, refused, wholeHistory } from './lib/client.mjs';
import { start } from './lib/server.mjs';

const COUNT = 45;
let server, ann, bob, room, sent;
before(async () => {
  server = await start();
  [ann, bob] = [await person(server, 'ann'), await person(server, 'bob')];
  room = await ann.room('harbour');
  sent = [];
  for (let i = 0; i < COUNT; i++) {
    sent.push(await ann.send(room.id, `message ${i}`));
  }
  sent.reverse();                   // newest first, as history is
});
after(() => server.stop());

const get = (query = '', who = ann, roomId = room.id) => who.get(`/messages/rooms/${roomId}/messages${query}`);
const ids = (list) => list.map((m) => m.id);

test('the first page holds the newest twenty, newest first', async () => {
  const page = await ann.history(room.id);
  assert.deepEqual(ids(page.items), ids(sent.slice(0, 20)));
  assert.equal(page.nextCursor, sent[19].id);
  assert.equal(typeof page.offset, 'string');
});

test('each message is whole, and says that it is not at the centre yet', async () => {
  for (const item of (await ann.history(room.id)).items) {
    hasKeys(item, ['id', 'content', 'createdAt', 'senderId', 'roomId', 'sender', 'syncedAt']);
    hasKeys(item.sender, ['id', 'username', 'email']);
    isTime(item.createdAt);
    assert.equal(item.syncedAt, null);
  }
});

test('a limit beyond 100 is cut to 100, as clients of the old backend are used to', async () => {
  const long = await ann.room('long');
  await Promise.all(Array.from({ length: 105 }, (_, i) => ann.send(long.id, `message ${i}`)));
  for (const limit of [101, 5000]) {
    const page = await ann.history(long.id, `?limit=${limit}`);
    assert.equal(page.items.length, 100);
    assert.equal(page.nextCursor, page.items[99].id);
  }
});

for (const limit of [1, 2, 7, 20, 44, 45, 46, 100]) {
  test(`pages of ${limit} give everything once, and a last page without a cursor`, async () => {
    assert.deepEqual(ids(await wholeHistory(ann, room.id, limit)), ids(sent));
  });
}

test('the cursor is null when a full page was the last one', async () => {
  const page = await ann.history(room.id, `?limit=${COUNT}`);
  assert.equal(page.items.length, COUNT);
  assert.equal(page.nextCursor, null);
});

test('a page begins strictly before its cursor', async () => {
  const page = await ann.history(room.id, `?limit=3&cursor=${sent[10].id}`);
  assert.deepEqual(ids(page.items), ids(sent.slice(11, 14)));
});

test('nothing comes before the oldest', async () => {
  const page = await ann.history(room.id, `?cursor=${sent[COUNT - 1].id}`);
  assert.deepEqual(page.items, []);
  assert.equal(page.nextCursor, null);
});

test('pages stay where they are while new messages arrive', async () => {
  const other = await ann.room('growing');
  const old = [];
  for (let i = 0; i < 6; i++) {
    old.unshift(await ann.send(other.id, `old ${i}`));
  }
  const first = await ann.history(other.id, '?limit=3');
  await ann.send(other.id, 'new');
  const second = await ann.history(other.id, `?limit=3&cursor=${first.nextCursor}`);
  assert.deepEqual(ids([...first.items, ...second.items]), ids(old));
});

for (const limit of ['abc', '1x', '0x10', 'NaN', '-', '1e999', '%31%00']) {
  test(`a limit of ${limit} is refused by name`, async () => {
    refused(await get(`?limit=${limit}`), 400, 'bad_request', /limit/);
  });
}

test('a cursor that is no message of this room is refused', async () => {
  const other = await ann.room('elsewhere');
  const there = await ann.send(other.id, 'not here');
  for (const cursor of [there.id, 'abc', '-1', '00', '1.5', '99999999999999999999', '%00', "1'"]) {
    refused(await get(`?cursor=${cursor}`), 400, 'bad_request', /cursor/i);
  }
});

test('a room id that is none is refused', async () => {
  for (const roomId of ['abc', '-1', '0', '1.5', '1x', '99999999999999999999', '%20']) {
    refused(await get('', ann, roomId), 400, 'bad_request', 'Invalid roomId');
  }
});

test('who is no member reads nothing, and is not told whether the room exists', async () => {
  const MESSAGE = 'You are not a member of this room';
  refused(await get('', bob), 403, 'forbidden', MESSAGE);
  refused(await get('', bob, 999_999), 403, 'forbidden', MESSAGE);
});

test('an empty room has an empty page', async () => {
  const empty = await ann.room('empty');
  const page = await ann.history(empty.id);
  assert.deepEqual(page.items, []);
  assert.equal(page.nextCursor, null);
});

test('parameters that nobody knows are passed over', async () => {
  const page = await ann.history(room.id, '?utm=1&limit=2&limitless=5');
  assert.equal(page.items.length, 2);
});

test('since gives what became known after an offset, in the order in which it did', async () => {
  const news = await ann.room('news');
  await ann.send(news.id, 'before');
  const { offset } = await ann.history(news.id);
  assert.deepEqual((await ann.history(news.id, `?since=${offset}`)).items, []);
  const later = [await ann.send(news.id, 'one'), await ann.send(news.id, 'two'), await ann.send(news.id, 'three')];
  await ann.send(room.id, 'in another room');
  const page = await ann.history(news.id, `?since=${offset}`);
  assert.deepEqual(ids(page.items), ids(later));
  assert.deepEqual((await ann.history(news.id, `?since=${page.offset}`)).items, []);
});

test('since gives everything once, also in pages smaller than the news', async () => {
  const news = await ann.room('much news');
  let { offset } = await ann.history(news.id);
  const later = [];
  for (let i = 0; i < 10; i++) {
    later.push(await ann.send(news.id, `news ${i}`));
  }
  const got = [];
  for (let page; page === undefined || page.items.length > 0; offset = page.offset) {
    page = await ann.history(news.id, `?since=${offset}&limit=3`);
    got.push(...page.items);
  }
  assert.deepEqual(ids(got), ids(later));
});

test('an offset that is not of this journal is refused', async () => {
  const { offset } = await ann.history(room.id);
  const [pos, tag] = offset.split('-');
  const flipped = tag.startsWith('0') ? `1${tag.slice(1)}` : `0${tag.slice(1)}`;
  for (const since of ['abc', '1', '-', `${pos}-`, `${pos}-${flipped}`, `${Number(pos) + 1000}-${tag}`, `${offset}0`]) {
    refused(await get(`?since=${since}`), 400, 'bad_request', /since/);
  }
});
