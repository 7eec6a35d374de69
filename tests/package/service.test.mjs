// The package on a machine with systemd: installed, started, confined, killed, reloaded, rebooted, upgraded, removed, purged.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ROOT } from '../api/lib/server.mjs';
import { BUILD, makeDeb } from './lib/deb.mjs';
import { Machine } from './lib/machine.mjs';
import { tool, without } from './lib/tools.mjs';

const skip = without('debootstrap', 'systemd-nspawn', 'nsenter', 'unshare');
const machine = skip ? undefined : new Machine();
after(async () => machine?.leader !== undefined && machine.powerOff());

const CONFIG = '/etc/tombolo/tombolo.conf';
const LEFTOVERS = ['find', '/', '-xdev', '(', '-path', '/proc', '-o', '-path', '/usr/local', ')', '-prune', '-o', '-name', '*tombolo*', '-print'];
const DROP_INS = '/etc/systemd/system/tombolo.service.d';
const ANN = { email: 'ann@example.org', username: 'ann', password: 'correct horse' };

const show = (property) => machine.runs('systemctl', 'show', '-P', property, 'tombolo');
const login = () => machine.asks('POST', '/auth/login', ANN).status;
const change = (script) => machine.runs('sed', '-i', script, CONFIG);

async function until(what, isSo) {
  const deadline = Date.now() + 20_000;
  while (!isSo()) {
    assert.ok(Date.now() < deadline, `${what}\n${machine.tries('systemctl', 'status', 'tombolo').all}`);
    await pause(50);
  }
}

test('where no systemd runs it installs, is enabled for the day one does, and purges', { skip }, () => {
  machine.takes(makeDeb(1), 'v1.deb');
  machine.takes(makeDeb(2), 'v2.deb');
  tool('cmake', ['--install', BUILD, '--prefix', '/usr/local', '--strip'], { env: { ...process.env, DESTDIR: machine.files } });
  machine.off('apt-get', 'update', '-q');
  machine.off('apt-get', 'install', '-y', '-q', '--no-install-recommends', '/v1.deb');
  assert.match(machine.off('tombolo', '--version'), /^tombolo \d/);
  machine.off('test', '-L', '/etc/systemd/system/multi-user.target.wants/tombolo.service');
  assert.equal(machine.off('stat', '-c', '%a %U %G', CONFIG), '640 root tombolo');
  machine.off('dpkg', '--purge', 'tombolo');
  assert.equal(machine.off(...LEFTOVERS), '');
  assert.doesNotMatch(machine.off('getent', 'passwd'), /tombolo/);
});

test('installed, it runs as its own user, and is ready when dpkg is', { skip }, async () => {
  await machine.boot();
  machine.runs('dpkg', '--install', '/v1.deb');
  assert.equal(show('ActiveState'), 'active');
  assert.equal(show('UnitFileState'), 'enabled');
  assert.equal(machine.asks('GET', '/readyz').status, 200);
  assert.equal(machine.runs('stat', '-c', '%a %U %G', '/var/lib/tombolo'), '700 tombolo tombolo');
  assert.equal(machine.runs('stat', '-c', '%U', `/proc/${show('MainPID')}`), 'tombolo');
  assert.equal(machine.asks('POST', '/auth/register', ANN).status, 201);
});

test('the sandbox holds: no privilege, no write outside the journal, and systemd rates its exposure below 2', { skip }, () => {
  const pid = show('MainPID');
  const status = machine.runs('cat', `/proc/${pid}/status`);
  assert.match(status, /^CapBnd:\s*0+$/m);
  assert.match(status, /^NoNewPrivs:\s*1$/m);
  assert.match(status, /^Seccomp:\s*2$/m);
  const within = (...command) => machine.tries('nsenter', '-t', pid, '-m', '--', ...command);
  assert.match(within('touch', '/etc/x').all, /Read-only file system/);
  assert.match(within('touch', '/root/x').all, /Permission denied|Read-only/);
  assert.equal(within('touch', '/var/lib/tombolo/x').code, 0);
  const [, rating] = /Overall exposure level for tombolo.service: ([\d.]+)/.exec(machine.runs('systemd-analyze', 'security', 'tombolo'));
  assert.ok(Number(rating) < 2, rating);
});

test('the operator asks the running server as its user', { skip }, () => {
  const said = machine.runs('runuser', '-u', 'tombolo', '--', 'tombolo', 'sync', 'status', '--config', CONFIG);
  assert.match(said, /^state +off$/m);
});

test('killed, it is back by itself within seconds, with what was written', { skip }, async () => {
  const pid = show('MainPID');
  machine.runs('systemctl', 'kill', '--signal=KILL', 'tombolo');
  await until('it is another process', () => !['0', pid].includes(show('MainPID')) && show('ActiveState') === 'active');
  assert.equal(login(), 200);
});

test('a reload takes over what may change; with settings that make no sense it fails, and nothing else happens', { skip }, () => {
  const pid = show('MainPID');
  machine.runs('systemctl', 'reload', 'tombolo');
  change('$abrew = tea');
  assert.notEqual(machine.tries('systemctl', 'reload', 'tombolo').code, 0);
  assert.match(machine.runs('journalctl', '-u', 'tombolo', '-o', 'cat'), /brew/);
  assert.equal(show('MainPID'), pid);
  assert.equal(login(), 200);
});

test('started with settings that make no sense, it says so and is not tried again; put right, it starts', { skip }, async () => {
  assert.notEqual(machine.tries('systemctl', 'restart', 'tombolo').code, 0);
  assert.equal(show('ActiveState'), 'failed');
  assert.equal(show('ExecMainStatus'), '2');
  change('/^brew/d');
  machine.runs('systemctl', 'start', 'tombolo');
  assert.equal(login(), 200);
});

test('after a reboot it runs', { skip }, async () => {
  await machine.powerOff();
  await machine.boot();
  assert.equal(show('ActiveState'), 'active');
  assert.equal(login(), 200);
});

test('an upgrade restarts it, and keeps the settings that were changed and what was written', { skip }, () => {
  change('s/^#level = info/level = debug/');
  const pid = show('MainPID');
  machine.runs('dpkg', '--install', '/v2.deb');
  assert.notEqual(show('MainPID'), pid);
  assert.equal(show('ActiveState'), 'active');
  machine.runs('grep', '-q', '^level = debug', CONFIG);
  assert.equal(machine.runs('stat', '-c', '%a %U %G', CONFIG), '640 root tombolo');
  assert.equal(login(), 200);
});

test('with the drop-in of the documents it serves on a port below 1024', { skip }, () => {
  const text = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
  const dropIn = /A port below 1024[^]*?\n\n( +\[Service\]\n( +\S+\n)+)/.exec(text)[1].replace(/^ +/gm, '');
  assert.match(dropIn, /AmbientCapabilities/);
  machine.runs('sh', '-c', 'mkdir -p "$0" && printf %s "$1" >"$0/port.conf"', DROP_INS, dropIn);
  change('s/^#port = 5000/port = 80/');
  machine.runs('systemctl', 'daemon-reload');
  machine.runs('systemctl', 'restart', 'tombolo');
  assert.equal(machine.asks('GET', '/readyz', undefined, 80).status, 200);
  change('s/^port = 80/#port = 5000/');
  machine.runs('rm', '-r', DROP_INS);
  machine.runs('systemctl', 'daemon-reload');
  machine.runs('systemctl', 'restart', 'tombolo');
});

test('one that was stopped and disabled stays so over an upgrade', { skip }, () => {
  machine.runs('systemctl', 'disable', '--now', 'tombolo');
  machine.runs('dpkg', '--install', '/v1.deb');
  assert.equal(show('UnitFileState'), 'disabled');
  assert.equal(show('ActiveState'), 'inactive');
  machine.runs('systemctl', 'enable', '--now', 'tombolo');
});

test('removed, it is stopped, and a later installation goes on where it ended', { skip }, () => {
  machine.runs('dpkg', '--remove', 'tombolo');
  assert.equal(machine.asks('GET', '/').status, 0);
  machine.runs('test', '-f', '/var/lib/tombolo/tombolo.db');
  machine.runs('grep', '-q', '^level = debug', CONFIG);
  machine.runs('dpkg', '--install', '/v2.deb');
  assert.equal(show('ActiveState'), 'active');
  assert.equal(login(), 200);
});

test('purged, nothing of it is left', { skip }, () => {
  machine.runs('dpkg', '--purge', 'tombolo');
  assert.equal(machine.asks('GET', '/').status, 0);
  assert.equal(machine.runs(...LEFTOVERS), '');
  assert.doesNotMatch(machine.runs('getent', 'passwd'), /tombolo/);
  assert.doesNotMatch(machine.runs('getent', 'group'), /tombolo/);
  assert.equal(machine.runs('systemctl', '--failed', '--no-legend', '--plain'), '');
});

test('installed from source, as the documents say, it is a service all the same', { skip }, () => {
  const text = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
  const commands = /The rest is what the package does:\n\n((?: {4}.*\n)+)/.exec(text)[1];
  assert.match(commands, /systemctl enable --now tombolo/);
  machine.runs('sh', '-e', '-c', commands);
  assert.equal(show('ActiveState'), 'active');
  assert.match(show('ExecStart'), /\/usr\/local\/bin\/tombolo/);
  assert.equal(machine.asks('POST', '/auth/register', ANN).status, 201);
});
