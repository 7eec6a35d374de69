// What the stock client packages see of sio-conformance: socket.io-client 4 and 3, their values also older ones of 4, by polling, by WebSocket, across the upgrade.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { io as io4 } from 'socket.io-client';
import { io as io3 } from 'socket.io-client-3';
import { io as io40 } from 'socket.io-client-4.0';
import { io as io46 } from 'socket.io-client-4.6';
import { MAX_PAYLOAD, PATIENCE, event, start, within } from './lib/program.mjs';

const WAYS = [['polling', ['polling']], ['WebSocket', ['websocket']], ['the upgrade', ['polling', 'websocket']]];
const SOME = 10_000;
let server, calm;       // calm: with a slow heartbeat, for what has nothing to do with it
const open = [];
before(async () => { [server, calm] = await Promise.all([start(), start(undefined, undefined, PATIENCE)]); });
afterEach(() => open.splice(0).forEach((one) => one.close()));
after(() => Promise.all([server.stop(), calm.stop()]));

function client(io, options, where = calm.url) {
  const socket = io(where, { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 50, ...options });
  open.push(socket);
  return socket;
}
async function connected(io, transports, from = calm) {
  const socket = client(io, { transports }, from.url);
  await event(socket, 'connect');
  await upgraded(socket, transports);
  return socket;
}
// The upgrade may have been faster than the answer to CONNECT.
async function upgraded(socket, transports) {
  if (socket.io.engine.transport.name !== transports.at(-1)) {
    await event(socket.io.engine, 'upgrade');
  }
}
async function back(socket, ...args) {
  const answer = event(socket, 'message-back');
  socket.emit('message', ...args);
  return answer;
}
const acked = (socket, ...args) =>
  within(15_000, new Promise((done) => socket.emit('message-with-ack', ...args, (...answer) => done(answer))), 'an ack');

for (const [version, io] of [['3.1', io3], ['4.0', io40], ['4.6', io46], ['4.8', io4]]) {
  for (const [way, transports] of WAYS) {
    test(`socket.io-client ${version} by ${way}: events and acks bring back text, numbers, objects and bytes`, async () => {
      const socket = await connected(io, transports);
      for (const args of [[], ['hi'], [1, '2', { 3: [true, null] }], ['é€😀', '\u2028\x1e\0'],
        [Buffer.from([1, 2, 3])], [{ deep: [Buffer.from([0, 255]), 'x', Buffer.alloc(0)] }, 7]]) {
        assert.deepEqual(await back(socket, ...args), args);
        assert.deepEqual(await acked(socket, ...args), args);
      }
    });
  }
}

for (const [version, io] of [['4', io4], ['3', io3]]) {
  for (const [way, transports] of WAYS) {
    const by = `socket.io-client ${version} by ${way}`;

    test(`${by}: the namespaces greet with the connect payload, and an unknown one is refused`, async () => {
      const auth = { token: 'é"1' };
      for (const name of ['/', '/custom']) {
        const socket = client(io, { transports, auth }, calm.url + name);
        const greeting = event(socket, 'auth');
        await event(socket, 'connect');
        assert.match(socket.id, /^[\w-]{20}$/);
        assert.deepEqual(await greeting, [auth]);
      }
      const other = client(io, { transports }, `${calm.url}/random`);
      const [error] = await event(other, 'connect_error');
      assert.equal(error.message, 'Invalid namespace');
      assert.equal(other.connected, false);
    });

    test(`${by}: two namespaces share a connection, and leaving one leaves the other`, async () => {
      const socket = await connected(io, transports);
      const custom = socket.io.socket('/custom');
      await event(custom, 'connect');
      const left = event(custom, 'disconnect');
      custom.disconnect();
      assert.equal((await left)[0], 'io client disconnect');
      assert.deepEqual(await back(socket, 'here'), ['here']);
    });

    test(`${by}: it lives on through the heartbeat and says why it ends`, async () => {
      const socket = await connected(io, transports, server);
      for (let i = 0; i < 3; i++) {
        await event(version === '4' ? socket.io.engine : socket.io.engine.transport,
          version === '4' ? 'heartbeat' : 'packet');
      }
      assert.deepEqual(await acked(socket, 'still here'), ['still here']);
      const ended = event(socket, 'disconnect');
      socket.disconnect();
      assert.equal((await ended)[0], 'io client disconnect');
    });

    test(`${by}: a megabyte of text and of bytes comes back`, async () => {
      const socket = await connected(io, transports);
      const text = 'm'.repeat(MAX_PAYLOAD - 100);
      const bytes = Buffer.alloc(way === 'polling' ? MAX_PAYLOAD * 0.74 : MAX_PAYLOAD, 7);      // base64 takes a third more
      assert.ok((await acked(socket, text))[0] === text);
      assert.ok(bytes.equals((await acked(socket, bytes))[0]));
    });

    test(`${by}: a packet over maxPayload ends the connection, and the client comes back`, async () => {
      const socket = await connected(io, transports);
      const ended = event(socket, 'disconnect');
      socket.emit('message', 'm'.repeat(MAX_PAYLOAD + 1));
      assert.equal((await ended)[0], way === 'polling' ? 'transport error' : 'transport close');
      await event(socket, 'connect');
      assert.deepEqual(await acked(socket, 1), [1]);
    });
  }

  test(`socket.io-client ${version}: ${SOME} events across an upgrade come back in order, none lost`, async () => {
    const socket = client(io, { transports: ['polling', 'websocket'] });
    const got = [];
    const all = new Promise((done, fail) => {
      socket.on('message-back', (n) => {
        got.push(n);
        if (got.length === SOME) {
          done();
        }
      });
      socket.on('disconnect', (why) => fail(new Error(`${why} after ${got.length}`)));
    });
    let sent = 0;
    const send = (upTo) => {
      for (const end = Math.min(sent + 100, upTo); sent < end;) {
        socket.emit('message', sent++);
      }
      if (sent < upTo) {
        setImmediate(send, upTo);
      }
    };
    socket.io.once('open', () => {          // the probe is on its way; what is sent now leaves with CONNECT or right behind
      assert.equal(socket.io.engine.transport.name, 'polling');
      socket.io.engine.once('upgrade', () => send(SOME));
      send(SOME / 2);
    });
    await within(30_000, all, `${SOME} events`);
    assert.equal(socket.io.engine.transport.name, 'websocket');
    assert.deepEqual(got, Array.from({ length: SOME }, (_, i) => i));
  });

  for (const [way, transports, why] of [
    ['polling', ['polling'], 'transport error'], ['WebSocket', ['websocket'], 'transport close'], ['the upgrade', ['polling', 'websocket'], 'transport close'],
  ]) {
    test(`socket.io-client ${version} by ${way}: a server that dies is noticed, one that stands still too, and both come back`, async () => {
      let own = await start();
      const { port } = own;
      const socket = client(io, { transports }, own.url);
      await event(socket, 'connect');
      const first = socket.id;
      await upgraded(socket, transports);
      let ended = event(socket, 'disconnect');
      own.signal('SIGSTOP');
      assert.equal((await ended)[0], 'ping timeout');
      own.signal('SIGCONT');
      await event(socket, 'connect');
      assert.notEqual(socket.id, first);
      await upgraded(socket, transports);
      ended = event(socket, 'disconnect');
      own.signal('SIGKILL');
      assert.equal((await ended)[0], why);
      const again = event(socket, 'connect', 20_000);
      own = await start('sio-conformance', port);
      await again;
      assert.deepEqual(await acked(socket, 'back'), ['back']);
      ended = event(socket, 'disconnect');
      const stopped = own.stop();
      assert.match((await ended)[0], way === 'polling' ? /^transport (close|error)$/ : /^transport close$/);
      socket.close();
      await stopped;
    });
  }
}
