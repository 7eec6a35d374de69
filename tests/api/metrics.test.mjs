// GET /metrics: Prometheus text, for this machine and configured addresses only; what the live part counts, and the limits whose
// refusals are counted there.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { networkInterfaces } from 'node:os';
import http from 'node:http';
import { person, refused, request } from './lib/client.mjs';
import { start } from './lib/server.mjs';
import { metrics } from './lib/exposition.mjs';
import { Line, TRANSPORTS, denied } from './lib/sockets.mjs';

const LIMITS = { connects: 12, user_connects: 4, typing: 3, sockets_per_user: 2, events_per_second: 20 };
let server;
before(async () => { server = await start(); });
after(() => server.stop());

const ask = (of = server, headers = {}) => request(of, 'GET', '/metrics', { headers });

test('metrics are Prometheus text and need no token', async () => {
  const { values } = await metrics(server);
  for (const name of ['tombolo_journal_position', 'tombolo_sockets{state="live"}', 'tombolo_recoveries_total', 'process_open_fds']) {
    assert.ok(values.has(name), name);
  }
  assert.equal((await request(server, 'POST', '/metrics')).status, 405);
  assert.equal((await request(server, 'HEAD', '/metrics')).text, '');
});

test('pages of other origins may not read them', async () => {
  const { headers } = await ask(server, { Origin: 'https://elsewhere.example' });
  assert.equal(headers['access-control-allow-origin'], undefined);
  const other = await request(server, 'GET', '/healthz', { headers: { Origin: 'https://elsewhere.example' } });
  assert.equal(other.headers['access-control-allow-origin'], '*', 'unlike the rest');
});

test('who comes through a proxy is not of this machine', async () => {
  refused(await ask(server, { 'X-Forwarded-For': '127.0.0.1' }), 403, 'forbidden');
  refused(await ask(server, { Forwarded: 'for=127.0.0.1' }), 403, 'forbidden');
});

test('another address is refused unless it is configured', async () => {
  // From an own address that is no loopback one, where there is one; unit-rest-metrics looks at the rest.
  const own = Object.values(networkInterfaces()).flat().find((one) => !one.internal && one.family === 'IPv4')?.address ?? '127.0.0.1';
  const from = (of) => new Promise((told, broken) => {
    http.get({ host: own, port: of.port, path: '/metrics', localAddress: own }, (res) => { res.resume(); told(res.statusCode); }).on('error', broken);
  });
  const open = await start({ config: { server: { host: '0.0.0.0' } } });
  const configured = await start({ config: { server: { host: '0.0.0.0', metrics_from: `10.255.255.1 ${own}` } } });
  assert.equal(await from(open), own === '127.0.0.1' ? 200 : 403);
  assert.equal(await from(configured), 200);
  await open.stop();
  await configured.stop();
});

test('sockets, deliveries and recoveries are counted, and refused ones with the reason', async () => {
  const [ann, bob] = [await person(server), await person(server)];
  const room = await ann.room('harbour');
  await bob.join(room.id);
  const before = await metrics(server);
  const [a, b] = [await Line.to(ann), await Line.to(bob)];
  const m = await a.send(room.id, 'hello');
  await a.hears('delivered', { messageId: m.id });
  await b.until(() => b.socket._lastOffset !== undefined, 'an offset');
  const good = { pid: b.socket._pid, offset: b.socket._lastOffset };
  const now = await metrics(server);
  assert.equal(now.of('tombolo_sockets{state="live"}'), 2);
  assert.equal(now.of('tombolo_sockets{state="catching_up"}'), 0);
  assert.equal(now.of('tombolo_users_online'), 2);
  assert.equal(now.of('tombolo_receipts_stored_total'), before.of('tombolo_receipts_stored_total') + 1);
  assert.ok(now.of('tombolo_journal_position') > before.of('tombolo_journal_position'));
  b.close();
  for (const [auth, name] of [
    [good, 'tombolo_recoveries_total'],
    [{ ...good, pid: `${good.pid.slice(0, -1)}x` }, 'tombolo_recovery_refused_total{reason="pid"}'],
    [{ ...good, offset: '1-00000000' }, 'tombolo_recovery_refused_total{reason="offset"}'],
  ]) {
    const was = (await metrics(server)).of(name);
    const line = await Line.to(bob, { auth });
    assert.equal((await metrics(server)).of(name), was + 1, name);
    line.close();
  }
  a.close();
});

// ---- limits: each refuses with what it should, and is counted ----

const refusedBy = ({ of }) => (limit) => of(`tombolo_limit_hits_total{limit="live.${limit}"}`);

test('an address that opens too many sockets is answered 429 with Retry-After, on every transport', async () => {
  const strict = await start({ config: { live: LIMITS } });
  for (let i = 0; i < LIMITS.connects; i++) {
    assert.equal((await request(strict, 'GET', '/socket.io/?EIO=4&transport=polling')).status, 200);
  }
  const answer = await request(strict, 'GET', '/socket.io/?EIO=4&transport=polling');
  assert.equal(answer.status, 429);
  assert.deepEqual(answer.body, { code: 4, message: 'Too many connections from your address' });
  assert.ok(answer.headers['retry-after'] >= 1 && answer.headers['retry-after'] <= 61, answer.headers['retry-after']);
  const who = await person(strict);
  for (const [, transports] of TRANSPORTS) {
    const line = new Line(who, { transports });
    await line.until(() => line.error !== undefined, 'a refusal');
  }
  assert.equal(refusedBy(await metrics(strict))('connects'), 1 + TRANSPORTS.length);
  await strict.stop();
});

test('a user who opens sockets too often, or too many, is cut off and comes in again later', async () => {
  const strict = await start({ config: { live: { ...LIMITS, connects: 0 } } });
  const [often, many, other] = [await person(strict), await person(strict), await person(strict)];
  for (let i = 0; i < LIMITS.user_connects; i++) {
    (await Line.to(often)).close();
  }
  const crowd = [await Line.to(many), await Line.to(many)];
  for (const who of [often, many]) {
    const line = new Line(who);
    await line.until(() => !line.socket.active || line.error !== undefined || line.why !== undefined, 'the end');
    assert.ok(!line.socket.connected);
  }
  const by = refusedBy(await metrics(strict));
  assert.equal(by('user_connects'), 1);
  assert.equal(by('sockets_per_user'), 1);
  [...crowd, await Line.to(other)].forEach((line) => line.close());
  await strict.stop();
});

test("a user's typing is told so often and no more; what was told to begin is told to end", async () => {
  const strict = await start({ config: { live: { ...LIMITS, connects: 0 } } });
  const [ann, bob] = [await person(strict), await person(strict)];
  const rooms = [];
  for (let i = 0; i <= LIMITS.typing; i++) {
    rooms.push((await ann.room(`${i}`)).id);
    await bob.join(rooms[i]);
  }
  const [a, b] = [await Line.to(ann), await Line.to(bob)];
  for (const roomId of rooms.slice(0, LIMITS.typing)) {
    assert.deepEqual(await a.ask('typing', { roomId, isTyping: true }), { ok: true });
  }
  for (const [roomId, isTyping] of [[rooms[LIMITS.typing], true], [rooms[LIMITS.typing], false]]) {
    const { retryAfter } = denied(await a.ask('typing', { roomId, isTyping }), 'rate_limited');
    assert.ok(retryAfter >= 50 && retryAfter <= 60, `${retryAfter}`);
  }
  assert.deepEqual(await a.ask('typing', { roomId: rooms[0], isTyping: true }), { ok: true }, 'which goes on, and is not told anew');
  for (const roomId of rooms.slice(0, LIMITS.typing)) {
    assert.deepEqual(await a.ask('typing', { roomId, isTyping: false }), { ok: true });
    await b.hears('typing', { roomId, isTyping: false });
  }
  assert.equal(b.named('typing').length, 2 * LIMITS.typing);
  assert.equal(refusedBy(await metrics(strict))('typing'), 2);
  await Promise.all(Array.from({ length: 30 }, () => a.ask('typing', {})));
  assert.ok(refusedBy(await metrics(strict))('events_per_second') > 0);
  a.close(), b.close();
  await strict.stop();
});
