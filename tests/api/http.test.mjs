// What HTTP itself asks for: methods, paths, bodies, CORS, connections, and what garbage gets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { done, person, raw, refused, request, responses } from './lib/client.mjs';
import { start } from './lib/server.mjs';

const MAX_BODY = 65536;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + '\0\0\0\x04\0\0\0\0\0';
let server, ann, room;
before(async () => {
  server = await start({ config: { server: { max_body: MAX_BODY } } });
  ann = await person(server, 'ann');
  room = await ann.room('harbour');
});
after(() => server.stop());

const call = (method, path, options) => request(server, method, path, options);
const alive = async () => assert.equal((await call('GET', '/')).text, 'Chat API Running');

test('the front door says what runs here', async () => {
  const answer = await call('GET', '/');
  assert.equal(answer.status, 200);
  assert.equal(answer.text, 'Chat API Running');
  assert.match(answer.headers['content-type'], /^text\/(plain|html)/);
});

for (const path of [
  '/nothing', '/rooms/1', '/rooms/1/members/you', '/messages/1', '/auth', '/auth/', '//', '/../etc/passwd',
]) {
  test(`${path} is not found`, async () => { refused(await ann.get(path), 404, 'not_found'); });
}

for (const [path, allowed] of [
  ['/', ['GET']], ['/auth/register', ['POST']], ['/auth/login', ['POST']], ['/auth/me', ['PATCH']], ['/rooms', ['GET', 'POST']],
  ['/rooms/join', ['POST']], ['/rooms/1/members', ['GET', 'POST']], ['/rooms/1/members/me', ['DELETE']], ['/messages', ['POST']],
  ['/messages/rooms/1/messages', ['GET']], ['/messages/read', ['POST']], ['/messages/1/receipts', ['GET']], ['/sync', ['GET']],
  ['/healthz', ['GET']], ['/readyz', ['GET']],
]) {
  test(`${path} by another method is refused and told which there are`, async () => {
    for (const method of ['PUT', 'GET', 'POST', 'PATCH', 'DELETE', 'BREW'].filter((m) => !allowed.includes(m))) {
      const answer = await raw(server, `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.token}\r\n` +
        'Content-Length: 0\r\nConnection: close\r\n\r\n');
      assert.match(answer, /^HTTP\/1\.1 405 /, `${method} ${path}: ${answer}`);
      assert.match(answer, /"code":"method_not_allowed"/);
      const allow = /^allow: *(.*)$/im.exec(answer)?.[1].split(/, */) ?? [];
      for (const each of allowed) {
        assert.ok(allow.includes(each), `Allow: ${allow}`);
      }
      assert.ok(!allow.includes(method), `Allow: ${allow}`);
    }
  });
}

test('HEAD answers like GET, without a body', async () => {
  for (const path of ['/', '/rooms', '/healthz', '/nothing']) {
    const [get, head] = [await ann.get(path), await call('HEAD', path, { token: ann.token })];
    assert.equal(head.status, get.status);
    assert.equal(head.text, '');
    assert.equal(head.headers['content-type'], get.headers['content-type']);
  }
  const both = await raw(server, 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.equal(both.match(/Chat API Running/g).length, 1, 'a body after HEAD would be taken for the next answer');
});

// ---- bodies ----

for (const [what, body] of [
  ['cut JSON', '{"roomId":1,'], ['no JSON', 'roomId=1&content=x'], ['nothing', ''], ['blanks', '  \n'], ['an array', '[1]'],
  ['text', '"x"'], ['a number', '5'], ['null', 'null'], ['two objects', '{}{}'], ['a trailing comma', '{"content":"x",}'],
  ['single quotes', "{'content':'x'}"], ['bytes that are no UTF-8', Buffer.from('7b22636f6e74656e74223a22ff227d', 'hex')],
  ['an overlong UTF-8 form', Buffer.from('7b22636f6e74656e74223a22c0af227d', 'hex')],
  ['half of an escape', '{"roomId":1,"content":"\\ud80"}'], ['ten thousand brackets', '['.repeat(10_000)],
  ['ten thousand nested objects', '{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)],
  ['a number beyond all', '{"roomId":1e999,"content":"x"}'],
  ['a BOM alone', '\ufeff'], ['two BOMs', '\ufeff\ufeff{"roomId":1,"content":"x"}'], ['a raw line break in text', '{"roomId":1,"content":"a\nb"}'],
]) {
  test(`a body of ${what} is refused`, async () => {
    refused(await call('POST', '/messages', { body, token: ann.token }), 400, 'bad_request');
    await alive();
  });
}

test('a byte order mark before a body is passed over', async () => {
  const body = `\ufeff${JSON.stringify({ roomId: room.id, content: 'x' })}`;
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${ann.token}` };
  assert.equal((await fetch(`${server.url}/messages`, { method: 'POST', headers, body: Buffer.from(body) })).status, 201);
});

for (const [what, more] of [['a key with a NUL', (body) => body.replace('}', ',"a\\u0000":1}')],
  ['half of a surrogate pair', (body) => body.replace('}', ',"x":"\\ud800"}')],
  ['a number beyond all that nobody looks at', (body) => body.replace('}', ',"x":-1e999}')]]) {
  test(`a body with ${what} is taken`, async () => {
    const body = more(JSON.stringify({ roomId: room.id, content: 'x' }));
    assert.equal(done(await call('POST', '/messages', { body, token: ann.token }), 201).content, 'x');
  });
}

test('a number beyond all is a wrong field and says so', async () => {
  refused(await call('POST', '/messages', { body: '{"roomId":1e999,"content":"x"}', token: ann.token }), 400, 'bad_request',
    'roomId must be an id');
});

for (const [method, path] of [
  ['POST', '/auth/register'], ['POST', '/auth/login'], ['PATCH', '/auth/me'], ['POST', '/rooms'], ['POST', '/rooms/join'],
  ['POST', '/rooms/1/members'], ['POST', '/messages/read'],
]) {
  test(`${method} ${path} refuses malformed JSON, what is no object, and another content type`, async () => {
    for (const body of ['{"email":', '[1]', 'null']) {
      refused(await call(method, path, { body, token: ann.token }), 400, 'bad_request');
    }
    const headers = { 'Content-Type': 'text/plain' };
    refused(await call(method, path, { body: '{}', token: ann.token, headers }), 400, 'bad_request', /content.type/i);
  });
}

test('a NUL inside text is refused or kept whole, never cut', async () => {
  const answer = await ann.post('/messages', { roomId: room.id, content: 'a\u0000b' });
  if (answer.status === 201) {
    assert.equal(answer.body.content, 'a\u0000b');
  } else {
    refused(answer, 400, 'bad_request');
  }
});

for (const type of [
  'text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'multipart/form-data; boundary=x',
]) {
  test(`a body of the type ${type} is refused`, async () => {
    const body = JSON.stringify({ roomId: room.id, content: 'x' });
    const answer = await call('POST', '/messages', { body, token: ann.token, headers: { 'Content-Type': type } });
    refused(answer, 400, 'bad_request', /content.type/i);
  });
}
for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset=UTF-8']) {
  test(`a body of the type ${type} is read`, async () => {
    const body = JSON.stringify({ roomId: room.id, content: 'x' });
    done(await call('POST', '/messages', { body, token: ann.token, headers: { 'Content-Type': type } }), 201);
  });
}

test('fields that nobody asked for are passed over', async () => {
  done(await ann.post('/messages', { roomId: room.id, content: 'x', __proto__: null, senderId: 999, id: 1, extra: [{}] }), 201);
  const mine = (await ann.history(room.id, '?limit=1')).items[0];
  assert.equal(mine.senderId, ann.id);
});

test('a body over the limit is too large, and the server goes on', async () => {
  const body = JSON.stringify({ roomId: room.id, content: 'x'.repeat(MAX_BODY) });
  const answer = await raw(server, [`POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
    `Authorization: Bearer ${ann.token}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`, body]);
  assert.match(answer, /^HTTP\/1\.1 413 /);
  await alive();
});

test('a length that claims to be too large by far is not waited for', async () => {
  for (const length of [10 ** 9, '99999999999999999999']) {
    const answer = await raw(server, `POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`,
      { enough: (text) => text.includes('\r\n\r\n') });
    assert.match(answer, /^HTTP\/1\.1 4(00|13) /, `${length}: ${answer}`);
  }
  await alive();
});

test('a page may read why its request was refused before it was whole', async () => {
  const page = 'https://chat.example', listed = await start({ config: { server: { cors_origins: `https://other.example ${page}`, header_timeout_ms: 300 } } });
  const refusals = [[400, `GET / HTTP/1.1\r\nHost: x\r\nOrigin: ${page}\r\nTransfer-Encoding: nonsense\r\n\r\n`],
    [413, `POST /messages HTTP/1.1\r\nHost: x\r\norigin: ${page}\r\nContent-Length: 1000000000\r\n\r\n`],
    [431, `GET / HTTP/1.1\r\nHost: x\r\nOrigin: ${page}\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
    [408, `POST /messages HTTP/1.1\r\nHost: x\r\nOrigin: ${page}\r\nContent-Length: 10\r\n\r\n{`]];
  for (const [status, bytes] of refusals) {
    const answer = await raw(listed, bytes);
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), answer);
    assert.match(answer, new RegExp(`\r\naccess-control-allow-origin: ${page}\r\naccess-control-allow-credentials: true\r\n`), answer);
    const foreign = await raw(listed, bytes.replace(page, 'https://foreign.example'));
    assert.match(foreign, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.doesNotMatch(foreign, /access-control/i);
    assert.match(foreign, /\r\nvary: origin\r\n/);
  }
  await listed.stop();
  assert.match(await raw(server, refusals[1][1]), /\r\naccess-control-allow-origin: \*\r\n/);
});

test('the server listens by IPv6 and IPv4, and an address of IPv4 has one name', async () => {
  const both = await start({ config: { server: { host: '::' }, log: { requests: 'yes' } } });
  const asked = [['127.0.0.1', 'peer=127.0.0.1 ']];
  if (!both.log.includes('net.no_ipv6')) {
    asked.push(['::1', 'peer=::1 ']);
  }
  for (const [host, peer] of asked) {
    const answer = await new Promise((done_, broken) => http.get({ host, port: both.port, path: `/healthz?${host.length}`, agent: false }, done_).on('error', broken));
    answer.resume();
    assert.equal(answer.statusCode, 200);
    await both.says(peer);
  }
  await both.stop();
});

test('a body in chunks is read, and bounded too', async () => {
  const chunks = (parts) => parts.map((p) => `${p.length.toString(16)}\r\n${p}\r\n`).join('') + '0\r\n\r\n';
  const head = `POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${ann.token}\r\n` +
    'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n';
  const good = await raw(server, head + chunks([`{"roomId":${room.id},`, '"content":"in ', 'pieces"}']));
  assert.match(good, /^HTTP\/1\.1 201 /);
  assert.match(good, /"content":"in pieces"/);
  const tooMuch = await raw(server, [head, ...Array.from({ length: 20 }, () => `1000\r\n${'x'.repeat(4096)}\r\n`)]);
  assert.doesNotMatch(tooMuch, /^HTTP\/1\.1 2/);
  await alive();
});

// ---- CORS ----

test('a browser may ask first', async () => {
  const headers = { Origin: 'https://app.example.org', 'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'authorization,content-type,idempotency-key' };
  for (const path of ['/messages', '/auth/login', '/rooms/1/members/me', '/auth/me']) {
    const answer = await call('OPTIONS', path, { headers });
    assert.ok(answer.status === 204 || answer.status === 200, answer.text);
    assert.equal(answer.text, '');
    assert.ok(['*', headers.Origin].includes(answer.headers['access-control-allow-origin']));
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
      assert.ok(answer.headers['access-control-allow-methods'].includes(method));
    }
    for (const name of ['authorization', 'content-type', 'idempotency-key']) {
      assert.ok(answer.headers['access-control-allow-headers'].toLowerCase().includes(name));
    }
  }
});

test('every answer, a failure too, may be read by a page from anywhere', async () => {
  const headers = { Origin: 'https://app.example.org' };
  for (const request of ['GET /', 'GET /rooms', 'POST /auth/login', 'GET /nothing', 'PUT /rooms']) {
    const [method, path] = request.split(' ');
    const answer = await call(method, path, { headers, body: method === 'POST' ? {} : undefined });
    assert.ok(['*', headers.Origin].includes(answer.headers['access-control-allow-origin']), `${method} ${path}`);
  }
});

function webSocketFrom(where, origin) {
  return new Promise((done, fail) => {
    const ws = new WebSocket(`${where.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, { origin });
    ws.once('open', () => { ws.terminate(); done('open'); });
    ws.once('unexpected-response', (_, answer) => { ws.terminate(); done(answer.resume().statusCode); });
    ws.on('error', fail);
  });
}

test('with a list of origins only these may', async () => {
  const strict = await start({ config: { server: { cors_origins: 'https://app.example.org http://localhost:3000' } } });
  const from = async (origin) => (await request(strict, 'GET', '/', { headers: { Origin: origin } })).headers;
  for (const origin of ['https://app.example.org', 'http://localhost:3000']) {
    const headers = await from(origin);
    assert.equal(headers['access-control-allow-origin'], origin);
    assert.match(headers.vary ?? '', /origin/i);
  }
  for (const origin of ['https://evil.example', 'https://app.example.org.evil.example', 'https://app.example', 'null',
    'http://localhost:30000']) {
    assert.equal((await from(origin))['access-control-allow-origin'], undefined, origin);
  }
  // Browsers do not keep a page from opening a WebSocket to anywhere, so that is for the server.
  // Its own page may, whatever the list says, and also behind a proxy that ends TLS.
  const own = `127.0.0.1:${strict.port}`;
  for (const [origin, answer] of [['http://localhost:3000', 'open'], ['https://evil.example', 403], [undefined, 'open'],
    [`http://${own}`, 'open'], [`https://${own}`, 'open'], [`http://${own}0`, 403], [`http://x.${own}`, 403]]) {
    assert.equal(await webSocketFrom(strict, origin), answer, origin);
  }
  await strict.stop();
});

// ---- connections ----

test('an upgrade to h2c is taken, and passed over without its settings', async () => {
  const plain = await raw(server, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n');
  assert.match(plain, /^HTTP\/1\.1 200 .*Chat API Running$/s);
  const answer = await raw(server, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n' +
    'HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n' + PREFACE, { enough: (text) => text.includes('Chat API Running') });
  assert.match(answer, /^HTTP\/1\.1 101 .*Chat API Running/s);
});

const POLL = '/socket.io/?EIO=4&transport=polling';
const KEY = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
for (const [what, path, lines, answer] of [
  ['an offer of another protocol is passed over, at polling', POLL, 'Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n', /^HTTP\/1\.1 200 .*"sid"/s],
  ['an offer of another protocol is passed over, at REST', '/', 'Connection: Upgrade\r\nUpgrade: foo\r\n', /^HTTP\/1\.1 200 /],
  ['WebSocket may be one of several offers', '/socket.io/?EIO=4&transport=websocket',
    `Connection: Upgrade\r\nUpgrade: foo/2, websocket\r\n${KEY}`, /^HTTP\/1\.1 101 /],
  ['Connection may come in several lines', '/socket.io/?EIO=4&transport=websocket',
    `Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${KEY}`, /^HTTP\/1\.1 101 /],
]) {
  test(what, async () => {
    const got = await raw(server, `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`, { enough: (text) => answer.test(text) });
    assert.match(got, answer);
  });
}

test('a request without Host is refused, from HTTP/1.1 on', async () => {
  assert.match(await raw(server, 'GET / HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(await raw(server, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.[01] 200 /);
});

test('one connection carries many requests', async () => {
  const socket = net.connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  for (let i = 0; i < 20; i++) {
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [chunk] = await once(socket, 'data');
    assert.match(chunk.toString(), /^HTTP\/1\.1 200 /);
  }
  socket.destroy();
});

test('requests sent ahead are answered in their order, whatever each one takes', async () => {
  const post = (body) => `POST /messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.token}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const get = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.token}\r\n\r\n`;
  const one = (path, i) =>
    path === '/messages' ? post(JSON.stringify({ roomId: room.id, content: `ahead ${i}` })) : get(path);
  const paths = Array.from({ length: 30 }, (_, i) => ['/messages', '/', `/nothing${i}`][i % 3]);
  const text = await raw(server, paths.map(one).join(''), { enough: (t) => responses(t).length === paths.length });
  const answers = responses(text);
  answers.forEach((answer, i) => {
    assert.equal(answer.status, [201, 200, 404][i % 3]);
    if (i % 3 === 0) {
      assert.equal(JSON.parse(answer.body).content, `ahead ${i}`);
    }
  });
});

test('a request that comes byte by byte is understood', async () => {
  const text = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const socket = net.connect(server.port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  let got = '';
  socket.on('data', (chunk) => { got += chunk; });
  for (const byte of text) {
    await new Promise((written) => socket.write(byte, written));
  }
  await once(socket, 'close');
  assert.match(got, /Chat API Running$/);
});

test('three hundred connections at once are served', async () => {
  const answers = await Promise.all(Array.from({ length: 300 }, () =>
    raw(server, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')));
  assert.ok(answers.every((text) => text.endsWith('Chat API Running')));
});

test('who leaves before the answer harms nobody', async () => {
  const body = (i) => JSON.stringify({ roomId: room.id, content: `gone ${i}` });
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const socket = net.connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    await new Promise((sent) => socket.write(`POST /messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body(i).length}\r\n\r\n${body(i)}`, sent));
    socket.resetAndDestroy();
  }));
  await Promise.all(Array.from({ length: 20 }, async () => {
    const socket = net.connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    await new Promise((sent) => socket.write('POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"em', sent));
    socket.resetAndDestroy();
  }));
  await alive();
});

for (const [what, bytes] of [
  ['a line of nonsense', 'GARBAGE\r\n\r\n'],
  ['zeros', '\0'.repeat(1000)],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + 'r'.repeat(200)],
  ['the start of HTTP/2 and nonsense', PREFACE + 'GET / HTTP/1.1\r\n\r\n'],
  ['HTTP/9', 'GET / HTTP/9.9\r\nHost: x\r\n\r\n'],
  ['a header of 100 KB', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
  ['two thousand headers', `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(2000)}\r\n`],
  ['a path of 100 KB', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['a negative length', 'POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
  ['a length of letters', 'POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n'],
  ['a chunk size of letters', 'POST /messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n'],
  ['a chunk size beyond all', 'POST /messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n'],
  ['a path that is no UTF-8', 'GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
  ['broken percent signs', 'GET /rooms?limit=%zz%1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
]) {
  test(`${what} on the port gets a refusal or a close, and others are served`, async () => {
    const text = await raw(server, bytes, { end: true });
    assert.doesNotMatch(text, /^HTTP\/1\.1 [25]/);
    await alive();
  });
}

test('a client that sends half a header is cut off', async () => {
  const hasty = await start({ config: { server: { header_timeout_ms: 1000 } } });
  const text = await raw(hasty, 'GET / HTTP/1.1\r\nHost', { ms: 10_000 });
  assert.doesNotMatch(text, /^HTTP\/1\.1 2/);
  await hasty.stop();
});

test('a connection that says nothing more is closed', async () => {
  const hasty = await start({ config: { server: { idle_timeout_ms: 1000 } } });
  const text = await raw(hasty, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', { ms: 10_000 });
  assert.match(text, /Chat API Running$/);
  await hasty.stop();
});
