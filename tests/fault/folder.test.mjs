// The folder knows its journal: what is missing, emptied, older, another's or another program's is refused before anything is
// written, says what to do, and what it says to do works.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Person, done, person, request, wholeHistory } from '../api/lib/client.mjs';
import { freePort, run, start, tempDir } from '../api/lib/server.mjs';

const COUNT = 20;
const DB = 'tombolo.db', WAL = 'tombolo.db-wal', SHM = 'tombolo.db-shm', ID = 'journal.id';
let killed;             // the folder of a server that was killed: most of it lies in the WAL
let stopped;            // and of another journal whose server was stopped in order

async function fill(server) {
  const me = await person(server, 'scribe'), room = await me.room('archive');
  for (let i = 0; i < COUNT; i++) {
    await me.send(room.id, `entry ${i}`);
  }
  return { password: me.password, roomId: room.id };
}

before(async () => {
  const one = await start(), other = await start();
  killed = { dir: one.dir, ...await fill(one) };
  stopped = { dir: other.dir, ...await fill(other) };
  one.signal('SIGKILL');
  await one.ended;
  await other.stop();
  assert.ok(readFileSync(join(killed.dir, WAL)).length > 0);
});

function copy(of) {
  const dir = tempDir();
  cpSync(of.dir, dir, { recursive: true, filter: (path) => !path.endsWith('/control') });
  return dir;
}

const pathOf = (f) => join(f.parentPath ?? f.path, f.name);
const isEmpty = (f) => readFileSync(pathOf(f)).length === 0;
const contents = (dir) => Object.fromEntries(readdirSync(dir, { recursive: true, withFileTypes: true }).filter((f) => f.isFile() &&
  !['tombolo.lock', SHM].includes(f.name) && !(f.name === WAL && isEmpty(f))).map((f) => [pathOf(f), readFileSync(pathOf(f)).toString('base64')]));

// What serve says. Nothing in the folder has changed.
async function refusal(dir) {
  const had = contents(dir);
  const r = run(['serve', '--port', String(await freePort()), '--data', dir]);
  assert.ok(r.code > 0, `it served: ${r.all}`);
  assert.deepEqual(contents(dir), had);
  assert.ok(r.all.includes(dir), r.all);
  return r.all;
}

async function hasAll(dir, of) {
  const server = await start({ data: dir });
  const answer = done(await request(server, 'POST', '/auth/login', { body: { email: 'scribe@example.org', password: of.password } }), 200);
  assert.equal((await wholeHistory(new Person(server, answer, of.password), of.roomId)).length, COUNT);
  await server.stop();
}

for (const [what, spoil] of [['empty', (path) => writeFileSync(path, '')], ['missing', (path) => rmSync(path)]]) {
  test(`a tombolo.db that is ${what} beside its WAL: refused, and all is there when it is put back`, async () => {
    const dir = copy(killed);
    spoil(join(dir, DB));
    assert.match(await refusal(dir), new RegExp(`${what} here, where a journal was: put it back, or restore a backup`));
    cpSync(join(killed.dir, DB), join(dir, DB));
    await hasAll(dir, killed);
  });

  test(`a tombolo.db that is ${what}, of a server that was stopped in order: refused, by import as well`, async () => {
    const dir = copy(stopped);
    spoil(join(dir, DB));
    assert.match(await refusal(dir), new RegExp(`${what} here, where a journal was`));
    const had = contents(dir);
    const r = run(['import', '--data', dir, '--from', 'mysql://nobody@127.0.0.1:1/none']);
    assert.ok(r.code > 0, r.all);
    assert.deepEqual(contents(dir), had);
  });
}

test('a WAL that is lost: refused, and all is there when it is put back', async () => {
  const dir = copy(killed);
  rmSync(join(dir, WAL));
  rmSync(join(dir, SHM), { force: true });
  assert.match(await refusal(dir), /tombolo\.db is without a table here|ends at \d+ and had come to \d+.*WAL is lost/);
  cpSync(join(killed.dir, WAL), join(dir, WAL));
  rmSync(join(dir, SHM), { force: true });
  await hasAll(dir, killed);
});

test('an older copy of the file: refused; with a backup, restore puts all aside and goes on', async () => {
  const dir = copy(stopped), older = readFileSync(join(dir, DB)), backup = join(tempDir(), 'b');
  let server = await start({ data: dir });
  const answer = done(await request(server, 'POST', '/auth/login', { body: { email: 'scribe@example.org', password: stopped.password } }), 200);
  await new Person(server, answer, stopped.password).send(stopped.roomId, 'one more');
  await server.stop();
  const b = run(['backup', backup, '--data', dir]);
  assert.equal(b.code, 0, b.all);
  writeFileSync(join(dir, DB), older);
  assert.match(await refusal(dir), /ends at \d+ and had come to \d+: an older tombolo\.db/);
  const r = run(['restore', backup, '--data', dir, '--force', '--take-over']);
  assert.equal(r.code, 0, r.all);
  const [aside] = readdirSync(dir).filter((name) => name.startsWith('replaced-'));
  assert.deepEqual(readFileSync(join(dir, aside, DB)), older);
  server = await start({ data: dir });
  assert.equal((await wholeHistory(new Person(server, answer, stopped.password), stopped.roomId)).length, COUNT + 1);
  await server.stop();
});

test('a restore beside a WAL without its tombolo.db puts the WAL aside', async () => {
  const dir = copy(killed), backup = join(tempDir(), 'b'), wal = readFileSync(join(dir, WAL));
  assert.equal(run(['backup', backup, '--data', stopped.dir]).code, 0);
  rmSync(join(dir, DB));
  let r = run(['restore', backup, '--data', dir, '--take-over']);
  assert.match(r.all, /has a journal/);
  assert.deepEqual(readFileSync(join(dir, WAL)), wal);
  r = run(['restore', backup, '--data', dir, '--force', '--take-over']);
  assert.equal(r.code, 0, r.all);
  const [aside] = readdirSync(dir).filter((name) => name.startsWith('replaced-'));
  assert.deepEqual(readFileSync(join(dir, aside, WAL)), wal);
  await hasAll(dir, stopped);
});

test("another journal's tombolo.db: refused, and taken where journal.id was removed, as it says", async () => {
  const dir = copy(killed);
  for (const name of [WAL, SHM]) {
    rmSync(join(dir, name), { force: true });
  }
  cpSync(join(stopped.dir, DB), join(dir, DB));
  assert.match(await refusal(dir), /is the journal [0-9a-f]{8}, the folder's is [0-9a-f]{8}: put that back, or remove journal\.id/);
  rmSync(join(dir, ID));
  await hasAll(dir, stopped);
  assert.ok(existsSync(join(dir, ID)));
});

for (const [what, sql] of [['without a number', 'CREATE TABLE address (name TEXT); INSERT INTO address VALUES (1)'],
  ['with a version', 'CREATE TABLE address (name TEXT); PRAGMA user_version = 7'],
  ['with an application_id', 'PRAGMA application_id = 77; CREATE TABLE address (name TEXT)'], ['with a WAL', 'PRAGMA journal_mode = WAL; CREATE TABLE user (id INTEGER)']]) {
  test(`another program's database, ${what}: gets no tables of ours`, async () => {
    const dir = tempDir();
    mkdirSync(dir, { recursive: true });
    const made = spawnSync('sqlite3', [join(dir, DB), sql], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    assert.match(await refusal(dir), /another program's database/);
  });
}

test('a journal.id that cannot be read is made anew', async () => {
  for (const text of ['', 'nonsense', `${'x'.repeat(56)}\n`]) {
    const dir = copy(stopped);
    writeFileSync(join(dir, ID), text);
    await hasAll(dir, stopped);
    assert.match(readFileSync(join(dir, ID), 'utf8'), /^[-0-9a-f]{36} \d{19}\n$/);
  }
});
