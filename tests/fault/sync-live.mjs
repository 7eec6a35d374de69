// How long a message takes from its acknowledgement at one site to a live socket at another, by way of the centre.
// Prints figures and judges nothing. usage: node sync-live.mjs [messages a second, default 50] [seconds, default 20]
// TOMBOLO_BIN says which build.
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, request } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { start } from '../api/lib/server.mjs';
import { Line } from '../api/lib/sockets.mjs';

const rate = Number(process.argv[2] ?? 50), seconds = Number(process.argv[3] ?? 20);

const db = await MariaDb.make();
const options = { env: { DATABASE_URL: db.url, JWT_SECRET: 'one secret for both sites, long enough' } };
const level = async (who) => {
  for (;;) {
    const state = done(await who.get('/sync'), 200);
    if (state.state === 'up' && state.lagOps === 0) {
      return;
    }
    await pause(50);
  }
};

const first = await start(options);
const ann = await person(first, 'ann');
await level(ann);
const second = await start(options);
const eve = await (async () => {    // an empty journal gets its number at the first contact: nobody writes before it
  for (;;) {
    const answer = await request(second, 'POST', '/auth/login', { body: { email: 'ann@example.org', password: ann.password } });
    if (answer.status === 200) {
      return person(second, 'eve');
    }
    await pause(50);
  }
})();
const room = await ann.room('harbour');
const until = async (act) => {
  for (;;) {
    const answer = await act();
    if (answer.status === 200) {
      return;
    }
    await pause(50);
  }
};
await until(() => eve.post('/rooms/join', { roomId: room.id }));

const near = await Line.to(ann), far = await Line.to(eve);
const acked = new Map(), heard = new Map();
far.socket.on('receive_message', (m) => heard.set(m.id, performance.now()));

async function measure(name, n, between) {
  acked.clear();
  const sends = [];
  for (let i = 0; i < n; i++) {
    sends.push(near.send(room.id, `message ${i}`).then((m) => acked.set(m.id, performance.now())));
    await pause(between());
  }
  await Promise.all(sends);
  await far.until(() => [...acked.keys()].every((id) => heard.has(id)), 'all of them', 60_000);
  const took = [...acked].map(([id, at]) => heard.get(id) - at).sort((a, b) => a - b);
  const at = (p) => Math.round(took[Math.floor(p * (took.length - 1))]);
  console.log(`${name}: ${n} messages, from the ack to the other site's socket p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`);
}

await measure(`${rate} messages/s`, rate * seconds, () => 1000 / rate);
await measure('one now and then, after more than ten seconds of silence', Math.max(3, Math.floor(seconds / 6)), () => 10_500 + Math.random() * 2000);
near.close();
far.close();
await second.stop();
await first.stop();
await db.kill();
