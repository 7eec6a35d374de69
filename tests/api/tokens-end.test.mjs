// Tokens that end before their time: the journal was set back, the password was set, the account is disabled. And who may
// register at all.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { done, Person, person, refused, request } from './lib/client.mjs';
import { run, start, tempDir } from './lib/server.mjs';
import { forge, Line } from './lib/sockets.mjs';

const SECRET = 'a secret of the tests, 32 bytes or more';
const env = { JWT_SECRET: SECRET };
const NEW = 'another battery staple';

let server;
before(async () => { server = await start({ env }); });
after(() => server.stop());

const login = (to, email, password) => request(to, 'POST', '/auth/login', { body: { email, password } });
const operator = (args, options = {}) => {
  const r = run([...args, '--data', server.dir], options);
  assert.equal(r.code, 0, r.all);
  return r;
};
const isDead = async (who) => refused(await who.get('/rooms'), 401, 'unauthorized', 'Invalid or expired token');
const isRefused = async (who) => {
  const line = new Line(who);
  await line.until(() => line.error !== undefined, 'a refusal');
  assert.equal(line.error.message, 'Unauthorized: invalid token');
  line.socket.close();
};
const isGood = async (who) => done(await who.get('/rooms'), 200);

function backedUp(from) {
  const file = join(tempDir(), 'backup.db');
  const r = run(['backup', file, '--data', from.dir]);
  assert.equal(r.code, 0, r.all);
  return file;
}

async function setBack(from, file) {
  await from.stop();
  const r = run(['restore', file, '--data', from.dir, '--force']);
  assert.equal(r.code, 0, r.all);
  return start({ data: from.dir, port: from.port, env });
}

// The second after a token's own begins: tokens say when they were made in whole seconds.
const nextSecond = async (token) => {
  const { iat } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  while (Date.now() < (iat + 1) * 1000) {
    await new Promise((go) => setTimeout(go, 20));
  }
};

test('after a restore an id that is given anew is not opened by the token of the one who had it', async () => {
  let site = await start({ env });
  const ann = await person(site, 'ann');
  const file = backedUp(site);
  const cyd = await person(site, 'cyd');
  site = await setBack(site, file);
  for (const one of [ann, cyd]) { one.server = site; }

  await isDead(cyd);                              // whose id nobody has now
  await isRefused(cyd);
  assert.equal(run(['backup', join(tempDir(), 'again.db'), '--data', site.dir]).code, 0);     // there is no row of theirs

  const dora = await person(site, 'dora');
  assert.equal(dora.id, cyd.id);
  const diary = await dora.room('diary', { isPrivate: true });
  await dora.send(diary.id, 'dear diary');
  await isDead(cyd);
  await isRefused(cyd);
  refused(await cyd.get(`/messages/rooms/${diary.id}/messages`), 401, 'unauthorized');
  refused(await cyd.post('/messages', { roomId: diary.id, content: 'as dora' }), 401, 'unauthorized');
  refused(await cyd.post('/rooms', { name: 'a room' }), 401, 'unauthorized');
  refused(await cyd.get(`/rooms/${diary.id}/members`), 401, 'unauthorized');
  refused(await cyd.patch('/auth/me', { username: 'cyd', currentPassword: cyd.password }), 401, 'unauthorized');
  await isGood(dora);
  await site.stop();
  const check = run(['check', '--data', site.dir]);
  assert.equal(check.code, 0, check.all);
});

test('a restore ends the tokens that were made after the backup, and only those', async () => {
  let site = await start({ env });
  const ann = await person(site, 'ann');
  const file = backedUp(site);
  await nextSecond(ann.token);
  const later = new Person(site, done(await login(site, 'ann@example.org', ann.password), 200), ann.password);
  site = await setBack(site, file);
  for (const one of [ann, later]) { one.server = site; }
  await isGood(ann);
  await isDead(later);
  await isRefused(later);
  await nextSecond(later.token);
  await isGood(new Person(site, done(await login(site, 'ann@example.org', ann.password), 200), ann.password));
  await site.stop();
});

test('a password that was set after the backup is gone with its tokens', async () => {
  let site = await start({ env });
  const ann = await person(site, 'ann');
  const file = backedUp(site);
  const { token } = done(await ann.patch('/auth/me', { password: NEW, currentPassword: ann.password }), 200);
  await isDead(ann);
  site = await setBack(site, file);
  const now = new Person(site, { user: ann.user, token }, NEW);
  ann.server = site;
  await isDead(now);
  await isGood(ann);
  await site.stop();
});

test('a token of a user who is not there opens nothing and makes no row', async () => {
  const ann = await person(server);
  for (const more of [{ gen: Date.now() }, {}, { gen: undefined }]) {
    const nobody = new Person(server, { user: { id: 4711 },
      token: forge(ann, SECRET, { id: 4711, ...more }) }, '');
    await isDead(nobody);
    await isRefused(nobody);
  }
  assert.equal(JSON.parse(operator(['user', 'list', '--after', '4000', '--json']).stdout).count, 0);
});

test('a new password ends the older tokens and closes their sockets; its answer has a token that is good', async () => {
  const ann = await person(server);
  const there = new Person(server, done(await login(server, ann.user.email, ann.password), 200), ann.password);
  const line = await Line.to(there), bystander = await Line.to(await person(server));
  const { user, token } = done(await ann.patch('/auth/me', { password: NEW, currentPassword: ann.password }), 200);
  await line.until(() => line.downs === 1, 'the end of the socket');
  for (const one of [ann, there]) {
    await isDead(one);
    await isRefused(one);
  }
  const now = new Person(server, { user, token }, NEW);
  await isGood(now);
  const again = await Line.to(now);
  assert.ok(bystander.socket.connected);
  for (const one of [again, bystander]) { one.socket.close(); }
  assert.equal(done(await now.patch('/auth/me', { username: 'Ann', currentPassword: NEW }), 200).token, undefined);
  await isGood(now);
});

test('a password that the operator sets ends the tokens as well', async () => {
  const ann = await person(server);
  const line = await Line.to(ann);
  operator(['user', 'passwd', String(ann.id), '--password-stdin'], { input: `${NEW}\n` });
  await line.until(() => line.downs === 1, 'the end of the socket');
  await isDead(ann);
  await isGood(new Person(server, done(await login(server, ann.user.email, NEW), 200), NEW));
});

test('a disabled account is out at once, also by login, until it is enabled', async () => {
  const ann = await person(server);
  const line = await Line.to(ann);
  operator(['user', 'disable', ann.user.email]);
  operator(['user', 'disable', String(ann.id)]);                // again changes nothing
  await line.until(() => line.downs === 1, 'the end of the socket');
  await isDead(ann);
  await isRefused(ann);
  refused(await login(server, ann.user.email, ann.password), 403, 'forbidden', 'This account is disabled');
  refused(await login(server, ann.user.email, 'wrong password'), 401, 'unauthorized', 'Invalid email or password');
  const shown = () => JSON.parse(operator(['user', 'list', '--match', ann.user.email, '--json']).stdout).users[0].disabled;
  assert.equal(shown(), true);

  operator(['user', 'passwd', String(ann.id), '--password-stdin'], { input: `${NEW}\n` });
  refused(await login(server, ann.user.email, NEW), 403, 'forbidden');        // a new password enables nobody
  operator(['user', 'enable', ann.user.email]);
  assert.equal(shown(), false);
  await isDead(ann);
  await isGood(new Person(server, done(await login(server, ann.user.email, NEW), 200), NEW));
  assert.equal(run(['user', 'disable', 'nobody@example.org', '--data', server.dir]).code, 1);
  assert.equal(run(['user', 'enable', '--data', server.dir]).code, 2);
});

test('a stronger hash of the same password ends nothing', async () => {
  const hash = '$2b$04$abcdefghijklmnopqrstuuhfdSToe28Z2OzxmmHxfI3lnNDfjxoF6';          // battery staple
  operator(['user', 'import', '-'], { input: `email,username,hash\nold@example.org,old,${hash}\n` });
  const first = await Promise.all([1, 2].map(async () =>
    new Person(server, done(await login(server, 'old@example.org', 'battery staple'), 200), '')));
  const last = new Person(server, done(await login(server, 'old@example.org', 'battery staple'), 200), '');
  for (const who of [...first, last]) {
    await isGood(who);
  }
});

test('registration can be closed, or open to those with the token alone', async () => {
  const body = { email: 'eve@example.org', username: 'eve', password: 'correct horse battery' };
  const register = (to, more = {}) => request(to, 'POST', '/auth/register', { body: { ...body, ...more } });

  const closed = await start({ config: { auth: { registration: 'closed' } } });
  refused(await register(closed), 403, 'forbidden', 'Registration is closed');
  assert.equal(run(['user', 'add', 'eve@example.org', 'eve', '--password-stdin', '--data', closed.dir],
    { input: `${NEW}\n` }).code, 0);
  done(await login(closed, 'eve@example.org', NEW), 200);
  await closed.stop();

  const guarded = await start({ config: { auth: { registration: 'token', registration_token: 'let me in, please' } } });
  for (const registrationToken of [undefined, '', 'let me in, pleasf', 'let me in', 'let me in, please!']) {
    refused(await register(guarded, { registrationToken }), 403, 'forbidden', 'Registration needs a registrationToken');
  }
  refused(await register(guarded, { registrationToken: 5 }), 400, 'bad_request', 'registrationToken must be text');
  done(await register(guarded, { registrationToken: 'let me in, please' }), 201);
  await guarded.stop();

  const r = run(['serve', '--data', tempDir(), '--set', 'auth.registration=token', '--set', 'auth.registration_token=short']);
  assert.equal(r.code, 2, r.all);
});
