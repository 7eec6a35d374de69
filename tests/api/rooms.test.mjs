// POST /rooms, POST /rooms/join, POST /rooms/:id/members, DELETE /rooms/:id/members/me, GET /rooms.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { done, hasKeys, isId, isTime, person, refused } from './lib/client.mjs';
import { start } from './lib/server.mjs';

let server, ann, bob, eve;
before(async () => {
  server = await start();
  [ann, bob, eve] = [await person(server, 'ann'), await person(server, 'bob'), await person(server, 'eve')];
});
after(() => server.stop());

const mine = async (who) => done(await who.get('/rooms'), 200);
const names = async (who) => (await mine(who)).map((room) => room.name);
const NO_ROOM = 999_999;

test('a new room has its creator as a member', async () => {
  const room = await ann.room('harbour');
  hasKeys(room, ['id', 'name', 'isPrivate', 'createdAt', 'members']);
  isId(room.id);
  isTime(room.createdAt);
  assert.equal(room.name, 'harbour');
  assert.equal(room.isPrivate, false);
  assert.equal(room.members.length, 1);
  hasKeys(room.members[0], ['id', 'userId', 'roomId']);
  isId(room.members[0].id);
  assert.equal(room.members[0].userId, ann.id);
  assert.equal(room.members[0].roomId, room.id);
});

test('a room may be private', async () => {
  assert.equal((await ann.room('cabin', { isPrivate: true })).isPrivate, true);
  assert.equal((await ann.room('deck', { isPrivate: false })).isPrivate, false);
});

test('a room without a name is refused', async () => {
  for (const body of [{}, { name: '' }, { isPrivate: true }]) {
    refused(await ann.post('/rooms', body), 400, 'bad_request', 'Room name is required');
  }
});

for (const [what, body, field] of [
  ['a name that is a number', { name: 5 }, /name/i],
  ['a name that is an object', { name: {} }, /name/i],
  ['a name of 192 characters', { name: 'n'.repeat(192) }, /name/i],
  ['isPrivate as text', { name: 'x', isPrivate: 'yes' }, /isPrivate/],
  ['isPrivate as another number', { name: 'x', isPrivate: 2 }, /isPrivate/],
]) {
  test(`${what} is refused by name`, async () => { refused(await ann.post('/rooms', body), 400, 'bad_request', field); });
}

test('a name holds any text, as it was given', async () => {
  for (const name of ['n'.repeat(191), '港', 'ü'.repeat(191), '"quotes" \\ and </script>', "'; DROP TABLE room; --", '😀']) {
    assert.equal((await ann.room(name)).name, name);
  }
});

test('joining gives the membership, and joining again the same one', async () => {
  const room = await ann.room('quay');
  const first = await bob.join(room.id);
  hasKeys(first, ['message', 'member']);
  assert.equal(first.message, 'Joined room successfully');
  hasKeys(first.member, ['id', 'userId', 'roomId']);
  assert.equal(first.member.userId, bob.id);
  assert.equal(first.member.roomId, room.id);
  assert.deepEqual(await bob.join(room.id), first);
  assert.deepEqual(await bob.join(String(room.id)), first, 'numeric text is an id, too');
});

test('joining ten times at once makes one member', async () => {
  const room = await ann.room('buoy');
  const answers = await Promise.all(Array.from({ length: 10 }, () => bob.join(room.id)));
  assert.equal(new Set(answers.map((a) => a.member.id)).size, 1);
});

test('joining no room, or one that is not there, is refused', async () => {
  refused(await bob.post('/rooms/join', {}), 400, 'bad_request', 'Room ID is required');
  refused(await bob.post('/rooms/join', { roomId: NO_ROOM }), 404, 'not_found', 'Room not found');
  refused(await bob.post('/rooms/join', { roomId: String(NO_ROOM) }), 404, 'not_found', 'Room not found');
  for (const roomId of ['abc', 1.5, -1, {}, [1], true, '1x', '9007199254740993', 1e300]) {
    refused(await bob.post('/rooms/join', { roomId }), 400, 'bad_request', /roomId/);
  }
});

test('a private room lets in whom a member has added, and nobody else', async () => {
  const room = await ann.room('bridge', { isPrivate: true });
  refused(await bob.post('/rooms/join', { roomId: room.id }), 404, 'not_found');
  refused(await bob.post(`/rooms/${room.id}/members`, { userId: bob.id }), 404, 'not_found');
  const { member } = done(await ann.post(`/rooms/${room.id}/members`, { userId: bob.id }), 201);
  hasKeys(member, ['id', 'userId', 'roomId']);
  assert.equal(member.userId, bob.id);
  assert.equal(member.roomId, room.id);
  assert.equal((await bob.join(room.id)).member.id, member.id, 'who is in may join again');
  refused(await eve.post('/rooms/join', { roomId: room.id }), 404, 'not_found');
  assert.ok((await names(bob)).includes('bridge'));
  assert.ok(!(await names(eve)).includes('bridge'));
});

test('adding someone again changes nothing', async () => {
  const room = await ann.room('mast');
  const first = done(await ann.post(`/rooms/${room.id}/members`, { userId: bob.id }), 201);
  assert.deepEqual((await ann.post(`/rooms/${room.id}/members`, { userId: String(bob.id) })).body, first);
});

test('adding to no room, or nobody, is refused', async () => {
  const room = await ann.room('hold');
  refused(await ann.post(`/rooms/${NO_ROOM}/members`, { userId: bob.id }), 404, 'not_found', 'Room not found');
  refused(await ann.post(`/rooms/${room.id}/members`, { userId: 999_999 }), 404, 'not_found');
  refused(await ann.post(`/rooms/${room.id}/members`, {}), 400, 'bad_request', /userId/);
  refused(await ann.post(`/rooms/${room.id}/members`, { userId: 'bob' }), 400, 'bad_request', /userId/);
  refused(await bob.post(`/rooms/${room.id}/members`, { userId: eve.id }), 403, 'forbidden');
});

test('who leaves is out: not listed, no sending, no reading', async () => {
  const room = await ann.room('stern');
  await bob.join(room.id);
  const left = await bob.delete(`/rooms/${room.id}/members/me`);
  assert.equal(done(left, 204), '');
  assert.ok(!(await names(bob)).includes('stern'));
  refused(await bob.post('/messages', { roomId: room.id, content: 'still here?' }), 403, 'forbidden');
  refused(await bob.get(`/messages/rooms/${room.id}/messages`), 403, 'forbidden');
  assert.ok((await names(ann)).includes('stern'));
});

test('who left may come back to a public room, and not to a private one', async () => {
  const open = await ann.room('gangway');
  await bob.join(open.id);
  done(await bob.delete(`/rooms/${open.id}/members/me`), 204);
  await bob.join(open.id);
  await bob.send(open.id, 'back again');
  const closed = await ann.room('galley', { isPrivate: true });
  done(await ann.post(`/rooms/${closed.id}/members`, { userId: bob.id }), 201);
  done(await bob.delete(`/rooms/${closed.id}/members/me`), 204);
  refused(await bob.post('/rooms/join', { roomId: closed.id }), 404, 'not_found');
});

test('leaving where one is not is refused', async () => {
  const room = await ann.room('keel');
  refused(await bob.delete(`/rooms/${room.id}/members/me`), 404, 'not_found');
  refused(await bob.delete(`/rooms/${NO_ROOM}/members/me`), 404, 'not_found');
  refused(await bob.delete('/rooms/abc/members/me'), 400, 'bad_request');
});

test('one sees the rooms one is in, with what is unread and the last message', async () => {
  const [fresh, other] = [await person(server), await person(server)];
  assert.deepEqual(await mine(fresh), []);
  const [one, two] = [await fresh.room('one'), await other.room('two')];
  await other.room('not mine');
  await fresh.join(two.id);
  const rooms = await mine(fresh);
  assert.deepEqual(rooms.map((r) => r.name).sort(), ['one', 'two']);
  for (const room of rooms) {
    hasKeys(room, ['id', 'name', 'isPrivate', 'createdAt', 'unread', 'lastMessage']);
    assert.equal(room.unread, 0);
    assert.equal(room.lastMessage, null);
  }
  assert.equal(rooms.find((r) => r.name === 'one').createdAt, one.createdAt);

  const sent = [await other.send(two.id, 'first'), await other.send(two.id, 'second')];
  const seen = (await mine(fresh)).find((r) => r.id === two.id);
  assert.equal(seen.unread, 2);
  assert.equal(seen.lastMessage.id, sent[1].id);
  assert.equal(seen.lastMessage.content, 'second');
  assert.equal((await mine(other)).find((r) => r.id === two.id).unread, 0, "one's own messages are not unread");
  done(await fresh.post('/messages/read', { messageIds: [sent[0].id] }), 200);
  assert.equal((await mine(fresh)).find((r) => r.id === two.id).unread, 1);
});
