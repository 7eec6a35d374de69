// The centre's views beside the old backend's tables, on one database server: the same columns, the same comparisons, the marks
// of receipts, indexes used, and nothing that can be changed through them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, request } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { OLD_TABLES, SCHEMA } from '../api/lib/old.mjs';
import { start } from '../api/lib/server.mjs';

const MY_SQL = process.env.TB_MYSQLD !== undefined;
const VIEWS = Object.keys(OLD_TABLES);
const TABLES = ['user', 'room', 'member', 'message', 'receipt'];
let db, server, ann, bob, room, messages;

before(async () => {
  db = await MariaDb.make();
  db.makeDatabase('old');
  db.load(`USE old;\n${SCHEMA}`);
  server = await start({ env: { DATABASE_URL: db.makeDatabase('centre') } });
  ann = await person(server, 'Ann');
  bob = await person(server, 'jörg');
  room = await ann.room('Harbour');
  await bob.join(room.id);
  messages = [];
  for (const text of ['Moin, Jörg', 'Tide at nine', 'Nothing']) {
    messages.push(await ann.send(room.id, text));
  }
  done(await bob.post('/messages/read', { messageIds: [messages[0].id] }), 200);
  await level();
});
after(async () => {
  await server.stop();
  await db.kill();
});

async function level() {
  for (const deadline = Date.now() + 60_000; ; await pause(50)) {
    const { state, lagOps } = done(await ann.get('/sync'), 200);
    if (state === 'up' && lagOps === 0) {
      return;
    }
    assert.ok(Date.now() < deadline, `${state}, ${lagOps} behind`);
  }
}

const ask = (sql) => db.query(`USE centre; ${sql}`);
const columnsOf = (database, table) => db.query('SELECT column_name, data_type, column_type, collation_name FROM information_schema.columns' +
  ` WHERE table_schema = '${database}' AND CAST(table_name AS BINARY) = '${table}' ORDER BY ordinal_position`);

test('each view has the columns of its table, in their order, and text and marks of the same kind', () => {
  for (const view of VIEWS) {
    const was = columnsOf('old', view), is = columnsOf('centre', view).filter(([name]) => name !== 'joinedAt');
    assert.deepEqual(was.map(([name]) => name), Object.keys(OLD_TABLES[view].columns));
    assert.deepEqual(is.map(([name]) => name), was.map(([name]) => name), view);
    for (const [i, [name, kind, type, collation]] of was.entries()) {
      assert.equal(is[i][3], collation, `${view}.${name}`);
      if (/^(datetime|tinyint)/.test(kind)) {
        assert.equal(is[i][2].split(' ')[0], type, `${view}.${name}`);
      }
    }
  }
});

test('text compares as it did there, and by bytes where the sites meet', () => {
  const rows = `INSERT INTO old.User (id, email, username, password) SELECT id, email, username, password FROM centre.User;
    INSERT INTO old.Room (id, name) SELECT id, name FROM centre.Room;
    INSERT INTO old.Message (id, content, senderId, roomId) SELECT id, content, senderId, roomId FROM centre.Message;`;
  db.load(rows);
  for (const [sql, n] of [["User WHERE email = 'ANN@example.ORG '", 1], ["User WHERE email = 'jorg@example.org'", 1],
    ["User WHERE username = 'JORG'", 1], ["User WHERE email LIKE 'ann@%'", 1], ["User WHERE email = 'anne@example.org'", 0],
    ["Room WHERE name = 'harbour'", 1], ["Room WHERE name IN ('HARBOUR', 'x')", 1], ["Message WHERE content LIKE '%JORG%'", 1],
    ["Message WHERE content = 'tide AT nine'", 1], ['(SELECT content FROM Message GROUP BY content) x', 3]]) {
    for (const database of ['old', 'centre']) {
      assert.equal(Number(db.query(`USE ${database}; SELECT COUNT(*) FROM ${sql}`)), n, `${database}: ${sql}`);
    }
  }
  assert.equal(Number(ask("SELECT COUNT(*) FROM user WHERE email = 'ANN@example.ORG'")), 0);
});

test('two whose e-mails the old tables held for the same are two here, also at the centre', async () => {
  const twin = await person(server, 'jorg');
  await level();
  assert.deepEqual(ask("SELECT id FROM User WHERE email = 'JORG@example.org' ORDER BY id").flat().map(Number), [bob.id, twin.id]);
  done(await request(server, 'POST', '/auth/login', { body: { email: 'jorg@example.org', password: twin.password } }), 200);
});

test('delivered and read say what deliveredAt and readAt say', () => {
  const receipts = ask('SELECT messageId, userId, delivered, `read`, deliveredAt IS NOT NULL, readAt IS NOT NULL FROM MessageReceipt');
  assert.ok(receipts.some((r) => r.join() === `${messages[0].id},${bob.id},1,1,1,1`), receipts.join(' '));
  for (const r of receipts) {
    assert.deepEqual(r.slice(2, 4), r.slice(4, 6));
  }
  assert.equal(Number(ask('SELECT COUNT(*) FROM MessageReceipt WHERE `read` = true')), 1);
});

// By the server's own account, which may do anything in its database.
function attempt(sql) {
  const before = TABLES.map((t) => db.query(`SELECT * FROM centre.\`${t}\` ORDER BY 1, 2`).join('\n'));
  const r = db.tryQuery(`USE centre; ${sql}`);
  TABLES.forEach((t, i) => assert.equal(db.query(`SELECT * FROM centre.\`${t}\` ORDER BY 1, 2`).join('\n'), before[i], sql));
  assert.notEqual(r.status, 0, `went through: ${sql}`);
}

test('nothing can be changed through them, whatever rights one has', () => {
  for (const view of VIEWS) {
    attempt(`DELETE FROM ${view}`);
    attempt(`DELETE FROM ${view} WHERE id > 0`);
    attempt(`DELETE x FROM ${view} x JOIN centre c`);
    attempt(`TRUNCATE ${view}`);
    for (const name of columnsOf('centre', view).map(([column]) => `\`${column}\``)) {
      attempt(`UPDATE ${view} SET ${name} = '7'`);
      attempt(`INSERT INTO ${view} (${name}) VALUES ('7')`);
      attempt(`REPLACE INTO ${view} (${name}) VALUES ('7')`);
      attempt(`INSERT INTO ${view} (${name}) VALUES ('7') ON DUPLICATE KEY UPDATE ${name} = '8'`);
    }
  }
  attempt("INSERT INTO User (id, email, password, username) VALUES (77, 'x@x', 'x', 'x')");
  attempt("INSERT INTO Message (id, content, senderId, roomId) VALUES (77, 'x', 1, 1)");
  attempt('INSERT INTO MessageReceipt (messageId, userId) VALUES (77, 1)');
});

test('nor can text and times by an update of several tables', () => {
  for (const set of ["User x JOIN centre c SET x.username = 'y'", "User x JOIN centre c SET x.password = 'y'", "User x JOIN centre c SET x.lastSeen = NOW()",
    "Room x JOIN centre c SET x.name = 'y'", "Message x JOIN centre c SET x.content = 'y'", 'Message x JOIN centre c SET x.createdAt = NOW()',
    'MessageReceipt x JOIN centre c SET x.readAt = NOW()']) {
    attempt(`UPDATE ${set}`);
  }
});

test('they are merged: a key is looked up, an order is that of an index, and no table is made for them', () => {
  const plan = (sql) => db.query(`USE centre; EXPLAIN ${MY_SQL ? 'FORMAT=TREE ' : ''}${sql}`).join('\n');
  const [byKey, byEmail, ordered] = MY_SQL ? [/Rows fetched before/, /user_email_ci/, /Index scan on message using PRIMARY \(reverse\)/]
    : [/,const,PRIMARY/, /,ref,user_email_ci/, /,index,\S*,PRIMARY/];
  assert.match(plan(`SELECT * FROM User WHERE id = ${ann.id}`), byKey);
  assert.match(plan(`SELECT * FROM MessageReceipt WHERE messageId = ${messages[0].id} AND userId = ${bob.id}`), byKey);
  assert.match(plan("SELECT * FROM User WHERE email = 'ANN@example.org'"), byEmail);
  assert.match(plan('SELECT * FROM Message ORDER BY id DESC LIMIT 2'), ordered);
  for (const view of VIEWS) {
    assert.doesNotMatch(plan(`SELECT * FROM ${view} WHERE id = 1`), /DERIVED|materialize/i);
  }
});
