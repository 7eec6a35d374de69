// Steady mixed load with sync on, for TB_SOAK_MINUTES (30 with --long): at its end the server is as large as it was after a third
// of it, nothing has failed, and the centre has everything. Latencies are printed, not judged.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, request } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { LONG, start } from '../api/lib/server.mjs';
import { Line, TRANSPORTS, Wire } from '../api/lib/sockets.mjs';

const MINUTES = Number(process.env.TB_SOAK_MINUTES ?? (LONG ? 30 : 0.4));
const SAMPLES = 30;                     // over the whole time
const USERS = 40, ROOMS = 8, SENDS_A_SECOND = 100, AT_ONCE = 40;
const GROWTH = 1.15, SLACK_KB = 4096, SLACK_FDS = 8;
const WAL_MOST = 80 << 20;              // the checkpointer keeps it at 64 MB at most

process.stderr.write(`# TB_SEED=${SEED}, ${MINUTES} minutes\n`);
const random = randomFrom(SEED);
const one = (list) => list[Math.floor(random() * list.length)];

function sample(server) {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return { rssKb: Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]), threads: Number(/^Threads:\s+(\d+)/m.exec(status)[1]),
    fds: readdirSync(`/proc/${server.pid}/fd`).length, wal: statSync(join(server.dir, 'tombolo.db-wal')).size };
}

const quantile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
const median = (values) => quantile([...values].sort((a, b) => a - b), 0.5);

// Everything that may be asked of the server, until it is over. Whatever is not as it should be is an error.
class Load {
  constructor(users, rooms) {
    Object.assign(this, { users, rooms, errors: [], acks: [], ids: new Set(), n: {}, isOver: false });
  }
  count(what) { this.n[what] = (this.n[what] ?? 0) + 1; }

  async try(what, act) {
    try {
      await act();
      this.count(what);
    } catch (e) {
      this.errors.push(`${what}: ${e.message}`);
    }
  }

  // A machine that is too slow for the pace sets its own: what waits for answers does not pile up.
  async every(ms, what, act) {
    const due = new Set();
    for (let next = performance.now(); !this.isOver; next = Math.max(next + ms, performance.now())) {
      await pause(Math.max(0, next - performance.now()));
      due.size >= AT_ONCE && await Promise.race(due);
      const asked = this.try(what, act).then(() => due.delete(asked));
      due.add(asked);
    }
    await Promise.all(due);
  }

  // Until it is acknowledged or refused: who is out of the room for a moment may not send, and who was cut off repeats it.
  async send() {
    const user = one(this.users), roomId = one(this.rooms), began = performance.now(), clientId = `${began}-${user.id}`;
    const content = `${clientId} ${'x'.repeat(Math.floor(random() * 300))}`;
    const isRest = random() < 0.2;
    for (;;) {
      try {
        this.ids.add((isRest ? await user.send(roomId, content) : await user.line.send(roomId, content, { clientId })).id);
        this.acks.push(performance.now() - began);
        return;
      } catch (e) {
        if (/not a member|403/.test(e.message)) {
          return;
        }
        if (!/disconnected/.test(e.message)) {
          throw e;
        }
        await user.line.until(() => user.line.socket.connected, 'the line');
      }
    }
  }

  async read() {
    const user = one(this.users), roomId = one(this.rooms);
    const { items } = await user.history(roomId, '?limit=20');
    items.length > 0 && done(await user.post('/messages/read', { messageIds: items.slice(0, 5).map((m) => m.id) }), 200);
  }

  async comeAndGo() {
    const user = one(this.users);
    if (user.isAway) {
      return;
    }
    user.isAway = true;
    const roomId = one(this.rooms);
    done(await user.delete(`/rooms/${roomId}/members/me`), 204);
    await user.join(roomId);
    user.isAway = false;
  }

  run() {
    return Promise.all([
      this.every(1000 / SENDS_A_SECOND, 'send', () => this.send()),
      this.every(50, 'read', () => this.read().catch((e) => {
        if (!/403/.test(e.message)) {
          throw e;
        }
      })),
      this.every(200, 'typing', async () => { one(this.users).line.socket.emit('typing', { roomId: one(this.rooms), isTyping: random() < 0.5 }); }),
      this.every(500, 'come and go', () => this.comeAndGo()),
      this.every(2000, 'cut', async () => one(this.users).wire.cut()),
      this.every(1000, 'log in', async () => {
        const { user, password } = one(this.users);
        done(await request(this.users[0].server, 'POST', '/auth/login', { body: { email: user.email, password } }), 200);
      }),
      this.every(5000, 'metrics', async () => done(await request(this.users[0].server, 'GET', '/metrics'), 200)),
    ]);
  }
}

async function makeUsers(server, n) {
  const users = [];
  for (let i = 0; i < n; i++) {
    const user = await person(server, `soaked${i}`);
    user.wire = await Wire.to(server);
    user.line = new Line(user, { through: user.wire, transports: TRANSPORTS[i % 3][1], reconnection: true, reconnectionDelay: 50,
      reconnectionDelayMax: 500, ackTimeout: 60_000, retries: 0 });
    user.line.socket.onAny(() => { user.line.heard.length = 0; user.line.offsets.length = 0; });
    users.push(user);
  }
  return users;
}

test('half an hour of everything leaves the server as it was', async () => {
  const db = await MariaDb.make();
  const server = await start({ env: { DATABASE_URL: db.url },
    config: { limit: { messages: 0, logins: 0 }, live: { events_per_second: 0 }, presence: { audience: 'shared-rooms' } } });
  const users = await makeUsers(server, USERS);
  const rooms = [];
  for (let i = 0; i < ROOMS; i++) {
    rooms.push((await users[0].room(`room ${i}`)).id);
    for (const user of users.slice(1)) {
      await user.join(rooms[i]);
    }
  }
  await Promise.all(users.map((user) => user.line.connected()));
  const load = new Load(users, rooms);
  const running = load.run(), samples = [];
  for (let i = 0; i < SAMPLES; i++) {
    await pause(MINUTES * 60_000 / SAMPLES);
    const acks = load.acks.splice(0).sort((a, b) => a - b), { lagOps } = done(await users[0].get('/sync'), 200);
    samples.push({ ...sample(server), lagOps, p50: quantile(acks, 0.5), p99: quantile(acks, 0.99) });
    const s = samples.at(-1);
    process.stderr.write(`# ${((i + 1) * MINUTES / SAMPLES).toFixed(1)} min: RSS ${s.rssKb} KB, ${s.fds} fds, ${s.threads} threads, WAL ` +
      `${(s.wal / 1048576).toFixed(1)} MB, ack p50 ${s.p50?.toFixed(1)} p99 ${s.p99?.toFixed(1)} ms, lag ${s.lagOps} ops, ` +
      `${JSON.stringify(load.n)}, errors ${load.errors.length}\n`);
  }
  load.isOver = true;
  await running;
  assert.deepEqual(load.errors.slice(0, 5), []);
  const third = (k, name) => median(samples.slice(SAMPLES * k / 3, SAMPLES * (k + 1) / 3).map((s) => s[name]));
  for (const [name, slack] of [['rssKb', SLACK_KB], ['fds', SLACK_FDS], ['threads', 0]]) {
    assert.ok(third(2, name) <= third(1, name) * (LONG ? GROWTH : 2) + slack, `${name}: ${third(1, name)}, then ${third(2, name)}`);
  }
  assert.ok(Math.max(...samples.map((s) => s.wal)) <= WAL_MOST, 'the WAL has grown');
  for (const deadline = Date.now() + 60_000; ; await pause(100)) {
    const state = done(await users[0].get('/sync'), 200);
    if (state.lagOps === 0) {
      break;
    }
    assert.ok(Date.now() < deadline, JSON.stringify(state));
  }
  assert.equal(Number(db.tryQuery('SELECT COUNT(*) FROM message').stdout), load.ids.size);
  assert.ok(!/ error /.test(server.log), server.log.split('\n').filter((line) => / error /.test(line)).slice(0, 5).join('\n'));
  users.forEach((user) => { user.line.close(); user.wire.close(); });
  await server.stop();
  await db.kill();
});
