// The bundles of socket.io-client that pages load, in Chromium, on a page of another origin.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { person } from '../api/lib/client.mjs';
import { ROOT, start } from '../api/lib/server.mjs';
import { Line, TRANSPORTS } from '../api/lib/sockets.mjs';
import { browse } from './lib/browser.mjs';

const PACKAGES = [['3.1', 'socket.io-client-3'], ['4.0', 'socket.io-client-4.0'], ['4.6', 'socket.io-client-4.6'], ['4.8', 'socket.io-client']];
const bundleOf = (name) => readFileSync(join(ROOT, 'tests/node_modules', name, 'dist/socket.io.min.js'));

let server, ann, a, host, context;
before(async () => {
  server = await start();
  ann = await person(server, 'ann');
  a = await Line.to(ann);
  host = http.createServer((rq, rs) => {
    const found = PACKAGES.find(([, name]) => rq.url === `/${name}.js`);
    rs.setHeader('Content-Type', found === undefined ? 'text/html' : 'text/javascript');
    rs.end(found === undefined ? '<!doctype html><title>a page</title>' : bundleOf(found[1]));
  });
  await new Promise((up) => host.listen(0, '127.0.0.1', up));
  context = await browse();
});
after(async () => {
  a.close();
  host.closeAllConnections();
  host.close();
  await server.stop();
});

// What a page does with the bundle; it runs in the browser.
async function visit({ url, token, transports, roomId }) {
  const connect = (auth) => window.io(url, { auth, transports, forceNew: true, reconnectionDelay: 20 });
  const next = (socket, name) => new Promise((heard) => socket.once(name, (...what) => heard(what)));
  const ask = (socket, ...what) => new Promise((answer) => socket.emit('send_message', ...what, answer));
  const socket = connect({ token });
  await next(socket, 'connect');
  const heard = next(socket, 'receive_message');
  const sent = await ask(socket, { roomId, content: 'from a page: é€😀' });
  const bytes = await ask(socket, new Uint8Array([0, 1, 255]));
  const ended = next(socket, 'disconnect');
  socket.io.engine.close();
  await ended;
  await next(socket, 'connect');
  const again = await ask(socket, { roomId, content: 'after a cut' });
  const stranger = connect({ token: 'made up' });
  const [refusal] = await next(stranger, 'connect_error');
  stranger.disconnect();
  return { heard: (await heard)[0].id, sent, bytes, again, refusal: refusal.message };
}

for (const [version, name] of PACKAGES) {
  for (const [way, transports] of TRANSPORTS) {
    test(`socket.io-client ${version} in Chromium, ${way}: it sends, hears, comes back, and is refused in words`, async () => {
      const who = await person(server);
      const room = await ann.room();
      await who.join(room.id);
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${host.address().port}/`);
      await page.addScriptTag({ url: `/${name}.js` });
      const seen = await page.evaluate(visit, { url: server.url, token: who.token, transports, roomId: room.id });
      assert.equal(seen.heard, seen.sent.message.id);
      assert.equal(seen.sent.message.content, 'from a page: é€😀');
      assert.deepEqual(seen.bytes, { ok: false, error: 'Binary data is not expected here', code: 'bad_request' });
      assert.equal(seen.again.ok, true);
      assert.equal(seen.refusal, 'Unauthorized: invalid token');
      await a.hears('receive_message', { id: seen.again.message.id });
      const { id } = await ann.send(room.id, 'to the page');
      await a.hears('delivered', (d) => d.messageId === id && d.userIds.includes(who.id));
      await page.close();
    });
  }
}
