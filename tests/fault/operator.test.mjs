// tombolo sync status | conflicts | parked | retry | pause | resume | verify | migrate: with a server and without, with a
// centre and without; verify finds each kind of difference, and only those.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, wholeHistory } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { BIN, run, start, tempDir } from '../api/lib/server.mjs';

const COMMANDS = ['status', 'conflicts', 'parked', 'retry', 'pause', 'resume', 'alone', 'verify', 'migrate'];
let db, server, ann, bob, room;

before(async () => {
  db = await MariaDb.make();
  server = await start({ env: { DATABASE_URL: db.url } });
  ann = await person(server, 'ann');
  bob = await person(server, 'bob');
  room = await ann.room('harbour');
  await bob.join(room.id);
});
after(async () => {
  await server.stop();
  await db.kill();
});

function sync(args, { data = server.dir, url = db.url } = {}) {
  const r = run(['sync', ...args, '--data', data], { env: { DATABASE_URL: url, TOMBOLO_SYNC_CONNECT_TIMEOUT_MS: '1000' } });
  assert.equal(r.signal, null);
  assert.doesNotMatch(r.all, /chat:chat/, 'the password is shown');
  return r;
}

function json(args, options, code = 0) {
  const r = sync([...args, '--json'], options);
  assert.equal(r.code, code, r.all);
  return JSON.parse(r.stdout);
}

async function until(what, holds) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(50)) {
    if (await holds()) {
      return;
    }
  }
  throw new Error(`not within 30 s: ${what}\n${server.log.slice(-3000)}`);
}

const level = () => until('level', async () => {
  const state = done(await ann.get('/sync'), 200);
  return state.state === 'up' && state.lagOps === 0;
});

const count = (table) => Number(db.query(`SELECT COUNT(*) FROM \`${table}\``)[0][0]);
const own = (sql) => {
  const r = spawnSync('sqlite3', [join(server.dir, 'tombolo.db'), `PRAGMA busy_timeout=10000; ${sql}`], { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stderr);
  return r.stdout.trim().split('\n').slice(1);
};

// ---- misuse, and nothing there

test('help names every command of the group, and what each takes', () => {
  for (const asked of [run(['help', 'sync']), run(['sync', '--help'])]) {
    assert.equal(asked.code, 0, asked.all);
    COMMANDS.forEach((command) => assert.match(asked.stdout, new RegExp(`^  ${command}\\b`, 'm')));
  }
  for (const command of COMMANDS) {
    for (const asked of [run(['help', 'sync', command]), run(['sync', command, '--help']), run(['sync', 'help', command])]) {
      assert.equal(asked.code, 0, asked.all);
      assert.match(asked.stdout, new RegExp(`usage: tombolo sync ${command}\\b`));
      assert.match(asked.stdout, /--json/);
    }
  }
});

test('what is misused ends with 2 and says what', () => {
  for (const [args, says] of [
    [[], /usage: tombolo sync/], [['brew'], /no command sync brew/], [['status', '--brew'], /--brew/],
    [['status', 'now'], /does not take now/], [['verify', '--port', '1'], /--port/], [['retry', 'x'], /retry x/],
    [['retry', '0'], /retry 0/], [['retry', '-3'], /-3/], [['parked', '--set', 'sync.brew=1'], /brew/],
  ]) {
    const r = run(['sync', ...args]);
    assert.equal(r.code, 2, `${args}: ${r.all}`);
    assert.match(r.stderr, says);
    assert.equal(r.stdout, '');
  }
  assert.equal(run(['help', 'sync', 'brew']).code, 2);
});

test('with no journal, no server and no centre all say so and fail', () => {
  const data = tempDir();
  const s = json(['status'], { data, url: '' }, 1);
  assert.equal(s.running, false);
  assert.equal(s.journal, null);
  assert.deepEqual([s.centre.address, s.centre.reached], [null, false]);
  for (const command of COMMANDS) {
    const r = sync([command], { data, url: '' });
    assert.equal(r.code, 1, `${command}: ${r.all}`);
    assert.match(r.stderr, /no journal|no centre|no server/, command);
  }
  assert.ok(!existsSync(join(data, 'tombolo.db')), 'a command made a journal');
  assert.equal(sync(['status'], { data: join(data, 'not-there'), url: '' }).code, 1);
});

test('an address that cannot be understood is said so without the password', () => {
  for (const command of ['parked', 'verify', 'migrate']) {
    const r = sync([command], { url: 'mysql://chat:geheim@[/chat' });
    assert.equal(r.code, 2, r.all);
    assert.doesNotMatch(r.all, /geheim/);
  }
});

// ---- status

test('status tells what the server, the journal and the centre know', async () => {
  await ann.send(room.id, 'first');
  await level();
  const s = json(['status']);
  assert.equal(s.running, true);
  assert.equal(s.state, 'up');
  assert.equal(s.paused, false);
  assert.deepEqual([s.lagOps, s.lagSeconds], [0, 0]);
  assert.match(s.lastSyncedAt, /^20\d\d-.*Z$/);
  const [[uuid, node, epoch, lastSeq]] = db.query('SELECT uuid, id, epoch, last_seq FROM site');
  assert.deepEqual([s.journal.uuid, s.journal.node, s.journal.epoch], [uuid, Number(node), Number(epoch)]);
  assert.deepEqual([s.journal.ownSeq, s.centre.lastSeq], [Number(lastSeq), Number(lastSeq)]);
  assert.equal(s.journal.centre, db.query('SELECT uuid FROM centre')[0][0]);
  assert.equal(s.centre.uuid, s.journal.centre);
  assert.equal(s.centre.address, `chat@127.0.0.1:${db.port}/chat`);
  assert.deepEqual([s.centre.parked, s.journal.conflicts], [0, 0]);
  assert.deepEqual(s.journal.applied, []);
  const text = sync(['status']).stdout;
  for (const says of [/^state +up$/m, /^behind +0 ops/m, new RegExp(uuid), /^parked +0$/m, /^conflicts +0$/m, /^paused +no$/m]) {
    assert.match(text, says);
  }
});

test('status shows what has been applied of other sites', () => {
  own('INSERT INTO origin (node, seq, chain, floor_seq, floor_chain) VALUES (3, 17, zeroblob(16), 0, zeroblob(16))');
  assert.deepEqual(json(['status']).journal.applied, [{ node: 3, seq: 17 }]);
  assert.match(sync(['status']).stdout, /^applied +op 17 of node 3$/m);
  own('DELETE FROM origin WHERE node = 3');
});

test('a schema that is newer than the program is said so; one too new is not migrated', () => {
  db.query("INSERT INTO schema_version VALUES (99, '0099_later', NOW(3))");
  const s = json(['status']);
  assert.equal(s.centre.schema, 99);
  assert.ok(s.centre.schemaKnown < 99);
  assert.match(sync(['status']).stdout, /newer than this program knows/);
  for (const command of ['migrate', 'verify']) {
    const r = sync([command]);
    assert.equal(r.code, 1);
    assert.match(r.stderr, /newer tombolo/, command);
  }
  db.query('DELETE FROM schema_version WHERE version = 99');
});

// ---- conflicts

test('conflicts lists whose e-mail is parked, since when, and nobody else', () => {
  assert.deepEqual(json(['conflicts']), { conflicts: [], count: 0 });
  assert.match(sync(['conflicts']).stdout, /No e-mail/);
  own(`UPDATE user SET email_parked = 1, username = 'b' || char(27) || 'b' WHERE id = ${bob.id}`);
  const { conflicts, count: n } = json(['conflicts']);
  assert.equal(n, 1);
  assert.deepEqual(conflicts, [{ id: bob.id, username: 'b\u001bb', email: bob.user.email, since: null }]);
  const text = sync(['conflicts']).stdout;
  assert.match(text, new RegExp(`^user ${bob.id} .*${bob.user.email}  b\\?b$`, 'm'));
  assert.equal(json(['status']).journal.conflicts, 1);
  own(`UPDATE user SET email_parked = 0, username = '${bob.user.username}' WHERE id = ${bob.id}`);
});

// ---- pause and resume

test('pause holds ops back, also over a restart, and resume lets them go', async () => {
  await level();
  const before = count('message');
  assert.deepEqual(json(['pause']), { running: true, paused: true });
  await until('down', async () => done(await ann.get('/sync'), 200).state === 'down');
  for (let i = 0; i < 20; i++) {
    await ann.send(room.id, `held back ${i}`);
  }
  let s = json(['status']);
  assert.deepEqual([s.state, s.paused, s.lagOps >= 20], ['down', true, true]);
  await pause(1500);
  assert.equal(count('message'), before);
  await server.stop();
  assert.equal(json(['status']).paused, true);
  assert.deepEqual([json(['status']).running, json(['status']).state], [false, null]);
  server = await start({ data: server.dir, env: { DATABASE_URL: db.url } });
  [ann, bob].forEach((one) => { one.server = server; });
  await pause(1500);
  assert.equal(count('message'), before);
  s = json(['status']);
  assert.deepEqual([s.running, s.state, s.paused], [true, 'down', true]);
  assert.match(sync(['status']).stdout, /^paused +yes/m);
  assert.match(sync(['resume']).stdout, /goes on/);
  await level();
  assert.equal(count('message'), before + 20);
  assert.equal(json(['status']).paused, false);
});

test('without a server a pause is kept for the next start, and ended as well', async () => {
  await server.stop();
  const before = count('message');
  assert.deepEqual(json(['pause']), { running: false, paused: true });
  server = await start({ data: server.dir, env: { DATABASE_URL: db.url } });
  [ann, bob].forEach((one) => { one.server = server; });
  await ann.send(room.id, 'kept back from the start');
  await pause(1000);
  assert.equal(count('message'), before);
  await server.stop();
  assert.match(sync(['resume']).stdout, /next start/);
  server = await start({ data: server.dir, env: { DATABASE_URL: db.url } });
  [ann, bob].forEach((one) => { one.server = server; });
  await level();
  assert.equal(count('message'), before + 1);
});

test('a server without a centre cannot be paused, and says so', async () => {
  const alone = await start({ env: { DATABASE_URL: '' } });
  const r = sync(['pause'], { data: alone.dir });
  assert.equal(r.code, 1);
  assert.match(r.stderr, /sync is off/);
  assert.equal(json(['status'], { data: alone.dir, url: '' }).state, 'off');
  await alone.stop();
});

test('killed with -9 the server leaves a socket behind, which is no server', async () => {
  await server.kill();
  assert.ok(existsSync(join(server.dir, 'control')));
  assert.equal(json(['status']).running, false);
  server = await start({ data: server.dir, env: { DATABASE_URL: db.url } });
  [ann, bob].forEach((one) => { one.server = server; });
  assert.equal(json(['status']).running, true);
  await level();
});

// ---- verify

const verify = (code) => json(['verify'], {}, code);
const faults = (v) => v.differences.map((d) => `${d.what} ${d.id ?? d.roomId ?? d.messageId}` +
  `${d.userId === undefined ? '' : ` ${d.userId}`} ${d.is}`).sort();

test('verify finds no difference where there is none, and counts what it compared', async () => {
  const other = await ann.room('pier');
  await bob.join(other.id);
  const ids = [];
  for (let i = 0; i < 700; i++) {
    const m = await ann.send(i % 3 ? room.id : other.id, `message ${i} 港 😀 \\ ' " ${'x'.repeat(i % 50)}`);
    if (i % 3 && ids.length < 300) {
      ids.push(m.id);
    }
  }
  done(await bob.post('/messages/read', { messageIds: ids }), 200);
  done(await bob.delete(`/rooms/${other.id}/members/me`), 204);
  await level();
  const v = verify(0);
  assert.deepEqual([v.differences, v.count, v.underway], [[], 0, 0]);
  for (const [thing, table] of [['user', 'user'], ['room', 'room'], ['member', 'member'], ['message', 'message'],
    ['receipt', 'receipt']]) {
    assert.deepEqual(v[thing], { here: count(table), there: count(table) }, thing);
    assert.ok(v[thing].here > 0);
  }
  assert.deepEqual(v.claim, { here: count('user'), there: count('user') });
  assert.deepEqual(v.op, { here: Number(db.query('SELECT last_seq FROM site')[0][0]), there: count('op_log') });
  assert.match(sync(['verify']).stdout, /^No difference/m);
});

test('verify beside sends and a paused link finds no difference: what is on its way is none', async () => {
  let isOver = false;
  const writing = (async () => {
    for (let i = 0; !isOver; i++) {
      const m = await ann.send(room.id, `meanwhile ${i}`);
      done(await bob.post('/messages/read', { messageIds: [m.id] }), 200);
    }
  })();
  for (let i = 0; i < 5; i++) {
    assert.deepEqual((await verifyBeside()).differences, []);
  }
  assert.equal(sync(['pause']).code, 0);
  await until('something is held back', () => json(['status']).lagOps > 50);
  const v = verify(0);
  assert.ok(v.underway > 50);
  isOver = true;
  await writing;
  assert.equal(sync(['resume']).code, 0);
  await level();
});

test('verify without a server finds the same', async () => {
  await server.stop();
  assert.equal(verify(0).count, 0);
  server = await start({ data: server.dir, env: { DATABASE_URL: db.url } });
  [ann, bob].forEach((one) => { one.server = server; });
  await level();
});

// While this process goes on sending.
async function verifyBeside() {
  const child = spawn(BIN, ['sync', 'verify', '--json', '--data', server.dir], {
    env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS, TSAN_OPTIONS: process.env.TSAN_OPTIONS,
      DATABASE_URL: db.url },
  });
  let out = '', said = '';
  child.stdout.on('data', (bytes) => { out += bytes; });
  child.stderr.on('data', (bytes) => { said += bytes; });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, out + said);
  return JSON.parse(out);
}

const M = (i) => Number(db.query(`SELECT id FROM message WHERE room_id = ${room.id} ORDER BY hlc, id LIMIT 1 OFFSET ${i}`)[0][0]);
const receipt = () => db.query('SELECT message_id, user_id FROM receipt ORDER BY message_id LIMIT 1 OFFSET 7')[0].map(Number);

// what is done at the centre -> what verify says; each is undone by putting the table back
for (const [what, table, change, expected] of [
  ['a message that was deleted there', 'message', () => `DELETE FROM message WHERE id = ${M(5)}`,
    (was) => [`message ${was.m5} missing there`]],
  ['a message that is only there', 'message',
    () => `INSERT INTO message SELECT 4000000, hlc, room_id, sender_id, created_at, content FROM message WHERE id = ${M(3)}`,
    () => ['message 4000000 missing here']],
  ['a message whose text was changed there', 'message', () => `UPDATE message SET content = CONCAT(content, ' ') WHERE id = ${M(400)}`,
    (was) => [`message ${was.m400} differs`]],
  ['a message in another case there', 'message', () => `UPDATE message SET content = UPPER(content) WHERE id = ${M(400)}`,
    (was) => [`message ${was.m400} differs`]],
  ['a message with another place in the order', 'message', () => `UPDATE message SET hlc = hlc + 99999999 WHERE id = ${M(5)}`,
    (was) => [`message ${was.m5} differs`]],
  ['a message that moved to another room', 'message', () => `UPDATE message SET room_id = ${room.id + 1} WHERE id = ${M(5)}`,
    (was) => [`message ${was.m5} differs`]],
  ['a message a millisecond off', 'message',
    () => `UPDATE message SET created_at = created_at + INTERVAL 1000 MICROSECOND WHERE id = ${M(0)}`,
    (was) => [`message ${was.m0} differs`]],
  ['two messages that changed places', 'message',
    () => `UPDATE message a, message b SET a.content = b.content, b.content = a.content WHERE a.id = ${M(5)} AND b.id = ${M(400)}`,
    null],
  ['a room of messages that is only there', 'message',
    () => `INSERT INTO message SELECT id + 5000000, hlc, 777, sender_id, created_at, content FROM message WHERE id = ${M(3)}`,
    (was) => [`message ${was.m3 + 5000000} missing here`]],
  ['all messages gone', 'message', () => 'DELETE FROM message', () => 'all missing there'],
  ['a receipt that was deleted there', 'receipt', () => `DELETE FROM receipt WHERE message_id = ${receipt()[0]}`,
    (was) => [`receipt ${was.receipt.join(' ')} missing there`]],
  ['a receipt that is only there', 'receipt',
    () => `INSERT INTO receipt SELECT message_id, 999, delivered_at, read_at FROM receipt WHERE message_id = ${receipt()[0]}`,
    (was) => [`receipt ${was.receipt[0]} 999 missing here`]],
  ['a receipt whose time differs', 'receipt', () => `UPDATE receipt SET read_at = NULL WHERE message_id = ${receipt()[0]}`,
    (was) => [`receipt ${was.receipt.join(' ')} differs`]],
  ['a receipt of no message', 'receipt', () => "INSERT INTO receipt VALUES (123456789, 5, '2026-01-01', NULL)",
    () => ['receipt 123456789 5 missing here']],
  ['a member who is missing there', 'member', () => `DELETE FROM member WHERE room_id = ${room.id} AND user_id = ${bob.id}`,
    () => [`member ${room.id} ${bob.id} missing there`]],
  ['a member who is only there', 'member',
    () => `INSERT INTO member SELECT room_id, 4711, id + 1000, is_member, by_id, joined_at, stamp, node FROM member ` +
      `WHERE room_id = ${room.id} AND user_id = ${bob.id}`,
    () => [`member ${room.id} 4711 missing here`]],
  ['a member who left there', 'member', () => `UPDATE member SET is_member = 0 WHERE room_id = ${room.id} AND user_id = ${bob.id}`,
    () => [`member ${room.id} ${bob.id} differs`]],
  ['a user who is missing there', 'user', () => `DELETE FROM user WHERE id = ${bob.id}`, () => [`user ${bob.id} missing there`]],
  ['a user whose name differs in case', 'user', () => `UPDATE user SET username = UPPER(username) WHERE id = ${bob.id}`,
    () => [`user ${bob.id} differs`]],
  ['a password that was changed there', 'user', () => `UPDATE user SET password = 'x' WHERE id = ${ann.id}`,
    () => [`user ${ann.id} differs`]],
  ['a user who is only there', 'user', () => 'INSERT INTO user (id, hlc) VALUES (31337, 5)', () => ['user 31337 missing here']],
  ['a room that is missing there', 'room', () => `DELETE FROM room WHERE id = ${room.id}`, () => [`room ${room.id} missing there`]],
  ['a room with another name', 'room', () => `UPDATE room SET name = 'Harbour' WHERE id = ${room.id}`, () => [`room ${room.id} differs`]],
  ['a claim that is missing there', 'email_claim', () => `DELETE FROM email_claim WHERE user_id = ${bob.id}`,
    () => [`claim ${bob.id} missing there`]],
  ['a claim that was given up there', 'email_claim', () => `UPDATE email_claim SET parked_stamp = stamp WHERE user_id = ${bob.id}`,
    () => [`claim ${bob.id} differs`]],
  ['a claim of another time', 'email_claim', () => `UPDATE email_claim SET stamp = stamp - 1 WHERE user_id = ${ann.id}`,
    () => [`claim ${ann.id} differs`]],
  ['an op that is missing there', 'op_log', () => 'DELETE FROM op_log WHERE seq = 300', () => ['op 300 missing there']],
  ['the newest op missing there', 'op_log', () => 'DELETE FROM op_log ORDER BY seq DESC LIMIT 1',
    (was) => [`op ${was.ops} missing there`]],
  ['an op whose body was changed there', 'op_log', () => 'UPDATE op_log SET body = CONCAT(body, \' \') WHERE seq = 17',
    () => ['op 17 differs']],
  ['an op with another chain', 'op_log', () => "UPDATE op_log SET chain = REPEAT('x', 16) WHERE seq = 18", () => ['op 18 differs']],
  ['an op of another time', 'op_log', () => 'UPDATE op_log SET at = at + 1 WHERE seq = 19', () => ['op 19 differs']],
  ['an op of another kind', 'op_log', () => 'UPDATE op_log SET kind = 10 WHERE seq = 1', () => ['op 1 differs']],
  ['two ops with each other\'s bodies', 'op_log',
    () => 'UPDATE op_log a, op_log b SET a.body = b.body, b.body = a.body WHERE a.seq = 20 AND b.seq = 21',
    () => ['op 20 differs', 'op 21 differs']],
  ['a room that became private', 'room', () => `UPDATE room SET is_private = 1 WHERE id = ${room.id}`, () => [`room ${room.id} differs`]],
]) {
  test(`verify names ${what}, and nothing else`, () => {
    const was = { m0: M(0), m3: M(3), m5: M(5), m400: M(400), receipt: receipt(), ops: json(['status']).centre.lastSeq };
    db.query(`CREATE TABLE kept AS SELECT * FROM \`${table}\``);
    let v, texts;
    try {
      db.query(change());
      v = verify(1);
      texts = sync(['verify']);
    } finally {
      db.query(`DELETE FROM \`${table}\`; INSERT INTO \`${table}\` SELECT * FROM kept; DROP TABLE kept`);
    }
    const wanted = expected === null ? [`message ${was.m5} differs`, `message ${was.m400} differs`].sort() : expected(was);
    if (wanted === 'all missing there') {
      assert.equal(v.count, count('message'));
      assert.ok(faults(v).every((f) => /^message \d+ missing there$/.test(f)), faults(v).slice(0, 5).join());
    } else {
      assert.deepEqual(faults(v), wanted);
      assert.equal(v.count, wanted.length);
    }
    assert.equal(texts.code, 1);
    assert.match(texts.stdout, new RegExp(`^${v.count} differences`, 'm'));
    assert.equal(verify(0).count, 0, 'put back');
  });
}

test('verify and parked refuse a centre that is not this journal\'s', () => {
  db.query("UPDATE site SET uuid = '00000000-0000-4000-8000-000000000000'");
  for (const command of ['verify', 'parked', 'retry']) {
    const r = sync([command]);
    assert.equal(r.code, 1);
    assert.match(r.stderr, /belongs to journal/, command);
  }
  db.query(`UPDATE site SET uuid = '${own('SELECT uuid FROM self')[0]}'`);
});

test('history that has left the journal is counted as such, and what else is missing here is still named', async () => {
  await server.stop();
  const data = join(tempDir(), 'pruned');
  cpSync(server.dir, data, { recursive: true });
  server = await start({ data: server.dir, env: { DATABASE_URL: db.url } });
  [ann, bob].forEach((one) => { one.server = server; });
  await level();
  const [floor, beyond] = [M(20), M(450)];
  const there = (what) => Number(db.query(`SELECT COUNT(*) FROM ${what}`)[0][0]);
  const gone = there(`message WHERE id <= ${floor}`) + there(`receipt WHERE message_id <= ${floor}`);
  const r = spawnSync('sqlite3', [join(data, 'tombolo.db'), `DELETE FROM message WHERE id <= ${floor} OR id = ${beyond};` +
    `DELETE FROM receipt WHERE message_id <= ${floor};` +
    `INSERT INTO history_floor SELECT node, ${floor} FROM self`], { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stderr);
  const v = json(['verify'], { data }, 1);
  assert.deepEqual(faults(v), [`message ${beyond} missing here`]);
  assert.equal(v.pruned, gone);
  assert.match(sync(['verify'], { data }).stdout, new RegExp(`and ${gone} rows of history that have left`));
});

// ---- two sites

test('at each of two sites verify finds no difference, nor what is on its way from the other; conflicts are told', async () => {
  const second = await start({ env: { DATABASE_URL: db.url } });
  await second.says('sync.up');
  const there = { data: second.dir };
  const applied = () => json(['status'], there).journal.applied;
  const me = json(['status']).journal;
  const isLevel = () => until('both level', () => {
    const [a, b] = [json(['status']), json(['status'], there)];
    return [a, b].every((s) => s.state === 'up' && s.lagOps === 0) &&
      applied().some((o) => o.node === me.node && o.seq === a.journal.ownSeq) &&
      a.journal.applied.some((o) => o.node === b.journal.node && o.seq === b.journal.ownSeq);
  });
  const cy = await person(second, 'cy');
  await cy.join(room.id).catch(() => {});     // it may not have come yet
  await isLevel();
  await cy.join(room.id);
  await cy.send(room.id, 'from the second site');
  await isLevel();
  assert.equal(json(['verify']).count, 0);
  assert.equal(json(['verify'], there).count, 0);

  assert.equal(sync(['pause'], there).code, 0);
  await ann.send(room.id, 'on its way down');
  await cy.send(room.id, 'on its way up');
  await person(server, 'dee');
  await pause(5);
  const late = await person(second, 'dee');   // the same e-mail, later
  await until('level', async () => done(await ann.get('/sync'), 200).lagOps === 0);
  const v = json(['verify'], there);
  assert.equal(v.count, 0, JSON.stringify(v));
  assert.ok(v.underway >= 4);
  assert.equal(sync(['resume'], there).code, 0);
  await until('the conflict', () => json(['conflicts'], there).count > 0 && json(['conflicts']).count > 0);
  await isLevel();
  for (const options of [{}, there]) {
    const { conflicts } = json(['conflicts'], options);
    assert.deepEqual(conflicts.map((c) => [c.id, c.email]), [[late.id, late.user.email]]);
    assert.match(conflicts[0].since, /^20\d\d-/);
    assert.equal(json(['verify'], options).count, 0);
  }
  await second.stop();
});

// ---- parked and retry

// As the engine parks an op: the row of parked, the kind in op_log, and no effect.
async function park(text) {
  const m = await ann.send(room.id, text);
  await level();
  const [[seq]] = db.query(`SELECT MAX(seq) FROM op_log WHERE kind = 8`);
  db.query(`UPDATE op_log SET kind = 0 WHERE seq = ${seq}; DELETE FROM message WHERE id = ${m.id};` +
    `INSERT INTO parked SELECT id, ${seq}, 8, 1366, 'Incorrect string value' FROM site`);
  return { id: m.id, seq: Number(seq) };
}

test('parked lists our refused ops with their content; verify says that they are parked', async () => {
  assert.deepEqual(json(['parked']), { parked: [], count: 0 });
  const p = await park(`too much for the centre ${'é'.repeat(200)}`);
  const { parked } = json(['parked']);
  assert.equal(parked.length, 1);
  assert.deepEqual([parked[0].seq, parked[0].kind, parked[0].code, parked[0].reason],
    [p.seq, 'message_sent', 1366, 'Incorrect string value']);
  assert.match(parked[0].body, /too much for the centre é+\.\.\.$/);
  assert.match(sync(['parked']).stdout, new RegExp(`^op ${p.seq} message_sent: 1366 Incorrect string value\\n    {"id":${p.id},`, 'm'));
  assert.equal(json(['status']).centre.parked, 1);
  const v = verify(1);
  assert.deepEqual(v.differences, [{ what: 'message', id: p.id, is: 'missing there', parked: true }]);
});

test('retry sends them again, once, and nobody on site sees anything of it', async () => {
  const other = await park('second');
  const before = await wholeHistory(bob, room.id);
  const head = (await bob.history(room.id, '?limit=1')).offset;
  const none = sync(['retry', '1']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /op 1 is not parked/);
  const named = json(['retry', String(other.seq)]);
  assert.deepEqual(named.retried.map((r) => r.seq), [other.seq]);
  assert.ok(named.retried[0].newSeq > other.seq);
  assert.equal(json(['parked']).count, 1);
  assert.match(sync(['retry']).stdout, /^op \d+ goes again as op \d+$/m);
  assert.deepEqual(json(['retry']), { retried: [], count: 0 });
  await level();
  assert.equal(verify(0).count, 0);
  assert.equal(Number(db.query(`SELECT COUNT(*) FROM message WHERE id = ${other.id}`)[0][0]), 1);
  const strip = (items) => items.map(({ syncedAt, ...rest }) => rest);
  assert.deepEqual(strip(await wholeHistory(bob, room.id)), strip(before));
  assert.deepEqual((await bob.history(room.id, `?since=${head}`)).items, []);
  await server.stop();
  const r = sync(['retry']);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /no server runs/);
  assert.equal(run(['check', '--data', server.dir]).code, 0);
  server = await start({ data: server.dir, env: { DATABASE_URL: db.url } });
  [ann, bob].forEach((one) => { one.server = server; });
});

test('the hash of a password is not shown, whatever is parked', async () => {
  await level();
  const [[seq]] = db.query('SELECT MIN(seq) FROM op_log WHERE kind = 1');
  db.query(`INSERT INTO parked SELECT id, ${seq}, 1, 1406, 'Data too long' FROM site`);
  const r = sync(['parked']);
  assert.match(r.stdout, /user_registered: 1406 Data too long\n {4}\(not shown\)/);
  assert.equal(json(['parked']).parked[0].body, null);
  db.query('DELETE FROM parked');
});

// ---- migrate, and a centre that is away

test('migrate brings an empty database to the schema, and then has nothing to do', () => {
  db.query('CREATE DATABASE IF NOT EXISTS chat');
  const tables = db.query('SHOW FULL TABLES').map(([name, kind]) => [name, kind === 'VIEW' ? 'VIEW' : 'TABLE']);
  const data = join(tempDir(), 'x');
  mkdirSync(data);
  const r = sync(['migrate'], { data });
  assert.equal(r.code, 0, r.all);
  assert.match(r.stdout, /nothing to do/);
  db.query(tables.map(([name, kind]) => `DROP ${kind} \`${name}\``).join(';'));
  assert.match(sync(['status'], { data }).stdout, /empty/);
  const made = json(['migrate'], { data });
  assert.deepEqual([made.from, made.to], [0, made.known]);
  assert.equal(db.query('SHOW TABLES').length, tables.length);
  assert.deepEqual(json(['migrate'], { data }), { from: made.known, to: made.known, known: made.known });
});

test('with the centre away status still tells what is known here, and what needs it fails', async () => {
  await db.kill();
  await until('down', async () => done(await ann.get('/sync'), 200).state === 'down');
  await until('an error', () => json(['status']).lastError !== null);
  const s = json(['status']);
  assert.deepEqual([s.running, s.state, s.centre.reached], [true, 'down', false]);
  assert.match(s.centre.why, /connect/);
  assert.match(s.lastErrorAt, /^20\d\d-.*Z$/);
  assert.match(sync(['status']).stdout, /^last error .*\n/m);
  for (const command of ['parked', 'retry', 'verify', 'migrate']) {
    const r = sync([command]);
    assert.equal(r.code, 1, command);
    assert.match(r.stderr, /connect/);
  }
  assert.equal(sync(['conflicts']).code, 0);
});
