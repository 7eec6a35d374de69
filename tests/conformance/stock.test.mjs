// The stock clients that people have, against the chat: socket.io-client of four versions in Node, python-socketio with and
// without threads. docs/protocol.md, "Which clients", lists what was tried beyond them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, test } from 'node:test';
import { io as io48 } from 'socket.io-client';
import { io as io31 } from 'socket.io-client-3';
import { io as io40 } from 'socket.io-client-4.0';
import { io as io46 } from 'socket.io-client-4.6';
import { person } from '../api/lib/client.mjs';
import { ROOT, start } from '../api/lib/server.mjs';
import { Line, TRANSPORTS, Wire } from '../api/lib/sockets.mjs';
import { event, within } from './lib/program.mjs';

const VERSIONS = [['3.1', io31], ['4.0', io40], ['4.6', io46], ['4.8', io48]];
const RECOVERS = ['4.6', '4.8'];
const BURST = 60;                   // more than one answer to a poll may hold
const ANSWER_MS = 60_000;
const PYTHON = join(ROOT, 'tests/conformance/lib/stock.py');

let server, ann, a, wire, people = 0;
const open = [];
before(async () => {
  server = await start();
  wire = await Wire.to(server);
  ann = await person(server, 'ann');
  a = await Line.to(ann);
});
afterEach(() => { open.splice(0).forEach((one) => one.close()); wire.mend(); });
after(async () => {
  a.close();
  wire.close();
  await server.stop();
});

// Someone new in a room with ann.
async function guest() {
  const who = await person(server, `guest${++people}`);
  const room = await ann.room();
  await who.join(room.id);
  return { who, room };
}
// Many messages at once; their ids in the order in which the room hears them.
async function burst(room) {
  const sent = await Promise.all(Array.from({ length: BURST }, (_, i) => ann.send(room.id, `${i}`)));
  await a.fence();
  const ids = sent.map(({ id }) => id);
  return a.named('receive_message').map(({ id }) => id).filter((id) => ids.includes(id));
}

// ---- socket.io-client ----

class Stock {
  static async to(io, who, transports, more) {
    const stock = new Stock(io, who, transports, more);
    await event(stock.socket, 'connect', ANSWER_MS);
    return stock;
  }

  constructor(io, { token }, transports, more = {}) {
    this.messages = [];
    this.socket = io(server.url, { transports, auth: { token }, forceNew: true, reconnectionDelay: 20, ...more });
    this.socket.on('receive_message', (m, ...rest) => {
      assert.deepEqual(rest, []);
      this.messages.push(m);
      this.look?.();
    });
    open.push(this);
  }

  ask(name, payload) {
    return within(ANSWER_MS, new Promise((done) => this.socket.emit(name, payload, (answer, ...rest) => {
      assert.deepEqual(rest, []);
      done(answer);
    })), `the ack of ${name}`);
  }

  hasHeard(n) {
    return within(ANSWER_MS, new Promise((done) => {
      this.look = () => this.messages.length >= n && done();
      this.look();
    }), `${n} messages`);
  }

  // Behind it everything that was told before has been heard.
  fence() { return this.ask('typing', {}); }
  close() { this.socket.disconnect(); }
}

for (const [version, io] of VERSIONS) {
  for (const [way, transports] of TRANSPORTS) {
    const by = `socket.io-client ${version}, ${way}`;

    test(`${by}: it sends, is acked, hears, and what it has got is known`, async () => {
      const { who, room } = await guest();
      const stock = await Stock.to(io, who, transports);
      const { ok, message } = await stock.ask('send_message', { roomId: room.id, content: 'é€😀\u0000' });
      assert.equal(ok, true);
      const { id } = await ann.send(room.id, 'hello');
      await a.hears('delivered', (d) => d.messageId === id && d.userIds.includes(who.id));
      assert.deepEqual(stock.messages.map((m) => m.id), [message.id, id]);
      assert.equal(stock.messages[0].content, 'é€😀\u0000');
      assert.deepEqual(await stock.ask('send_message', Buffer.alloc(100)),
        { ok: false, error: 'Binary data is not expected here', code: 'bad_request' });
      assert.deepEqual(await stock.ask('send_message', { roomId: room.id, content: '' }),
        { ok: false, error: 'Message content cannot be empty', code: 'bad_request' });
    });

    test(`${by}: ${BURST} messages at once come in order and end nothing`, async () => {
      const { who, room } = await guest();
      const stock = await Stock.to(io, who, transports);
      stock.socket.on('disconnect', (why) => assert.fail(why));
      const ids = await burst(room);
      await stock.hasHeard(BURST);
      await stock.fence();
      assert.deepEqual(stock.messages.map(({ id }) => id), ids);
      stock.socket.removeAllListeners('disconnect');
    });

    test(`${by}: a wrong token is refused in words, a good one then lets in`, async () => {
      const { who } = await guest();
      const stock = new Stock(io, { token: 'made up' }, transports);
      const [error] = await event(stock.socket, 'connect_error', ANSWER_MS);
      assert.equal(error.message, 'Unauthorized: invalid token');
      stock.socket.auth = { token: who.token };
      stock.socket.connect();
      await event(stock.socket, 'connect', ANSWER_MS);
      assert.deepEqual(await stock.fence(), { ok: false, error: 'roomId is required', code: 'bad_request' });
    });

    const comesBack = RECOVERS.includes(version) ? 'is told what it missed' : 'begins anew';
    test(`${by}: after a cut it comes back and ${comesBack}`, async () => {
      const { who, room } = await guest();
      const stock = await Stock.to(io, who, transports);
      await ann.send(room.id, 'here');
      await stock.hasHeard(1);
      await stock.fence();          // the offset stands before it
      const { id } = stock.socket;
      const ended = event(stock.socket, 'disconnect', ANSWER_MS);
      stock.socket.io.reconnection(false);
      stock.socket.io.engine.close();
      await ended;
      await ann.send(room.id, 'away');
      stock.socket.io.reconnection(true);
      stock.socket.connect();
      await event(stock.socket, 'connect', ANSWER_MS);
      await ann.send(room.id, 'back');
      const expected = RECOVERS.includes(version) ? ['here', 'away', 'back'] : ['here', 'back'];
      await stock.hasHeard(expected.length);
      assert.deepEqual(stock.messages.map((m) => m.content), expected);
      assert.equal(stock.socket.id === id, RECOVERS.includes(version));
      assert.equal(stock.socket.recovered ?? false, RECOVERS.includes(version));
    });
  }
}

// ---- python-socketio ----

class Python {
  constructor(kind, to, token, transports, ...more) {
    this.heard = [];
    this.child = spawn('/usr/bin/python3', [PYTHON, kind, `http://127.0.0.1:${to.port}`, token, transports.join(','), ...more],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = once(this.child, 'close');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.heard.push(JSON.parse(line));
      this.look?.();
    });
    open.push(this);
  }

  hears(find, what = find.toString()) {
    return within(ANSWER_MS, new Promise((done) => {
      this.look = () => {
        const found = this.heard.find(find);
        if (found !== undefined) {
          done(found);
        }
      };
      this.look();
    }), what);
  }

  hearsTimes(name, n) { return this.hears(() => this.named(name).length >= n, `${n} times ${name}`); }
  named(name) { return this.heard.filter(([one]) => one === name).map(([, ...what]) => what[0]); }

  async ask(name, payload) {
    const n = this.named('ack').length + 1;
    this.child.stdin.write(`${JSON.stringify([name, payload])}\n`);
    await this.hearsTimes('ack', n);
    return this.named('ack').at(-1);
  }

  async end() {
    this.child.stdin.end();
    const [code] = await within(ANSWER_MS, this.ended, 'the end');
    assert.equal(code, 0);
  }

  close() { this.child.kill('SIGKILL'); }
}

const PYTHONS = [
  ['sync, with websocket-client', 'sync', ['polling', 'websocket'], [], 'websocket'],
  ['sync, with websocket-client, by WebSocket alone', 'sync', ['websocket'], [], 'websocket'],
  ['sync, without websocket-client', 'sync', ['polling', 'websocket'], ['alone'], 'polling'],
  ['async, with aiohttp', 'async', ['polling', 'websocket'], [], 'websocket'],
  ['async, by polling alone', 'async', ['polling'], [], 'polling'],
];

for (const [name, kind, transports, more, transport] of PYTHONS) {
  test(`python-socketio ${name}: it sends, hears ${BURST} messages at once, and comes back after a cut`, async () => {
    const { who, room } = await guest();
    const python = new Python(kind, wire, who.token, transports, ...more);
    assert.deepEqual(await python.hears(([one]) => one === 'transport'), ['transport', transport]);
    const { ok, message } = await python.ask('send_message', { roomId: room.id, content: 'from Python: é€😀' });
    assert.equal(ok, true);
    const ids = await burst(room);
    await a.hears('delivered', (d) => d.messageId === ids.at(-1) && d.userIds.includes(who.id));
    await python.hearsTimes('receive_message', 1 + BURST);
    assert.equal((await python.ask('send_message', { bytes: [0, 255] })).error, 'Binary data is not expected here');
    assert.deepEqual(python.named('disconnect'), []);
    wire.break();
    await python.hearsTimes('disconnect', 1);
    wire.mend();
    await python.hearsTimes('connect', 2);
    const { id } = await ann.send(room.id, 'back');
    await python.hearsTimes('receive_message', 1 + BURST + 1);
    await python.end();
    const heard = python.named('receive_message').map((m) => m.id), told = [message.id, ...ids, id];
    // The sync client has a thread for each event, and they print in any order.
    const inOrder = (list) => (kind === 'sync' ? [...list].sort((x, y) => x - y) : list);
    assert.deepEqual(inOrder(heard), inOrder(told));
  });

  test(`python-socketio ${name}: a wrong token is refused in words`, async () => {
    const python = new Python(kind, server, 'made up', transports, ...more);
    await python.hears(([one]) => one === 'refused');
    assert.deepEqual(python.named('connect_error'), [{ message: 'Unauthorized: invalid token' }]);
    await python.end();
  });
}

// As the bug report has it: a bot that says nothing, and people who come.
test('python-socketio, by polling: 40 people who come at once do not end a quiet client', async () => {
  const { who, room } = await guest();
  const python = new Python('async', server, who.token, ['polling']);
  await python.hears(([one]) => one === 'transport');
  const crowd = await Promise.all(Array.from({ length: 40 }, (_, i) => person(server, `crowd${i}`)));
  await Promise.all(crowd.map((one) => one.join(room.id)));
  await python.hearsTimes('member_joined', 40);
  assert.equal((await python.ask('send_message', { roomId: room.id, content: 'still here' })).ok, true);
  assert.deepEqual([python.named('connect').length, python.named('disconnect')], [1, []]);
  await python.end();
});
