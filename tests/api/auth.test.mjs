// POST /auth/register, POST /auth/login, PATCH /auth/me.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { done, hasKeys, isId, isTime, person, refused, request } from './lib/client.mjs';
import { start } from './lib/server.mjs';

let server;
before(async () => { server = await start(); });
after(() => server.stop());

const register = (body) => request(server, 'POST', '/auth/register', { body });
const login = (email, password) => request(server, 'POST', '/auth/login', { body: { email, password } });
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
let nth = 0;
const account = (more = {}) => ({ email: `someone${++nth}@example.org`, username: 'Someone', password: 'long enough', ...more });

test('registering gives the user and a token, and never the password or its hash', async () => {
  const body = account();
  const answer = await register(body);
  const { user, token, ...rest } = done(answer, 201);
  assert.deepEqual(rest, {});
  hasKeys(user, ['id', 'email', 'username', 'createdAt', 'lastSeen']);
  isId(user.id);
  isTime(user.createdAt);
  assert.equal(user.email, body.email);
  assert.equal(user.username, body.username);
  assert.equal(typeof token, 'string');
  assert.doesNotMatch(answer.text, /argon2|password|hash/i);
});

test('a token names the user and ends after seven days', async () => {
  const { user, token } = done(await register(account()), 201);
  const c = claims(token);
  hasKeys(c, ['id', 'email', 'gen', 'iss', 'iat', 'exp']);
  assert.equal(c.id, user.id);
  assert.equal(c.email, user.email);
  assert.equal(c.exp - c.iat, 7 * 24 * 3600);
  assert.ok(Math.abs(c.iat - Date.now() / 1000) < 60);
  assert.equal(JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).alg, 'HS256');
});

for (const field of ['email', 'username', 'password']) {
  test(`registering without ${field} is refused`, async () => {
    refused(await register(account({ [field]: undefined })), 400, 'bad_request', 'All fields are required');
    refused(await register(account({ [field]: '' })), 400, 'bad_request', 'All fields are required');
  });
  for (const [kind, value] of [['a number', 12345678], ['an object', {}], ['an array', ['a@b.example']], ['true', true]]) {
    test(`${field} given as ${kind} is refused by name`, async () => {
      refused(await register(account({ [field]: value })), 400, 'bad_request', new RegExp(field, 'i'));
    });
  }
}

for (const [what, more] of [
  ['an e-mail without @', { email: 'nobody' }],
  ['an e-mail without a name', { email: '@example.org' }],
  ['an e-mail without a host', { email: 'nobody@' }],
  ['an e-mail with a blank inside', { email: 'no body@example.org' }],
  ['an e-mail with a line break inside', { email: 'nobody@example.org\r\nBcc: all@example.org' }],
  ['an e-mail of 400 characters', { email: 'n'.repeat(388) + '@example.org' }],
  ['a username of 65 characters', { username: 'n'.repeat(65) }],
  ['a password of 7 characters', { password: '1234567' }],
  ['a password of 1025 characters', { password: 'p'.repeat(1025) }],
]) {
  test(`${what} is refused`, async () => { refused(await register(account(more)), 400, 'bad_request'); });
}

for (const [what, more] of [
  ['a username of one character', { username: 'n' }],
  ['a username of 64 characters', { username: 'n'.repeat(64) }],
  ['a username of 64 characters that take two bytes each', { username: 'é'.repeat(64) }],
  ['a password of 8 characters', { password: '12345678' }],
  ['a password of 1024 characters', { password: 'p'.repeat(1024) }],
]) {
  test(`${what} is good, and the login works`, async () => {
    const body = account(more);
    assert.equal(done(await register(body), 201).user.username, body.username);
    done(await login(body.email, body.password), 200);
  });
}

test('an e-mail is taken once, whatever the case of its letters and the blanks around it', async () => {
  const body = account();
  done(await register(body), 201);
  for (const email of [body.email, body.email.toUpperCase(), `  ${body.email} `]) {
    refused(await register({ ...body, email }), 409, 'email_taken', 'User already exists with this email');
  }
});

test('of twenty who register one e-mail at the same moment one succeeds', async () => {
  const body = account();
  const answers = await Promise.all(Array.from({ length: 20 }, () => register(body)));
  assert.deepEqual(answers.map((a) => a.status).sort(), [201, ...Array(19).fill(409)]);
});

test('a login gives the same user and a token that works', async () => {
  const body = account();
  const { user } = done(await register(body), 201);
  const answer = done(await login(body.email, body.password), 200);
  hasKeys(answer, ['user', 'token']);
  hasKeys(answer.user, ['id', 'email', 'username', 'createdAt', 'lastSeen']);
  assert.deepEqual({ ...answer.user, lastSeen: null }, { ...user, lastSeen: null });
  done(await request(server, 'GET', '/rooms', { token: answer.token }), 200);
});

test('a login without e-mail or password is refused', async () => {
  for (const body of [{}, { email: 'a@example.org' }, { password: 'long enough' }, { email: '', password: 'long enough' }]) {
    refused(await request(server, 'POST', '/auth/login', { body }), 400, 'bad_request', 'Email and password are required');
  }
});

for (const field of ['email', 'password']) {
  test(`a login with ${field} of another type is refused by name`, async () => {
    for (const value of [5, true, {}, ['x']]) {
      const body = { email: 'a@example.org', password: 'long enough', [field]: value };
      refused(await request(server, 'POST', '/auth/login', { body }), 400, 'bad_request', new RegExp(field));
    }
  });
}

test('a wrong password and an unknown e-mail are told apart by nothing in the answer', async () => {
  const body = account();
  done(await register(body), 201);
  const wrong = await login(body.email, 'not this one');
  const unknown = await login('stranger@example.org', 'not this one');
  refused(wrong, 401, 'unauthorized', 'Invalid email or password');
  refused(unknown, 401, 'unauthorized', 'Invalid email or password');
  assert.equal(wrong.text, unknown.text);
});

test('a wrong password and an unknown e-mail take about the same time', async () => {
  const slow = await start({ env: { TOMBOLO_PASSWORD_COST: 'interactive' } });
  const known = await person(slow);
  const took = { known: [], unknown: [] };
  const time = async (which, email) => {
    const began = performance.now();
    refused(await request(slow, 'POST', '/auth/login', { body: { email, password: 'not this one' } }), 401, 'unauthorized');
    took[which].push(performance.now() - began);
  };
  for (let i = 0; i < 7; i++) {
    await time('known', known.user.email);
    await time('unknown', `nobody${i}@example.org`);
  }
  await slow.stop();
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  // An answer without hashing would take a twentieth; half leaves room for a busy machine.
  assert.ok(median(took.unknown) > median(took.known) / 2, JSON.stringify(took));
  assert.ok(median(took.known) > median(took.unknown) / 2, JSON.stringify(took));
});

test('the password of one is no password for another', async () => {
  const [a, b] = [account(), account({ password: 'another one' })];
  done(await register(a), 201);
  done(await register(b), 201);
  refused(await login(a.email, b.password), 401, 'unauthorized');
});

test('one changes e-mail, username and password with the current password', async () => {
  const me = await person(server);
  const changed = { email: `new${me.user.email}`, username: 'renamed', password: 'brand new one' };
  const { user } = done(await me.patch('/auth/me', { ...changed, currentPassword: me.password }), 200);
  hasKeys(user, ['id', 'email', 'username', 'createdAt', 'lastSeen']);
  assert.equal(user.id, me.id);
  assert.equal(user.email, changed.email);
  assert.equal(user.username, 'renamed');
  refused(await login(me.user.email, me.password), 401, 'unauthorized');
  refused(await login(changed.email, me.password), 401, 'unauthorized');
  assert.equal(done(await login(changed.email, changed.password), 200).user.username, 'renamed');
});

test('what is not named in a change stays as it was', async () => {
  const me = await person(server);
  const { user } = done(await me.patch('/auth/me', { username: 'only this', currentPassword: me.password }), 200);
  assert.equal(user.email, me.user.email);
  assert.equal(done(await login(me.user.email, me.password), 200).user.username, 'only this');
});

test('an e-mail that was given up is free again', async () => {
  const me = await person(server);
  done(await me.patch('/auth/me', { email: `other-${me.user.email}`, currentPassword: me.password }), 200);
  done(await register(account({ email: me.user.email })), 201);
});

test('a change with a wrong current password is refused', async () => {
  const me = await person(server);
  refused(await me.patch('/auth/me', { username: 'x', currentPassword: 'not this one' }), 401, 'unauthorized');
  done(await login(me.user.email, me.password), 200);
});

test('a change to an e-mail of another is refused', async () => {
  const [me, other] = [await person(server), await person(server)];
  const body = { email: other.user.email.toUpperCase(), currentPassword: me.password };
  refused(await me.patch('/auth/me', body), 409, 'email_taken', 'User already exists with this email');
});

for (const [what, change] of [
  ['without the current password', { username: 'x', currentPassword: undefined }],
  ['with a short password', { password: 'short' }],
  ['with a bad e-mail', { email: 'nobody' }],
  ['with a username of 65 characters', { username: 'n'.repeat(65) }],
  ['with a username that is a number', { username: 5 }],
]) {
  test(`a change ${what} is refused`, async () => {
    const me = await person(server);
    refused(await me.patch('/auth/me', { currentPassword: me.password, ...change }), 400, 'bad_request');
  });
}

const GUARDED = [
  ['PATCH', '/auth/me'], ['POST', '/rooms'], ['POST', '/rooms/join'], ['POST', '/rooms/1/members'],
  ['DELETE', '/rooms/1/members/me'], ['GET', '/rooms'], ['POST', '/messages'], ['GET', '/messages/rooms/1/messages'],
  ['POST', '/messages/read'], ['GET', '/messages/1/receipts'], ['GET', '/sync'],
];
for (const [method, path] of GUARDED) {
  const body = method === 'GET' || method === 'DELETE' ? undefined : {};
  const call = (headers) => request(server, method, path, { headers, body });
  test(`${method} ${path} wants a token`, async () => {
    refused(await call({}), 401, 'unauthorized', 'No token provided');
    for (const value of ['Bearer', 'Bearer ', 'Basic dTpw', 'token']) {
      refused(await call({ Authorization: value }), 401, 'unauthorized', 'Invalid token format');
    }
    refused(await call({ Authorization: 'Bearer not.a.token' }), 401, 'unauthorized', 'Invalid or expired token');
  });
}

const BCRYPT = 'abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e';     // salt and hash of "correct horse", at cost 4
for (const kind of ['$2a$', '$2b$']) {
  test(`a hash of the kind ${kind} that came from the old backend is good for one login, which replaces it`, async () => {
    const first = await start();
    const me = await person(first);
    await first.stop();
    const sql = (text) => spawnSync('sqlite3', [join(first.dir, 'tombolo.db'), text], { encoding: 'utf8' }).stdout.trim();
    sql(`UPDATE user SET password = '${kind}04$${BCRYPT}'`);
    const second = await start({ data: first.dir });
    const enter = (password) => request(second, 'POST', '/auth/login', { body: { email: me.user.email, password } });
    refused(await enter(me.password), 401, 'unauthorized', 'Invalid email or password');
    done(await enter('correct horse'), 200);
    done(await enter('correct horse'), 200);
    await second.stop();
    assert.match(sql('SELECT password FROM user'), /^\$argon2id\$/);
  });
}

test('a secret that was made here is kept, for its owner only, and tokens outlive a restart', async () => {
  const first = await start();
  const me = await person(first);
  await first.stop();
  const files = readdirSync(first.dir);
  const secret = files.filter((f) => /secret|key/i.test(f));
  assert.equal(secret.length, 1, `no file of a secret in ${files}`);
  const { mode, size } = statSync(join(first.dir, secret[0]));
  assert.equal(mode & 0o777, 0o600);
  assert.ok(size >= 32);
  const second = await start({ data: first.dir });
  done(await request(second, 'GET', '/rooms', { token: me.token }), 200);
  await second.stop();
});
