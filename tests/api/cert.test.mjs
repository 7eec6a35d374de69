// tombolo cert: a certificate for a network without any authority, served and trusted as it says itself.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { person } from './lib/client.mjs';
import { run, start, tempDir } from './lib/server.mjs';
import { Line } from './lib/sockets.mjs';
import { handshake, openssl, over, securePort } from './lib/tls.mjs';

const DAY_MS = 86_400_000;
const cert = (...args) => run(['cert', ...args]);

test('it makes a pair that the server uses and clients can be told to trust', async () => {
  const data = join(tempDir(), 'data');
  const made = cert('--self-signed', '--data', data, 'localhost', '127.0.0.1', 'chat.lan', 'fd00::1');
  assert.equal(made.code, 0, made.stderr);
  const [file, key] = ['tls.crt', 'tls.key'].map((name) => join(data, name));
  assert.equal(statSync(key).mode & 0o777, 0o600);
  const sha256 = /SHA-256 +([0-9A-F:]{95})\n/.exec(made.stdout)[1];
  assert.match(made.stdout, /names +localhost 127\.0\.0\.1 chat\.lan fd00::1/);
  assert.ok(made.stdout.includes(`cert = ${file}\n`) && made.stdout.includes(`key = ${key}\n`));

  const server = await start({ data, config: { tls: { cert: file, key, port: 0 } } });
  const ca = readFileSync(file, 'utf8');
  const socket = await handshake(server, ca);
  assert.equal(socket.getPeerCertificate().fingerprint256, sha256);
  socket.destroy();
  await assert.rejects(handshake(server, undefined), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  await assert.rejects(handshake(server, ca, { servername: 'another.lan' }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  const line = await Line.to(await person(server), { connect: over(server, ca) });
  line.close();
  for (const host of ['localhost', '127.0.0.1']) {
    const r = spawnSync('curl', ['-s', '--cacert', file, `https://${host}:${securePort(server)}/`], { encoding: 'utf8' });
    assert.equal(r.stdout, 'Chat API Running', host);
  }
  await server.stop();
});

test('it lasts 825 days, or as long as it is told, and stands for nobody else', () => {
  const ends = (...args) => {
    const made = cert('--self-signed', '--json', '--data', tempDir(), ...args, 'a.lan');
    assert.equal(made.code, 0, made.stderr);
    return JSON.parse(made.stdout);
  };
  const near = (endsAt, days) => assert.ok(Math.abs(Date.parse(endsAt) - Date.now() - days * DAY_MS) < DAY_MS, endsAt);
  const made = ends();
  near(made.endsAt, 825);
  near(ends('--days', '30').endsAt, 30);
  const text = openssl('x509', '-in', made.cert, '-noout', '-text');
  assert.match(text, /CA:FALSE/);
  assert.match(text, /TLS Web Server Authentication/);
  const [from, to] = ['startdate', 'enddate'].map((end) => Date.parse(openssl('x509', '-in', made.cert, '-noout', `-${end}`).split('=')[1]));
  assert.ok(to - from <= 825 * DAY_MS, 'no longer than every system takes');
});

test('it shows the one in use, and whether the server could use it', () => {
  const data = tempDir();
  const none = cert('--data', data);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /No such file[^]*tombolo cert --self-signed NAME\.\.\. makes a pair/);
  const made = JSON.parse(cert('--self-signed', '--json', '--data', data, 'a.lan', '10.0.0.1').stdout);
  const shown = cert('--json', '--set', `tls.cert=${made.cert}`, '--set', `tls.key=${made.key}`);
  assert.deepEqual(JSON.parse(shown.stdout), made);
  assert.deepEqual(made.names, ['a.lan', '10.0.0.1']);
  writeFileSync(made.key, 'no key\n');
  const broken = cert('--data', data);
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /no private key in PEM/);
});

test('it overwrites nothing, and refuses what makes no sense', () => {
  const data = tempDir();
  assert.equal(cert('--self-signed', '--data', data, 'a.lan').code, 0);
  const before = readFileSync(join(data, 'tls.key'), 'utf8');
  const again = cert('--self-signed', '--data', data, 'b.lan');
  assert.equal(again.code, 1);
  assert.match(again.stderr, /tls\.key: is there already; move it away first/);
  assert.equal(readFileSync(join(data, 'tls.key'), 'utf8'), before);
  const half = tempDir();
  writeFileSync(join(half, 'tls.crt'), 'something\n');
  assert.equal(cert('--self-signed', '--data', half, 'a.lan').code, 1);
  assert.ok(!existsSync(join(half, 'tls.key')), 'no key without its certificate');
  for (const args of [['--self-signed'], ['--self-signed', 'a b'], ['--self-signed', 'a/b'], ['--self-signed', 'DNS:x'],
    ['--self-signed', '--days', '0', 'a'], ['--self-signed', '--days', 'x', 'a'], ['a.lan'], ['--days', '3']]) {
    const r = cert('--data', tempDir(), ...args);
    assert.equal(r.code, 2, `${args}: ${r.all}`);
  }
});
