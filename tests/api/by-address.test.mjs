// Limits by address: each turns away who is over it, is counted, and leaves other addresses alone. This machine has many addresses,
// 127.0.0.2 and so on, which are exempt unless the settings say otherwise.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { person, raw } from './lib/client.mjs';
import { LONG_WINDOW, run, start, tempDir } from './lib/server.mjs';
import { checkAnswer } from './lib/spec.mjs';
import { Authority, ask2, securePort } from './lib/tls.mjs';

const [ABUSER, OTHER] = ['127.0.0.2', '127.0.0.3'];
const ca = new Authority();
const { cert, key } = ca.issue();

// One request from an address; the answer is held against the document as request()'s is.
function from(of, localAddress, method, path, { body, headers = {} } = {}) {
  return new Promise((answer, broken) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const req = http.request({ host: '127.0.0.1', port: of.port, method, path, localAddress, agent: false,
      headers: { ...(text === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers } }, (res) => {
      let got = '';
      res.setEncoding('utf8').on('data', (chunk) => { got += chunk; });
      res.on('end', () => {
        const isJson = (res.headers['content-type'] ?? '').startsWith('application/json');
        const all = { status: res.statusCode, headers: res.headers, text: got, body: isJson ? JSON.parse(got) : got };
        checkAnswer(method, path, text, all);
        answer(all);
      });
    });
    req.on('error', broken);
    req.end(text);
  });
}

const hits = async (of, limit) => {
  const { text } = await from(of, '127.0.0.1', 'GET', '/metrics');
  return Number(new RegExp(`^tombolo_limit_hits_total\\{limit="${limit}"\\} (\\d+)$`, 'm').exec(text)[1]);
};
const strict = (limit, more = {}) => start({ config: { ...more, limit: { exempt: '127.0.0.1', ...limit } } });

// As once(), but however it ends.
const closed = (socket) => new Promise((done) => socket.once('close', done));

// A connection that is open, or false when it is closed at once; the two are told apart by what it is answered.
async function opened(of, localAddress) {
  const socket = net.connect({ port: of.port, host: '127.0.0.1', localAddress });
  socket.on('error', () => {});
  socket.write('GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n');
  const isAnswered = await new Promise((done) => {          // not once(): a reset is an answer, too
    socket.once('data', () => done(true));
    socket.once('close', () => done(false));
  });
  return isAnswered && socket;
}

test('limit.connections: so many at a time, and room again when one leaves', async () => {
  const server = await strict({ connections: 3 });
  const mine = [];
  for (let i = 0; i < 3; i++) {
    mine.push(await opened(server, ABUSER));
  }
  assert.ok(mine.every((socket) => socket !== false));
  for (let i = 0; i < 5; i++) {
    assert.equal(await opened(server, ABUSER), false);
  }
  const theirs = await opened(server, OTHER);
  assert.ok(theirs);
  assert.equal(await hits(server, 'limit.connections'), 5);
  assert.match(server.log, / warn net\.address_limited .*peer=127\.0\.0\.2 limit=limit\.connections /);
  mine[0].end();
  await closed(mine[0]);
  let next;
  do {                                              // the server hears of it a little later
    next = await opened(server, ABUSER);
  } while (next === false);
  [...mine, theirs, next].forEach((socket) => socket.destroy());
  await server.stop();
});

test('limit.handshakes: ten seconds\' worth at once, then none', async () => {
  const server = await strict({ handshakes: 1 }, { tls: { cert, key, port: 0 } });
  const shake = (localAddress) => new Promise((done) => {
    const socket = tls.connect({ port: securePort(server), host: '127.0.0.1', localAddress, ca: ca.pem, servername: 'localhost' });
    socket.on('secureConnect', () => { socket.destroy(); done(true); });
    socket.on('error', () => done(false));
  });
  const done = [];
  for (let i = 0; i < 15; i++) {
    done.push(await shake(ABUSER));
  }
  assert.ok(done.slice(0, 10).every((ok) => ok), `${done}`);
  const refused = done.filter((ok) => !ok).length;
  assert.ok(refused >= 3, `${done}`);
  assert.equal(await shake(OTHER), true);
  assert.equal(await hits(server, 'limit.handshakes'), refused);
  await server.stop();
});

test('limit.requests: 429 with Retry-After, then again', async () => {
  const server = await strict({ requests: 1 });
  const answers = [];
  for (let i = 0; i < 15; i++) {
    answers.push(await from(server, ABUSER, 'GET', '/healthz'));
  }
  assert.ok(answers.slice(0, 10).every((a) => a.status === 200));
  const refused = answers.filter((a) => a.status === 429);
  assert.ok(refused.length >= 3, `${answers.map((a) => a.status)}`);
  for (const a of refused) {
    assert.equal(a.body.code, 'rate_limited');
    assert.equal(a.body.retryAfter, 1);
    assert.equal(a.headers['retry-after'], '1');
  }
  assert.equal((await from(server, OTHER, 'GET', '/healthz')).status, 200);
  assert.equal(await hits(server, 'limit.requests'), refused.length);
  while ((await from(server, ABUSER, 'GET', '/healthz')).status !== 200) { /* refused ones are not counted: it is free in a second */ }
  await server.stop();
});

test('limit.requests counts over HTTP/2 and over all connections of the address', async () => {
  const server = await strict({ requests: 1 });
  const session = http2.connect(server.url, { createConnection: () => net.connect({ port: server.port, host: '127.0.0.1', localAddress: ABUSER }) });
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask2(session, 'GET', '/healthz')));
  assert.ok(answers.filter((a) => a.status === 200).length >= 10);
  assert.ok(answers.filter((a) => a.status === 429).length >= 8);
  assert.equal((await from(server, ABUSER, 'GET', '/healthz')).status, 429);
  session.destroy();
  await server.stop();
});

test('this machine is exempt by default, and 0 is any number', async () => {
  for (const limit of [{ requests: 1, connections: 1 }, { exempt: '', requests: 0, connections: 0, handshakes: 0 }]) {
    const server = await start({ config: { limit } });
    const answers = await Promise.all(Array.from({ length: 30 }, () => from(server, ABUSER, 'GET', '/healthz')));
    assert.ok(answers.every((a) => a.status === 200));
    await server.stop();
  }
});

test('SIGHUP rereads them', async () => {
  const dir = tempDir(), file = join(dir, 'x.conf');
  writeFileSync(file, '[server]\nhost = 127.0.0.1\n[limit]\nexempt = 127.0.0.1\nrequests = 1\n');
  const server = await start({ args: ['--config', file] });
  while ((await from(server, ABUSER, 'GET', '/healthz')).status === 200) { /* until it is refused */ }
  writeFileSync(file, readFileSync(file, 'utf8').replace('requests = 1', 'requests = 0'));
  server.signal('SIGHUP');
  while ((await from(server, ABUSER, 'GET', '/healthz')).status !== 200) { /* until it is not */ }
  const statuses = await Promise.all(Array.from({ length: 40 }, async () => (await from(server, ABUSER, 'GET', '/healthz')).status));
  assert.ok(statuses.every((s) => s === 200));
  appendFileSync(file, 'connections = many\n');
  server.signal('SIGHUP');
  while (!server.log.includes('serve.not_reloaded')) {
    await once(server.child.stderr, 'data');
  }
  await server.stop();
});

test('limit.address_logins: logins and registrations together, whoever they are for', async () => {
  const server = await start({ config: { limit: { address_logins: 6, exempt: '', ...LONG_WINDOW } }, env: { TOMBOLO_LOGIN_LIMIT: '3' } });
  const register = (localAddress, name) => from(server, localAddress, 'POST', '/auth/register',
    { body: { email: `${name}@example.org`, username: name, password: 'correct horse' } });
  const login = (localAddress, name) => from(server, localAddress, 'POST', '/auth/login', { body: { email: `${name}@example.org`, password: 'wrong' } });
  for (let i = 0; i < 3; i++) {
    assert.equal((await register(ABUSER, `a${i}`)).status, 201);
    assert.equal((await login(ABUSER, `a${i}`)).status, 401);
  }
  assert.equal((await register(ABUSER, 'more')).status, 429);
  assert.equal((await login(ABUSER, 'nobody')).status, 429);
  assert.equal(await hits(server, 'limit.address_logins'), 2);
  for (let i = 0; i < 3; i++) {
    assert.equal((await login(OTHER, 'a0')).status, 401, 'another address has its own tries');
  }
  assert.equal((await login(OTHER, 'a0')).status, 429, 'three for one account');
  assert.equal((await login(OTHER, 'a1')).status, 401);
  assert.equal(await hits(server, 'limit.logins'), 1);
  await server.stop();
});

// ---- time and size ----

test('a request that dribbles in is cut in time, wherever it is, and counted; others are served meanwhile', async () => {
  const server = await start({ config: { server: { header_timeout_ms: 1000 } } });
  const ann = await person(server), room = await ann.room('served');
  const dribble = async (begin) => {
    const socket = net.connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.write(begin);
    const began = Date.now(), drop = setInterval(() => socket.write('x'), 100);
    await closed(socket);
    clearInterval(drop);
    return Date.now() - began;
  };
  const heads = ['GET / HTTP/1.1\r\nHost: h\r\nX: ', 'GET /', 'POST /auth/login HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{',
    'POST /auth/login HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{'];
  const slow = Promise.all(heads.map(dribble));
  const sent = await ann.send(room.id, 'hello');
  assert.ok(sent.id > 0);
  for (const ms of await slow) {
    assert.ok(ms >= 900 && ms < 6000, `${ms} ms`);
  }
  assert.equal(await hits(server, 'server.header_timeout_ms'), heads.length);
  await server.stop();
});

test('a handshake that does not go on is cut in time and counted', async () => {
  const server = await start({ config: { tls: { cert, key, port: 0, handshake_timeout_ms: 500 } } });
  const socket = net.connect(securePort(server), '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  await closed(socket);
  assert.equal(await hits(server, 'tls.handshake_timeout_ms'), 1);
  await server.stop();
});

test('bodies that are too long are counted, however they are told', async () => {
  const server = await start({ config: { server: { max_body: 20000 } } });
  const post = 'POST /auth/login HTTP/1.1\r\nHost: h\r\nConnection: close\r\n';
  assert.match(await raw(server, `${post}Content-Length: 30000\r\n\r\n${'x'.repeat(30000)}`), /^HTTP\/1\.1 413 /);
  assert.match(await raw(server, `${post}Content-Length: 30000\r\n\r\n`), /^HTTP\/1\.1 413 /);
  assert.match(await raw(server, `${post}Transfer-Encoding: chunked\r\n\r\n7530\r\n${'x'.repeat(30000)}\r\n0\r\n\r\n`), /^HTTP\/1\.1 413 /);
  assert.equal(await hits(server, 'server.max_body'), 3);
  await server.stop();
});

test('settings that name no addresses are refused', () => {
  for (const [setting, value] of [['server.trusted_proxies', '10.0.0.0/33'], ['limit.exempt', 'localhost']]) {
    const { code, stderr } = run(['config', '--set', `${setting}=${value}`]);
    assert.equal(code, 2);
    assert.ok(stderr.includes(setting) && stderr.includes(`'${value}' is no address`), stderr);
  }
});
