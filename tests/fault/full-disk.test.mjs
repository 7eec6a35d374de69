// A disk that fills up: sends are refused with 507, everything else goes on, and sends work again as soon as there is
// room, by themselves. Nothing that was acknowledged is lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, refused, request, wholeHistory } from '../api/lib/client.mjs';
import { smallDisk } from '../api/lib/disk.mjs';
import { run, start, tempDir } from '../api/lib/server.mjs';

const RESERVE_MB = 8;
const disk = smallDisk();
const CONTENT = 'x'.repeat(4000);
let server;

async function site(reserveMb) {
  const data = mkdtempSync(join(disk.dir, 'data-'));
  const options = { data, config: { journal: { reserve_mb: reserveMb } } };
  server = await start(options);
  const me = await person(server);
  return { me, options, room: await me.room('harbour'), kept: new Map() };
}

const send = (s, i) => s.me.post('/messages', { roomId: s.room.id, content: `${i} ${CONTENT}` });

async function sendUntilRefused(s, isRefusal) {
  for (let i = 0; i < 20_000; i++) {
    const answer = await send(s, i);
    if (answer.status !== 201) {
      assert.ok(isRefusal(answer), answer.text);
      return answer;
    }
    s.kept.set(answer.body.id, answer.body.content);
  }
  throw new Error('the disk never filled');
}

async function sendUntilTaken(s) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(50)) {
    const answer = await send(s, 'after');
    if (answer.status === 201) {
      s.kept.set(answer.body.id, answer.body.content);
      return;
    }
  }
  throw new Error(`there is room again, and sends are still refused:\n${server.log.slice(-4000)}`);
}

async function nothingIsLost(s) {
  const there = new Map((await wholeHistory(s.me, s.room.id)).map((m) => [m.id, m.content]));
  for (const [id, content] of s.kept) {
    assert.equal(there.get(id), content, `message ${id}`);
  }
}

async function restart(s) {
  await server.stop();
  const check = run(['check', '--data', s.options.data]);
  assert.equal(check.code, 0, check.all);
  server = await start(s.options);
  s.me.server = server;
}

test('below the reserve sends are refused with 507 while logins and reading go on, and room is noticed', async () => {
  const s = await site(RESERVE_MB);
  done(await send(s, 'first'), 201);
  disk.fill((RESERVE_MB + 2) << 20);
  const answer = await sendUntilRefused(s, (a) => a.status === 507);
  assert.ok(refused(answer, 507, 'storage_full').retryAfter >= 1);
  refused(await request(server, 'GET', '/readyz'), 507, 'storage_full');
  done(await request(server, 'GET', '/healthz'), 200);
  assert.ok(disk.free() > (RESERVE_MB - 4) << 20, 'the reserve is still there');

  await nothingIsLost(s);
  done(await s.me.get('/rooms'), 200);
  const login = { email: s.me.user.email, password: s.me.password };
  done(await request(server, 'POST', '/auth/login', { body: login }), 200);
  assert.equal((await request(server, 'GET', '/')).status, 200);
  refused(await s.me.post('/rooms', { name: 'one more' }), 507, 'storage_full');

  disk.makeRoom();
  await sendUntilTaken(s);
  done(await request(server, 'GET', '/readyz'), 200);
  await nothingIsLost(s);
  await restart(s);
  await nothingIsLost(s);
  await server.stop();
});

test('a disk without one free byte under a server without a reserve: sends fail, nothing acknowledged is lost', async () => {
  const s = await site(0);
  done(await send(s, 'first'), 201);
  disk.fill(256 * 1024);
  const answer = await sendUntilRefused(s, (a) => a.status === 507 || a.status === 503);
  refused(answer, answer.status, answer.status === 507 ? 'storage_full' : 'internal');
  disk.fill(0);
  await nothingIsLost(s);
  const several = await Promise.all(Array.from({ length: 20 }, (_, i) => send(s, i)));
  assert.ok(several.every((a) => a.status >= 500), several.map((a) => a.status).join(' '));

  disk.makeRoom();
  await sendUntilTaken(s);
  await nothingIsLost(s);
  await restart(s);
  await nothingIsLost(s);
  await server.stop();
});

test('a backup that has no room says on which disk, how much is free there and how much it needs', async () => {
  const s = await site(0);
  const tell = /the disk of (\S+) has (\d+) bytes free, .* needs (\d+)/;
  disk.fill(8192);
  const [, full, free, needed] = tell.exec(run(['backup', join(tempDir(), 'x.db'), '--data', s.options.data]).stderr);
  assert.ok(full.startsWith(disk.dir) && Number(free) <= 8192 && Number(needed) > 8192, `${full} ${free} ${needed}`);
  disk.makeRoom();
  await server.stop();
  const other = await start();
  await person(other);
  disk.fill(8192);
  const target = join(disk.dir, 'copy.db');
  const [, there, left, wanted] = tell.exec(run(['backup', target, '--data', other.dir]).stderr);
  assert.ok(there.startsWith(disk.dir) && Number(left) <= 8192 && Number(wanted) > 8192, `${there} ${left} ${wanted}`);
  assert.ok(!existsSync(target));
  disk.makeRoom();
  await other.stop();
});

test('kill -9 on a full disk: the journal opens again once there is room', async () => {
  const s = await site(0);
  done(await send(s, 'first'), 201);
  disk.fill(128 * 1024);
  await sendUntilRefused(s, (a) => a.status >= 500);
  await server.kill();
  disk.makeRoom();
  server = await start(s.options);
  s.me.server = server;
  await nothingIsLost(s);
  await sendUntilTaken(s);
  await restart(s);
  await server.stop();
});
