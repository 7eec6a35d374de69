// A send that carries a key may be repeated: one message, however often it is asked for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { done, person, refused, wholeHistory } from './lib/client.mjs';
import { LONG_WINDOW, start } from './lib/server.mjs';

let server, ann, bob, room;
before(async () => {
  server = await start();
  [ann, bob] = [await person(server, 'ann'), await person(server, 'bob')];
  room = await ann.room('harbour');
  await bob.join(room.id);
});
after(() => server.stop());

let nth = 0;
const newKey = () => `key-${++nth}`;
const byHeader = (who, key, content, roomId = room.id) =>
  who.post('/messages', { roomId, content }, { headers: { 'Idempotency-Key': key } });
const byBody = (who, clientId, content, roomId = room.id) =>
  who.post('/messages', { roomId, content, clientId });
const count = async (content) => (await wholeHistory(ann, room.id)).filter((m) => m.content === content).length;

for (const [how, send] of [['the header Idempotency-Key', byHeader], ['clientId in the body', byBody]]) {
  test(`${how}: the same key gives the same message`, async () => {
    const [key, content] = [newKey(), `once by ${how}`];
    const first = done(await send(ann, key, content), 201);
    for (let i = 0; i < 3; i++) {
      const again = await send(ann, key, content);
      assert.ok(again.status === 201 || again.status === 200, again.text);
      assert.deepEqual(again.body, first);
    }
    assert.equal(await count(content), 1);
  });

  test(`${how}: thirty at once make one message`, async () => {
    const [key, content] = [newKey(), `raced by ${how}`];
    const answers = await Promise.all(Array.from({ length: 30 }, () => send(ann, key, content)));
    assert.equal(new Set(answers.map((a) => a.body.id)).size, 1, answers.map((a) => a.text).join('\n'));
    assert.equal(await count(content), 1);
  });

  test(`${how}: another text or room under the key is refused`, async () => {
    const key = newKey();
    const other = await ann.room('elsewhere');
    done(await send(ann, key, 'the first'), 201);
    refused(await send(ann, key, 'the second'), 422, 'key_reused');
    refused(await send(ann, key, 'the first', other.id), 422, 'key_reused');
    assert.equal(await count('the second'), 0);
  });

  test(`${how}: a key belongs to its user`, async () => {
    const key = newKey();
    const [a, b] = [done(await send(ann, key, 'both'), 201), done(await send(bob, key, 'both'), 201)];
    assert.notEqual(a.id, b.id);
  });
}

test('header and body name the same keys', async () => {
  const key = newKey();
  const first = done(await byHeader(ann, key, 'either way'), 201);
  assert.equal((await byBody(ann, key, 'either way')).body.id, first.id);
});

test('header and body that name two keys are refused', async () => {
  const send = (key, clientId) =>
    ann.post('/messages', { roomId: room.id, content: 'which?', clientId }, { headers: { 'Idempotency-Key': key } });
  refused(await send(newKey(), newKey()), 400, 'bad_request', 'Idempotency-Key and clientId must be the same');
  assert.equal(await count('which?'), 0);
  const key = newKey();
  done(await send(key, key), 201);
});

test('without a key the same text twice is two messages', async () => {
  await ann.send(room.id, 'again');
  await ann.send(room.id, 'again');
  assert.equal(await count('again'), 2);
});

test('blanks around the text do not make it another message', async () => {
  const key = newKey();
  const first = done(await byBody(ann, key, 'trimmed'), 201);
  assert.equal((await byBody(ann, key, '  trimmed ')).body.id, first.id);
});

test('a key outlives a restart', async () => {
  const one = await start();
  const me = await person(one);
  const r = await me.room('kept');
  const first = done(await byBody(me, 'kept-key', 'kept', r.id), 201);
  await one.stop();
  const two = await start({ data: one.dir });
  me.server = two;
  assert.equal((await byBody(me, 'kept-key', 'kept', r.id)).body.id, first.id);
  refused(await byBody(me, 'kept-key', 'changed', r.id), 422, 'key_reused');
  assert.equal((await wholeHistory(me, r.id)).length, 1);
  await two.stop();
});

test('a repeated send does not count for the rate limit', async () => {
  const limited = await start({ env: { TOMBOLO_RATE_LIMIT: '2' }, config: { limit: LONG_WINDOW } });
  const me = await person(limited);
  const r = await me.room('limited');
  const first = done(await byBody(me, 'k', 'one', r.id), 201);
  for (let i = 0; i < 5; i++) {
    assert.equal((await byBody(me, 'k', 'one', r.id)).body.id, first.id);
  }
  await me.send(r.id, 'two');
  refused(await me.post('/messages', { roomId: r.id, content: 'three' }), 429, 'rate_limited');
  assert.equal((await byBody(me, 'k', 'one', r.id)).body.id, first.id, 'also when the limit is reached');
  await limited.stop();
});

for (const [what, key] of [['empty', ''], ['201 characters long', 'k'.repeat(201)]]) {
  test(`an Idempotency-Key that is ${what} is refused by name`, async () => {
    refused(await byHeader(ann, key, 'x'), 400, 'bad_request', /Idempotency-Key/);
  });
}
for (const [what, clientId] of [['a truth value', true], ['an object', {}], ['empty', ''], ['300 characters long', 'k'.repeat(300)]]) {
  test(`a clientId that is ${what} is refused by name`, async () => {
    refused(await byBody(ann, clientId, 'x'), 400, 'bad_request', /clientId/);
  });
}
