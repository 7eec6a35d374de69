// nginx in front, with conf/nginx.conf as it is in the project but for names, ports and files; and whose X-Forwarded-For is believed.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { parse as parseYaml } from 'yaml';
import { done, person, wholeHistory } from './lib/client.mjs';
import { ROOT, freePort, start, tempDir } from './lib/server.mjs';
import { Line, TRANSPORTS } from './lib/sockets.mjs';
import { Authority, ask2, session2 } from './lib/tls.mjs';

const ca = new Authority();
const pair = ca.issue();
const dir = tempDir();
let server, nginx, plain, secure;

// The example, and around it what Debian's own nginx.conf has, in a folder of ours and as whoever we are.
async function startNginx() {
  [plain, secure] = [await freePort(), await freePort()];
  const example = readFileSync(join(ROOT, 'conf/nginx.conf'), 'utf8');
  const changed = example.replace('127.0.0.1:5000', `127.0.0.1:${server.port}`).replace('listen 80;', `listen 127.0.0.1:${plain};`)
    .replace('listen 443 ssl', `listen ${secure} ssl`).replace(/^ +listen \[::\].*\n/gm, '').replaceAll('chat.example', 'localhost')
    .replace('/etc/ssl/certs/localhost.pem', pair.cert).replace('/etc/ssl/private/localhost.key', pair.key);
  const at = (name) => { mkdirSync(join(dir, name)); return join(dir, name); };
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${at(name)};`).join('\n');
  writeFileSync(join(dir, 'nginx.conf'), `daemon off;\npid ${dir}/pid;\nerror_log stderr;\nworker_processes 1;\n` +
    `events { worker_connections 512; }\nhttp {\naccess_log off;\n${paths}\n${changed}\n}\n`);
  const said = spawnSync('nginx', ['-t', '-p', dir, '-c', join(dir, 'nginx.conf')], { encoding: 'utf8' });
  assert.equal(said.status, 0, said.stderr);
  await runNginx();
}

async function runNginx() {
  nginx = spawn('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: 'ignore' });
  for (;;) {
    const socket = net.connect(secure, '127.0.0.1');
    socket.on('error', () => {});
    const [event] = await Promise.race([once(socket, 'connect').then(() => ['up']), once(socket, 'close').then(() => ['down'])]).catch(() => ['down']);
    socket.destroy();
    if (event === 'up') {
      return;
    }
    await pause(20);
  }
}

async function stopNginx() {
  nginx.kill('SIGTERM');
  await once(nginx, 'exit');
}

before(async () => {
  server = await start({ config: { server: { trusted_proxies: '127.0.0.1' }, limit: { exempt: '', requests: 1 } } });
  await startNginx();
});
after(async () => {
  await stopNginx();
  await server.stop();
});

// Through nginx from one of this machine's addresses.
function through(localAddress, path, headers = {}) {
  return new Promise((answer, broken) => {
    https.get({ host: 'localhost', family: 4, lookup: (_, o, cb) => cb(null, o.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4),
      port: secure, path, localAddress, ca: ca.pem, agent: false, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk) => { text += chunk; });
      res.on('end', () => answer({ status: res.statusCode, headers: res.headers, text }));
    }).on('error', broken);
  });
}

// Past it.
function direct(of, localAddress, path, headers = {}) {
  return new Promise((answer, broken) => {
    http.get({ host: '127.0.0.1', port: of.port, path, localAddress, agent: false, headers }, (res) => {
      res.resume();
      answer(res.statusCode);
    }).on('error', broken);
  });
}

const base = () => `https://127.0.0.1:${secure}`;
const over = () => (_, options) => io(base(), { ...options, ca: ca.pem });

test('the examples for Caddy and Traefik name what that of nginx does', () => {
  const caddy = readFileSync(join(ROOT, 'conf/Caddyfile'), 'utf8').replace(/#.*/g, '');
  assert.equal([...caddy].filter((c) => c === '{').length, [...caddy].filter((c) => c === '}').length);
  assert.match(caddy, /^chat\.example \{\n\treverse_proxy 127\.0\.0\.1:5000 \{/m);
  const { routers, services, serversTransports } = parseYaml(readFileSync(join(ROOT, 'conf/traefik.yml'), 'utf8')).http;
  const service = services[routers.tombolo.service].loadBalancer;
  assert.deepEqual(service.servers, [{ url: 'http://127.0.0.1:5000' }]);
  assert.ok(serversTransports[service.serversTransport] !== undefined);
  const formatted = spawnSync('caddy', ['adapt', '--config', join(ROOT, 'conf/Caddyfile')], { encoding: 'utf8' });
  assert.ok(formatted.error?.code === 'ENOENT' || formatted.status === 0, formatted.stderr);
});

// ---- nginx ----

// The server under test above has tight limits; what is about everything working has none.
test('REST, over HTTP/2 and HTTP/1.1, and sockets of each kind work through it', async () => {
  const tight = server;
  server = await start({ config: { server: { trusted_proxies: '127.0.0.1' } }, port: tight.port + 1 });
  try {
    writeFileSync(join(dir, 'nginx.conf'), readFileSync(join(dir, 'nginx.conf'), 'utf8').replace(`:${tight.port};`, `:${server.port};`));
    await stopNginx();          // a reload would leave old workers that still take connections for a while
    await runNginx();
    const session = await session2(base(), { ca: ca.pem });
    const [ann, bob] = [await person(server), await person(server)];
    const room = await ann.room('behind nginx');
    await bob.join(room.id);
    const sent = await ask2(session, 'POST', '/messages', { token: ann.token, body: { roomId: room.id, content: 'h2' } });
    assert.equal(sent.status, 201);
    assert.deepEqual((await wholeHistory(ann, room.id)).map((m) => m.content), ['h2']);
    assert.equal((await through('127.0.0.2', '/')).text, 'Chat API Running');
    for (const [what, transports] of TRANSPORTS) {
      const [a, b] = [await Line.to(ann, { transports, connect: over() }), await Line.to(bob, { transports, connect: over() })];
      const message = await a.send(room.id, `by ${what}`);
      await b.hears('receive_message', { id: message.id });
      await a.hears('delivered', { messageId: message.id });
      if (what === 'upgrading') {
        await a.until(() => a.socket.io.engine.transport.name === 'websocket', 'the upgrade');
      }
      a.close(), b.close();
    }
    session.destroy();
  } finally {
    writeFileSync(join(dir, 'nginx.conf'), readFileSync(join(dir, 'nginx.conf'), 'utf8').replace(`:${server.port};`, `:${tight.port};`));
    await server.stop();
    server = tight;
    await stopNginx();
    await runNginx();
  }
});

test('port 80 sends people to https', async () => {
  const res = await new Promise((answer, broken) => {
    http.get({ host: '127.0.0.1', port: plain, path: '/a?b', headers: { Host: 'localhost' } }, answer).on('error', broken);
  });
  assert.equal(res.statusCode, 308);
  assert.equal(res.headers.location, 'https://localhost/a?b');
  res.resume();
});

// ---- who it is ----

// Asks until it is refused; one that asks a second has ten at first.
async function exhaust(ask) {
  for (let i = 0; i < 40; i++) {
    if (await ask() === 429) {
      return true;
    }
  }
  return false;
}

test('the client behind the proxy is who is limited, and not his neighbour', async () => {
  assert.ok(await exhaust(async () => (await through('127.0.0.2', '/healthz')).status));
  assert.equal((await through('127.0.0.3', '/healthz')).status, 200);
  assert.match(server.log, /net\.address_limited .*peer=127\.0\.0\.2 limit=limit\.requests/);
});

test('what a client writes into X-Forwarded-For itself changes nothing', async () => {
  let n = 0;
  assert.ok(await exhaust(async () => (await through('127.0.0.4', '/healthz', { 'X-Forwarded-For': `10.9.8.${n++}` })).status),
    'through the proxy, which writes the real one behind it');
  n = 0;
  assert.ok(await exhaust(() => direct(server, '127.0.0.5', '/healthz', { 'X-Forwarded-For': `10.9.8.${n++}` })),
    'from an address that is not trusted');
  assert.equal((await through('127.0.0.6', '/healthz', { 'X-Forwarded-For': '127.0.0.4, 127.0.0.5' })).status, 200,
    'and nobody is made to pay for others');
});

test('the header is read from its end, as far as it is trusted', async () => {
  const of = await start({ config: { server: { trusted_proxies: '127.0.0.1 10.0.0.0/8' }, limit: { exempt: '', requests: 1 } } });
  const as = (value) => direct(of, '127.0.0.1', '/healthz', { 'X-Forwarded-For': value });
  for (const [value, client] of [['192.0.2.1', '192.0.2.1'], ['192.0.2.9, 192.0.2.2', '192.0.2.2'], ['192.0.2.3, 10.1.1.1', '192.0.2.3'],
    ['192.0.2.4, 10.1.1.1, 10.2.2.2', '192.0.2.4'], [' 192.0.2.5 ,, 10.1.1.1 ', '192.0.2.5'], ['2001:db8::5', '2001:db8::5'],
    [['192.0.2.8', '192.0.2.6, 10.1.1.1'], '192.0.2.6'], ['::ffff:192.0.2.7', '192.0.2.7']]) {
    assert.ok(await exhaust(() => as(value)), `${value}`);
    assert.equal(await as(client), 429, `${value} is ${client}`);
  }
  assert.equal(await as('2001:db8::aaaa:bbbb'), 429, 'the same /64');
  assert.equal(await as('2001:db8:0:1::5'), 200);
  assert.equal(await as('192.0.2.7:49152'), 429, 'a port changes nothing');
  for (let i = 0; i < 15; i++) {
    assert.equal(await as('10.3.3.3'), 200, 'a proxy itself is not limited');
  }
  assert.ok(await exhaust(() => as('unknown')));
  for (const value of ['192.0.2.1, nonsense', '_hidden', '']) {
    assert.equal(await as(value), 429, `${value}: whoever it is has not the rights of the proxy`);
  }
  assert.equal(await direct(of, '127.0.0.1', '/healthz', { Forwarded: 'for=192.0.2.9, for="192.0.2.7:_x";proto=https' }), 429);
  assert.equal(await direct(of, '127.0.0.1', '/healthz', { Forwarded: 'for="[2001:db8:0:2::1]:4711"' }), 200);
  await of.stop();
});

test('/metrics is for nobody behind a proxy, trusted or not', async () => {
  const of = await start({ config: { server: { trusted_proxies: '127.0.0.1', metrics_from: '192.0.2.1' } } });
  assert.equal(await direct(of, '127.0.0.1', '/metrics'), 200);
  for (const headers of [{ 'X-Forwarded-For': '192.0.2.1' }, { 'X-Forwarded-For': '127.0.0.1' }, { 'X-Forwarded-For': '203.0.113.5:49152' },
    { 'X-Forwarded-For': '' }, { Forwarded: 'for=127.0.0.1' }, { Via: '1.1 proxy' }, { 'X-Real-IP': '127.0.0.1' }, { 'X-Forwarded-Proto': 'https' }]) {
    for (const from of ['127.0.0.1', '127.0.0.2']) {
      assert.equal(await direct(of, from, '/metrics', headers), 403, `${JSON.stringify(headers)} from ${from}`);
    }
  }
  await of.stop();
  assert.equal((await through('127.0.0.8', '/metrics')).status, 403, 'of this machine, through nginx');
});

test('a WebSocket behind a trusted proxy is one of its client\'s connections', async () => {
  const of = await start({ config: { server: { trusted_proxies: '127.0.0.1' }, limit: { exempt: '', connections: 2 } } });
  const open = (client) => new Promise((answer) => {
    const req = http.get({ host: '127.0.0.1', port: of.port, path: '/socket.io/?EIO=4&transport=websocket', agent: false, headers: { Connection: 'Upgrade',
      Upgrade: 'websocket', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version': 13, 'X-Forwarded-For': client } });
    req.on('upgrade', (res, socket) => answer({ status: 101, socket })).on('response', (res) => { res.resume(); answer({ status: res.statusCode }); });
  });
  const first = await open('192.0.2.1'), second = await open('192.0.2.1:4711');
  assert.deepEqual([first.status, second.status, (await open('192.0.2.1')).status], [101, 101, 429]);
  const other = await open('192.0.2.2');
  assert.equal(other.status, 101);
  first.socket.destroy();
  let again;
  while ((again = await open('192.0.2.1')).status === 429) {
    await pause(20);
  }
  assert.equal(again.status, 101);
  [second, other, again].forEach((one) => one.socket.destroy());
  await of.stop();
});
