// docker-compose.yml, run: two sites and their centre in containers, as `docker-compose --profile sites up` starts them. The
// engine is podman and the centre MariaDB, for want of a registry; what the file says of networks, volumes, order, health and
// privileges is taken at its word.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Person, person, request } from '../api/lib/client.mjs';
import { LONG, ROOT } from '../api/lib/server.mjs';
import { Engine } from './lib/engine.mjs';
import { buildah } from './lib/image.mjs';
import { tool, without } from './lib/tools.mjs';

const skip = LONG ? without('buildah', 'debootstrap', 'podman', 'docker-compose', 'nsenter') : 'is for scripts/test --long';
const SECRETS = { JWT_SECRET: '0123456789abcdef'.repeat(4), MYSQL_DATABASE: 'chat', MYSQL_USER: 'chat', MYSQL_PASSWORD: 'tide' };
let engine, harbour, island;

before(async () => {
  if (skip) {
    return;
  }
  const image = tool(join(ROOT, 'scripts/image'), []).trim().split('\n').at(-1);
  buildah('tag', image, 'docker.io/library/tombolo:latest');
  buildah('bud', '--layers', '--pull-never', '--isolation', 'chroot', '--format', 'docker', '--tag', 'docker.io/library/mysql:8.4',
    join(ROOT, 'tests/package/centre'));
  engine = new Engine(`tombolotest${process.pid}`, SECRETS);
  await engine.start();
  [harbour, island] = [{ port: await engine.publishes(5000) }, { port: await engine.publishes(5001) }];
});
after(() => engine?.stop());

async function until(what, isSo) {
  const deadline = Date.now() + 60_000;
  while (!await isSo()) {
    assert.ok(Date.now() < deadline, `${what}\n${engine.compose('logs', '--tail=20').all}`);
    await pause(200);
  }
}

let ann, away, room;                // ann at the harbour, and at the other site
const login = async (site) => {
  const answer = await request(site, 'POST', '/auth/login', { body: { email: 'ann@example.org', password: ann.password } });
  return answer.status === 200 ? new Person(site, answer.body, ann.password) : undefined;
};
const read = async (who) => (await who.history(room.id)).items.map(({ content }) => content);

test('up starts both sites once the centre is healthy, and they are', { skip }, async () => {
  const up = await engine.up();
  assert.equal(up.code, 0, up.all);
  for (const site of [harbour, island]) {
    await until('it is ready and the link is up', async () =>
      (await request(site, 'GET', '/readyz').catch(() => ({}))).body?.sync === 'up');
  }
  assert.ok(['mysql', 'tombolo', 'second-site'].every((service) => engine.isHealthy(service)));
});

test('who has an account on one is known on the other, by token and password, and reads there what was written here', { skip }, async () => {
  ann = await person(harbour, 'ann');
  room = await ann.room('harbour');
  await ann.send(room.id, 'The tide is out');
  await until('the account is on the other site', async () => (away = await login(island)) !== undefined);
  assert.equal((await request(island, 'GET', '/rooms', { token: ann.token })).status, 200);
  await until('the message is on the other site', async () =>
    (await away.get(`/messages/rooms/${room.id}/messages`)).status === 200 && (await read(away)).length === 1);
});

test('without the centre both go on, healthy, and when it is back they are level again', { skip }, async () => {
  assert.equal(engine.compose('stop', 'mysql').code, 0);
  await ann.send(room.id, 'The tide is in');
  assert.ok(engine.isHealthy('tombolo') && engine.isHealthy('second-site'));
  assert.equal(engine.compose('start', 'mysql').code, 0);
  await until('it is on the other site', async () => (await read(away)).length === 2);
});

test('made anew, a container goes on with its volume', { skip }, async () => {
  const again = engine.compose('up', '--detach', '--no-build', '--no-deps', '--force-recreate', 'tombolo');
  assert.equal(again.code, 0, again.all);
  await until('it answers', async () => (await request(harbour, 'GET', '/readyz').catch(() => ({}))).status === 200);
  assert.deepEqual(await read(await login(harbour)), ['The tide is in', 'The tide is out']);
});

test('a server in its container can write to its volume and to /tmp, and to nothing else', { skip }, () => {
  const r = engine.podman('exec', `${engine.project}_tombolo_1`, 'bash', '-c',
    'grep -hE "NoNewPrivs|CapBnd" /proc/1/status; for d in / /etc /data /tmp; do touch $d/x 2>/dev/null && echo "writes $d"; done; true');
  assert.equal(r.stdout, 'CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nwrites /data\nwrites /tmp\n', r.stderr);
});
