// Any clients on any transports send, are cut, are slow, join, leave and come back. At the end each has heard exactly the
// messages committed while its user was a member, in the journal's order, each once: in the default offset mode a repeat of
// the same ids at a cut is allowed, with offsets as arguments none is. Receipts say what clients really got, no more, no less.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person, wholeHistory } from '../api/lib/client.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { LONG, start } from '../api/lib/server.mjs';
import { Line, TRANSPORTS, Wire } from '../api/lib/sockets.mjs';

const ROUNDS = Number(process.env.TB_ROUNDS ?? (LONG ? 20 : 2));
const ACTIVE_MS = LONG ? 60_000 : 4_000;
const USERS = 8, CLIENTS = 14, ROOMS = 3;
const SETTLE_MS = 30_000;

process.stderr.write(`# TB_SEED=${SEED}, ${ROUNDS} rounds\n`);

// One stock client with its own wire. heard: [id, connection] of every receive_message.
class Client {
  constructor(user, wire, transport, mode, isSlow) {
    Object.assign(this, { user, wire, mode, isSlow, heard: [], connection: 0, name: `${user.user.username} ${transport} ${mode}` });
    // A stock client whose WebSocket is cut between the handshake and the first packet hears of it from its timeout alone.
    this.line = new Line(user, { through: wire, transports: TRANSPORTS.find(([name]) => name === transport)[1], timeout: 3000,
      auth: { recovery: mode }, reconnection: true, reconnectionDelay: 30, reconnectionDelayMax: 300 });
    this.line.socket.on('connect', () => {
      if (this.connection++ > 0 && !this.line.socket.recovered) {
        this.failed = `${this.name} came back and was not recovered`;
      }
    });
    this.line.socket.on('receive_message', (m) => this.heard.push([m.id, this.connection]));
  }
  has(id) { return this.heard.some(([one]) => one === id); }
}

async function makeCast(server, random) {
  const keeper = await person(server, 'keeper');
  const rooms = [];
  for (let i = 0; i < ROOMS; i++) {
    rooms.push((await keeper.room(`room ${i}`)).id);
  }
  const watch = await Line.to(keeper);
  const users = [], clients = [];
  for (let i = 0; i < USERS; i++) {
    users.push(await person(server, `user${i}`));
  }
  for (let i = 0; i < CLIENTS; i++) {
    clients.push(new Client(users[i % USERS], await Wire.to(server), TRANSPORTS[i % 3][0], random() < 0.5 ? 'event' : 'argument',
      random() < 0.25));
  }
  await Promise.all(clients.map((one) => one.line.connected()));
  return { keeper, watch, rooms, users, clients };
}

// `delivered` before the client has it would be a lie.
function watchForLies({ keeper, watch, clients }, lies) {
  watch.socket.on('delivered', ({ messageId, userIds }) => {
    for (const id of userIds) {
      if (id !== keeper.id && !clients.some((one) => one.user.id === id && one.has(messageId))) {
        lies.push(`message ${messageId} was told to be delivered to user ${id}, who does not have it`);
      }
    }
  });
}

async function act(client, { rooms }, random, deadline, acked) {
  const { user, wire, line } = client;
  const pick = () => rooms[Math.floor(random() * rooms.length)];
  for (let nth = 0; Date.now() < deadline; nth++) {
    const dice = random();
    const payload = { roomId: pick(), content: `${client.name} ${nth} ${'x'.repeat(random() < 0.1 ? 8000 : 20)}` };
    if (dice < 0.45) {
      line.socket.emit('send_message', { ...payload, clientId: payload.content.slice(0, 40) }, (a) => a.ok && acked.push(a.message.id));
    } else if (dice < 0.65) {
      const { status, body } = await user.post('/messages', payload);
      assert.ok(status === 201 || status === 403, `${status}`);
      status === 201 && acked.push(body.id);
    } else if (dice < 0.75) {
      random() < 0.5 ? await user.join(payload.roomId) : line.socket.emit('join_room', { roomId: payload.roomId });
    } else if (dice < 0.80) {
      await user.delete(`/rooms/${payload.roomId}/members/me`);
    } else if (dice < 0.88) {
      wire.cut();
    } else if (dice < 0.92) {
      wire.break();
      await pause(random() * 300);
      wire.mend();
    } else if (client.isSlow) {
      wire.hold();
      await pause(random() * 500);
      wire.go();
    }
    await pause(random() * 40);
  }
  wire.mend();
  wire.go();
}

// What a client had stored up while it was away reaches the server. A late cut may hit this, too.
async function sendsWhatItHas({ line, name }) {
  for (let isDone = false; !isDone;) {
    await line.until(() => line.socket.connected, 'being back');
    isDone = await line.fence().then(() => true, (e) => {
      assert.equal(e.message, 'socket has been disconnected', name);
      return false;
    });
  }
}

// What each user should have heard, by the keeper's stream: it was never cut, and the history says that it is whole.
function expectedFor(user, watch) {
  const isIn = new Set(), expected = [];
  for (const [name, v] of watch.heard) {
    if (name === 'member_joined' && v.user.id === user.id) {
      isIn.add(v.roomId);
    } else if (name === 'member_left' && v.userId === user.id) {
      isIn.delete(v.roomId);
    } else if (name === 'receive_message' && isIn.has(v.roomId)) {
      expected.push(v.id);
    }
  }
  return expected;
}

function checkStream(client, expected) {
  const once = [], at = new Map();
  let repeats = 0, fresh = 0;       // fresh: the connection in which something new was heard last
  for (const [id, connection] of client.heard) {
    if (!at.has(id)) {
      at.set(id, connection);
      once.push(id);
      fresh = connection;
      continue;
    }
    repeats++;
    assert.equal(client.mode, 'event', `${client.name} heard ${id} again`);
    assert.ok(connection > at.get(id) && fresh < connection, `${client.name} heard ${id} again, and not at a cut`);
  }
  assert.deepEqual(once, expected, client.name);
  return repeats;
}

async function checkReceipts({ keeper, clients, watch }) {
  const senders = new Map(watch.named('receive_message').map((m) => [m.id, m.sender.id]));
  for (const [id, sender] of senders) {
    const got = new Set(clients.filter((one) => one.user.id !== sender && one.has(id)).map((one) => one.user.id));
    if (sender !== keeper.id) {
      got.add(keeper.id);
    }
    const expected = [...got].sort((a, b) => a - b);
    let stored;
    for (const deadline = Date.now() + SETTLE_MS; ;) {
      const { items } = done(await keeper.get(`/messages/${id}/receipts`), 200);
      stored = items.filter((r) => r.deliveredAt !== null).map((r) => r.userId).sort((a, b) => a - b);
      if (stored.length >= expected.length || Date.now() > deadline) {
        break;
      }
      await pause(100);             // a proof takes a ping a second and a gathering
    }
    assert.deepEqual(stored, expected, `receipts of message ${id} of user ${sender}`);
  }
  return senders.size;
}

for (let round = 0; round < ROUNDS; round++) {
  const seed = SEED + round;
  test(`whatever ${CLIENTS} clients do, each hears what it should, once and in order (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    // A stock client whose probe is cut after its polling has paused stands still until it misses a ping: these come often.
    const server = await start({ config: { live: { events_per_second: 0, ping_interval_ms: 3000, ping_timeout_ms: 4000,
      ring_batches: 1 + Math.floor(random() * 64), max_queued: 16_384 + Math.floor(random() * 100_000) }, presence: { grace_ms: 100 } } });
    const cast = await makeCast(server, random);
    const lies = [], acked = [];
    watchForLies(cast, lies);
    const deadline = Date.now() + ACTIVE_MS;
    await Promise.all(cast.clients.map((one) => act(one, cast, randomFrom(Math.floor(random() * 2 ** 32)), deadline, acked)));

    await Promise.all(cast.clients.map(sendsWhatItHas));
    const end = await cast.keeper.room('end');
    await Promise.all(cast.users.map((one) => one.join(end.id)));
    const last = await cast.keeper.send(end.id, 'the end');
    await Promise.all([cast.watch, ...cast.clients.map((one) => one.line)].map((line) => line.hearsAtLast('receive_message', { id: last.id })));

    const history = [];
    for (const roomId of [...cast.rooms, end.id]) {
      history.push(...(await wholeHistory(cast.keeper, roomId)).map((m) => m.id));
    }
    const told = cast.watch.named('receive_message').map((m) => m.id);
    assert.deepEqual(told, history.sort((a, b) => a - b), 'the keeper has heard everything');
    assert.deepEqual(acked.filter((id) => !told.includes(id)), [], 'what was acknowledged is there');
    let repeats = 0;
    for (const client of cast.clients) {
      assert.equal(client.failed, undefined);
      repeats += checkStream(client, expectedFor(client.user, cast.watch));
    }
    assert.deepEqual(lies, []);
    const messages = await checkReceipts(cast);
    const cuts = cast.clients.reduce((sum, one) => sum + one.line.downs, 0);
    process.stderr.write(`# seed ${seed}: ${messages} messages, ${cuts} reconnects, ${repeats} repeats at cuts\n`);
    cast.watch.close();
    cast.clients.forEach((one) => { one.line.close(); one.wire.close(); });
    await server.stop();
  });
}
