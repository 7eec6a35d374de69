// What /metrics says of the centre is what happened: two sites, a centre that dies and comes back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { person } from './lib/client.mjs';
import { checkGrowth, metrics } from './lib/exposition.mjs';
import { MariaDb } from './lib/mariadb.mjs';
import { start } from './lib/server.mjs';

const SENDS = 25, PATIENCE_MS = 60_000;
let db, here, there;
before(async () => {
  db = await MariaDb.make();
  here = await start({ env: { DATABASE_URL: db.url } });
  await until(here, (now) => now.of('tombolo_sync_up') === 1);
  there = await start({ env: { DATABASE_URL: db.url }, config: { log: { slow_ms: 1 } } });
  await until(there, (now) => now.of('tombolo_sync_up') === 1);
});
after(async () => {
  await here.stop();
  await there.stop();
  await db.kill();
});

async function until(server, is) {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await pause(20)) {
    const now = await metrics(server);
    if (is(now)) {
      return now;
    }
  }
  throw new Error(`not within ${PATIENCE_MS} ms:\n${server.log.slice(-3000)}`);
}

const isLevel = (now) => now.of('tombolo_sync_lag_ops') === 0 && now.of('tombolo_sync_up') === 1;

test('each change goes up once and is pulled once', async () => {
  const [ours, theirs] = [await until(here, isLevel), await until(there, isLevel)];
  const ann = await person(here);
  const { id } = await ann.room('harbour');
  for (let i = 0; i < SENDS; i++) {
    await ann.send(id, `message ${i}`);
  }
  const now = await until(here, isLevel);
  checkGrowth(ours, now);
  const grew = (series) => now.of(series) - ours.of(series);
  const ops = grew('tombolo_journal_ops_total');
  assert.ok(ops >= SENDS + 2, `${ops} changes`);
  assert.equal(grew('tombolo_sync_pushed_total'), ops);
  assert.equal(grew('tombolo_sync_batch_ops_sum'), ops);
  assert.equal(grew('tombolo_sync_batch_ops_count'), grew('tombolo_sync_batch_duration_seconds_count'));
  assert.ok(grew('tombolo_sync_batch_ops_count') >= 1);
  assert.ok(now.of('tombolo_sync_round_trip_seconds_count') > 0);
  assert.equal(now.of('tombolo_sync_lag_seconds'), 0);
  assert.ok(Math.abs(now.of('tombolo_sync_last_timestamp_seconds') - Date.now() / 1000) < 60);
  assert.ok(Math.abs(now.of('tombolo_sync_clock_ahead_seconds')) < 5);
  const pulled = await until(there, (one) => one.of('tombolo_sync_pulled_total') - theirs.of('tombolo_sync_pulled_total') >= ops);
  assert.equal(pulled.of('tombolo_sync_pulled_total') - theirs.of('tombolo_sync_pulled_total'), ops);
});

test('a batch that takes longer than log.slow_ms has its line', async () => {
  const bob = await person(there);
  await bob.room('shore');
  const now = await until(there, isLevel);
  const [, ms, ops] = / warn slow\.sync thread=sync ms=(\d+) unsaid=\d+ ops=(\d+)\n/.exec(there.log) ?? assert.fail(there.log.slice(-2000));
  assert.ok(Number(ms) >= 1 && Number(ops) >= 1);
  assert.ok(now.of('tombolo_slow_operations_total{operation="sync"}') >= 1);
});

test('a centre that dies is down, counted by reason, and up again', async () => {
  const was = await until(here, isLevel);
  await db.kill();
  const down = await until(here, (now) => now.of('tombolo_sync_up') === 0 &&
    now.of('tombolo_mysql_errors_total{reason="unreachable"}') > was.of('tombolo_mysql_errors_total{reason="unreachable"}'));
  assert.ok(down.of('tombolo_sync_failures_total') > was.of('tombolo_sync_failures_total'));
  assert.equal(down.of('tombolo_journal_writable'), 1);
  const cem = await person(here);
  const { id } = await cem.room('alone');
  await cem.send(id, 'nobody there?');
  const behind = await until(here, (now) => now.of('tombolo_sync_lag_ops') >= 3 && now.of('tombolo_sync_lag_seconds') > 0);
  assert.ok(behind.of('tombolo_sync_lag_seconds') < 60);
  await db.start();
  const up = await until(here, isLevel);
  checkGrowth(was, up);
  assert.equal(up.of('tombolo_sync_lag_seconds'), 0);
  assert.equal(up.of('tombolo_sync_parked_total'), 0);
});
