// Every event of DESIGN section 4 with its ack, its errors and what it causes; and what REST calls cause on live sockets.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { done, hasKeys, isId, isTime, person } from './lib/client.mjs';
import { start } from './lib/server.mjs';
import { Line, TRANSPORTS, denied } from './lib/sockets.mjs';

const NO_ROOM = 999_999;

// a and b are ann's and bob's sockets, both in room; e is eve's, who is in no room of theirs.
let server, ann, bob, eve, room, a, b, e;
before(async () => {
  server = await start();
  [ann, bob, eve] = [await person(server, 'ann'), await person(server, 'bob'), await person(server, 'eve')];
  room = await ann.room('harbour');
  await bob.join(room.id);
  [a, b, e] = await Promise.all([Line.to(ann), Line.to(bob, { transports: ['polling'] }),
    Line.to(eve, { transports: ['polling', 'websocket'] })]);
});
after(async () => {
  [a, b, e].forEach((line) => line.close());
  await server.stop();
});

const receipts = async (who, id) => done(await who.get(`/messages/${id}/receipts`), 200).items;
const senderOf = (who) => ({ id: who.id, username: who.user.username, email: who.user.email });

// ---- join_room ----

test('join_room gives the membership, tells the room and makes this socket and the other ones of the user hear it', async () => {
  const quay = await ann.room('quay');
  const other = await Line.to(bob);
  const answer = await b.ask('join_room', { roomId: quay.id });
  hasKeys(answer, ['ok', 'membership']);
  assert.equal(answer.ok, true);
  hasKeys(answer.membership, ['id', 'userId', 'roomId']);
  isId(answer.membership.id);
  assert.equal(answer.membership.userId, bob.id);
  assert.equal(answer.membership.roomId, quay.id);
  for (const line of [a, b, other]) {
    await line.hears('member_joined', { roomId: quay.id, user: { id: bob.id, username: 'bob' } });
  }
  const m = await a.send(quay.id, 'welcome');
  await b.hears('receive_message', { id: m.id });
  await other.hears('receive_message', { id: m.id });
  assert.deepEqual(await b.ask('join_room', { roomId: String(quay.id) }), answer, 'joining again gives the same');
  await a.fence();
  assert.deepEqual(a.named('member_joined').filter((j) => j.roomId === quay.id).map((j) => j.user.username), ['ann', 'bob']);
  other.close();
});

test('join_room is refused with the reason', async () => {
  const cabin = await ann.room('cabin', { isPrivate: true });
  for (const payload of [{}, { roomId: null }, { roomId: '' }, { roomId: 0 }]) {
    denied(await b.ask('join_room', payload), 'bad_request', 'roomId is required');
  }
  denied(await b.ask('join_room', { roomId: NO_ROOM }), 'not_found', 'Room not found');
  denied(await b.ask('join_room', { roomId: cabin.id }), 'not_found', 'Room not found');
  for (const roomId of ['abc', -1, 1.5, true, {}, [1]]) {
    denied(await b.ask('join_room', { roomId }), 'bad_request', /roomId/);
  }
});

// ---- send_message ----

test('send_message reaches the whole room, the sender before its ack, with exactly these members', async () => {
  const answer = await a.ask('send_message', { roomId: room.id, content: '  hello  ' });
  const heardBeforeAck = a.named('receive_message').at(-1);
  hasKeys(answer, ['ok', 'message']);
  const { message } = answer;
  hasKeys(message, ['id', 'content', 'createdAt', 'senderId', 'roomId', 'sender']);
  isId(message.id);
  isTime(message.createdAt);
  assert.equal(message.content, 'hello', 'trimmed');
  assert.equal(message.senderId, ann.id);
  assert.equal(message.roomId, room.id);
  assert.deepEqual(message.sender, senderOf(ann));
  const { senderId, ...told } = message;
  assert.deepEqual(heardBeforeAck, told);
  assert.deepEqual(await b.hears('receive_message', { id: message.id }), told);
  await e.fence();
  assert.deepEqual(e.named('receive_message'), [], 'not who is no member');
  const item = (await bob.history(room.id, '?limit=1')).items[0];
  assert.equal(item.id, message.id);
});

test('any text comes through as it was sent', async () => {
  for (const content of ['"quotes" \\ / \u2028\u2029', '\u0000 nul', '港 😀 \u{10ffff}', '</script>', '\t tab\ninside', '0', 'x'.repeat(16_384)]) {
    const m = await a.send(room.id, content);
    assert.equal(m.content, content.trim());
    assert.equal((await b.hears('receive_message', { id: m.id })).content, content.trim());
  }
});

test('send_message looks at roomId, then at the content, then at the membership', async () => {
  const own = await eve.room('own');
  const EMPTY = 'Message content cannot be empty';
  for (const [payload, code, error] of [
    [{}, 'bad_request', 'roomId is required'],
    [{ content: 'x' }, 'bad_request', 'roomId is required'],
    [{ content: '' }, 'bad_request', 'roomId is required'],
    [{ roomId: null, content: '' }, 'bad_request', 'roomId is required'],
    [{ roomId: 'abc', content: '' }, 'bad_request', /roomId/],
    [{ roomId: own.id }, 'bad_request', EMPTY],
    [{ roomId: own.id, content: '' }, 'bad_request', EMPTY],
    [{ roomId: own.id, content: ' \t\n' }, 'bad_request', EMPTY],
    [{ roomId: NO_ROOM, content: '' }, 'bad_request', EMPTY],
    [{ roomId: own.id, content: 5 }, 'bad_request', /content/],
    [{ roomId: own.id, content: ['x'] }, 'bad_request', /content/],
    [{ roomId: own.id, content: 'x'.repeat(16_385) }, 'too_large', undefined],
    [{ roomId: own.id, content: 'x', clientId: [5] }, 'bad_request', /clientId/],
    [{ roomId: own.id, content: 'x' }, 'forbidden', 'You are not a member of this room'],
  ]) {
    denied(await a.ask('send_message', payload), code, error);
  }
  const unknown = await a.ask('send_message', { roomId: NO_ROOM, content: 'x' });
  assert.equal(unknown.ok, false);
  assert.match(unknown.error, /^(Room not found|You are not a member of this room)$/);
});

test('a send with the same clientId gives the same message, and is heard once, over socket and REST', async () => {
  const [one, two] = await Promise.all([a.send(room.id, 'once', { clientId: 'key 1' }), a.send(room.id, 'once', { clientId: 'key 1' })]);
  assert.deepEqual(two, one);
  assert.deepEqual(await a.send(room.id, 'once', { clientId: 'key 1' }), one);
  const overRest = done(await ann.post('/messages', { roomId: room.id, content: 'once', clientId: 'key 1' }), 201);
  assert.deepEqual(overRest, one);
  denied(await a.ask('send_message', { roomId: room.id, content: 'another', clientId: 'key 1' }), 'key_reused');
  await b.hears('receive_message', { id: one.id });
  await b.fence();
  assert.equal(b.named('receive_message').filter((m) => m.content === 'once').length, 1);
  const his = await b.send(room.id, 'once', { clientId: 'key 1' });
  assert.notEqual(his.id, one.id, "another user's key is another key");
});

test('without an ack a send is taken all the same', async () => {
  a.socket.emit('send_message', { roomId: room.id, content: 'no ack asked for' });
  await b.hears('receive_message', { content: 'no ack asked for' });
});

test('everyone hears the messages of a room in one order, whatever the transport', async () => {
  const deck = await ann.room('deck');
  const lines = [a, b, e];
  await Promise.all([bob.join(deck.id), eve.join(deck.id)]);
  const sent = await Promise.all(Array.from({ length: 90 }, (_, i) => {
    const line = lines[i % 3];
    return i % 2 === 0 ? line.send(deck.id, `m${i}`) : line.who.send(deck.id, `m${i}`);
  }));
  const orders = [];
  for (const line of lines) {
    await line.until(() => line.named('receive_message').filter((m) => m.roomId === deck.id).length >= sent.length, 'all');
    orders.push(line.named('receive_message').filter((m) => m.roomId === deck.id).map((m) => m.id));
  }
  assert.equal(new Set(orders[0]).size, sent.length);
  assert.deepEqual(orders[1], orders[0]);
  assert.deepEqual(orders[2], orders[0]);
  const history = (await ann.history(deck.id, '?limit=100')).items.map((m) => m.id).reverse();
  assert.deepEqual(orders[0], history, 'which is the order of the history');
});

// ---- delivered ----

test('delivered is told to the room once the recipient has proved it, and is stored', async () => {
  const m = await a.send(room.id, 'proof');
  const told = await a.hears('delivered', { messageId: m.id });
  hasKeys(told, ['messageId', 'roomId', 'userIds', 'deliveredAt']);
  assert.equal(told.roomId, room.id);
  assert.deepEqual(told.userIds, [bob.id]);
  isTime(told.deliveredAt);
  assert.deepEqual(await b.hears('delivered', { messageId: m.id }), told);
  assert.deepEqual(await receipts(ann, m.id), [{ userId: bob.id, deliveredAt: told.deliveredAt, readAt: null }]);
});

test('each user of a room is named once, however many sockets he has; the sender is not', async () => {
  const others = await Promise.all(TRANSPORTS.map(([, transports]) => Line.to(bob, { transports })));
  const again = await Line.to(ann);
  const m = await a.send(room.id, 'many sockets');
  await Promise.all([...others, again].map((line) => line.hears('receive_message', { id: m.id })));
  await a.hears('delivered', { messageId: m.id });
  const last = await a.send(room.id, 'and one more');
  await a.hears('delivered', { messageId: last.id });
  await a.fence();
  assert.deepEqual(a.named('delivered').filter((d) => d.messageId === m.id).flatMap((d) => d.userIds), [bob.id]);
  [...others, again].forEach((line) => line.close());
});

test('who is not there has no receipt, and gets both when he is back', async () => {
  const cem = await person(server, 'cem');
  await cem.join(room.id);
  const first = await Line.to(cem);
  const { id: sid } = first.socket;
  const pid = first.socket._pid;
  const m0 = await a.send(room.id, 'while cem is there');
  await a.hears('delivered', (d) => d.messageId === m0.id && d.userIds.includes(cem.id));
  await first.until(() => first.offsets.length > 0, 'an offset');
  const offset = first.offsets.at(-1)[0];
  first.close();
  const m = await a.send(room.id, 'while cem is away');
  await a.hears('delivered', (d) => d.messageId === m.id && d.userIds.includes(bob.id));
  assert.deepEqual((await receipts(ann, m.id)).filter((r) => r.userId === cem.id && r.deliveredAt !== null), []);
  const back = await Line.to(cem, { auth: { pid, offset } });
  assert.equal(back.socket.id, sid);
  await back.hears('receive_message', { id: m.id });
  const told = await a.hears('delivered', (d) => d.messageId === m.id && d.userIds.includes(cem.id));
  assert.deepEqual(told.userIds, [cem.id]);
  assert.deepEqual((await receipts(ann, m.id)).find((r) => r.userId === cem.id).deliveredAt, told.deliveredAt);
  back.close();
});

test('a history page is confirmed by the request for the next one', async () => {
  const dan = await person(server, 'dan');
  const shed = await ann.room('shed');
  await dan.join(shed.id);
  const ids = [];
  for (let i = 0; i < 4; i++) {
    ids.push((await a.send(shed.id, `page ${i}`)).id);
  }
  const { nextCursor, items } = await dan.history(shed.id, '?limit=2');
  assert.deepEqual(items.map((m) => m.id), [ids[3], ids[2]]);
  assert.deepEqual(await receipts(ann, ids[3]), [], 'a page that was sent is not yet a page that arrived');
  await dan.history(shed.id, `?limit=2&cursor=${nextCursor}`);
  await a.hears('delivered', { messageId: ids[3] });
  await a.hears('delivered', { messageId: ids[2] });
  assert.deepEqual(await receipts(ann, ids[1]), []);
});

test('a number for clientId is the same key as its text, by either door', async () => {
  const own = await ann.room('keys'), payload = { roomId: own.id, content: 'once', clientId: 1796119200123 };
  const { message } = await a.ask('send_message', payload);
  assert.equal((await a.ask('send_message', { ...payload, clientId: '1796119200123' })).message.id, message.id);
  assert.equal(done(await ann.post('/messages', payload), 201).id, message.id);
  assert.equal((await ann.send(own.id, 'once', { 'Idempotency-Key': '1796119200123' })).id, message.id);
  assert.notEqual((await a.ask('send_message', { ...payload, clientId: 1796119200124 })).message.id, message.id);
});

test('half of a surrogate pair in a text is U+FFFD, as in every browser that sends UTF-8', async () => {
  const own = await ann.room('halves');
  for (const [content, kept] of [['a\ud83d', 'a\ufffd'], ['\ude00b', '\ufffdb'], ['\ud83d\ude00', '\ud83d\ude00']]) {
    assert.equal((await a.ask('send_message', { roomId: own.id, content })).message.content, kept);
    assert.equal((await ann.send(own.id, content)).content, kept);
  }
  const { message } = await a.ask('send_message', { roomId: own.id, content: 'x', 'not\u0000ours': 1, '\ud800': 2 });
  assert.equal(message.content, 'x');
});

// ---- typing ----

test('typing is told to the room but not to the socket that types, and has no ack of its own', async () => {
  const other = await Line.to(ann);
  a.forget(), b.forget();
  a.socket.emit('typing', { roomId: room.id, isTyping: true });
  const told = { roomId: room.id, userId: ann.id, isTyping: true };
  assert.deepEqual(await b.hears('typing'), told);
  assert.deepEqual(await other.hears('typing'), told);
  a.socket.emit('typing', { roomId: room.id, isTyping: false });
  assert.deepEqual(await b.hears('typing', { isTyping: false }), { ...told, isTyping: false });
  await a.fence();
  await e.fence();
  assert.deepEqual(a.named('typing'), []);
  assert.deepEqual(e.named('typing'), []);
  other.close();
});

test('typing of who is no member is told to nobody', async () => {
  b.forget();
  e.socket.emit('typing', { roomId: room.id, isTyping: true });
  denied(await e.ask('typing', { roomId: room.id, isTyping: true }), 'forbidden', 'You are not a member of this room');
  denied(await e.ask('typing', {}), 'bad_request', 'roomId is required');
  denied(await e.ask('typing', { roomId: room.id, isTyping: 'yes' }), 'bad_request', /isTyping/);
  await b.fence();
  assert.deepEqual(b.named('typing'), []);
});

test('while it goes on typing is told once a second and no more', async () => {
  b.forget();
  for (let i = 0; i < 10; i++) {
    a.socket.emit('typing', { roomId: room.id, isTyping: true });
  }
  await a.fence();
  await b.hears('typing', { isTyping: true });
  await b.fence();
  assert.ok(b.named('typing').length <= 2, JSON.stringify(b.named('typing')));
  a.socket.emit('typing', { roomId: room.id, isTyping: false });
  await b.hears('typing', { isTyping: false });
});

// The rest of a typing: someone of their own in the room, with as many sockets as they like.
async function typist(name, n = 1, to = server) {
  const who = await person(to, name);
  await who.join(room.id);
  b.forget();
  return [who, ...await Promise.all(Array.from({ length: n }, () => Line.to(who)))];
}
const starts = async (line) => {
  line.socket.emit('typing', { roomId: room.id, isTyping: true });
  await b.hears('typing', { userId: line.who.id, isTyping: true });
};
const ends = (who) => b.hears('typing', { userId: who.id, isTyping: false });
const told = (who) => b.named('typing').filter(({ userId }) => userId === who.id).map(({ isTyping }) => isTyping);

test('typing ends with its socket, though the typist has another one', async () => {
  const [fay, phone, laptop] = await typist('fay', 2);
  await starts(phone);
  phone.close();
  await ends(fay);
  laptop.close();
});

test('while another socket of the typist types there, nothing has ended', async () => {
  const [gus, phone, laptop] = await typist('gus', 2);
  await starts(phone);
  b.forget();
  await starts(laptop);
  phone.close();
  await laptop.ask('send_message', { roomId: room.id, content: 'done' });
  await ends(gus);
  assert.deepEqual(told(gus), [true, false]);
  laptop.close();
});

test('typing ends with a message that the socket sends there, and with none that it sends elsewhere or that is refused', async () => {
  const [hal, line] = await typist('hal');
  const other = await hal.room('elsewhere');
  await starts(line);
  await line.ask('send_message', { roomId: other.id, content: 'elsewhere' });
  assert.equal((await line.ask('send_message', { roomId: room.id, content: '' })).ok, false);
  await a.send(room.id, 'a mark');
  await b.hears('receive_message', { content: 'a mark' });
  assert.deepEqual(told(hal), [true]);
  assert.equal((await line.ask('send_message', { roomId: room.id, content: 'here' })).ok, true);
  await ends(hal);
  line.close();
});

test('typing ends before the room hears that the typist has left, and nothing of it comes after', async () => {
  const [ivy, line] = await typist('ivy');
  await starts(line);
  done(await ivy.delete(`/rooms/${room.id}/members/me`), 204);
  await b.hears('member_left', { userId: ivy.id });
  line.close();
  await a.send(room.id, 'another mark');
  await b.hears('receive_message', { content: 'another mark' });
  const heard = b.heard.map(([event, x]) => (event === 'typing' ? `${event} ${x.isTyping}` : event))
    .filter((what) => /typing|member_left/.test(what));
  assert.deepEqual(heard, ['typing true', 'typing false', 'member_left']);
});

test('typing that the client does not renew ends by itself; one that it renews goes on', async () => {
  const short = await start({ config: { live: { typing_ms: 400 } } });
  const [jon, kim, guest] = await Promise.all([1, 2, 3].map(() => person(short)));
  const hall = await jon.room('hall');
  for (const one of [kim, guest]) { await one.join(hall.id); }
  const [j, k, g] = await Promise.all([jon, kim, guest].map((who) => Line.to(who)));
  k.socket.emit('typing', { roomId: hall.id, isTyping: true });
  await g.hears('typing', { userId: kim.id, isTyping: true });
  j.socket.emit('typing', { roomId: hall.id, isTyping: true });
  const renewing = setInterval(() => j.socket.emit('typing', { roomId: hall.id, isTyping: true }), 20);
  await g.hears('typing', { userId: kim.id, isTyping: false });
  clearInterval(renewing);
  await g.hears('typing', { userId: jon.id, isTyping: false });
  for (const line of [j, k, g]) { line.close(); }
  await short.stop();
});

// ---- read_message ----

test('read_message tells the room, reader too, and is stored', async () => {
  const ids = [(await a.send(room.id, 'read 1')).id, (await a.send(room.id, 'read 2')).id];
  a.forget();
  assert.deepEqual(await b.ask('read_message', { roomId: room.id, messageIds: ids }), { ok: true });
  const told = await a.hears('read');
  hasKeys(told, ['roomId', 'messageIds', 'userId', 'readAt']);
  assert.equal(told.roomId, room.id);
  assert.deepEqual(told.messageIds, ids);
  assert.equal(told.userId, bob.id);
  isTime(told.readAt);
  assert.deepEqual(await b.hears('read', { messageIds: ids }), told);
  for (const id of ids) {
    const [receipt] = await receipts(ann, id);
    assert.equal(receipt.readAt, told.readAt);
    assert.ok(receipt.deliveredAt !== null && receipt.deliveredAt <= receipt.readAt, 'reading implies delivery');
  }
});

test('only messages of that room are read, and only by members', async () => {
  const both = await ann.room('both');
  await bob.join(both.id);
  const here = await a.send(room.id, 'here'), there = await a.send(both.id, 'there');
  a.forget();
  assert.deepEqual(await b.ask('read_message', { roomId: room.id, messageIds: [here.id, there.id, 999_999] }), { ok: true });
  assert.deepEqual((await a.hears('read')).messageIds, [here.id]);
  assert.ok((await receipts(ann, there.id)).every((r) => r.readAt === null));
  denied(await e.ask('read_message', { roomId: room.id, messageIds: [here.id] }), 'forbidden', 'You are not a member of this room');
});

test('read_message without roomId or ids is refused', async () => {
  const BOTH = 'roomId and messageIds are required';
  for (const payload of [{}, { roomId: room.id }, { messageIds: [1] }, { roomId: room.id, messageIds: [] },
    { roomId: room.id, messageIds: null }, { roomId: null, messageIds: [1] }]) {
    denied(await b.ask('read_message', payload), 'bad_request', BOTH);
  }
  for (const messageIds of ['abc', 5, {}, ['x'], [-1], [1.5], [null], [[1]]]) {
    denied(await b.ask('read_message', { roomId: room.id, messageIds }), 'bad_request', /messageIds/);
  }
});

// ---- what REST calls cause ----

test('a REST send reaches live sockets and gathers receipts', async () => {
  const m = await ann.send(room.id, 'over REST');
  const { senderId, ...told } = m;
  assert.deepEqual(await b.hears('receive_message', { id: m.id }), told);
  assert.deepEqual(await a.hears('receive_message', { id: m.id }), told);
  await a.hears('delivered', { messageId: m.id });
});

test('a REST join, an addition and a leaving move live sockets', async () => {
  const hall = await ann.room('hall', { isPrivate: true });
  a.forget(), b.forget(), e.forget();
  done(await ann.post(`/rooms/${hall.id}/members`, { userId: bob.id }), 201);
  for (const line of [a, b]) {
    await line.hears('member_joined', { roomId: hall.id, user: { id: bob.id, username: 'bob' } });
  }
  const m = await ann.send(hall.id, 'inside');
  await b.hears('receive_message', { id: m.id });
  done(await bob.delete(`/rooms/${hall.id}/members/me`), 204);
  for (const line of [a, b]) {
    assert.deepEqual(await line.hears('member_left', { roomId: hall.id }), { roomId: hall.id, userId: bob.id });
  }
  const secret = await ann.send(hall.id, 'without bob');
  await a.hears('receive_message', { id: secret.id });
  await b.fence();
  assert.ok(!b.named('receive_message').some((x) => x.id === secret.id));
  denied(await b.ask('send_message', { roomId: hall.id, content: 'x' }), 'forbidden', 'You are not a member of this room');
  denied(await b.ask('typing', { roomId: hall.id, isTyping: true }), 'forbidden');

  const open = await ann.room('open');
  await eve.join(open.id);
  await a.hears('member_joined', { roomId: open.id });
  const o = await ann.send(open.id, 'for eve');
  await e.hears('receive_message', { id: o.id });
  done(await eve.delete(`/rooms/${open.id}/members/me`), 204);
});

test('who makes a room is in it with all his sockets', async () => {
  const fresh = await ann.room('fresh');
  const m = await ann.send(fresh.id, 'to myself');
  await a.hears('receive_message', { id: m.id });
});

test('a REST read reaches live sockets', async () => {
  const m = await a.send(room.id, 'to be read over REST');
  assert.deepEqual(done(await bob.post('/messages/read', { messageIds: [m.id] }), 200), { count: 1 });
  for (const line of [a, b]) {
    const told = await line.hears('read', { messageIds: [m.id] });
    assert.equal(told.userId, bob.id);
    assert.equal(told.roomId, room.id);
  }
});

// ---- coming and going while messages flow ----

test('who joins and leaves while messages flow hears exactly those of his time', async () => {
  const busy = await ann.room('busy');
  await bob.join(busy.id);
  e.forget();
  let isFlowing = true;
  const flow = Promise.all([a, b].map(async (line) => {
    for (let i = 0; isFlowing; i++) {
      await line.send(busy.id, `${line.who.user.username} ${i}`);
    }
  }));
  for (let i = 0; i < 12; i++) {
    if (i % 2 === 0) {
      assert.equal((await e.ask('join_room', { roomId: busy.id })).ok, true);
    } else {
      await eve.join(busy.id);
    }
    const mine = await e.send(busy.id, `eve ${i}`);
    await e.hears('receive_message', { id: mine.id });
    done(await eve.delete(`/rooms/${busy.id}/members/me`), 204);
  }
  isFlowing = false;
  await flow;
  await Promise.all([a, b, e].map((line) => line.fence()));
  // Ann hears everything in the journal's order, so her stream says when eve was in.
  const of = (line) => line.heard.filter(([name, v]) => v.roomId === busy.id && (name === 'receive_message' ||
    (/^member_/.test(name) && (v.userId ?? v.user.id) === eve.id))).map(([name, v]) => `${name} ${v.id ?? ''}`);
  const expected = [];
  let isIn = false;
  for (const line of of(a)) {
    isIn ||= line.startsWith('member_joined');
    if (isIn) {
      expected.push(line);
    }
    isIn &&= !line.startsWith('member_left');
  }
  assert.equal(expected.filter((x) => x.startsWith('member_joined')).length, 12);
  assert.deepEqual(of(e), expected);
});
