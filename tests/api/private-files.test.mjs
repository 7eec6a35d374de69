// Whatever makes a data folder makes it, and each file in it, for its owner alone, however loose the caller's umask is.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { MariaDb } from './lib/mariadb.mjs';
import { SCHEMA } from './lib/old.mjs';
import { run, start, tempDir } from './lib/server.mjs';

process.umask(0);
let db;
after(() => db?.kill());

function isPrivate(data) {
  const names = readdirSync(data);
  assert.ok(names.includes('tombolo.db'), `${names}`);
  for (const name of ['.', ...names]) {
    assert.equal(statSync(join(data, name)).mode & 0o077, 0, name);
  }
}

const fresh = () => join(tempDir(), 'data');

function ok(args, options) {
  const r = run(args, options);
  assert.equal(r.code, 0, r.all);
}

test('a start, and while it runs', async () => {
  const server = await start({ data: fresh() });
  isPrivate(server.dir);
  await server.stop();
  isPrivate(server.dir);
});

test('an account without a server, a backup and a restore of it', () => {
  const data = fresh(), back = fresh(), file = join(tempDir(), 'copy');
  ok(['user', 'add', 'ann@example.org', 'ann', '--password-stdin', '--data', data], { input: 'correct horse\n' });
  isPrivate(data);
  ok(['backup', file, '--data', data]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  ok(['restore', file, '--data', back]);
  isPrivate(back);
});

test('an import of the old database', async () => {
  const data = fresh();
  db = await MariaDb.make();
  const from = db.makeDatabase('old');
  db.load(`USE old;\n${SCHEMA}`);
  ok(['import', '--from', from, '--data', data]);
  isPrivate(data);
});
