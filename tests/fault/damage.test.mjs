// A journal with changed bytes: `tombolo check` finds a changed content byte wherever it is, and `tombolo serve` refuses
// a damaged header and tail, saying what and where.
// Not every copy of a text in the file is stored there: a b-tree page that was split keeps the old cells in the space that
// is free now, and no statement reads them again. Whether a byte is stored is asked of SQLite itself: its dump changes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync, openSync, closeSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { person, request } from '../api/lib/client.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { freePort, run, start, tempDir } from '../api/lib/server.mjs';
import { Line } from '../api/lib/sockets.mjs';

const COUNT = 300;
const FILE = 'tombolo.db';
let whole;                          // a data folder of a server that was stopped in order; tests change copies of it
let wholeDump;

before(async () => {
  process.stderr.write(`# TB_SEED=${SEED}\n`);
  const server = await start();
  const me = await person(server, 'scribe');
  const room = await me.room('archive');
  await Promise.all(Array.from({ length: COUNT }, (_, i) => me.send(room.id, entry(i))));
  await me.send(room.id, 'the very last entry');
  await server.stop();
  whole = server.dir;
  wholeDump = dump(whole);
  assert.ok(!readdirSync(whole).includes(`${FILE}-wal`) || statSync(join(whole, `${FILE}-wal`)).size === 0,
    'a server that stops in order leaves everything in one file');
});

const entry = (i) => `entry <${String(i).padStart(4, '0')}> of the log`;

function copy() {
  const dir = tempDir();
  cpSync(whole, dir, { recursive: true });
  return dir;
}

function flip(dir, offset) {
  const fd = openSync(join(dir, FILE), 'r+');
  const byte = readFileSync(join(dir, FILE))[offset];
  writeSync(fd, Buffer.from([byte ^ 0x01]), 0, 1, offset);
  closeSync(fd);
}

function places(dir, text) {
  const bytes = readFileSync(join(dir, FILE));
  const found = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    found.push(at);
  }
  return found;
}

function dump(dir) {
  const r = spawnSync('sqlite3', [join(dir, FILE), '.dump'], { encoding: 'latin1', maxBuffer: 1 << 28 });
  assert.equal(r.error, undefined);
  return r.stdout;
}

// A copy of the journal with one bit changed, or null when that changes nothing that is stored.
function changed(offset) {
  const dir = copy();
  flip(dir, offset);
  if (dump(dir) !== wholeDump) {
    return dir;
  }
  rmSync(dir, { recursive: true });
  return null;
}

async function serve(dir) {
  return run(['serve', '--port', String(await freePort()), '--data', dir]);
}

test('an untouched copy passes, so the failures below mean something', () => {
  const r = run(['check', '--data', copy()]);
  assert.equal(r.code, 0, r.all);
});

test('check finds one changed byte of a content in each place where it is stored, and names the place', () => {
  for (let i = 0; i < COUNT; i += 12) {
    const text = entry(i);
    const stored = places(whole, text).map((at) => changed(at + 8)).filter((dir) => dir !== null);
    assert.equal(stored.length, 2, `${text}: in the message and in its op`);
    for (const dir of stored) {
      const r = run(['check', '--data', dir]);
      assert.notEqual(r.code, 0, `${text}: ${r.all}`);
      assert.match(r.all, /(message: id|journal: position) \d/, 'which row');
    }
  }
});

test('check finds a changed byte in the chain of an op', () => {
  // The chain's bytes lie in the op's row beside its body; 60 bytes around the text reach them.
  let stored = 0;
  for (const at of places(whole, entry(200))) {
    for (let d = -60; d < 60; d += 4) {
      const dir = changed(at + d);
      if (dir !== null) {
        stored++;
        assert.notEqual(run(['check', '--data', dir]).code, 0, `byte ${at + d} was changed, and check found nothing`);
      }
    }
  }
  assert.ok(stored >= 50, `${stored} bytes around a message and its op are stored`);
});

test('check finds a changed byte of the schema', () => {
  const at = places(whole, 'CREATE TABLE message').find((one) => changed(one) !== null);     // one that is stored
  for (const d of [0, 13, 30, 60, 200]) {
    const dir = changed(at + d);
    assert.notEqual(dir, null);
    assert.notEqual(run(['check', '--data', dir]).code, 0, `byte ${at + d}`);
  }
});

test('serve refuses a journal whose tail was changed, and says what to do', async () => {
  const found = places(whole, 'the very last entry');
  let refusals = 0;
  const stored = found.map((at) => changed(at + 4)).filter((dir) => dir !== null);
  assert.equal(stored.length, 2, 'in the message and in its op');
  for (const dir of stored) {
    const r = run(['check', '--data', dir]);
    assert.notEqual(r.code, 0, r.all);
    const served = await startsOrSays(dir);
    refusals += served === null ? 0 : 1;
    if (served !== null) {
      assert.match(served, /damaged|chain|check/i);
    }
  }
  assert.ok(refusals >= 1, 'the op at the tail was changed, and the server started');
});

// null: it started. Otherwise what it said.
async function startsOrSays(dir) {
  try {
    const server = await start({ data: dir });
    await server.stop();
    return null;
  } catch (e) {
    return e.message;
  }
}

test('serve refuses a journal whose header is nonsense, and leaves the file alone', async () => {
  const dir = copy();
  const nonsense = Buffer.from('this is no database at all');
  const before = Buffer.concat([nonsense, readFileSync(join(dir, FILE)).subarray(nonsense.length)]);
  writeFileSync(join(dir, FILE), before);
  const r = await serve(dir);
  assert.notEqual(r.code, 0);
  assert.ok(r.all.includes(dir), `where it is: ${r.all}`);
  assert.deepEqual(readFileSync(join(dir, FILE)), before);
  assert.notEqual(run(['check', '--data', dir]).code, 0);
});

test('serve refuses a journal that was cut', async () => {
  const dir = copy();
  truncateSync(join(dir, FILE), statSync(join(dir, FILE)).size >> 1);
  const r = await serve(dir);
  assert.notEqual(r.code, 0, r.all);
  assert.notEqual(run(['check', '--data', dir]).code, 0);
});

test('whatever byte is changed, check and serve end by themselves with a word, never by a signal', async () => {
  const random = randomFrom(SEED);
  const size = statSync(join(whole, FILE)).size;
  for (let i = 0; i < 40; i++) {
    const dir = copy();
    for (let n = 0; n < 8; n++) {
      flip(dir, Math.floor(random() * size));
    }
    const r = run(['check', '--data', dir]);
    assert.equal(r.signal, null, r.all);
    assert.ok(r.code < 3, `exit ${r.code}: ${r.all}`);
  }
});

test('a journal that was set back is told from what a socket has seen of it, once a minute, and the socket begins anew', async () => {
  const data = tempDir();
  let server = await start({ data });
  const ann = await person(server), bob = await person(server);
  const room = await ann.room();
  await bob.join(room.id);
  await server.stop();
  assert.equal(statSync(join(data, 'tombolo.db')).mode & 0o777, 0o600, 'it holds password hashes');
  const copy = tempDir();
  cpSync(data, copy, { recursive: true });
  server = await start({ data });
  [ann, bob].forEach((one) => { one.server = server; });
  await ann.send(room.id, 'after the copy');
  const line = await Line.to(bob);
  await ann.send(room.id, 'seen by bob');
  await line.hears('receive_message', { content: 'seen by bob' });
  const auth = { pid: line.socket._pid, offset: line.socket._lastOffset };
  const sid = line.socket.id;
  line.close();
  await server.stop();
  server = await start({ data: copy });
  bob.server = server;
  for (let i = 0; i < 3; i++) {
    const again = await Line.to(bob, { auth });
    assert.notEqual(again.socket.id, sid);
    assert.equal(again.socket.recovered, false);
    again.close();
  }
  const told = server.log.split('\n').filter((one) => one.includes('journal.step_back'));
  assert.equal(told.length, 1, server.log);
  assert.match(told[0], / error journal\.step_back .*head=\d+ client_has_seen=\d+/);
  assert.match((await request(server, 'GET', '/metrics')).text, /^tombolo_steps_back_total 3$/m);
  await server.stop();
});
