// What is in the Debian package, and what `cmake --install` lays elsewhere.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, run, tempDir } from '../api/lib/server.mjs';
import { BUILD, field, makeDeb } from './lib/deb.mjs';
import { tool } from './lib/tools.mjs';

const VERSION = /^project\(tombolo VERSION (\S+)/m.exec(readFileSync(join(ROOT, 'CMakeLists.txt'), 'utf8'))[1];
const deb = makeDeb();
const contents = new Map(tool('dpkg-deb', ['-c', deb]).trim().split('\n').map((line) => {
  const [mode, owner, , , , path] = line.split(/\s+/);
  return [path.slice(1), { mode, owner }];
}));

test('the version is the project\'s, in the program and in the package', () => {
  assert.equal(run(['--version']).stdout, `tombolo ${VERSION}\n`);
  assert.equal(field(deb, 'Version'), `${VERSION}-1`);
});

test('the package depends on every library that the program is linked with, and on nothing to build with', () => {
  const needs = field(deb, 'Depends');
  for (const library of ['libh2o-evloop0.13', 'libsqlite3-0', 'libmariadb3', 'libjansson4', 'libjwt0', 'libsodium23', 'libcrypt1', 'libinih1',
    'libutf8proc2', 'zlib1g']) {
    assert.ok(needs.includes(library), `${library} in ${needs}`);
  }
  assert.doesNotMatch(needs, /-dev|gcc|cmake/);
});

test('the package holds the program, the unit, the user, the settings, the manual page and the documents', () => {
  for (const path of ['/usr/bin/tombolo', '/usr/lib/systemd/system/tombolo.service', '/usr/lib/sysusers.d/tombolo.conf',
    '/etc/tombolo/tombolo.conf', '/usr/share/man/man1/tombolo.1.gz', '/usr/share/bash-completion/completions/tombolo',
    '/usr/share/doc/tombolo/copyright',
    '/usr/share/doc/tombolo/changelog.gz', '/usr/share/doc/tombolo/changelog.Debian.gz', '/usr/share/doc/tombolo/README.md',
    '/usr/share/doc/tombolo/docs/operations.md', '/usr/share/doc/tombolo/proxies/nginx.conf',
    '/usr/share/doc/tombolo/proxies/Caddyfile', '/usr/share/doc/tombolo/proxies/traefik.yml', '/usr/share/doc/tombolo/licences.txt']) {
    assert.ok(contents.has(path), path);
  }
  assert.ok([...contents].every(([path]) => /^\/(etc|usr)\//.test(path)), 'and nothing elsewhere');
  assert.ok(![...contents].some(([path]) => /\.(a|h|t)$|\/bin\/tests|include/.test(path)), 'and nothing to build with');
});

test('everything is root\'s and only the program can be run', () => {
  for (const [path, { mode, owner }] of contents) {
    assert.equal(owner, 'root/root', path);
    assert.equal(mode, path.endsWith('/') ? 'drwxr-xr-x' : path === '/usr/bin/tombolo' ? '-rwxr-xr-x' : '-rw-r--r--', path);
  }
});

test('the settings are a conffile: all defaults, but for the folder of the journal', () => {
  const dir = tempDir();
  tool('dpkg-deb', ['-R', deb, dir]);
  assert.equal(readFileSync(join(dir, 'DEBIAN/conffiles'), 'utf8'), '/etc/tombolo/tombolo.conf\n');
  const settings = JSON.parse(run(['config', '--json', '--config', join(dir, 'etc/tombolo/tombolo.conf')]).stdout);
  const text = JSON.stringify(settings);
  assert.match(text, /\/var\/lib\/tombolo/);
  const ours = readFileSync(join(dir, 'etc/tombolo/tombolo.conf'), 'utf8');
  assert.deepEqual(ours.split('\n').filter((line) => /^[^#[]/.test(line)), ['data = /var/lib/tombolo']);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    assert.equal(statSync(join(dir, 'DEBIAN', script)).mode & 0o777, 0o755, script);
    tool('sh', ['-n', join(dir, 'DEBIAN', script)]);
  }
});

test('the same build is packed into the same bytes', () => {
  assert.ok(readFileSync(makeDeb()).equals(readFileSync(deb)));
});

test('installed elsewhere, the unit runs the program from there and systemd finds no fault with it', () => {
  const prefix = tempDir();
  tool('cmake', ['--install', BUILD, '--prefix', prefix]);
  const unit = join(prefix, 'lib/systemd/system/tombolo.service');
  assert.match(readFileSync(unit, 'utf8'), new RegExp(`^ExecStart=${prefix}/bin/tombolo serve`, 'm'));
  assert.equal(tool('systemd-analyze', ['verify', '--man=no', unit], { stdio: ['ignore', 'pipe', 'pipe'] }), '');
  assert.match(tool(join(prefix, 'bin/tombolo'), ['--version']), /^tombolo \d/);
  assert.match(readFileSync(join(prefix, 'share/man/man1/tombolo.1'), 'utf8'), /^\.TH TOMBOLO 1/);
  assert.equal(readFileSync(join(prefix, 'share/bash-completion/completions/tombolo'), 'utf8'), run(['help', 'bash']).stdout);
});
