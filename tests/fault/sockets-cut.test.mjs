// Every connection is cut again and again under steady sends: all is delivered, in order, and repeated only where a cut allows
// it. Then kill -9 with an immediate restart: nothing acknowledged is lost and everybody is back and recovered within seconds.
// The clients are as cheap as a client can be, so that they are not what is measured.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import { done, person, wholeHistory } from '../api/lib/client.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { LONG, freePort, start } from '../api/lib/server.mjs';

const CLIENTS = Number(process.env.TB_CLIENTS ?? (LONG ? 2000 : 200));
const ROOM_SIZE = 20;
const ACTIVE_MS = LONG ? 60_000 : 12_000;
const CUT_EVERY_MS = LONG ? 15_000 : 4_000;
const SENDS_PER_S = 50;
const RETRY_MS = 500;               // half of a stock client's; all of them at a dead port are some work, too
const BACK_MS = 5_000;              // the promise: all are back and recovered
const HEAR_MS = 60_000;
const AT_ONCE = 16;                 // requests while the cast is made
const CONFIG = { presence: { audience: 'shared-rooms' }, live: { events_per_second: 0 } };

const random = randomFrom(SEED);
let server, port;
const clients = [], rooms = [];
const sent = new Map();             // clientId -> { roomId, id once acknowledged }
let nth = 0;

// One person's connection: the Socket.IO of a message or two, by hand.
class Client {
  constructor(who) {
    Object.assign(this, { who, heard: [], at: new Map(), repeats: 0, wrong: [], connections: 0, sids: new Set(), waiting: new Map() });
  }

  connect() {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
    this.ws = ws;
    ws.on('message', (data) => this.take(ws, data.toString()));
    ws.on('error', () => {});
    ws.on('close', () => {
      if (this.ws === ws) {
        this.isIn = false;
        this.timer = setTimeout(() => this.connect(), RETRY_MS * (0.5 + random()));
      }
    });
  }

  take(ws, text) {
    if (ws !== this.ws) {
      return;                       // it was cut: what is still in a buffer was not received
    }
    if (text.startsWith('42["receive_message",{"id":')) {
      this.takeMessage(Number(/\d+/.exec(text.slice(27))[0]));
    } else if (text.startsWith('42["offset","')) {
      this.offset = text.slice(13, -2);
    } else if (text === '2') {
      ws.send('3');
    } else if (text[0] === '0') {
      ws.send('40' + JSON.stringify({ token: this.who.token, pid: this.pid, offset: this.offset }));
    } else if (text.startsWith('40')) {
      const { sid, pid } = JSON.parse(text.slice(2));
      this.sids.add(sid);
      this.pid = pid;
      this.isIn = true;
      this.connections++;
      this.inAt = Date.now();
      for (const [clientId, { roomId }] of this.waiting) {
        this.emit(clientId, roomId);        // not acknowledged: once more, under the same key
      }
    } else if (text.startsWith('43')) {
      this.takeAck(text);
    }
  }

  takeMessage(id) {
    const before = this.at.get(id);
    if (before === undefined) {
      this.at.set(id, this.connections);
      this.heard.push(id);
      this.fresh = this.connections;
    } else {
      this.repeats++;
      if (before === this.connections || this.fresh === this.connections) {
        this.wrong.push(id);
      }
    }
  }

  takeAck(text) {
    const at = text.indexOf('[');
    const clientId = `key ${text.slice(2, at)}`;
    const [answer] = JSON.parse(text.slice(at));
    if (!this.waiting.has(clientId)) {
      return;
    }
    assert.equal(answer.ok, true, text);
    this.waiting.delete(clientId);
    sent.get(clientId).id = answer.message.id;
  }

  emit(clientId, roomId) {
    this.ws.send(`42${clientId.slice(4)}["send_message",{"roomId":${roomId},"content":"${clientId}","clientId":"${clientId}"}]`);
  }
  send(roomId) {
    const clientId = `key ${++nth}`, entry = { roomId };
    sent.set(clientId, entry);
    this.waiting.set(clientId, entry);
    if (this.isIn) {
      this.emit(clientId, roomId);
    }
  }

  cut() { this.ws.terminate(); }
  close() { const { ws } = this; this.ws = null; clearTimeout(this.timer); ws.terminate(); }
}

async function inParallel(items, work) {
  const left = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left.length > 0) {
      await work(left.shift());
    }
  }));
}

async function until(what, isSo, ms = HEAR_MS) {
  for (const deadline = Date.now() + ms; !isSo(); await pause(20)) {
    assert.ok(Date.now() < deadline, `${typeof what === 'function' ? what() : what}, after ${ms} ms`);
  }
}

before(async () => {
  process.stderr.write(`# TB_SEED=${SEED}, ${CLIENTS} clients\n`);
  port = await freePort();
  server = await start({ port, config: CONFIG });
  await inParallel(Array.from({ length: CLIENTS }, (_, i) => i), async (i) => { clients[i] = new Client(await person(server, `p${i}`)); });
  await inParallel(Array.from({ length: CLIENTS / ROOM_SIZE }, (_, i) => i), async (i) => {
    rooms[i] = (await clients[i * ROOM_SIZE].who.room(`room ${i}`)).id;
  });
  await inParallel(clients, async (one) => { await one.who.join(roomOf(one)); });
  clients.forEach((one) => one.connect());
  await until('all are in', () => clients.every((one) => one.isIn));
});
after(async () => {
  clients.forEach((one) => one.close());
  await server.stop();
});

const roomOf = (client) => rooms[Math.floor(clients.indexOf(client) / ROOM_SIZE)];

// Steady sends by random clients until told to stop.
function steadily() {
  const timer = setInterval(() => {
    const client = clients[Math.floor(random() * CLIENTS)];
    client.send(roomOf(client));
  }, 1000 / SENDS_PER_S);
  return () => clearInterval(timer);
}

async function everythingIsDelivered() {
  await until(() => `${clients.filter((one) => one.waiting.size > 0).length} still wait for an ack`,
    () => clients.every((one) => one.waiting.size === 0));
  const byRoom = new Map(rooms.map((id) => [id, []]));
  for (const { roomId, id } of sent.values()) {
    byRoom.get(roomId).push(id);
  }
  await until(() => `${clients.filter((one) => one.heard.length < byRoom.get(roomOf(one)).length).length} lack messages`,
    () => clients.every((one) => one.heard.length >= byRoom.get(roomOf(one)).length));
  let deliveries = 0, repeats = 0;
  for (const client of clients) {
    const expected = byRoom.get(roomOf(client)).sort((a, b) => a - b);
    assert.equal(new Set(expected).size, expected.length, 'a message has one id');
    assert.deepEqual(client.heard, expected, `${client.who.user.username}: each, once, in order`);
    assert.deepEqual(client.wrong, [], `${client.who.user.username}: repeats that no cut explains`);
    assert.equal(client.sids.size, 1, `${client.who.user.username} was not recovered every time`);
    deliveries += client.heard.length;
    repeats += client.repeats;
  }
  return { messages: sent.size, deliveries, repeats };
}

test(`${CLIENTS} clients, each cut every ${CUT_EVERY_MS / 1000} s under steady sends: all is delivered once and in order`, async () => {
  const stop = steadily();
  const began = Date.now();
  const due = clients.map(() => began + random() * CUT_EVERY_MS);
  while (Date.now() < began + ACTIVE_MS) {
    clients.forEach((one, i) => {
      if (due[i] <= Date.now() && one.isIn) {
        one.cut();
        due[i] += CUT_EVERY_MS;
      }
    });
    await pause(20);
  }
  stop();
  const figures = await everythingIsDelivered();
  const cuts = clients.reduce((sum, one) => sum + one.connections - 1, 0);
  process.stderr.write(`# ${cuts} cuts, ${figures.messages} messages, ${figures.deliveries} deliveries, ${figures.repeats} repeats at cuts\n`);
});

test('and everybody whose device had it has a receipt, nobody else', async () => {
  for (const roomId of rooms.slice(0, 10)) {
    const members = clients.filter((one) => roomOf(one) === roomId);
    const items = await wholeHistory(members[0].who, roomId);
    for (const { id, senderId } of items.slice(0, 20)) {
      const expected = members.map((one) => one.who.id).filter((user) => user !== senderId).sort((a, b) => a - b);
      let got = [];
      for (const deadline = Date.now() + 20_000; got.length < expected.length && Date.now() < deadline; await pause(50)) {
        got = done(await members[0].who.get(`/messages/${id}/receipts`), 200).items.filter((r) => r.deliveredAt !== null)
          .map((r) => r.userId).sort((a, b) => a - b);
      }
      assert.deepEqual(got, expected, `message ${id}`);
    }
  }
});

test(`across kill -9 nothing acknowledged is lost, and all ${CLIENTS} are back and recovered within ${BACK_MS / 1000} s`, async () => {
  const stop = steadily();
  await pause(1000);
  const killed = Date.now();
  await server.kill();
  server = await start({ port, data: server.dir, config: CONFIG });
  const up = Date.now();
  clients.forEach((one) => { one.who.server = server; });
  await until(() => `${clients.filter((one) => !(one.isIn && one.inAt > killed)).length} are not back`,
    () => clients.every((one) => one.isIn && one.inAt > killed));
  const back = Math.max(...clients.map((one) => one.inAt));
  await pause(500);
  stop();
  const { messages, repeats } = await everythingIsDelivered();
  process.stderr.write(`# kill -9: server up after ${up - killed} ms, all back after ${back - killed} ms, ${messages} messages, ` +
    `${repeats} repeats in all\n`);
  assert.ok(back - killed <= BACK_MS, `the last was back after ${back - killed} ms`);
  const items = await wholeHistory(clients[0].who, roomOf(clients[0]));
  assert.deepEqual(items.map((m) => m.id).reverse(), clients[0].heard);
});
