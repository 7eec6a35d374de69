// A certificate is replaced under 1,000 open sockets: none is lost, new ones are shown the new one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import WebSocket from 'ws';
import { person } from '../api/lib/client.mjs';
import { start, tempDir } from '../api/lib/server.mjs';
import { Authority, handshake, secureUrl } from '../api/lib/tls.mjs';

const SOCKETS = 1000, AT_ONCE = 50;
const ca = new Authority();

// A bare Socket.IO client: it answers pings and counts the messages it hears.
async function open(url, token) {
  const ws = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`, { ca: ca.pem, perMessageDeflate: false });
  const one = { ws, heard: 0, isClosed: false };
  ws.on('error', () => {});
  ws.on('close', () => { one.isClosed = true; });
  const joined = new Promise((done) => ws.on('message', (data) => {
    const text = data.toString();
    if (text === '2') {
      ws.send('3');
    } else if (text.startsWith('0')) {
      ws.send(`40${JSON.stringify({ token })}`);
    } else if (text.startsWith('40')) {
      done();
    } else if (text.startsWith('42["receive_message"')) {
      one.heard++;
      one.onHeard?.();
    }
  }));
  await Promise.race([joined, once(ws, 'close').then(() => assert.fail('closed before it had joined'))]);
  return one;
}

const heard = (one, n) => new Promise((done) => {
  one.onHeard = () => { if (one.heard >= n) { done(); } };
  one.onHeard();
});

test(`${SOCKETS} sockets stay while the certificate is replaced twice, once by something useless`, async () => {
  const dir = tempDir(), [cert, key] = [join(dir, 'x.crt'), join(dir, 'x.key')];
  const put = (pair) => { copyFileSync(pair.cert, cert); copyFileSync(pair.key, key); };
  const [first, second] = [ca.issue(), ca.issue()];
  put(first);
  const server = await start({ config: { tls: { cert, key, port: 0 }, live: { sockets_per_user: 2 * SOCKETS, user_connects: 0 } } });
  const ann = await person(server), room = await ann.room('harbour'), url = secureUrl(server, 'wss');
  const shown = async () => {
    const socket = await handshake(server, ca.pem);
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const sockets = [];
  while (sockets.length < SOCKETS) {
    sockets.push(...await Promise.all(Array.from({ length: AT_ONCE }, () => open(url, ann.token))));
  }
  assert.equal(await shown(), first.sha256);
  const pause = Promise.all(sockets.map((one) => heard(one, 1)));
  await ann.send(room.id, 'before');
  await pause;

  put(second);
  server.signal('SIGHUP');
  const opening = open(url, ann.token);                 // one that comes right now is fine with either
  while (await shown() !== second.sha256) { /* the loop takes it when it comes to it */ }
  writeFileSync(cert, 'nonsense\n');
  server.signal('SIGHUP');
  while (!server.log.includes('serve.certificate_not_reloaded')) {
    await once(server.child.stderr, 'data');
  }
  assert.equal(await shown(), second.sha256);
  const [late, newcomer] = [await opening, await open(url, ann.token)];

  await ann.send(room.id, 'after');
  await Promise.all([...sockets.map((one) => heard(one, 2)), heard(late, 1), heard(newcomer, 1)]);
  assert.equal(sockets.filter((one) => one.isClosed).length, 0);
  [...sockets, late, newcomer].forEach(({ ws }) => ws.terminate());
  await server.stop();
});
