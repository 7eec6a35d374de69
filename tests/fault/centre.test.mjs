// The centre comes late, dies in the middle of work and comes back: nobody on site notices, and in the end everything is
// there, once. The old backend's names (User, Room, RoomMember, Message, MessageReceipt) show it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, wholeHistory } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { LONG, start } from '../api/lib/server.mjs';

const ROUNDS = LONG ? 30 : 3;
const SENDERS = 16;
const random = randomFrom(SEED);
let db, server, people, room, options;
const sent = new Map();             // id -> content

before(async () => {
  process.stderr.write(`# TB_SEED=${SEED}\n`);
  db = await MariaDb.make();
  await db.kill();                  // there is an address and nobody behind it
  options = { env: { DATABASE_URL: db.url } };
  server = await start(options);
  people = [];
  for (let i = 0; i < 4; i++) {
    people.push(await person(server, `p${i}`));
  }
  room = await people[0].room('harbour');
  await Promise.all(people.map((one) => one.join(room.id)));
});
after(async () => {
  await server.stop();
  await db.kill();
});

async function write(n) {
  let nth = 0;
  await Promise.all(Array.from({ length: SENDERS }, async (_, i) => {
    while (nth++ < n) {
      const m = await people[i % people.length].send(room.id, `message ${sent.size} of ${i}, "quoted" \\ 港 😀`);
      sent.set(m.id, m.content);
    }
  }));
}

async function level() {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(50)) {
    const state = done(await people[0].get('/sync'), 200);
    if (state.state === 'up' && state.lagOps === 0) {
      return state;
    }
  }
  throw new Error(`not level after a minute: ${(await people[0].get('/sync')).text}\n${server.log.slice(-3000)}`);
}

function everythingIsThereOnce() {
  const rows = db.query('SELECT id, roomId, senderId, HEX(content) FROM Message ORDER BY id');
  assert.equal(rows.length, sent.size);
  for (const [id, roomId, , hex] of rows) {
    assert.equal(Buffer.from(hex, 'hex').toString(), sent.get(Number(id)));
    assert.equal(Number(roomId), room.id);
  }
  const [[ops, first, last]] = db.query('SELECT COUNT(*), MIN(seq), MAX(seq) FROM op_log');
  assert.equal(Number(last) - Number(first) + 1, Number(ops), 'a gap in op_log');
}

test('what was written before the centre came is there once it has', async () => {
  await write(300);
  assert.equal(done(await people[0].get('/sync'), 200).state, 'down');
  await db.start();
  const state = await level();
  assert.notEqual(state.lastSyncedAt, null);
  everythingIsThereOnce();
  assert.deepEqual(db.query('SELECT username FROM User ORDER BY id').flat(), people.map((p) => p.user.username));
  assert.deepEqual(db.query('SELECT name, isPrivate FROM Room'), [['harbour', '0']]);
  assert.equal(db.query('SELECT userId FROM RoomMember').length, people.length);
});

test('history then says since when each message is at the centre', async () => {
  for (const m of await wholeHistory(people[0], room.id)) {
    assert.ok(m.syncedAt !== null && m.syncedAt >= m.createdAt, `${m.id}: ${m.syncedAt}`);
  }
});

test('reading reaches the centre, too', async () => {
  const ids = [...sent.keys()].slice(0, 50);
  done(await people[1].post('/messages/read', { messageIds: ids }), 200);
  await level();
  const rows = db.query(`SELECT COUNT(*) FROM MessageReceipt WHERE userId = ${people[1].id} AND readAt IS NOT NULL`);
  const mine = (await wholeHistory(people[1], room.id)).filter((m) => ids.includes(m.id) && m.senderId === people[1].id).length;
  assert.equal(Number(rows[0][0]), ids.length - mine);
});

for (let round = 1; round <= ROUNDS; round++) {
  test(`round ${round}: killed under load and started again, it has everything once, and no send was slowed to a failure`, async () => {
    const writing = write(400);
    await pause(random() * 300);
    await db.kill();
    await writing;
    await db.start();
    await level();
    everythingIsThereOnce();
  });
}

test('our own kill -9 under load loses nothing of what was acknowledged, here or there', async () => {
  const writing = Promise.allSettled([write(400)]);
  await pause(random() * 300);
  await server.kill();
  await writing;
  server = await start({ ...options, data: server.dir });
  people.forEach((one) => { one.server = server; });
  await level();
  for (const m of await wholeHistory(people[0], room.id)) {
    sent.set(m.id, m.content);      // committed, and the answer was cut off
  }
  everythingIsThereOnce();
});
