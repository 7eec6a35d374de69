// kill -9 in the middle of many sends: what was answered with 201 is there after the restart, once, under its id; what
// was not answered can be sent again with its key and is then there once, too; the chain is whole; no id comes twice.
// A process that dies loses nothing that the kernel has, so this says nothing about power cuts: tests/rig does.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, wholeHistory } from '../api/lib/client.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { LONG, run, start, tempDir } from '../api/lib/server.mjs';

const ROUNDS = Number(process.env.TB_ROUNDS ?? (LONG ? 100 : 10));
const SENDERS = 256;
const LATEST_KILL_MS = 400;         // a server of ours commits hundreds of sends in that time

const data = tempDir();
const random = randomFrom(SEED);
const acknowledged = new Map();     // content -> the id it was answered with
const owner = new Map();            // id -> the content it was given to, over all rounds
const unanswered = new Map();       // content -> who sent it, and its key
let server, people, room, nth = 0;

before(async () => {
  process.stderr.write(`# TB_SEED=${SEED}, ${ROUNDS} rounds\n`);
  server = await start({ data });
  people = [];
  for (let i = 0; i < 8; i++) {
    people.push(await person(server, `sender${i}`));
  }
  room = await people[0].room('the room');
  await Promise.all(people.map((one) => one.join(room.id)));
});
after(() => server.stop());

function remember(content, message) {
  assert.equal(message.content, content);
  assert.ok(!owner.has(message.id) || owner.get(message.id) === content, `id ${message.id} was given twice`);
  owner.set(message.id, content);
  acknowledged.set(content, message.id);
  unanswered.delete(content);
}

async function sendOnce(one, content, key) {
  const answer = await one.post('/messages', { roomId: room.id, content }, { headers: { 'Idempotency-Key': key } });
  remember(content, done(answer, 201));
}

// Sends until the server is gone. Now and then rooms change too, so that ops of several kinds are cut.
async function keepSending(one) {
  for (;;) {
    const n = ++nth;
    const content = `message ${n}`;
    const key = `key ${n}`;
    unanswered.set(content, { one, key });
    try {
      await sendOnce(one, content, key);
      if (n % 50 === 0) {
        const side = await one.room(`room ${n}`);
        await one.delete(`/rooms/${side.id}/members/me`);
      }
    } catch (e) {
      if (e.code === undefined || e.code === 'ERR_ASSERTION') {
        throw e;                    // not a broken connection: an answer that should not have been
      }
      return;
    }
  }
}

async function restart() {
  const check = run(['check', '--data', data]);
  assert.equal(check.code, 0, check.all);
  server = await start({ data });
  people.forEach((one) => { one.server = server; });
}

async function everythingIsThereOnce(andNothingElse) {
  const items = await wholeHistory(people[0], room.id);
  const byContent = new Map();
  for (const { id, content } of items) {
    assert.ok(!byContent.has(content), `"${content}" is there twice`);
    byContent.set(content, id);
    assert.ok(!owner.has(id) || owner.get(id) === content, `id ${id} was given twice`);
    owner.set(id, content);
  }
  for (const [content, id] of acknowledged) {
    assert.equal(byContent.get(content), id, `"${content}" was answered with id ${id}`);
  }
  for (const content of byContent.keys()) {
    assert.ok(acknowledged.has(content) || unanswered.has(content), `"${content}" was never sent`);
  }
  if (andNothingElse) {
    assert.equal(byContent.size, acknowledged.size);
  }
}

for (let round = 1; round <= ROUNDS; round++) {
  test(`round ${round}: after kill -9 everything acknowledged is there once, and what was not can be repeated`, async () => {
    const before = acknowledged.size;
    const sending = Promise.all(Array.from({ length: SENDERS }, (_, i) => keepSending(people[i % people.length])));
    await pause(random() * LATEST_KILL_MS);
    await server.kill();
    await sending;
    const answered = acknowledged.size - before;
    await restart();
    await everythingIsThereOnce(false);
    const again = [...unanswered];
    await Promise.all(again.map(([content, { one, key }]) => sendOnce(one, content, key)));
    await everythingIsThereOnce(true);
    process.stderr.write(`# round ${round}: ${answered} acknowledged, ${again.length} repeated\n`);
  });
}
