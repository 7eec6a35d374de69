// More proofs of delivery than the disk takes at once: none is lost, everybody in the room still gets everything once, and the
// server holds no more of them than it was told to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, request } from '../api/lib/client.mjs';
import { start } from '../api/lib/server.mjs';
import { Line, TRANSPORTS, Wire } from '../api/lib/sockets.mjs';

const OFF = { messages: 0, logins: 0 };

async function metric(server, name) {
  const { text } = await request(server, 'GET', '/metrics');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)[1]);
}

// The highest value until `over` is done, whichever way.
async function highest(server, name, over) {
  let most = 0, isOver = false;
  over.catch(() => {}).then(() => { isOver = true; });
  while (!isOver) {
    most = Math.max(most, await metric(server, name));
    await pause(5);
  }
  return most;
}

// How many of the listeners each message is told to have reached, from all that the sender has heard.
function reached(line) {
  const users = new Map();
  for (const { messageId, userIds } of line.named('delivered')) {
    const of = users.get(messageId) ?? users.set(messageId, new Set()).get(messageId);
    for (const id of userIds) {
      assert.ok(!of.has(id), `message ${messageId} was told twice to have reached user ${id}`);
      of.add(id);
    }
  }
  return users;
}

test('no receipt is lost when more come than may wait', async () => {
  const LISTENERS = 6, MESSAGES = 100, UNPROVED = 30, WAITING = 30;
  const server = await start({ config: { limit: OFF,
    live: { unproved: UNPROVED, receipts_waiting: WAITING, events_per_second: 0, sockets_per_user: 100 } } });
  const ann = await person(server, 'ann');
  const room = await ann.room('crowded');
  const sender = await Line.to(ann), listeners = [];
  for (let i = 0; i < LISTENERS; i++) {
    const one = await person(server);
    await one.join(room.id);
    listeners.push(await Line.to(one, { transports: TRANSPORTS[i % 3][1] }));
  }
  const sent = (await Promise.all(Array.from({ length: MESSAGES }, (_, i) => sender.send(room.id, `message ${i}`)))).map((m) => m.id);
  const all = sender.until(() => sent.every((id) => reached(sender).get(id)?.size === LISTENERS), 'the last delivered');
  const [waited] = await Promise.all([highest(server, 'tombolo_receipts_waiting', all), all]);
  sent.sort((x, y) => x - y);
  for (const one of listeners) {
    assert.deepEqual(one.named('receive_message').map((m) => m.id), sent);
  }
  for (const id of [sent[0], sent.at(-1)]) {
    assert.equal(done(await ann.get(`/messages/${id}/receipts`), 200).items.length, LISTENERS);
  }
  assert.ok(await metric(server, 'tombolo_fell_behind_total') >= LISTENERS, 'the limit of a socket was never met');
  assert.equal(await metric(server, 'tombolo_receipts_lost_total'), 0);
  assert.equal(await metric(server, 'tombolo_receipts_waiting'), 0);
  // What may wait, and what connections that were asked before bring at once.
  assert.ok(waited <= WAITING + LISTENERS * UNPROVED, `${waited} proofs waited`);
  [sender, ...listeners].forEach((one) => one.close());
  await server.stop();
});

test('an offset proves what it says, however much else was written meanwhile', async () => {
  const BEFORE = 21_000, AFTER = 9_000, AT_ONCE = 64;     // more positions than are looked at together
  // However long the writing takes, bob's silent line is not given up.
  const server = await start({ config: { limit: OFF, live: { events_per_second: 0, ping_timeout_ms: 600_000 } } });
  const wire = await Wire.to(server);
  const [ann, bob] = [await person(server, 'ann'), await person(server, 'bob')];
  const [room, elsewhere] = [await ann.room('theirs'), await ann.room('hers')];
  await bob.join(room.id);
  const write = (left) => Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      await ann.send(elsewhere.id, 'x');
    }
  }));
  const a = await Line.to(ann);
  const b = await Line.to(bob, { through: wire, reconnection: true, reconnectionDelay: 20 });
  wire.mute();
  await write(BEFORE);
  const first = await a.send(room.id, 'before');
  await write(AFTER);
  const last = await a.send(room.id, 'after');
  await b.hears('receive_message', { id: last.id });
  await b.until(() => b.offsets.length === 2, 'the offset behind it');
  assert.deepEqual(a.named('delivered'), []);
  wire.cut();
  await a.hears('delivered', { messageId: last.id, userIds: [bob.id] });
  await a.hears('delivered', { messageId: first.id, userIds: [bob.id] });
  [a, b].forEach((one) => one.close());
  wire.close();
  await server.stop();
});
