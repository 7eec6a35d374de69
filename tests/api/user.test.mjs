// tombolo user add | list | passwd | email | import: beside a running server and without one; passwords from standard input and from a
// terminal; what is refused, and that nothing of it is half done.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { done, isTime, person, refused, request } from './lib/client.mjs';
import { BIN, ENV, run, start, tempDir } from './lib/server.mjs';

let server;
before(async () => { server = await start(); });
after(() => server.stop());

const user = (args, { data = server.dir, ...more } = {}) => run(['user', ...args, '--data', data], more);
const login = (email, password, to = server) => request(to, 'POST', '/auth/login', { body: { email, password } });

function add(email, username, password, options) {
  return user(['add', email, username, '--password-stdin'], { input: `${password}\n`, ...options });
}

function json(args, options, code = 0) {
  const r = user([...args, '--json'], options);
  assert.equal(r.code, code, r.all);
  return JSON.parse(r.stdout);
}

function file(text) {
  const path = join(tempDir(), 'users');
  writeFileSync(path, text);
  return path;
}

// A command on a terminal of its own; what is typed is what it is asked for, one answer a question.
function typed(args, answers) {
  return spawnSync('python3', ['-c', `
import os, pty, re, sys, termios, time
answers = [a.encode() + b"\\n" for a in sys.argv[1].split("|")]
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen, asked = b"", 0
while True:
    try:
        chunk = os.read(fd, 4096)
    except OSError:
        break
    if not chunk:
        break
    seen += chunk
    while asked < len(re.findall(rb"assword: ", seen)) and answers:
        while termios.tcgetattr(fd)[3] & termios.ECHO:      # the question is there a moment before the echo is off
            time.sleep(0.001)
        os.write(fd, answers.pop(0))
        asked += 1
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`, answers.join('|'), BIN, ...args], { encoding: 'utf8', env: ENV, timeout: 60_000 });
}

test('an account that is added while the server runs can log in', async () => {
  const r = add('ann@example.org', 'Ann', 'correct horse');
  assert.equal(r.code, 0, r.all);
  assert.match(r.stdout, /User \d+ is Ann, ann@example\.org/);
  const me = done(await login('ann@example.org', 'correct horse'), 200);
  assert.equal(me.user.username, 'Ann');
  refused(await login('ann@example.org', 'wrong horse'), 401, 'unauthorized');
});

test('accounts are added, listed and changed without a server, and there when it starts', async () => {
  const data = join(tempDir(), 'data');
  assert.equal(add('bob@example.org', 'bob', 'battery staple', { data }).code, 0);
  assert.equal(user(['passwd', 'BOB@example.org', '--password-stdin'], { data, input: 'another staple' }).code, 0);
  assert.deepEqual(json(['list'], { data }).users.map((u) => [u.id, u.email, u.username, u.lastSeen, u.parked]),
    [[1, 'bob@example.org', 'bob', null, false]]);
  assert.equal(run(['check', '--data', data]).code, 0);
  const its = await start({ data });
  refused(await login('bob@example.org', 'battery staple', its), 401, 'unauthorized');
  done(await login('bob@example.org', 'another staple', its), 200);
  await its.stop();
});

test('what register refuses is refused here, in the same words, and says nothing of the password', () => {
  for (const [args, input, code, says] of [
    [['ann@example.org', 'x'], 'correct horse', 1, /user with this e-mail/],
    [['ANN@example.org', 'x'], 'correct horse', 1, /user with this e-mail/],
    [['no address', 'x'], 'correct horse', 2, /email must be an e-mail address/],
    [['x@example.org', ' '], 'correct horse', 2, /username must have 1 to 64/],
    [['x@example.org', 'x'], 'short', 2, /password must have 8 to 1024/],
    [['x@example.org', 'x'], '', 2, /password must have 8 to 1024/],
    [['x@example.org', 'x'], 'y'.repeat(1025), 2, /password must have 8 to 1024/],
  ]) {
    const r = user(['add', ...args, '--password-stdin'], { input });
    assert.equal(r.code, code, r.all);
    assert.match(r.stderr, says);
    assert.doesNotMatch(r.all, /correct horse|short|yyyy/);
  }
  assert.equal(user(['add', 'x@example.org']).code, 2);
  assert.equal(user(['add', 'x@example.org', 'x', 'a password']).code, 2);
  assert.equal(user(['passwd', 'nobody@example.org', '--password-stdin'], { input: 'correct horse' }).code, 1);
  assert.equal(user(['passwd', '999', '--password-stdin'], { input: 'correct horse' }).code, 1);
  assert.equal(user(['brew']).code, 2);
});

test('auth.password_min holds for the commands, too', async () => {
  const lax = await start({ config: { auth: { password_min: 6 } } });
  const run = (args, input) => user(args, { data: lax.dir, input, env: { TOMBOLO_AUTH_PASSWORD_MIN: '6' } });
  assert.equal(run(['add', 'six@example.org', 'six', '--password-stdin'], 'secret\n').code, 0);
  const five = run(['add', 'five@example.org', 'five', '--password-stdin'], 'short\n');
  assert.equal(five.code, 2);
  assert.match(five.all, /too short/);
  assert.equal(run(['passwd', 'six@example.org', '--password-stdin'], 'change\n').code, 0);
  await lax.stop();
});

test('without a terminal and without --password-stdin it says so and does nothing', async () => {
  const child = spawn('setsid', [BIN, 'user', 'add', 'tty@example.org', 'x', '--data', server.dir], { stdio: ['pipe', 'pipe', 'pipe'], env: ENV });
  child.stdin.end('correct horse\ncorrect horse\n');
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { said += text; });
  const [code] = await once(child, 'close');
  assert.equal(code, 2, said);
  assert.match(said, /--password-stdin/);
  assert.equal(json(['list', '--match', 'tty@']).count, 0);
});

test('on a terminal the password is asked for twice and not shown', async () => {
  const r = typed(['user', 'add', 'dora@example.org', 'dora', '--data', server.dir], ['correct horse', 'correct horse']);
  assert.equal(r.status, 0, r.stdout);
  assert.equal(r.stdout.match(/assword: /g).length, 2);
  assert.doesNotMatch(r.stdout, /correct horse/);
  done(await login('dora@example.org', 'correct horse'), 200);
  const differs = typed(['user', 'passwd', 'dora@example.org', '--data', server.dir], ['correct horse', 'correct hearse']);
  assert.equal(differs.status, 2, differs.stdout);
  done(await login('dora@example.org', 'correct horse'), 200);
});

test('a new password counts at once; tokens of before have ended, and the command says so', async () => {
  const her = await person(server, 'eve');
  const r = user(['passwd', String(her.id), '--password-stdin'], { input: 'quite another one\n' });
  assert.equal(r.code, 0, r.all);
  assert.match(r.stdout, /All tokens that were given out before have ended/);
  refused(await login('eve@example.org', her.password), 401, 'unauthorized');
  done(await login('eve@example.org', 'quite another one'), 200);
  refused(await her.get('/rooms'), 401, 'unauthorized');
});

test('one whose e-mail another account got logs in with the e-mail that the operator gives him', async () => {
  const site = await start();
  const [, loser] = [await person(site, 'first'), await person(site, 'loser')];
  await site.stop();
  const sql = spawnSync('sqlite3', [join(site.dir, 'tombolo.db'), `UPDATE user SET email_parked = 1 WHERE id = ${loser.id}`]);
  assert.equal(sql.status, 0);
  const at = { data: site.dir };
  assert.equal(user(['email', String(loser.id), 'First@example.org'], at).code, 1, 'that is taken');
  assert.equal(user(['email', String(loser.id), 'nonsense'], at).code, 2);
  assert.equal(user(['email', String(loser.id)], at).code, 2);
  assert.equal(user(['email', '999', 'x@example.org'], at).code, 1);
  const again = await start({ data: site.dir });
  refused(await login('loser@example.org', loser.password, again), 409, 'email_conflict');
  assert.equal(json(['email', 'loser@example.org', ' found@example.org '], at).email, 'found@example.org');
  assert.equal(done(await login('found@example.org', loser.password, again), 200).user.id, loser.id);
  assert.deepEqual(json(['list', '--parked'], at).users, []);
  await again.stop();
});

test('list pages by id, filters by text and by parked, and shows control characters as question marks', async () => {
  for (let i = 0; i < 5; i++) {
    await person(server, `page${i}`);
  }
  const all = json(['list']);
  assert.ok(all.count >= 5);
  assert.equal(all.next, null);
  all.users.forEach((u) => isTime(u.createdAt));
  let paged = [], after = 0;
  do {
    const page = json(['list', '--limit', '2', '--after', String(after)]);
    assert.ok(page.count <= 2);
    paged.push(...page.users);
    after = page.next;
  } while (after !== null);
  assert.deepEqual(paged, all.users);
  assert.equal(json(['list', '--match', 'PAGE']).count, 5);
  assert.equal(json(['list', '--match', 'page3@']).count, 1);
  assert.equal(json(['list', '--match', "' OR 1=1"]).count, 0);
  assert.deepEqual(json(['list', '--parked']), { users: [], next: null, count: 0 });
  const text = user(['list', '--limit', '2']);
  assert.match(text.stdout, /There are more: --after \d+/);
  for (const bad of [['--limit', '0'], ['--limit', 'x'], ['--after', '-1'], ['now']]) {
    assert.equal(user(['list', ...bad]).code, 2, `${bad}`);
  }
  const sql = spawnSync('sqlite3', [join(server.dir, 'tombolo.db'), 'PRAGMA busy_timeout=10000; UPDATE user SET email_parked = 1, ' +
    "username = 'a' || char(27) || 'b' WHERE email = 'page3@example.org'"], { encoding: 'utf8' });
  assert.equal(sql.status, 0, sql.stderr);
  assert.deepEqual(json(['list', '--parked']).users.map((u) => u.email), ['page3@example.org']);
  assert.match(user(['list', '--parked']).stdout, /page3@example\.org \(parked\) {2}a\?b\n/);
  assert.equal(spawnSync('sqlite3', [join(server.dir, 'tombolo.db'), 'PRAGMA busy_timeout=10000; UPDATE user SET email_parked = 0, ' +
    "username = 'page3' WHERE email = 'page3@example.org'"]).status, 0);
});

test('list of a folder without a journal fails and makes none', () => {
  const data = tempDir();
  assert.equal(user(['list'], { data }).code, 1);
  assert.ok(!existsSync(join(data, 'tombolo.db')));
});

// Of "battery staple".
const BCRYPT = spawnSync('python3', ['-W', 'ignore', '-c', "import crypt; print(crypt.crypt('battery staple', '$2b$04$abcdefghijklmnopqrstuu'))"],
  { encoding: 'utf8' }).stdout.trim();

const CSV = 'email,username,password,hash\n' +
  'i1@example.org,"Comma, Ann",correct horse,\n' +
  `i2@example.org,two,,${BCRYPT}\n` +
  'i2@EXAMPLE.org,twice,correct horse,\n' +
  'nonsense,three,correct horse,\n' +
  'i4@example.org,four,,$1$abc$def\n' +
  'i5@example.org,five,correct horse,' + BCRYPT + '\n' +
  'i6@example.org,six\n' +
  'ann@example.org,seven,correct horse,\n' +
  'i8@example.org,eight,short,\n' +
  'i9@example.org,nine,correct horse,\n';

test('import makes what it can line by line, says why of the rest, and finds everything known when it is repeated', async () => {
  const path = file(CSV);
  const before = json(['list']).count;
  const dry = json(['import', path, '--dry-run'], {}, 1);
  assert.deepEqual([dry.dryRun, dry.lines, dry.added], [true, 10, 0]);
  assert.equal(json(['list']).count, before);
  const r = json(['import', path], {}, 1);
  assert.deepEqual(r.refused.map((l) => [l.line, l.why]), dry.refused.map((l) => [l.line, l.why]));
  assert.deepEqual(r.refused.map((l) => l.line), [4, 5, 6, 7, 8, 9, 10]);
  for (const [line, says] of [[4, /line 3 as well/], [5, /e-mail address/], [6, /bcrypt/], [7, /not both/], [8, /columns/],
    [9, /user with this e-mail/], [10, /8 to 1024/]]) {
    assert.match(r.refused.find((l) => l.line === line).why, says);
  }
  assert.deepEqual([r.lines, r.added, r.count], [10, 3, 7]);
  assert.equal(done(await login('i1@example.org', 'correct horse'), 200).user.username, 'Comma, Ann');
  done(await login('i2@example.org', 'battery staple'), 200);
  done(await login('i2@example.org', 'battery staple'), 200);       // now by the Argon2id hash that took its place
  done(await login('i9@example.org', 'correct horse'), 200);
  const again = json(['import', path], {}, 1);
  assert.deepEqual([again.added, again.count], [0, 10]);
});

// bcrypt looks at 72 bytes: what follows was never compared, so an Argon2id hash of it would lock out who has the right password.
test('a password of 72 bytes and more keeps the bcrypt hash that came with it, whatever tail a login has', async () => {
  const first = 'ü'.repeat(36);     // 72 bytes
  const hash = (password) => spawnSync('python3', ['-W', 'ignore', '-c', "import crypt, sys; print(crypt.crypt(sys.argv[1], '$2b$04$abcdefghijklmnopqrstuu'))",
    password], { encoding: 'utf8' }).stdout.trim();
  json(['import', file(`email,username,hash\nlong@example.org,long,${hash(first + 'right')}\nshort@example.org,short,${hash('x'.repeat(71))}\n`)]);
  for (const password of [`${first}wrong`, `${first}\0`, first, `${first}right`]) {
    done(await login('long@example.org', password), 200);
  }
  refused(await login('long@example.org', `ä${first}`), 401, 'unauthorized');
  refused(await login('long@example.org', first.slice(1)), 401, 'unauthorized');
  done(await login('short@example.org', 'x'.repeat(71)), 200);
  refused(await login('short@example.org', `${'x'.repeat(71)}y`), 401, 'unauthorized');
});

test('a password that is shorter than one may be today still logs in when its hash came by import', async () => {
  json(['import', file('email,username,hash\nbrief@example.org,brief,$2b$04$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2\n')]);
  done(await login('brief@example.org', 'abc'), 200);
  done(await login('brief@example.org', 'abc'), 200);       // now by the Argon2id hash that took its place
});

test('import takes JSON lines and standard input, without a server too, and hashes a thousand passwords side by side', () => {
  const data = join(tempDir(), 'data');
  const lines = Array.from({ length: 1000 }, (_, i) => JSON.stringify({ email: `n${i}@example.org`, username: `n${i}`, password: `password ${i}` }));
  const r = json(['import', '-'], { data, input: lines.join('\n') });
  assert.deepEqual([r.lines, r.added, r.count], [1000, 1000, 0]);
  const listed = json(['list', '--limit', '1000'], { data });
  assert.deepEqual(listed.users.map((u) => u.username), lines.map((_, i) => `n${i}`));
  assert.equal(run(['check', '--data', data]).code, 0);
});

test('import of what is no such file fails whole', () => {
  for (const [path, says] of [[file(''), /line 1/], [file('a@b,ann,secret\n'), /line 1/], [join(tempDir(), 'nothing'), /No such file/],
    [tempDir(), /directory/i]]) {
    const r = user(['import', path]);
    assert.equal(r.code, 1, r.all);
    assert.match(r.stderr, says);
    assert.equal(r.stdout, '');
  }
  assert.equal(user(['import']).code, 2);
});

test('a journal that waits for its number is not written to without its server', () => {
  const data = join(tempDir(), 'data');
  const env = { DATABASE_URL: 'mysql://chat:chat@127.0.0.1:1/chat' };
  const r = add('site@example.org', 'site', 'correct horse', { data, env });
  assert.equal(r.code, 1, r.all);
  assert.match(r.stderr, /no number yet/);
  assert.equal(add('site@example.org', 'site', 'correct horse', { data, env: { ...env, TOMBOLO_SYNC_NODE: '3' } }).code, 0);
});

test('nothing of all that shows a password in the server log', async () => {
  assert.doesNotMatch(server.log, /correct horse|battery staple/);
  assert.equal(readFileSync(join(server.dir, 'tombolo.db')).includes('battery staple'), false);
});
