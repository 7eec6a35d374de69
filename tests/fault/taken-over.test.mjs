// A copy of a journal takes over from the original, or from an earlier copy: whoever was there before is out at once, also while
// he writes nothing, and takes in nothing more. And what the centre had refused stands in nobody's way afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Person, done, person, wholeHistory } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { run, start, tempDir } from '../api/lib/server.mjs';

let db;
before(async () => { db = await MariaDb.make(); });
after(() => db.kill());

async function until(what, holds) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(50)) {
    if (await holds()) {
      return;
    }
  }
  throw new Error(`not within 60 s: ${what}`);
}
const stateOf = async (who) => done(await who.get('/sync'), 200);
const level = (who) => until('level', async () => { const s = await stateOf(who); return s.state === 'up' && s.lagOps === 0; });
const at = (server, who) => new Person(server, { user: who.user, token: who.token });
const settings = (name) => ({ DATABASE_URL: db.makeDatabase(name), JWT_SECRET: 'sesame-sesame-sesame-sesame-sesame' });

function succeeds(args, env) {
  const r = run(args, { env });
  assert.equal(r.code, 0, r.all);
  return r;
}
function backup(server, env) {
  const file = join(tempDir(), 'tombolo.backup');
  succeeds(['backup', file, '--data', server.dir], env);
  return file;
}
function restored(file, env) {
  const data = join(tempDir(), 'restored');
  assert.equal(JSON.parse(succeeds(['restore', file, '--data', data, '--take-over', '--json'], env).stdout).centre, 'met');
  succeeds(['check', '--data', data]);
  return data;
}

test('an idle original takes in nothing that was written after a copy took over, and says that it is out', async () => {
  const env = settings('idle');
  const original = await start({ env });
  const ann = await person(original, 'ann');
  const file = backup(original, env);
  const room = await ann.room('before');
  await level(ann);
  const other = await start({ env });
  const bob = await person(other, 'bob');
  await level(bob);
  const copy = await start({ data: restored(file, env), env });
  const annThere = at(copy, ann);
  await level(annThere);
  const attic = await annThere.room('of the copy');
  await until('it is at the other site', async () => (await bob.join(attic.id).then(() => true, () => false)));
  await bob.send(attic.id, 'said in the room of the copy');
  await until('the copy has it', async () => (await wholeHistory(annThere, attic.id)).length === 1);
  await until('the original is out', async () => (await stateOf(ann)).state === 'diverged');
  const mine = await ann.room('of the original', { isPrivate: true });
  assert.equal(mine.id, attic.id);                      // both count on from the same place
  assert.deepEqual(await wholeHistory(ann, mine.id), []);
  assert.ok(room.id < mine.id);
  await Promise.all([original, other, copy].map((one) => one.stop()));
  succeeds(['check', '--data', original.dir]);
  succeeds(['sync', 'rejoin', '--data', original.dir], env);
  succeeds(['check', '--data', original.dir]);
});

test('a backup can be taken back again, and each time whoever came before is out, also when nothing was lost', async () => {
  const env = settings('again');
  const original = await start({ env });
  const ann = await person(original, 'ann');
  const room = await ann.room('harbour');
  await level(ann);
  const file = backup(original, env);
  let last = original, lastAnn = ann;
  const said = [];
  for (let epoch = 2; epoch <= 3; epoch++) {
    const next = await start({ data: restored(file, env), env });
    const annHere = at(next, ann);
    await level(annHere);
    assert.deepEqual((await wholeHistory(annHere, room.id)).map((m) => m.id), said);
    said.unshift((await annHere.send(room.id, `under ${epoch}`)).id);
    await level(annHere);
    assert.deepEqual(db.query('SELECT epoch FROM again.site'), [[`${epoch}`]]);
    await until('the one before is out', async () => (await stateOf(lastAnn)).state === 'diverged');
    await last.stop();
    [last, lastAnn] = [next, annHere];
  }
  await last.stop();
  succeeds(['sync', 'verify', '--data', last.dir], env);
});

test('a change that was refused and retried stands in no restored journal\'s way, here and at a centre set back', async () => {
  const env = settings('retried');
  let server = await start({ env });
  const ann = await person(server, 'ann');
  const room = await ann.room('harbour');
  await level(ann);
  const file = backup(server, env);
  const column = (type) => db.load(`ALTER TABLE retried.message MODIFY content ${type} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL`);
  column('VARCHAR(5)');
  const late = await ann.send(room.id, 'too long for that column');
  await until('it is parked', async () => db.query('SELECT COUNT(*) FROM retried.parked')[0][0] === '1');
  column('MEDIUMTEXT');
  succeeds(['sync', 'retry', '--data', server.dir], env);
  const more = await ann.send(room.id, 'and on');
  await level(ann);
  await server.stop();
  const data = restored(file, env);
  server = await start({ data, env });
  const annHere = at(server, ann);
  await level(annHere);
  assert.deepEqual((await wholeHistory(annHere, room.id)).map((m) => m.id).sort(), [late.id, more.id].sort());
  await server.stop();
  db.load('DROP DATABASE retried; CREATE DATABASE retried;');         // and the centre is lost
  server = await start({ data, env });
  await level(at(server, ann));
  await server.stop();
  succeeds(['check', '--data', data]);
  succeeds(['sync', 'verify', '--data', data], env);
});

test('what the centre has refused of one site is no fault of another, which can be backed up', async () => {
  const env = settings('elsewhere');
  const here = await start({ env });
  const ann = await person(here, 'ann');
  await level(ann);
  const there = await start({ env });
  await there.says('sync.up');
  const bob = await person(there, 'bob');
  await level(bob);
  db.load("ALTER TABLE elsewhere.user MODIFY username VARCHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ''");
  const long = await person(here, 'averylongname');
  const room = await ann.room('harbour');
  await long.join(room.id);
  const { id } = await long.send(room.id, 'from somebody whom only one site knows');
  await until('it is parked', async () => db.query('SELECT COUNT(*) FROM elsewhere.parked')[0][0] === '1');
  await bob.join(room.id).catch(() => {});
  await until('it is there', async () => { await bob.join(room.id).catch(() => {});
    return (await bob.get(`/messages/rooms/${room.id}/messages`)).text.includes(`"id":${id}`); });
  await Promise.all([here, there].map((one) => one.stop()));
  succeeds(['check', '--data', here.dir]);
  succeeds(['check', '--data', there.dir]);
  backup(there, env);
});
