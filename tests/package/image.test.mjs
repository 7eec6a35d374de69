// The container image: what is in it, and that a container of it serves from a read-only root, as a user without privileges.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { done, person, request } from '../api/lib/client.mjs';
import { ROOT, freePort } from '../api/lib/server.mjs';
import { Line } from '../api/lib/sockets.mjs';
import { field, makeDeb } from './lib/deb.mjs';
import { Image } from './lib/image.mjs';
import { without } from './lib/tools.mjs';

const skip = without('buildah', 'debootstrap', 'unshare');
const image = skip ? undefined : new Image();
after(() => image?.remove());

const RATES = { TOMBOLO_PASSWORD_COST: 'min' };
const VERSION = /^project\(tombolo VERSION (\S+)/m.exec(readFileSync(join(ROOT, 'CMakeLists.txt'), 'utf8'))[1];

test('its labels say what it is, in the version of the project', { skip }, () => {
  const label = (name) => image.config.Labels[`org.opencontainers.image.${name}`];
  assert.equal(label('version'), VERSION);
  assert.equal(label('title'), 'tombolo');
  assert.equal(label('licenses'), 'MIT');
  assert.equal(image.runs(['tombolo', '--version']).all, `tombolo ${VERSION}\n`);
});

test('it runs as nobody special, stops in order, keeps its data apart and knows how it is', { skip }, () => {
  assert.equal(image.config.User, '5000:5000');
  assert.equal(image.config.StopSignal, 'SIGTERM');
  assert.deepEqual(Object.keys(image.config.Volumes), ['/data']);
  assert.deepEqual(Object.keys(image.config.ExposedPorts).sort(), ['5000/tcp', '5443/tcp']);
  assert.match(image.runs(['stat', '-c', '%a %U %G', '/data']).all, /tombolo tombolo/);
  assert.equal(image.config.Healthcheck.Test[0], 'CMD');
});

test('it is small, and nothing to build with is in it', { skip }, () => {
  assert.ok(/^[\d.]+ MB$/.test(image.size) && parseFloat(image.size) < 120, image.size);
  const programs = readdirSync(join(image.root, 'usr/bin'));
  assert.ok(programs.includes('bash'));
  assert.deepEqual(programs.filter((name) => /^(gcc|cc|g\+\+|ld|as|make|cmake|ninja|npm|node|git)(-|$)/.test(name)), []);
  assert.ok(!existsSync(join(image.root, 'usr/include/h2o.h')));
  assert.deepEqual(readdirSync(join(image.root, 'var/lib/apt/lists')), []);
});

test('its packages are those that the Debian package depends on', { skip }, () => {
  const stage = /^FROM debian:bookworm-slim\n(.*)/ms.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))[1];
  const installed = /recommends \\\n(.*?)&&/s.exec(stage)[1].replaceAll('\\', '').trim().split(/\s+/);
  const needs = field(makeDeb(), 'Depends').split(', ').map((one) => one.replace(/ .*/, '')).filter((one) => !/^(libc6|systemd)$/.test(one));
  assert.deepEqual(installed.filter((one) => one !== 'ca-certificates').sort(), needs.sort());
});

test('a container serves REST and sockets, is healthy, ends with 0, and the next one has what it wrote', { skip }, async () => {
  const port = await freePort();
  const first = await image.serves(port, RATES);
  assert.match((await request(first, 'GET', '/app/')).text, /<html/);
  const ann = await person(first, 'ann');
  const room = await ann.room('harbour');
  const line = await Line.to(ann);
  const ack = await line.socket.timeout(10_000).emitWithAck('send_message', { roomId: room.id, content: 'The tide is out' });
  assert.equal(ack.ok, true);
  line.socket.close();
  const health = image.runs(image.config.Healthcheck.Test.slice(1), { PORT: String(port) }, first.dir);
  assert.equal(health.code, 0, health.all);
  await first.stop();

  const next = await image.serves(port, RATES, first.dir);
  const login = await request(next, 'POST', '/auth/login', { body: { email: 'ann@example.org', password: ann.password } });
  assert.equal(login.status, 200);
  const history = done(await request(next, 'GET', `/messages/rooms/${room.id}/messages`, { token: login.body.token }), 200);
  assert.equal(history.items[0].content, 'The tide is out');
  await next.stop();
});

test('where nothing serves, it is not healthy', { skip }, async () => {
  assert.notEqual(image.runs(image.config.Healthcheck.Test.slice(1), { PORT: String(await freePort()) }).code, 0);
});

test('it has no privilege, and writes to its data and /tmp alone', { skip }, () => {
  const r = image.runs(['bash', '-c', 'id -u; id -G; grep -E "NoNewPrivs|CapBnd" /proc/self/status; ' +
    'for d in / /etc /usr/local/bin /var /data /tmp; do touch $d/x 2>/dev/null && echo "writes $d"; done; true']);
  assert.equal(r.all, '5000\n5000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nwrites /data\nwrites /tmp\n');
});
