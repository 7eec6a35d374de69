// To those who are not in it, a private room answers as no room does, and its messages as no messages do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { done, person } from './lib/client.mjs';
import { start } from './lib/server.mjs';
import { Line } from './lib/sockets.mjs';

const NO_ID = 987_654;
let server, ann, eve, line, closed, message;
before(async () => {
  server = await start();
  [ann, eve] = [await person(server, 'ann'), await person(server, 'eve')];
  closed = await ann.room('closed', { isPrivate: true });
  message = await ann.send(closed.id, 'secret');
  line = await Line.to(eve);
});
after(() => {
  line.close();
  return server.stop();
});

const byRest = {
  'joining': (room) => eve.post('/rooms/join', { roomId: room }),
  'adding a member': (room) => eve.post(`/rooms/${room}/members`, { userId: ann.id }),
  'adding oneself': (room) => eve.post(`/rooms/${room}/members`, { userId: eve.id }),
  'adding nobody': (room) => eve.post(`/rooms/${room}/members`, { userId: NO_ID }),
  'leaving': (room) => eve.delete(`/rooms/${room}/members/me`),
  'the members': (room) => eve.get(`/rooms/${room}/members`),
  'the history': (room) => eve.get(`/messages/rooms/${room}/messages`),
  'the history before a message': (room, id) => eve.get(`/messages/rooms/${room}/messages?cursor=${id}`),
  'sending': (room) => eve.post('/messages', { roomId: room, content: 'x' }),
  'receipts': (room, id) => eve.get(`/messages/${id}/receipts`),
  'reading': (room, id) => eve.post('/messages/read', { messageIds: [id] }),
};

for (const [what, ask] of Object.entries(byRest)) {
  test(`${what} by REST`, async () => {
    const [hidden, none] = [await ask(closed.id, message.id), await ask(NO_ID, NO_ID)];
    assert.equal(hidden.status, none.status);
    assert.deepEqual(hidden.body, none.body);
  });
}

const bySocket = {
  join_room: (room) => ({ roomId: room }),
  send_message: (room) => ({ roomId: room, content: 'x' }),
  typing: (room) => ({ roomId: room, isTyping: true }),
  message_read: (room, id) => ({ roomId: room, messageIds: [id] }),
};

for (const [event, payload] of Object.entries(bySocket)) {
  test(`${event} by socket`, async () => {
    assert.deepEqual(await line.ask(event, payload(closed.id, message.id)), await line.ask(event, payload(NO_ID, NO_ID)));
  });
}

test('who has left a private room hears no more of it than others', async () => {
  done(await ann.post(`/rooms/${closed.id}/members`, { userId: eve.id }), 201);
  done(await eve.delete(`/rooms/${closed.id}/members/me`), 204);
  for (const what of ['joining', 'adding a member', 'receipts']) {
    const [hidden, none] = [await byRest[what](closed.id, message.id), await byRest[what](NO_ID, NO_ID)];
    assert.deepEqual(hidden.body, none.body, what);
  }
});
