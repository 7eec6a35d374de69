// The listener with TLS: what it agrees to, which certificate it shows, and that everything works over it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { person, raw, request } from './lib/client.mjs';
import { freePort, run, start, tempDir } from './lib/server.mjs';
import { Line, TRANSPORTS } from './lib/sockets.mjs';
import { Authority, handshake, openssl, over, securePort } from './lib/tls.mjs';

const ca = new Authority();
const pair = ca.issue();
let server;
const serve = (tls = {}, more = {}) => start({ config: { ...more, tls: { cert: pair.cert, key: pair.key, port: 0, ...tls } } });
before(async () => { server = await serve({}, { live: { events_per_second: 0, max_queued: 16777216 } }); });
after(() => server.stop());

// As once(), but however it ends.
const closed = (socket) => new Promise((done) => socket.once('close', done));

// What a TLS connection answers to bytes.
async function ask(of, text, options) {
  const socket = await handshake(of, ca.pem, options);
  let got = '';
  socket.setEncoding('latin1').on('data', (chunk) => { got += chunk; });
  socket.write(text);
  await closed(socket);
  return got;
}

const shown = async (of) => {
  const socket = await handshake(of, ca.pem);
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
};

test('the log says what listens where, and with which certificate', () => {
  assert.match(server.log, /serve\.listening .*host=127\.0\.0\.1 port=\d+ tls_host=127\.0\.0\.1 tls_port=\d+ /);
  assert.match(server.log, new RegExp(`serve\\.certificate .*file="${pair.cert}" ends=\\S+ sha256=${pair.sha256}\n`));
});

test('requests are answered with TLS and without', async () => {
  assert.match(await ask(server, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 OK[^]*Chat API Running$/);
  assert.equal((await request(server, 'GET', '/')).text, 'Chat API Running');
});

test('a connection ends as TLS ends it, so that nobody can cut an answer short unseen', () => {
  const r = spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${securePort(server)}`, '-CAfile', ca.file, '-quiet', '-ign_eof'],
    { encoding: 'utf8', input: 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' });
  assert.match(r.stdout, /Chat API Running$/);
  assert.doesNotMatch(r.stderr, /unexpected eof/);
});

test('TLS 1.2 and 1.3 are spoken, older ones are not, nor weak ciphers', async () => {
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const socket = await handshake(server, ca.pem, { minVersion: version, maxVersion: version });
    assert.equal(socket.getProtocol(), version);
    socket.destroy();
  }
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
  await assert.rejects(handshake(server, ca.pem, old));
  for (const ciphers of ['AES128-SHA', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384']) {
    await assert.rejects(handshake(server, ca.pem, { maxVersion: 'TLSv1.2', ciphers }), undefined, ciphers);
  }
});

test('tls.min_version = 1.3 refuses 1.2', async () => {
  const strict = await serve({ min_version: 1.3 });
  await assert.rejects(handshake(strict, ca.pem, { maxVersion: 'TLSv1.2' }));
  (await handshake(strict, ca.pem)).destroy();
  await strict.stop();
});

test('a session is resumed by its ticket, unless tickets are off', async () => {
  const off = await serve({ ticket_hours: 0 });
  for (const [of, isReused] of [[server, true], [off, false]]) {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
      const first = await handshake(of, ca.pem, { maxVersion });
      let ticket = first.getSession();
      first.on('session', (s) => { ticket = s; });
      first.write('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
      first.resume();
      await closed(first);
      const second = await handshake(of, ca.pem, { maxVersion, session: ticket });
      assert.equal(second.isSessionReused(), isReused, maxVersion);
      second.destroy();
    }
  }
  await off.stop();
});

test('without HTTP/2 its name is not agreed on', async () => {
  const plain = await serve({}, { server: { http2: 'no' } });
  const socket = await handshake(plain, ca.pem, { ALPNProtocols: ['h2', 'http/1.1'] });
  assert.equal(socket.alpnProtocol, 'http/1.1');
  socket.destroy();
  await plain.stop();
});

for (const [what, transports] of TRANSPORTS) {
  test(`a stock client talks over TLS, ${what}`, async () => {
    const [ann, bob] = [await person(server), await person(server)];
    const room = await ann.room('harbour');
    await bob.join(room.id);
    const connect = over(server, ca.pem);
    const [a, b] = [await Line.to(ann, { transports, connect }), await Line.to(bob, { transports, connect })];
    const sent = await a.send(room.id, 'hello '.repeat(1000));
    assert.equal((await b.hears('receive_message', { id: sent.id })).content, sent.content);
    await a.hears('delivered', { messageId: sent.id });
    if (what === 'upgrading') {
      await a.until(() => a.socket.io.engine.transport.name === 'websocket', 'the upgrade');
    }
    a.close(), b.close();
  });
}

test('a client that does not know the authority does not connect', async () => {
  const line = new Line(await person(server), { connect: over(server, undefined) });
  await line.until(() => line.error !== undefined, 'an error');
  assert.ok(!line.socket.connected);
});

test('many messages at once arrive whole and in order over wss', async () => {
  const ann = await person(server);
  const room = await ann.room('busy');
  const line = await Line.to(ann, { connect: over(server, ca.pem) });
  const texts = Array.from({ length: 300 }, (_, i) => `${i}:${'x'.repeat(i * 37 % 5000)}`);      // many go out in one write
  await Promise.all(texts.map((text) => line.send(room.id, text)));
  await line.hears('receive_message', { content: texts.at(-1) });
  assert.deepEqual(line.named('receive_message').map((m) => m.content), texts);
  line.close();
});

test('garbage, plain HTTP and silence on the port with TLS harm nobody', async () => {
  const patient = await serve({ handshake_timeout_ms: 500 });
  for (const bytes of ['GET / HTTP/1.1\r\nHost: h\r\n\r\n', '\x16\x03\x01\xff\xff' + 'x'.repeat(70000), '']) {
    const socket = net.connect(securePort(patient), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(bytes, 'latin1');
    socket.resume();
    await closed(socket);
  }
  assert.match(await ask(patient, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'), /Chat API Running$/);
  await patient.stop();
});

test('a request that says it is too long is answered 413 before it comes', async () => {
  const got = await ask(server, 'POST /rooms HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n{');
  assert.match(got, /^HTTP\/1\.1 413 /);
});

// ---- pairs that cannot be used ----

const dir = tempDir();
const at = (name, text) => { const file = join(dir, name); writeFileSync(file, text); return file; };
const locked = join(dir, 'locked.key');
openssl('pkcs8', '-topk8', '-in', pair.key, '-out', locked, '-passout', 'pass:secret');

for (const [what, tls, why] of [
  ['a certificate that is not there', { cert: '/nowhere/x.pem' }, /tls\.cert \/nowhere\/x\.pem: No such file/],
  ['a key that is not there', { key: '/nowhere/x.key' }, /tls\.key \/nowhere\/x\.key: No such file/],
  ['a certificate that is none', { cert: at('no.pem', 'hello\n') }, /tls\.cert .*no\.pem: no certificate in PEM/],
  ['a key that is none', { key: at('no.key', 'hello\n') }, /tls\.key .*no\.key: no private key in PEM/],
  ['a key with a passphrase', { key: locked }, /tls\.key .*locked\.key: no private key in PEM without a passphrase/],
  ['the key of another certificate', { key: ca.issue().key }, /tls\.key .*: not the key of the certificate in /],
]) {
  test(`the server does not start with ${what}, and says so`, () => {
    const settings = { cert: pair.cert, key: pair.key, ...tls };
    const { code, stderr } = run(['serve', '--port', '0', '--data', join(dir, 'data'), '--set', 'tls.port=0',
      ...Object.entries(settings).flatMap(([key, value]) => ['--set', `tls.${key}=${value}`])]);
    assert.equal(code, 1);
    assert.match(stderr, why);
  });
}

test('/metrics says when the certificate ends', async () => {
  const [, text] = /notAfter=(.*)/.exec(openssl('x509', '-in', pair.cert, '-noout', '-enddate'));
  const [, seconds] = /^tombolo_certificate_not_after_timestamp_seconds (.*)$/m.exec((await request(server, 'GET', '/metrics')).text);
  assert.equal(Number(seconds) * 1000, Date.parse(text));
});

test('a port in use is named', async () => {
  const { code, stderr } = run(['serve', '--port', '0', '--host', '127.0.0.1', '--data', join(dir, 'data'), '--set', `tls.cert=${pair.cert}`,
    '--set', `tls.key=${pair.key}`, '--set', `tls.port=${securePort(server)}`]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`port ${securePort(server)}: the port is in use`));
});

test('certificate and key may be one file', async () => {
  const both = at('both.pem', readFileSync(pair.cert, 'utf8') + readFileSync(pair.key, 'utf8'));
  const one = await serve({ cert: both, key: '' });
  assert.equal(await shown(one), pair.sha256);
  await one.stop();
});

test('an ended certificate is served, and an error in the log', async () => {
  const { cert, key } = ca.issue({ days: 0 });
  const old = await serve({ cert, key });
  assert.match(old.log, / error serve\.certificate_ended /);
  await old.stop();
  const near = ca.issue({ days: 3 });
  const soon = await serve({ cert: near.cert, key: near.key });
  assert.match(soon.log, / warn serve\.certificate_ends_soon /);
  await soon.stop();
});

// ---- the redirecting listener ----

test('the redirecting listener sends everybody to the one with TLS, and nobody elsewhere', async () => {
  const port = await freePort(), three = await serve({ redirect_port: port });
  const at = { port }, secure = securePort(three);
  assert.match(three.log, new RegExp(`serve\\.listening .*redirect_port=${port} `));
  const sent = async (host, target, method = 'GET', more = '') => {
    const said = await raw(at, `${method} ${target} HTTP/1.1\r\n${host === null ? '' : `Host: ${host}\r\n`}${more}Connection: close\r\n\r\n`);
    return [Number(said.slice(9, 12)), /^location: (.*)\r$/m.exec(said)?.[1]];
  };
  assert.deepEqual(await sent('chat.example', '/a/b?c=d%20e'), [308, `https://chat.example:${secure}/a/b?c=d%20e`]);
  assert.deepEqual(await sent(`127.0.0.1:${port}`, '/'), [308, `https://127.0.0.1:${secure}/`]);
  assert.deepEqual(await sent('[::1]:80', '/'), [308, `https://[::1]:${secure}/`]);
  assert.deepEqual(await sent('chat.example', 'http://other.example/x'), [308, `https://chat.example:${secure}/x`]);
  assert.deepEqual(await sent('a.example', '/auth/login', 'POST', 'Content-Length: 0\r\n'), [308, `https://a.example:${secure}/auth/login`]);
  const upgrade = 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: upgrade\r\n';
  assert.equal((await sent('a', '/socket.io/?EIO=4&transport=websocket', 'GET', upgrade))[0], 308);
  for (const host of ['a/b', 'a@b', 'a b', '[::1', '', 'a"b', null]) {
    assert.deepEqual(await sent(host, '/'), [400, undefined], `${host}`);
  }
  await three.stop();
});

test('a redirect to nowhere is refused', () => {
  const { code, stderr } = run(['serve', '--set', 'tls.redirect_port=8080']);
  assert.equal(code, 2);
  assert.match(stderr, /tls\.redirect_port needs tls\.cert/);
});

// ---- SIGHUP ----

const logged = async (of, what) => {
  while (!what.test(of.log)) {
    await once(of.child.stderr, 'data');
  }
};

test('SIGHUP shows new connections the new certificate, and a bad one changes nothing', async () => {
  const [cert, key] = [join(dir, 'live.crt'), join(dir, 'live.key')];
  const put = (from) => { copyFileSync(from.cert, cert); copyFileSync(from.key, key); };
  put(pair);
  const live = await serve({ cert, key });
  const ann = await person(live);
  const line = await Line.to(ann, { connect: over(live, ca.pem) });
  const waiting = net.connect(securePort(live), '127.0.0.1');       // has not said anything yet
  await once(waiting, 'connect');
  const next = ca.issue();
  put(next);
  live.signal('SIGHUP');
  await logged(live, new RegExp(`serve\\.reloaded`));
  while (await shown(live) !== next.sha256);                         // the loop takes it when it comes to it
  writeFileSync(cert, 'hello\n');
  live.signal('SIGHUP');
  await logged(live, /error serve\.certificate_not_reloaded .*no certificate in PEM/);
  assert.equal(await shown(live), next.sha256);
  const room = await ann.room('still here');
  await line.send(room.id, 'still here');
  assert.equal(line.downs, 0);
  waiting.destroy(), line.close();
  await live.stop();
});
