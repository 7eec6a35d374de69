// POST /messages/read and GET /messages/:id/receipts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { done, hasKeys, isTime, person, refused } from './lib/client.mjs';
import { start } from './lib/server.mjs';

let server, ann, bob, eve, room;
before(async () => {
  server = await start();
  [ann, bob, eve] = [await person(server, 'ann'), await person(server, 'bob'), await person(server, 'eve')];
  room = await ann.room('harbour');
  await bob.join(room.id);
});
after(() => server.stop());

const read = async (who, messageIds) => done(await who.post('/messages/read', { messageIds }), 200);
const receipts = async (who, id) => done(await who.get(`/messages/${id}/receipts`), 200).items;
const unread = async (who) => done(await who.get('/rooms'), 200).find((r) => r.id === room.id).unread;

test('a message nobody has read has no times', async () => {
  const m = await ann.send(room.id, 'unread');
  for (const item of await receipts(ann, m.id)) {
    assert.equal(item.readAt, null);
  }
});

test('reading leaves a receipt with its time, and reading implies delivery', async () => {
  const m = await ann.send(room.id, 'read me');
  assert.deepEqual(await read(bob, [m.id]), { count: 1 });
  const items = await receipts(ann, m.id);
  assert.equal(items.length, 1);
  hasKeys(items[0], ['userId', 'deliveredAt', 'readAt']);
  assert.equal(items[0].userId, bob.id);
  isTime(items[0].readAt);
  isTime(items[0].deliveredAt);
  assert.ok(items[0].deliveredAt <= items[0].readAt);
  assert.deepEqual(await receipts(bob, m.id), items, 'every member sees them');
});

test('the earliest reading counts', async () => {
  const m = await ann.send(room.id, 'twice');
  await read(bob, [m.id]);
  const first = await receipts(ann, m.id);
  assert.deepEqual(await read(bob, [m.id]), { count: 1 });
  assert.deepEqual(await receipts(ann, m.id), first);
});

test('what is read is no longer unread', async () => {
  await read(bob, (await bob.history(room.id, '?limit=100')).items.map((m) => m.id));
  assert.equal(await unread(bob), 0);
  const sent = [await ann.send(room.id, '1'), await ann.send(room.id, '2'), await ann.send(room.id, '3')];
  assert.equal(await unread(bob), 3);
  await read(bob, [sent[1].id]);
  assert.equal(await unread(bob), 2);
  await read(bob, sent.map((m) => m.id));
  assert.equal(await unread(bob), 0);
});

test('the same id twice in one call counts once and is read once', async () => {
  const m = await ann.send(room.id, 'doubled');
  const before = await unread(bob);
  assert.deepEqual(await read(bob, [m.id, m.id, String(m.id)]), { count: 1 });
  assert.equal(await unread(bob), before - 1);
});

test('unknown ids and those of rooms one is not in are passed over', async () => {
  const closed = await eve.room('closed');
  const secret = await eve.send(closed.id, 'secret');
  const m = await ann.send(room.id, 'known');
  assert.deepEqual(await read(bob, [m.id, secret.id, 999_999]), { count: 1 });
  assert.deepEqual(await read(bob, [999_999]), { count: 0 });
  assert.deepEqual(await receipts(eve, secret.id), []);
});

test("one's own messages have no receipts", async () => {
  const m = await ann.send(room.id, 'mine');
  await read(ann, [m.id]);
  assert.deepEqual((await receipts(ann, m.id)).filter((r) => r.userId === ann.id), []);
});

test('ids may be numeric text', async () => {
  const m = await ann.send(room.id, 'by text');
  assert.deepEqual(await read(bob, [String(m.id)]), { count: 1 });
});

test('anything but a list of ids is refused', async () => {
  const MESSAGE = 'messageIds must be a non-empty array';
  for (const messageIds of [undefined, null, [], {}, 'abc', 5, true]) {
    refused(await bob.post('/messages/read', { messageIds }), 400, 'bad_request', MESSAGE);
  }
  for (const messageIds of [['abc'], [1.5], [-1], [null], [{}], [[1]], [true], ['9007199254740993']]) {
    refused(await bob.post('/messages/read', { messageIds }), 400, 'bad_request', /messageIds/);
  }
});

test('a list over the limit is refused', async () => {
  done(await bob.post('/messages/read', { messageIds: Array.from({ length: 1000 }, (_, i) => i + 1) }), 200);
  const tooMany = await bob.post('/messages/read', { messageIds: Array.from({ length: 10_001 }, (_, i) => i + 1) });
  assert.ok(tooMany.status === 400 || tooMany.status === 413, tooMany.text);
});

test('receipts are for members', async () => {
  const m = await ann.send(room.id, 'ours');
  refused(await eve.get(`/messages/${m.id}/receipts`), 404, 'not_found');
  refused(await ann.get('/messages/999999/receipts'), 404, 'not_found');
  for (const id of ['abc', '1.5', '-1', '99999999999999999999']) {
    refused(await ann.get(`/messages/${id}/receipts`), 400, 'bad_request');
  }
});
