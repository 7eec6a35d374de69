// Rates: messages of a user over all connections, logins of an e-mail and address.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { done, person, refused, request, wholeHistory } from './lib/client.mjs';
import { LONG_WINDOW, start } from './lib/server.mjs';

const SOON_MS = 1500;               // a window that is waited for
let server, ann, room;
before(async () => {
  server = await start({
    env: { TOMBOLO_RATE_LIMIT: '5', TOMBOLO_LOGIN_LIMIT: '3' },
    config: { limit: LONG_WINDOW },
  });
  ann = await person(server, 'ann');
  room = await ann.room('harbour');
});
after(() => server.stop());

const send = (who, content = 'x', roomId = room.id) => who.post('/messages', { roomId, content });

test('five messages in a window are taken, more are told when to come back', async () => {
  const answers = await Promise.all(Array.from({ length: 9 }, (_, i) => send(ann, `burst ${i}`)));
  assert.deepEqual(answers.map((a) => a.status).sort(), [...Array(5).fill(201), ...Array(4).fill(429)]);
  for (const answer of answers.filter((a) => a.status === 429)) {
    const { retryAfter } = refused(answer, 429, 'rate_limited', 'Rate limit exceeded. Try again shortly.');
    assert.ok(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= LONG_WINDOW.messages_window_ms / 1000);
    assert.equal(answer.headers['retry-after'], String(retryAfter));
  }
  assert.equal((await ann.history(room.id)).items.length, 5, 'what was refused is not there');
});

// The windows slide by the real clock: there is no other way to see it from outside.
test('after the window messages and logins are taken again', async () => {
  const soon = await start({ env: { TOMBOLO_RATE_LIMIT: '5', TOMBOLO_LOGIN_LIMIT: '3' },
    config: { limit: { messages_window_ms: SOON_MS, logins_window_ms: SOON_MS } } });
  const me = await person(soon), own = await me.room('own');
  const login = () => request(soon, 'POST', '/auth/login', { body: { email: me.user.email, password: me.password } });
  for (const [good, act] of [[201, () => send(me, 'x', own.id)], [200, login]]) {
    const answers = await Promise.all(Array.from({ length: 100 }, act));
    assert.ok(answers.some((a) => a.status === 429));
    let again;
    do {
      again = await act();
    } while (again.status === 429);
    done(again, good);
  }
  await soon.stop();
});

test('the limit is one for a user in all rooms, and another for the next user', async () => {
  const [bob, cem] = [await person(server), await person(server)];
  const rooms = [await bob.room('one'), await bob.room('two')];
  await cem.join(rooms[0].id);
  for (let i = 0; i < 5; i++) {
    done(await send(bob, 'x', rooms[i % 2].id), 201);
  }
  refused(await send(bob, 'x', rooms[1].id), 429, 'rate_limited');
  done(await send(cem, 'x', rooms[0].id), 201);
});

test('a send that is refused for its form is not counted', async () => {
  const bob = await person(server);
  const own = await bob.room('own');
  for (let i = 0; i < 10; i++) {
    refused(await bob.post('/messages', { roomId: own.id, content: '' }), 400, 'bad_request');
  }
  done(await send(bob, 'x', own.id), 201);
});

test('reading is not limited', async () => {
  for (let i = 0; i < 30; i++) {
    done(await ann.get('/rooms'), 200);
  }
});

test('logins of one e-mail are limited, right or wrong, and others are not', async () => {
  const [bob, cem] = [await person(server), await person(server)];
  const login = (who, password) => request(server, 'POST', '/auth/login', { body: { email: who.user.email, password } });
  for (let i = 0; i < 3; i++) {
    refused(await login(bob, 'not this one'), 401, 'unauthorized');
  }
  const { retryAfter } = refused(await login(bob, bob.password), 429, 'rate_limited');
  assert.ok(retryAfter >= 1);
  done(await login(cem, cem.password), 200);
});

test('without settings of ours it is five messages in ten seconds', async () => {
  const plain = await start({ env: { TOMBOLO_RATE_LIMIT: undefined } });
  const me = await person(plain);
  const r = await me.room('plain');
  const answers = await Promise.all(Array.from({ length: 6 }, () => send(me, 'x', r.id)));
  assert.equal(answers.filter((a) => a.status === 201).length, 5);
  const { retryAfter } = refused(answers.find((a) => a.status === 429), 429, 'rate_limited');
  assert.ok(retryAfter >= 8 && retryAfter <= 10, `${retryAfter}`);
  await plain.stop();
});

// Bounded queues (DESIGN section 7): what finds them full is told so at once, and what was taken is answered.
for (const [what, settings, call, status] of [
  ['changes', { journal: { queue: 1 } }, (me, r, i) => send(me, `message ${i}`, r.id), 201],
  ['queries', { journal: { reader_queue: 1 } }, (me, r) => me.get(`/messages/rooms/${r.id}/messages`), 200],
  ['passwords', { auth: { hash_queue: 1, hash_threads: 1 } },
    (me) => request(me.server, 'POST', '/auth/login', { body: { email: me.user.email, password: me.password } }), 200],
]) {
  test(`more ${what} than may wait are told that the server is busy and when to come back`, async () => {
    const small = await start({ config: settings });
    const me = await person(small);
    const r = await me.room('small');
    let [ok, busy] = [[], []];
    for (let round = 0; round < 50 && busy.length === 0; round++) {
      const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => call(me, r, i)));
      ok = ok.concat(answers.filter((a) => a.status === status));
      busy = busy.concat(answers.filter((a) => a.status !== status));
    }
    assert.ok(ok.length > 0 && busy.length > 0, `${ok.length} were done, ${busy.length} were not`);
    for (const answer of busy) {
      assert.ok(refused(answer, 503, 'busy').retryAfter >= 1);
    }
    if (what === 'changes') {
      const kept = (await wholeHistory(me, r.id)).map((m) => m.id);
      assert.deepEqual(kept.sort((a, b) => a - b), ok.map((a) => a.body.id).sort((a, b) => a - b));
    }
    await small.stop();
  });
}

test('rooms of a user and members of a room are limited', async () => {
  const small = await start({ config: { limit: { rooms_per_user: 2, members_per_room: 2 } } });
  const [me, bob, cem] = [await person(small), await person(small), await person(small)];
  const [one] = [await me.room('one'), await me.room('two')];
  refused(await me.post('/rooms', { name: 'three' }), 403, 'forbidden', 'Too many rooms: leave one first');
  await bob.join(one.id);
  refused(await cem.post('/rooms/join', { roomId: one.id }), 403, 'forbidden', 'This room is full');
  refused(await me.post(`/rooms/${one.id}/members`, { userId: cem.id }), 403, 'forbidden', 'This room is full');
  done(await bob.delete(`/rooms/${one.id}/members/me`), 204);
  await cem.join(one.id);
  await small.stop();
});

test('0 turns the limits off', async () => {
  const free = await start();
  const me = await person(free);
  const r = await me.room('free');
  const answers = await Promise.all(Array.from({ length: 50 }, () => send(me, 'x', r.id)));
  assert.ok(answers.every((a) => a.status === 201));
  await free.stop();
});
