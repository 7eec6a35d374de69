// docs/migrating.md, step by step: its commands are run as they stand there, against an old database and a new centre; then people use
// the new server, its SQL for readers is asked, and its SQL for going back brings what they wrote into the old database.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Person, done, person, request } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { PASSWORDS, SCHEMA, expected, makeOld, oldAsSql } from '../api/lib/old.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { BIN, ROOT, freePort, start, tempDir } from '../api/lib/server.mjs';
import { printedBy, stepsOf } from '../api/lib/tour.mjs';

const text = readFileSync(join(ROOT, 'docs/migrating.md'), 'utf8');
const [forReports, report, sameEmails, goingBack] = [...text.matchAll(/^```sql\n(.*?)^```$/gms)].map((m) => m[1]);
const JWT_SECRET = 'the secret of the old backend, long enough', DIR = tempDir();
const SMALL = { users: 40, rooms: 5, messages: 400, unchanged: true };
let db, old, want, printed, server;

before(async () => {
  process.stderr.write(`# TB_SEED=${SEED}\n`);
  db = await MariaDb.make();
  const CENTRE = db.makeDatabase('tombolo');
  old = makeOld(randomFrom(SEED), SMALL);
  want = expected(old);
  db.load(oldAsSql(old, 'chat', { schema: SCHEMA }));
  const steps = [...stepsOf(text), { lines: 'kill $SERVER && wait $SERVER\n' }];
  const env = { PATH: `${dirname(BIN)}:${process.env.PATH}`, OLD: db.url, CENTRE, DIR, JWT_SECRET, PORT: String(await freePort()),
    TRIAL_PORT: String(await freePort()), TOMBOLO_PASSWORD_COST: 'min', ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
  printed = printedBy(steps, env);
  steps.forEach((step, i) => step.kind === 'json' && assert.deepEqual(JSON.parse(printed[i]), JSON.parse(step.expected), step.lines));
  server = await start({ data: DIR, env: { DATABASE_URL: CENTRE, JWT_SECRET }, config: { auth: { legacy_tokens: 'yes' } } });
});
after(async () => {
  await server?.stop();
  await db.kill();
});

const rowsOf = (database, table, columns) => db.query(`SELECT ${columns} FROM ${database}.\`${table}\` ORDER BY ${columns}`);

async function level(who) {
  for (const deadline = Date.now() + 60_000; ; await pause(50)) {
    const { state, lagOps } = done(await who.get('/sync'), 200);
    if (state === 'up' && lagOps === 0) {
      return;
    }
    assert.ok(Date.now() < deadline, `${state}, ${lagOps} behind`);
  }
}

test('its commands judge, rehearse, import and bring the centre level', () => {
  const all = printed.join('\n');
  assert.match(all, /: judged, nothing written\n/);
  assert.equal(all.match(/: imported\n/g).length, 2, 'to rehearse, and in earnest');
  assert.equal(all.match(/is whole\.\n/g).length, 2);
  assert.match(printed.at(-3), /^No difference/m);
});

let first, second, newcomer, room, message;

test('people go on: with their password, or with the token that they had', async () => {
  const u = want.users[0];
  const body = { email: u.email, password: PASSWORDS[u.password] };
  first = new Person(server, done(await request(server, 'POST', '/auth/login', { body }), 200), body.password);
  const now = Math.floor(Date.now() / 1000);      // such a token was made an hour ago, as the old backend made them
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ id: u.id, email: u.email, iat: now - 3600, exp: now + 60 })}`;
  const token = `${claims}.${createHmac('sha256', JWT_SECRET).update(claims).digest('base64url')}`;
  assert.deepEqual((await request(server, 'GET', '/rooms', { token })).body, (await first.get('/rooms')).body);
});

test('what they write is at the centre, under the old names and for who may read there', async () => {
  second = new Person(server, done(await request(server, 'POST', '/auth/login',
    { body: { email: want.users[1].email, password: PASSWORDS[want.users[1].password] } }), 200), PASSWORDS[want.users[1].password]);
  done(await second.patch('/auth/me', { email: 'moved@example.org', currentPassword: second.password }), 200);
  newcomer = await person(server, want.users[1].email.split('@')[0]);       // takes the e-mail that has become free
  room = await first.room('new');
  await newcomer.join(room.id);
  message = await first.send(room.id, 'x'.repeat(300));
  done(await newcomer.post('/messages/read', { messageIds: [message.id] }), 200);
  done(await first.delete('/rooms/1/members/me'), 204);
  await level(first);
  db.load(forReports);
  const asked = db.tryQuery(report);
  assert.equal(asked.status, 0, asked.stderr);
  assert.match(asked.stdout, /^new\t1\t/m);
  assert.equal(asked.stdout.trim().split('\n').length, new Set(want.messages.map((m) => m.roomId)).size + 1);
});

test('going back brings it all into the old database, and changes nothing else there', async () => {
  const tables = [['User', 'id, email, createdAt'], ['Room', 'id, name, isPrivate, createdAt'], ['RoomMember', 'userId, roomId'],
    ['Message', 'id, LEFT(content, 191), createdAt, senderId, roomId'], ['MessageReceipt', 'messageId, userId, delivered, `read`, deliveredAt, readAt']];
  const before_ = tables.map(([table, columns]) => rowsOf('chat', table, columns).map(String));
  assert.deepEqual(db.query(sameEmails), []);
  db.load(goingBack);
  const after_ = tables.map(([table, columns]) => rowsOf('chat', table, columns).map(String));
  const come = after_.map((rows, i) => rows.filter((row) => !before_[i].includes(row)));
  const gone = after_.map((rows, i) => before_[i].filter((row) => !rows.includes(row)));
  assert.deepEqual(come.map((rows) => rows.length), [2, 1, 2, 1, come[4].length]);
  assert.deepEqual(gone[0].map((row) => Number(row.split(',')[0])), [second.id], 'who has another e-mail');
  assert.deepEqual(gone.slice(1, 4), [[], ['1,1'], []], 'but that one has left room 1');
  assert.equal(come[3][0].split(',')[1], 'x'.repeat(191));
  assert.ok(come[4].some((row) => row.startsWith(`${message.id},${newcomer.id},`)));
  const wrong = 'SELECT * FROM chat.MessageReceipt WHERE `read` <> (readAt IS NOT NULL) OR delivered <> (deliveredAt IS NOT NULL)';
  assert.deepEqual(db.query(wrong).filter(([, messageId, userId]) => want.receipts.some((r) => `${r.messageId},${r.userId}` === `${messageId},${userId}`)), []);
  assert.deepEqual(db.query('SELECT id, email FROM chat.User WHERE email LIKE \'%moved%\' OR id = ' + newcomer.id),
    [[String(second.id), 'moved@example.org'], [String(newcomer.id), want.users[1].email]]);
  assert.deepEqual(rowsOf('chat', 'User', 'id, password').filter(([id]) => Number(id) <= SMALL.users),
    old.users.slice(0, SMALL.users).map((u) => [String(u.id), u.password]), 'old passwords are the old ones');
  const odd = { User: old.users, Room: old.rooms, Message: old.messages, RoomMember: [] };       // whose times were no times
  for (const [table, columns] of tables.slice(0, 4)) {      // whatever else the centre has is there, too
    const there = rowsOf('chat', table, columns).map(String), ids = odd[table].filter((row) => row.note).map((row) => String(row.id));
    assert.deepEqual(rowsOf('tombolo', table, columns).filter((row) => !there.includes(String(row)) && !ids.includes(row[0])), [], table);
  }
});

test('two e-mails that the old tables hold for the same are named, and stop the way back before it changes anything', async () => {
  const [one, other] = [await person(server, 'josé'), await person(server, 'jose')];
  await first.room('only there, too');
  await level(first);
  assert.deepEqual(db.query(sameEmails).map(([, n]) => n), ['2']);
  const before_ = rowsOf('chat', 'Room', 'id, name');
  assert.throws(() => db.load(goingBack), /Duplicate entry/);
  assert.deepEqual(rowsOf('chat', 'Room', 'id, name'), before_);
  done(await other.patch('/auth/me', { email: 'another@example.org', currentPassword: other.password }), 200);
  await level(first);
  assert.deepEqual(db.query(sameEmails), []);
  db.load(goingBack);
  assert.deepEqual(db.query(`SELECT id FROM chat.User WHERE id >= ${one.id} ORDER BY id`).flat().map(Number), [one.id, other.id]);
});
