// The old backend's database, adopted: everything is judged, everything taken comes out again over REST and at a centre as it was,
// people log in with their old passwords, and an import that is killed or repeated does no harm.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Person, done, refused, request, wholeHistory } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { PASSWORDS, expected, makeOld, oldAsSql, unreadOf } from '../api/lib/old.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { BIN, LONG, freePort, run, start, tempDir } from '../api/lib/server.mjs';

const KILLS = LONG ? 40 : 2;
const random = randomFrom(SEED);
const dir = tempDir();
const iso = (ms) => (ms === null ? null : new Date(ms).toISOString());
let db, url, old, want, server, report;

const importTo = (data, ...args) => run(['import', '--from', url, '--data', data, ...args]);

before(async () => {
  process.stderr.write(`# TB_SEED=${SEED}\n`);
  db = await MariaDb.make();
  url = db.makeDatabase('old');
  old = makeOld(random, { receiptsEvery: LONG ? 2 : 8 });
  want = expected(old);
  db.load(oldAsSql(old, 'old'));
});
after(async () => {
  await server?.stop();
  await db.kill();
});

// What the report notes about a table for the reason in which word stands names the rows that were made odd in that way.
function isNoted(table, rows, word) {
  const told = report.noted.filter((f) => f.table === table && f.why.includes(word)).flatMap((f) => f.ids);
  return told.join() === rows.filter((r) => r.note?.includes(word)).map((r) => r.id).join();
}

test('a dry run judges everything and writes nothing', () => {
  const empty = tempDir();
  const r = importTo(empty, '--dry-run', '--json');
  assert.equal(r.code, 0, r.all);
  report = JSON.parse(r.stdout);
  assert.equal(report.state, 'judged');
  assert.deepEqual(readdirSync(empty), []);
  for (const [table, rows] of Object.entries({ User: 'users', Room: 'rooms', RoomMember: 'members', Message: 'messages',
    MessageReceipt: 'receipts' })) {
    assert.equal(report.tables[table].rows, old[rows].length, table);
    assert.equal(report.tables[table].imported, want[rows].length, table);
    assert.equal(report.tables[table].refused, old[rows].length - want[rows].length, table);
  }
  for (const [table, field, word] of [['User', 'users', 'blank'], ['User', 'users', 'too long'], ['RoomMember', 'members', 'user'],
    ['RoomMember', 'members', 'room'], ['Message', 'messages', 'user'], ['Message', 'messages', 'room'],
    ['MessageReceipt', 'receipts', 'message'], ['MessageReceipt', 'receipts', "one's own"], ['MessageReceipt', 'receipts', 'neither']]) {
    const told = report.refused.filter((f) => f.table === table).flatMap((f) => f.ids);
    assert.deepEqual(told.sort((a, b) => a - b), old[field].filter((r) => r.refused).map((r) => r.id), table);
    assert.ok(report.refused.some((f) => f.table === table && f.why.includes(word)), `${table}: ${word}`);
  }
  for (const [table, field, word] of [['User', 'users', 'parked'], ['User', 'users', 'no bcrypt'], ['User', 'users', 'lastSeen'],
    ['Room', 'rooms', 'no time'], ['Room', 'rooms', 'without members'], ['Message', 'messages', 'no time'],
    ['Message', 'messages', 'ahead'], ['RoomMember', 'members', 'no time'], ['MessageReceipt', 'receipts', 'before'],
    ['MessageReceipt', 'receipts', 'marked']]) {
    assert.ok(isNoted(table, old[field], word), `${table}: ${word}: ${JSON.stringify(report.noted)}`);
  }
});

for (let round = 1; round <= KILLS; round++) {
  test(`killed at a random moment (${round}), it leaves no journal`, async () => {
    const child = spawn(BIN, ['import', '--from', url, '--data', dir],
      { env: { PATH: process.env.PATH, HOME: process.env.HOME }, stdio: 'ignore' });
    const ended = once(child, 'close');
    while (round === 1 && child.exitCode === null && !existsSync(join(dir, 'import.db'))) {     // certainly while it writes
      await pause(10);
    }
    await pause(random() * (round === 1 ? 500 : 1000));
    child.kill('SIGKILL');
    assert.equal((await ended)[1], 'SIGKILL', 'it was faster');
    assert.ok(!existsSync(join(dir, 'tombolo.db')));
  });
}

test('after that it begins again, says what it did, and the journal is whole', () => {
  const r = importTo(dir, '--json');
  assert.equal(r.code, 0, r.all);
  assert.match(r.stderr, /reading \d+ rows took/);
  const all = JSON.parse(r.stdout);
  assert.equal(all.state, 'imported');
  assert.deepEqual({ ...all, journal: '', state: '', at: '', ops: 0 }, { ...report, journal: '', state: '', at: '', ops: 0 });
  assert.deepEqual(readdirSync(dir).filter((f) => f.startsWith('import')), ['import.json']);
  for (const name of ['tombolo.db', 'import.json']) {
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
  }
  const checked = run(['check', '--data', dir]);
  assert.equal(checked.code, 0, checked.all);
});

test('a second run changes nothing and says so; one after the old database has changed says that', () => {
  const before = readFileSync(join(dir, 'tombolo.db'));
  const again = importTo(dir);
  assert.equal(again.code, 0, again.all);
  assert.match(again.stdout, /nothing changed/);
  db.load("INSERT INTO old.`Message` (content, senderId, roomId) VALUES ('late', 1, 1)");
  const changed = importTo(dir, '--json');
  assert.equal(changed.code, 1, changed.all);
  assert.equal(JSON.parse(changed.stdout).state, 'changed');
  db.load(`DELETE FROM old.\`Message\` WHERE id = ${old.messages.at(-1).id + 1}`);
  assert.ok(before.equals(readFileSync(join(dir, 'tombolo.db'))));
});

test('a journal that no import made, a server that runs, and a wrong address are refused, and no password is shown', async () => {
  const other = await start();
  const running = importTo(other.dir);
  assert.equal(running.code, 1);
  assert.match(running.stderr, /in use/);
  await other.stop();
  const foreign = importTo(other.dir);
  assert.equal(foreign.code, 1);
  assert.match(foreign.stderr, /no import made/);
  for (const wrong of [`mysql://chat:geheim@127.0.0.1:${db.port}/old`, `mysql://chat:geheim@127.0.0.1:${await freePort()}/old`,
    'mysql://chat:geheim@[/x', 'http://chat:geheim@x/y']) {
    const r = run(['import', '--from', wrong, '--data', tempDir()]);
    assert.notEqual(r.code, 0);
    assert.doesNotMatch(r.all, /geheim/);
  }
  const none = run(['import', '--from', `mysql://chat:chat@127.0.0.1:${db.port}/chat`, '--data', tempDir()]);
  assert.match(none.stderr, /not the old backend's database/);
  assert.equal(run(['import']).code, 2);
  const node = importTo(tempDir(), '--set', 'sync.node=7');
  assert.equal(node.code, 2);
  assert.match(node.stderr, /sync\.node/);
});

let first;

async function login(u) {
  const answer = await request(server, 'POST', '/auth/login', { body: { email: u.email, password: PASSWORDS[u.password] } });
  return new Person(server, done(answer, 200), PASSWORDS[u.password]);
}

test('people log in with the passwords that they had', async () => {
  server = await start({ data: dir, env: { DATABASE_URL: db.makeDatabase('centre') } });
  for (const u of [want.users[6], want.users[49], want.users[1234]]) {
    const me = await login(u);
    assert.equal(me.id, u.id);
  }
  first = await login(want.users[0]);
  refused(await request(server, 'POST', '/auth/login', { body: { email: want.users[0].email, password: 'wrong' } }), 401, 'unauthorized');
});

test('of two who have one e-mail but for its case, the first keeps it, and the other is told so once he has proved himself', async () => {
  const parked = want.users.find((u) => u.email === 'USER7@Example.ORG');
  refused(await request(server, 'POST', '/auth/login', { body: { email: parked.email, password: PASSWORDS[parked.password] } }), 409,
    'email_conflict');
});

// Keys of rows that one side has and the other has not, or not so. keys, columns: separated by blanks.
function differences(table, keys, columns, odd = []) {
  const not = odd.length > 0 ? `(${keys.replace(' ', ',')}) NOT IN (${odd})` : '1=1';
  const same = columns.split(' ').map((c) => (/[cC]ontent|name|mail/.test(c) ? `CAST(o.${c} AS BINARY) <=> CAST(c.${c} AS BINARY)`
    : `o.${c} <=> c.${c}`)).join(' AND ');
  const at = keys.split(' ')[0];
  const pair = (a, b) => db.query(`SELECT ${keys.replace(' ', ',')} FROM (SELECT * FROM ${a}.\`${table}\` WHERE ${not}) o` +
    ` LEFT JOIN ${b}.\`${table}\` c USING (${keys.replace(' ', ',')}) WHERE c.${at} IS NULL OR NOT (${same}) LIMIT 5`);
  return [...pair('old', 'centre'), ...pair('centre', 'old')];
}

test('a fresh centre has the same rows under the old names', async () => {
  for (const deadline = Date.now() + 120_000; ; await pause(100)) {
    const { state, lagOps } = done(await first.get('/sync'), 200);
    if (state === 'up' && lagOps === 0) {
      break;
    }
    assert.ok(Date.now() < deadline, `${state}, ${lagOps} behind`);
  }
  const odd = (rows) => rows.filter((r) => r.refused || r.note);
  const oddIds = (rows) => odd(rows).map((r) => r.id);
  assert.deepEqual(differences('User', 'id', 'email username createdAt', oddIds(old.users)), []);
  assert.deepEqual(differences('User', 'id', 'lastSeen', oddIds(old.users)), []);
  const changed = db.query('SELECT o.id FROM old.`User` o JOIN centre.`User` c USING (id)' +
    ' WHERE CAST(o.password AS BINARY) <> CAST(c.password AS BINARY)').flat().map(Number);
  assert.deepEqual(changed, [1, 7, 50, 1235], 'bcrypt gives way to Argon2id at a login, and only there');
  assert.deepEqual(differences('Room', 'id', 'name isPrivate createdAt', oddIds(old.rooms)), []);
  assert.deepEqual(differences('RoomMember', 'id', 'userId roomId', oddIds(old.members)), []);
  assert.deepEqual(differences('Message', 'id', 'content createdAt senderId roomId', oddIds(old.messages)), []);
  assert.deepEqual(differences('MessageReceipt', 'messageId userId', 'deliveredAt readAt',
    odd(old.receipts).map((r) => `(${r.messageId},${r.userId})`)), []);
});

test('rooms with their unread counts are as the old rows say', async () => {
  for (const me of [first, await login(want.users[41]), await login(want.users[3000])]) {
    const rooms = done(await me.get('/rooms'), 200);
    assert.deepEqual(rooms.map((r) => r.id),
      want.members.filter((m) => m.userId === me.id).map((m) => m.roomId).sort((a, b) => a - b));
    for (const room of me === first ? rooms.filter((r) => r.id % 20 === 1) : rooms) {
      const row = want.rooms.find((r) => r.id === room.id);
      assert.deepEqual([room.name, room.isPrivate, room.createdAt], [row.name, row.isPrivate, iso(row.createdAt)]);
      assert.equal(room.unread, unreadOf(want, me.id, room.id), `user ${me.id}, room ${room.id}`);
    }
  }
});

test('receipts are as they were', async () => {
  for (const id of [2, 6, 1, 5000, 99_998]) {
    const { items } = done(await first.get(`/messages/${id}/receipts`), 200);
    assert.deepEqual(items.map((r) => [r.userId, r.deliveredAt, r.readAt]),
      want.receipts.filter((r) => r.messageId === id).sort((a, b) => a.userId - b.userId)
        .map((r) => [r.userId, iso(r.deliveredAt), iso(r.readAt)]));
  }
});

test('every message comes out in the order of its time, page by page', async () => {
  const rooms = new Map(want.rooms.map((r) => [r.id, []]));
  const users = new Map(want.users.map((u) => [u.id, u]));
  want.messages.forEach((m) => rooms.get(m.roomId).push(m));
  for (const [roomId, rows] of rooms) {
    if (!want.members.some((m) => m.userId === first.id && m.roomId === roomId)) {
      continue;
    }
    rows.sort((a, b) => b.createdAt - a.createdAt || b.id - a.id);
    const items = await wholeHistory(first, roomId);
    assert.deepEqual(items.map((m) => [m.id, m.content, m.createdAt, m.senderId, m.sender.username]),
      rows.map((m) => [m.id, m.content, iso(m.createdAt), m.senderId, users.get(m.senderId).username]));
  }
});

test('tables in lower case, without the columns and the table that may be missing, and with TEXT, are found as well', () => {
  const small = makeOld(randomFrom(SEED), { users: 20, rooms: 3, messages: 50 });
  const lower = (name) => (/^[A-Z]/.test(name) ? name.toLowerCase() : name);
  const schema = 'CREATE TABLE `user` (`id` BIGINT UNSIGNED PRIMARY KEY, `email` VARCHAR(191) COLLATE utf8mb4_bin,' +
    ' `username` VARCHAR(191), `password` CHAR(60), `createdAt` DATETIME, `role` VARCHAR(9) NULL) CHARACTER SET utf8mb4;' +
    'CREATE TABLE `room` (`id` INT PRIMARY KEY, `name` TEXT, `isPrivate` BIT(1), `createdAt` TIMESTAMP(6) NULL) CHARACTER SET utf8mb4;' +
    'CREATE TABLE `roommember` (`id` INT PRIMARY KEY, `userId` INT, `roomId` INT);' +
    'CREATE TABLE `message` (`id` INT PRIMARY KEY, `content` LONGTEXT, `createdAt` DATETIME(6), `senderId` INT, `roomId` INT)' +
    ' CHARACTER SET utf8mb4;';
  const from = db.makeDatabase('lower_case');
  db.load(oldAsSql(small, 'lower_case', { schema, rename: lower, tables: ['User', 'Room', 'RoomMember', 'Message'] }) +
    "INSERT INTO lower_case.message VALUES (9001, REPEAT('long ', 13107), '2025-01-01', 1, 1), (9002, REPEAT('x', 5000000), '2025-01-01', 1, 1); COMMIT;");
  const to = tempDir();
  const r = run(['import', '--from', from, '--data', to, '--json']);
  assert.equal(r.code, 0, r.all);
  const all = JSON.parse(r.stdout);
  assert.equal(all.tables.MessageReceipt.rows, 0);
  assert.equal(all.tables.RoomMember.imported, expected(small).members.length);
  assert.equal(all.tables.Message.imported, expected(small).messages.length + 1, JSON.stringify(all.refused));
  assert.deepEqual(all.refused.find((f) => f.table === 'Message' && f.why.startsWith('too long')).ids, [9002]);
  assert.equal(run(['check', '--data', to]).code, 0);
});
