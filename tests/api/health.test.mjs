// GET /healthz, /readyz and /sync, without a centre and with one that is not there.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { done, hasKeys, isTime, person, refused, request, wholeHistory } from './lib/client.mjs';
import { freePort, start } from './lib/server.mjs';

let server, ann;
before(async () => {
  server = await start();
  ann = await person(server, 'ann');
});
after(() => server.stop());

test('the server says that it lives', async () => {
  assert.equal((await request(server, 'GET', '/healthz')).status, 200);
});

test('the server says that it is ready when its journal can be written', async () => {
  const ready = await request(server, 'GET', '/readyz');
  assert.equal(ready.status, 200);
  assert.deepEqual(ready.body, { status: 'ready', sync: 'off' });
});

test('without a centre, sync is off', async () => {
  const state = done(await ann.get('/sync'), 200);
  hasKeys(state, ['state', 'lagOps', 'lagSeconds', 'lastSyncedAt']);
  assert.equal(state.state, 'off');
  assert.equal(state.lastSyncedAt, null);
});

test('sync is told to users only', async () => {
  refused(await request(server, 'GET', '/sync'), 401, 'unauthorized', 'No token provided');
});

test('a centre that is not there changes nothing on site: logins, sends and history work, and ready is ready', async () => {
  const nobody = await freePort();
  const site = await start({ env: { DATABASE_URL: `mysql://chat:geheim@127.0.0.1:${nobody}/chat` } });
  const me = await person(site, 'me');
  const room = await me.room('harbour');
  const sent = await Promise.all(Array.from({ length: 20 }, (_, i) => me.send(room.id, `message ${i}`)));
  assert.equal((await wholeHistory(me, room.id)).length, sent.length);
  done(await request(site, 'POST', '/auth/login', { body: { email: me.user.email, password: me.password } }), 200);
  assert.deepEqual(done(await request(site, 'GET', '/readyz'), 200), { status: 'ready', sync: 'down' });
  const state = done(await me.get('/sync'), 200);
  assert.equal(state.state, 'down');
  assert.ok(state.lagOps >= 22, `a user, a room and twenty messages wait: ${state.lagOps}`);
  assert.equal(typeof state.lagSeconds, 'number');
  assert.equal(state.lastSyncedAt, null);
  await site.stop();
  assert.ok(!site.log.includes('geheim'), 'a password in the log');
});

test('last seen is a time once there is one', async () => {
  const login = { email: ann.user.email, password: ann.password };
  const { user } = done(await request(server, 'POST', '/auth/login', { body: login }), 200);
  if (user.lastSeen !== null) {
    isTime(user.lastSeen);
  }
});
