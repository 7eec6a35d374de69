// The example of docs/sio-library.md: the document shows the file that is built, and the program does what it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { io as io4 } from 'socket.io-client';
import { io as io3 } from 'socket.io-client-3';
import { ROOT, WAIT_MS, event, start, within } from './lib/program.mjs';

let server;
const open = [];
before(async () => { server = await start('sio-echo'); });
afterEach(() => open.splice(0).forEach((one) => one.close()));
after(() => server.stop());

// Ten requests in one piece, and gone before the first is answered: the second answer goes to a connection that has been reset.
async function askAndGo(program) {
  const one = connect(program.port, '127.0.0.1');
  await event(one, 'connect');
  program.signal('SIGSTOP');
  await new Promise((sent) => one.write('GET / HTTP/1.1\r\nHost: echo\r\n\r\n'.repeat(10), sent));
  one.destroy();
  await event(one, 'close');
  program.signal('SIGCONT');
}

async function connected(io, transports) {
  const socket = io(server.url, { forceNew: true, transports, reconnectionDelay: 20 });
  open.push(socket);
  await event(socket, 'connect');
  return socket;
}

test('the document shows exactly the example that is built', () => {
  const shown = /^```c\n(.*?)^```$/ms.exec(readFileSync(join(ROOT, 'docs/sio-library.md'), 'utf8'))[1];
  assert.equal(shown, readFileSync(join(ROOT, 'docs/examples/sio_echo.c'), 'utf8'));
});

for (const program of ['sio-echo', 'sio-conformance']) {
  test(`${program}: a client that has gone before it is answered ends its own connection and nothing else`, async () => {
    const one = await start(program);
    await askAndGo(one);
    await one.request('GET', '/');
    await one.stop();
  });
}

test('the server gives up on a client that does not answer', async () => {
  const socket = await connected(io4, ['websocket']);
  socket.emit('ask', 'again');
  assert.deepEqual(await event(socket, 'answered'), [null]);
});

for (const [version, io] of [['4', io4], ['3', io3]]) {
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    const by = `socket.io-client ${version} by ${transports.join(' and ')}`;

    test(`${by}: the echo brings back values and bytes`, async () => {
      const socket = await connected(io, transports);
      const args = [1, 'two', { three: [Buffer.from([4, 5])] }];
      assert.deepEqual(await within(WAIT_MS, new Promise((done) => socket.emit('echo', ...args, (...back) => done(back))), 'an ack'), args);
    });

    test(`${by}: what one says reaches the others and not oneself`, async () => {
      const [one, other] = [await connected(io, transports), await connected(io4, ['websocket'])];
      one.on('said', () => assert.fail('told to oneself'));
      const said = event(other, 'said');
      one.emit('say', 'hello', Buffer.from([1, 2]));
      assert.deepEqual(await said, ['hello', Buffer.from([1, 2])]);
      await new Promise((done) => one.emit('echo', done));
    });

    test(`${by}: the server asks and is answered with values`, async () => {
      const socket = await connected(io, transports);
      socket.once('question', (what, answer) => answer(`you asked ${what}`, 2));
      socket.emit('ask', 'why');
      assert.deepEqual(await event(socket, 'answered'), ['you asked why', 2]);
    });

    test(`${by}: a goodbye of the server is one, and the client may come back by itself`, async () => {
      const socket = await connected(io, transports);
      const ended = event(socket, 'disconnect');
      socket.emit('leave');
      assert.equal((await ended)[0], 'io server disconnect');
      socket.connect();
      await event(socket, 'connect');
    });
  }
}
