// docker-compose.yml, read by docker-compose: one site, and with the profile `sites` two, beside a MySQL.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../api/lib/server.mjs';
import { tool } from './lib/tools.mjs';

const SECRETS = { JWT_SECRET: '0123456789abcdef'.repeat(4), MYSQL_PASSWORD: 'tide' };
const compose = (env, ...args) => spawnSync('docker-compose', ['--env-file', '.env.example', ...args],
  { cwd: ROOT, encoding: 'utf8', env: { PATH: process.env.PATH, HOME: '/nonexistent', ...env } });

// As JSON; docker-compose is itself a program of Debian's python3, with its yaml.
function config(...profiles) {
  const r = compose(SECRETS, ...profiles.flatMap((name) => ['--profile', name]), 'config');
  assert.equal(r.status, 0, r.stderr);
  const toJson = 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)';
  return JSON.parse(tool('/usr/bin/python3', ['-c', toJson], { input: r.stdout })).services;
}

const services = config('sites');
const { mysql, tombolo, 'second-site': second } = services;

test('without a profile it is one server and its centre, with the profile sites it is two on one centre', () => {
  const named = Object.entries(services).map(([name, { profiles }]) => [name, profiles]);
  assert.deepEqual(named.sort(), [['mysql', undefined], ['second-site', ['sites']], ['tombolo', undefined]]);
  assert.equal(tombolo.environment.DATABASE_URL, 'mysql://chat:tide@mysql:3306/chat?ssl-mode=VERIFY_CA&ssl-ca=/centre/ca.pem');
  assert.deepEqual(second.environment, tombolo.environment);
  const ports = [tombolo, second].map(({ ports: [port] }) => port);
  assert.deepEqual(ports.map(({ published, target }) => [Number(published), Number(target)]), [[5000, 5000], [5001, 5000]]);
  const folders = [tombolo, second, mysql].map(({ volumes: [volume] }) => volume.split(':')[0]);
  assert.equal(new Set(folders).size, 3, `each has a volume of its own: ${folders}`);
});

test('the servers are confined: a read-only root, no capabilities, no way to new privileges', () => {
  for (const site of [tombolo, second]) {
    assert.equal(site.read_only, true);
    assert.deepEqual(site.cap_drop, ['ALL']);
    assert.deepEqual(site.security_opt, ['no-new-privileges:true']);
    assert.deepEqual(site.tmpfs, ['/tmp']);
    assert.ok(!('privileged' in site || 'cap_add' in site || 'user' in site));
  }
});

test('the centre says when it is healthy, which is what starting waits for', () => {
  assert.equal(mysql.image, 'mysql:8.4');
  assert.match(mysql.healthcheck.test.join(' '), /mysql .*SELECT 1/);
  assert.equal(tombolo.depends_on.mysql.condition, 'service_healthy');
});

test('there is no password to fall back on: without one it says which is missing', () => {
  const r = compose({}, 'config');
  assert.notEqual(r.status, 0);
  assert.match(r.stderr, /say what it is in \.env/);
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
  assert.doesNotMatch(text, /(SECRET|PASSWORD):-[^}]/);
});

test('.env.example names every variable that the file takes', () => {
  const takes = [...readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8').matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name]) => name);
  const names = [...readFileSync(join(ROOT, '.env.example'), 'utf8').matchAll(/^(\w+)=/gm)].map(([, name]) => name);
  assert.deepEqual([...new Set(takes)].sort(), names.sort());
});
