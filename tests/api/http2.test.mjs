// HTTP/2, with TLS by ALPN and without by preface and by Upgrade: the same answers to node:http2, curl, nghttp and h2load.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import { done, person, refused, wholeHistory } from './lib/client.mjs';
import { start } from './lib/server.mjs';
import { Authority, ask2, handshake, secureUrl, session2 } from './lib/tls.mjs';

const ca = new Authority();
const pair = ca.issue();
const TLS = { cert: pair.cert, key: pair.key, port: 0 };
let server, ann, room;
before(async () => {
  server = await start({ config: { server: { http2: 'yes' }, tls: TLS } });
  ann = await person(server, 'ann');
  room = await ann.room('harbour');
});
after(() => server.stop());

const doors = () => [['TLS', secureUrl(server), { ca: ca.pem }], ['clear text', server.url, {}]];

function tool(name, ...args) {
  const r = spawnSync(name, args, { encoding: 'utf8', timeout: 60_000 });
  assert.equal(r.status, 0, `${name} ${args.join(' ')}: ${r.stdout}${r.stderr}`);
  return r.stdout;
}

test('ALPN chooses h2 when it is offered, HTTP/1.1 otherwise', async () => {
  for (const [offered, chosen] of [[['h2', 'http/1.1'], 'h2'], [['http/1.1', 'h2'], 'h2'], [['http/1.1'], 'http/1.1'],
    [['spdy/3'], false], [undefined, false]]) {
    const socket = await handshake(server, ca.pem, { ALPNProtocols: offered });
    assert.equal(socket.alpnProtocol, chosen, `${offered}`);
    socket.destroy();
  }
});

test('off, it is spoken with nobody', async () => {
  const plain = await start({ config: { server: { http2: 'no' } } });
  const session = http2.connect(plain.url);
  const [event] = await Promise.race([once(session, 'error').then(() => ['error']), once(session, 'close').then(() => ['close']),
    once(session, 'remoteSettings').then(() => ['settings'])]);
  assert.notEqual(event, 'settings');
  session.destroy();
  assert.equal(tool('curl', '-s', '--http2', '-o', '/dev/null', '-w', '%{http_version}', plain.url), '1.1');
  await plain.stop();
});

for (const door of [0, 1]) {
  const what = ['TLS', 'clear text'][door];
  const open = () => { const [, url, options] = doors()[door]; return session2(url, options); };

  test(`REST answers over HTTP/2 and ${what} as over HTTP/1.1`, async () => {
    const session = await open();
    const me = (method, path, body) => ask2(session, method, path, { body, token: ann.token });
    const { id } = done(await me('POST', '/rooms', { name: `by HTTP/2 and ${what}` }), 201);
    const sent = done(await me('POST', '/messages', { roomId: id, content: 'hello' }), 201);
    assert.deepEqual((await wholeHistory(ann, id)).map((m) => m.id), [sent.id]);
    assert.equal((await ask2(session, 'GET', '/')).text, 'Chat API Running');
    assert.equal((await ask2(session, 'HEAD', '/')).headers['content-length'], '16');
    refused(await ask2(session, 'GET', '/nowhere'), 404, 'not_found');
    refused(await ask2(session, 'PUT', '/rooms'), 405, 'method_not_allowed');
    refused(await ask2(session, 'GET', '/rooms'), 401, 'unauthorized', 'No token provided');
    refused(await me('POST', '/rooms', '{'), 400, 'bad_request');
    const left = await me('DELETE', `/rooms/${id}/members/me`);
    assert.deepEqual([left.status, left.text], [204, '']);
    const { headers } = await ask2(session, 'OPTIONS', '/rooms', { headers: { origin: 'https://a.example' } });
    assert.equal(headers['access-control-allow-origin'], '*');
    session.close();
  });

  test(`many requests at a time share a session, ${what}`, async () => {
    const session = await open();
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) =>
      ask2(session, 'POST', '/messages', { token: ann.token, body: { roomId: room.id, content: `${what} ${i}` } })));
    assert.ok(answers.every((a) => a.status === 201));
    assert.equal(new Set(answers.map((a) => a.body.id)).size, 300);
    const page = await ask2(session, 'GET', `/messages/rooms/${room.id}/messages?limit=100`, { token: ann.token });
    assert.equal(page.body.items.length, 100);
    session.close();
  });

  test(`Engine.IO polling works over HTTP/2, ${what}`, async () => {
    const session = await open();
    const poll = (sid) => ask2(session, 'GET', `/socket.io/?EIO=4&transport=polling${sid === undefined ? '' : `&sid=${sid}`}`);
    const { sid } = JSON.parse((await poll()).text.slice(1));
    const put = async (text) => assert.equal((await ask2(session, 'POST', `/socket.io/?EIO=4&transport=polling&sid=${sid}`,
      { body: text, headers: { 'content-type': 'text/plain' } })).text, 'ok');
    const heard = [];
    const hears = async (fits) => {
      for (;;) {
        const at = heard.findIndex((packet) => fits.test(packet));
        if (at >= 0) {
          return heard.splice(at, 1)[0];
        }
        heard.push(...(await poll(sid)).text.split('\x1e'));
        if (heard.includes('2')) {
          heard.splice(heard.indexOf('2'), 1);
          await put('3');
        }
      }
    };
    await put(`40${JSON.stringify({ token: ann.token })}`);
    await hears(/^40\{/);
    const waiting = hears(/^42\["receive_message"/);           // a poll that is held open beside other requests
    const sent = done(await ask2(session, 'POST', '/messages', { token: ann.token, body: { roomId: room.id, content: 'polled' } }), 201);
    assert.equal(JSON.parse((await waiting).slice(2))[1].id, sent.id);
    await put('41');
    await put('1');
    session.close();
  });

  test(`polls that wait hold up nothing else of their session, ${what}`, async () => {
    const session = await open();
    const polls = Array.from({ length: 40 }, async () => {
      const { sid } = JSON.parse((await ask2(session, 'GET', '/socket.io/?EIO=4&transport=polling')).text.slice(1));
      const path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
      const poll = session.request({ ':path': path });          // waits: there is nothing to say
      poll.on('error', () => {});
      return { path, poll };
    });
    const waiting = await Promise.all(polls);
    await new Promise((sent) => session.ping(sent));
    const began = Date.now();
    done(await ask2(session, 'POST', '/messages', { token: ann.token, body: { roomId: room.id, content: 'beside polls' } }), 201);
    for (const { path } of waiting) {
      assert.equal((await ask2(session, 'POST', path, { body: '1', headers: { 'content-type': 'text/plain' } })).status, 200);
    }
    assert.ok(Date.now() - began < 10_000, 'nothing waited for the end of a poll, which is a ping away');
    session.close();
  });

  test(`a poll whose stream is reset, or whose session ends, ends its socket, ${what}`, async () => {
    for (const end of ['stream', 'session']) {
      const [session, other] = [await open(), await open()];
      const { sid } = JSON.parse((await ask2(session, 'GET', '/socket.io/?EIO=4&transport=polling')).text.slice(1));
      const path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
      const poll = session.request({ ':path': path });
      poll.on('error', () => {});
      await new Promise((sent) => session.ping(sent));         // frames are handled in their order: the request is there
      if (end === 'stream') {
        poll.close(http2.constants.NGHTTP2_CANCEL);
      } else {
        session.destroy();
      }
      await once(poll, 'close');
      let answer;
      do {                                                     // the end of a session is heard a little later
        answer = await ask2(other, 'POST', path, { body: '6', headers: { 'content-type': 'text/plain' } });
      } while (answer.status === 200);
      assert.deepEqual(answer.body, { code: 1, message: 'Session ID unknown' });
      session.destroy(), other.close();
    }
  });
}

test('curl speaks it over TLS, by preface and by Upgrade', () => {
  const [secure, plain] = [secureUrl(server), server.url];
  for (const args of [['--http2', '--cacert', ca.file, secure], ['--http2-prior-knowledge', plain], ['--http2', plain]]) {
    assert.equal(tool('curl', '-s', '-w', ' %{http_version}', ...args), 'Chat API Running 2', args.join(' '));
  }
  for (const args of [['--http1.1', '--cacert', ca.file, secure], [plain]]) {
    assert.equal(tool('curl', '-s', '-w', ' %{http_version}', ...args), 'Chat API Running 1.1');
  }
});

test('nghttp and h2load have no complaints', () => {
  for (const [, url] of doors()) {
    assert.match(tool('nghttp', '-n', '-s', '-m', '20', url), /\b200\b.*\//);
    const said = tool('h2load', '-n', '2000', '-c', '8', '-m', '20', url);
    assert.match(said, /2000 succeeded, 0 failed, 0 errored, 0 timeout/);
    assert.match(said, /2000 2xx, 0 3xx, 0 4xx, 0 5xx/);
  }
});

test('a body over its limit is answered 413, told or not, and its session goes on', async () => {
  const session = await session2(server.url);
  for (const bytes of [70_000, 2_000_000]) {
    const body = Buffer.alloc(bytes, 'x');
    for (const headers of [{}, { 'content-length': bytes }]) {
      refused(await ask2(session, 'POST', '/rooms', { token: ann.token, body, headers }), 413, 'too_large');
    }
  }
  assert.equal((await ask2(session, 'GET', '/')).status, 200);
  session.close();
  const much = spawnSync('curl', ['-s', '--http2-prior-knowledge', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'Content-Type: application/json',
    '--data-binary', '@-', `${server.url}/auth/login`], { input: Buffer.alloc(3_000_000, 'x') });
  assert.equal(String(much.stdout), '413');
});

test('more than guard.body_bytes ends the session, and nobody else is the worse for it', async () => {
  const session = await session2(server.url), other = await session2(server.url);
  const ended = new Promise((done) => session.once('close', done));
  ask2(session, 'POST', '/rooms', { token: ann.token, body: Buffer.alloc(6_000_000, 'x') }).catch(() => {});
  await ended;
  assert.equal((await ask2(other, 'GET', '/')).status, 200);
  other.close();
});

test('the server stops in order while sessions are open and a request waits', async () => {
  const own = await start({ config: { server: { http2: 'yes' } } });
  const idle = await session2(own.url), busy = await session2(own.url);
  await ask2(idle, 'GET', '/');
  const { sid } = JSON.parse((await ask2(busy, 'GET', '/socket.io/?EIO=4&transport=polling')).text.slice(1));
  const poll = ask2(busy, 'GET', `/socket.io/?EIO=4&transport=polling&sid=${sid}`);
  await new Promise((sent) => busy.ping(sent));
  const began = Date.now();
  own.signal('SIGTERM');
  assert.equal((await poll).status, 200);
  await own.stop();
  assert.ok(Date.now() - began < 9000, `${Date.now() - began} ms`);
  idle.destroy(), busy.destroy();
});
