// docs/api/openapi.json: a valid document, which has every route and no other, and everything in it can be met: each operation,
// each answer, each text of a failure. That answers have nothing that it does not know is checked at every request (lib/spec.mjs).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Person, done, person, raw, request, responses } from './lib/client.mjs';
import { LONG_WINDOW, ROOT, run, start } from './lib/server.mjs';
import { Line } from './lib/sockets.mjs';
import { normal } from './lib/tour.mjs';
import { checkAnswer, examplesOf, openapi, resolved, restAnswer, restRequest, seen } from './lib/spec.mjs';

const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })));
const rest = (object) => resolved(openapi, object);

const account = (more) => ({ email: 'new@example.org', username: 'new', password: 'correct horse', ...more });

// What nothing from outside can bring about.
const OUT_OF_REACH = new Set(['register 500 Something went wrong here', 'login 500 Something went wrong here',
  'getReady 503 The journal is not writable',
  ...operations.map(({ operation }) => `${operation.operationId} 503 The server could not save that`)]);

let server, ann, bob, room, message;
before(async () => {
  server = await start({ config: { limit: { rooms_per_user: 4, members_per_room: 2 } } });
  [ann, bob] = [await person(server, 'ann'), await person(server, 'bob')];
  room = await ann.room('harbour');
  await bob.join(room.id);
  message = await ann.send(room.id, 'The tide is out');
});
after(() => server.stop());

// ---- the document ----

test('the document is OpenAPI 3.1', async () => {
  const result = await new Validator().validate(structuredClone(openapi));
  assert.ok(result.valid, JSON.stringify(result.errors, null, 1));
  assert.match(openapi.openapi, /^3\.1\./);
});

test('its version is the program\'s', () => {
  assert.ok(run(['version']).stdout.includes(openapi.info.version), run(['version']).stdout);
});

test('every reference leads somewhere, and every component is referred to', () => {
  const text = JSON.stringify(openapi), used = new Set(text.match(/#\/components\/[\w/-]+/g));
  used.forEach(($ref) => rest({ $ref }));
  for (const [kind, all] of Object.entries(openapi.components)) {
    for (const [name, one] of Object.entries(all)) {
      const isOfAll = one['x-any-request'] !== undefined || one['x-every-answer'] || kind === 'securitySchemes';
      assert.ok(isOfAll || used.has(`#/components/${kind}/${name}`), `nothing refers to ${kind}/${name}`);
    }
  }
});

test('every example is as its schema says', () => {
  for (const { operation } of operations) {
    for (const [of, content, judge] of [[operation.requestBody, operation.requestBody?.content, restRequest],
      ...Object.values(operation.responses).map((r) => [r, rest(r).content, restAnswer])]) {
      const json = content?.['application/json'];
      for (const value of [json?.example, ...(json === undefined ? [] : examplesOf(json))].filter((v) => v !== undefined)) {
        assert.equal(judge(json.schema, value), '', `${operation.operationId}: ${JSON.stringify(value)} ${JSON.stringify(of.description)}`);
      }
    }
  }
});

// The examples as they come about, one after the other, on a server of their own. Their requests are sent as they stand.
const COURSE = (ann, bob, json) => [
  ['register', () => request(ann.server, 'POST', '/auth/register', { body: json('register') })],
  ['login', () => request(ann.server, 'POST', '/auth/login', { body: json('login') })],
  ['createRoom', () => ann.post('/rooms', json('createRoom'))],
  ['joinRoom', () => bob.post('/rooms/join', json('joinRoom'))],
  ['addMember', () => ann.post('/rooms/1/members', json('addMember'))],
  ['sendMessage', () => ann.post('/messages', json('sendMessage'))],
  [null, () => ann.post('/messages', { roomId: 1, content: 'We walk across' })],
  ['listRooms', () => bob.get('/rooms')],
  ['listMessages first', () => bob.get('/messages/rooms/1/messages?limit=1')],
  ['listMessages last', () => bob.get('/messages/rooms/1/messages?limit=1&cursor=2')],
  ['readMessages', () => bob.post('/messages/read', json('readMessages'))],
  ['listReceipts', () => ann.get('/messages/1/receipts')],
  ['getSync', () => ann.get('/sync')],
  ['getHealth', () => ann.get('/healthz')],
  ['getReady', () => ann.get('/readyz')],
  ['listMembers', async () => {
    const line = await Line.to(ann);
    for (;;) {                          // until his last seen is stored
      const answer = await ann.get('/rooms/1/members');
      if (answer.body.items[0].lastSeen !== null) {
        line.close();
        return answer;
      }
    }
  }],
  ['changeMe', async () => {
    const answer = await ann.patch('/auth/me', json('changeMe'));
    answer.body.user.lastSeen = null;   // in the document he has never been connected
    return answer;
  }],
];

test('every example of an answer is what the server answers', async () => {
  const fresh = await start();
  const named = (name) => operations.find(({ operation }) => operation.operationId === name).operation;
  const json = (name) => named(name).requestBody.content['application/json'].example;
  const ann = new Person(fresh, { user: { id: 1 } }, 'correct horse'), bob = new Person(fresh, { user: { id: 2 } }, 'correct horse');
  const shown = new Set();
  for (const [what, call] of COURSE(ann, bob, json)) {
    const { status, body } = await call();
    if (what === 'register') {
      ann.token = body.token;
      bob.token = done(await request(fresh, 'POST', '/auth/register', { body: account({ email: 'bob@example.org', username: 'bob' }) }), 201).token;
    }
    if (what !== null) {
      const [name, which] = what.split(' ');
      const content = named(name).responses[status].content['application/json'];
      assert.deepEqual(normal(body), normal(which === undefined ? content.example : content.examples[which].value), what);
      shown.add(name);
    }
  }
  await fresh.stop();
  const withExample = operations.filter(({ operation }) => Object.entries(operation.responses).some(([status, r]) => {
    const content = rest(r).content?.['application/json'];
    return status < 300 && (content?.example ?? content?.examples) !== undefined;
  })).map(({ operation }) => operation.operationId);
  assert.deepEqual([...shown].sort(), withExample.sort());
});

// ---- the routes ----

// The table in the source is all that the program serves under "/"; a path of the document has {name} for its "*". The page at
// /app/ is for people: no program asks for it.
function routesOfProgram() {
  const source = readFileSync(join(ROOT, 'src/rest/routes.c'), 'utf8');
  const table = /struct rest_route routes\[\] = \{\n(.*?)^\};/ms.exec(source)[1];
  const rows = [...table.matchAll(/^ {4}\{ "([A-Z]+)", "([^"]+)", (true|false), /gm)].map(([, method, path, isOpen]) => ({ method, path, isOpen }));
  assert.equal(rows.length, table.match(/^ {4}\{/gm).length, 'a row was not understood');
  return rows.filter(({ path }) => !path.startsWith('/app'));
}

test('each route of the program is in the document, and the other way round, with the same need of a token', () => {
  const documented = operations.map(({ path, method, operation }) =>
    `${method} ${path.replaceAll(/\{\w+\}/g, '*')} ${operation.security.length === 0}`);
  assert.deepEqual(documented.sort(), routesOfProgram().map(({ method, path, isOpen }) => `${method} ${path} ${isOpen}`).sort());
});

test('each path answers another method with those that are documented', async () => {
  for (const [path, methods] of Object.entries(openapi.paths)) {
    const answer = await request(server, 'PUT', path.replaceAll(/\{\w+\}/g, '1'));
    const known = Object.keys(methods).map((m) => m.toUpperCase());
    assert.equal(answer.status, 405);
    assert.deepEqual(answer.headers.allow.split(', ').sort(), [...known, ...(known.includes('GET') ? ['HEAD'] : [])].sort(), path);
  }
});

for (const file of ['openapi.json', 'asyncapi.json']) {
  test(`the program serves docs/api/${file}, to anybody, and not again to who has it`, async () => {
    const first = await request(server, 'GET', `/${file}`, { headers: { Origin: 'https://app.example.org' } });
    assert.equal(first.text, readFileSync(join(ROOT, 'docs/api', file), 'utf8'));
    assert.equal(first.headers['access-control-allow-origin'], '*');
    for (const tag of [first.headers.etag, `"other", W/${first.headers.etag}`, '*']) {
      const again = await request(server, 'GET', `/${file}`, { headers: { 'If-None-Match': tag } });
      assert.deepEqual([again.status, again.text, again.headers.etag], [304, '', first.headers.etag]);
    }
    for (const tag of ['"other"', first.headers.etag.slice(1, -1), '']) {
      assert.equal((await request(server, 'GET', `/${file}`, { headers: { 'If-None-Match': tag } })).status, 200);
    }
    assert.equal((await request(server, 'HEAD', `/${file}`)).headers['content-length'], String(Buffer.byteLength(first.text)));
  });
}

// ---- everything can be met ----

const post = (path, body, options) => request(server, 'POST', path, { body, token: ann.token, ...options });
const deep = (n) => '{"a":'.repeat(n) + '1' + '}'.repeat(n);

test('what goes well', async () => {
  const who = await person(server);
  const own = await who.room('own', { isPrivate: true });
  done(await who.post(`/rooms/${own.id}/members`, { userId: bob.id }), 201);
  done(await bob.delete(`/rooms/${own.id}/members/me`), 204);
  done(await post('/rooms/join', { roomId: room.id }), 200);
  done(await post('/auth/login', { email: ann.user.email, password: ann.password }), 200);
  done(await ann.patch('/auth/me', { username: 'Ann', currentPassword: ann.password }), 200);
  done(await bob.post('/messages/read', { messageIds: [message.id] }), 200);
  done(await ann.get(`/messages/${message.id}/receipts`), 200);
  await ann.history(room.id, '?limit=1');
  done(await ann.get(`/rooms/${room.id}/members?limit=1`), 200);
  for (const path of ['/rooms', '/sync', '/', '/healthz', '/readyz', '/metrics']) {
    done(await ann.get(path), 200);
    assert.equal((await request(server, 'HEAD', path, { token: ann.token })).status, 200);
  }
});

test('bodies that are not what is asked for', async () => {
  for (const { path, method, operation } of operations.filter((one) => one.operation.requestBody)) {
    const call = (body, headers) => request(server, method, path.replace(/\{\w+\}/, room.id), { body, token: ann.token, headers });
    for (const body of ['{', '[]', deep(300)]) {
      assert.equal((await call(body)).status, 400, operation.operationId);
    }
    await call('{}', { 'Content-Type': 'text/plain' });
  }
});

const REFUSED = [
  ['POST', '/auth/register', [{}, account({ email: 5 }), account({ username: 5 }), account({ password: 5 }), account({ email: 'x' }),
    account({ username: ' ' }), account({ username: '\u200b' }), account({ password: 'x' }), account({ email: 'ann@example.org' })]],
  ['POST', '/auth/login', [{}, account({ email: 5 }), account({ password: 5 }), account()]],
  ['PATCH', '/auth/me', [{}, { currentPassword: 5 }, { currentPassword: 'x' }, ...[{ email: 5 }, { username: 5 }, { password: 5 },
    { email: 'x' }, { username: ' ' }, { username: '\u2800' }, { password: 'x' }, { username: 'Ann' }].map((one) => ({ ...one, currentPassword: 'x' })),
  { email: 'bob@example.org', currentPassword: 'correct horse battery' }]],
  ['POST', '/rooms', [{}, { name: 5 }, { name: 'x'.repeat(192) }, { name: '\u00ad' }, { name: 'x', isPrivate: 2 }]],
  ['POST', '/rooms/join', [{}, { roomId: 'x' }, { roomId: 999 }]],
  ...['x/members', '999/members', '1/members?limit=x', '1/members?cursor=x'].map((path) => ['GET', `/rooms/${path}`, [undefined]]),
  ['POST', '/rooms/1/members', [{}, { userId: 'x' }, { userId: 999 }]],
  ['POST', '/rooms/x/members', [{ userId: 2 }]],
  ['POST', '/rooms/999/members', [{ userId: 2 }]],
  ['DELETE', '/rooms/x/members/me', [undefined]],
  ['DELETE', '/rooms/999/members/me', [undefined]],
  ['POST', '/messages', [{}, { roomId: 'x' }, { roomId: 1 }, { roomId: 1, content: 5 }, { roomId: 1, content: 'x', clientId: [5] },
    { roomId: 1, content: 'x', clientId: '\n' }, { roomId: 999, content: 'x' }, { roomId: 1, content: 'x'.repeat(16385) }]],
  ['POST', '/messages/read', [{}, { messageIds: Array.from({ length: 10_001 }, (_, i) => i + 1) }]],
  ['GET', '/messages/rooms/x/messages', [undefined]],
  ['GET', '/messages/rooms/999/messages', [undefined]],
  ...['limit=x', 'cursor=x', 'since=x', 'cursor=1&since=0-00000000'].map((q) => ['GET', `/messages/rooms/1/messages?${q}`, [undefined]]),
  ['GET', '/messages/x/receipts', [undefined]],
  ['GET', '/messages/999/receipts', [undefined]],
];

test('what is refused for what it says', async () => {
  for (const [method, path, bodies] of REFUSED) {
    for (const body of bodies) {
      const answer = await request(server, method, path, { body, token: ann.token });
      assert.ok(answer.status >= 400, `${method} ${path} ${JSON.stringify(body)}: ${answer.status}`);
    }
  }
  const send = (headers, body) => post('/messages', { roomId: room.id, content: 'once', ...body }, { headers });
  assert.equal((await send({ 'Idempotency-Key': 'one' }, { clientId: 'another' })).status, 400);
  assert.equal((await send({ 'Idempotency-Key': 'note-1' })).status, 201);
  assert.equal((await send({ 'Idempotency-Key': 'note-1' }, { content: 'twice' })).status, 422);
});

test('what is refused for who asks', async () => {
  for (const { path, method, operation } of operations.filter((one) => one.operation.security.length > 0)) {
    for (const Authorization of [null, 'Basic x', 'Bearer x']) {
      const answer = await request(server, method, path.replace(/\{\w+\}/, 1), { headers: { Authorization } });
      assert.equal(answer.status, 401, operation.operationId);
    }
  }
  const eve = await person(server);
  const closed = await ann.room('closed', { isPrivate: true });
  assert.equal((await eve.post(`/rooms/${room.id}/members`, { userId: 1 })).status, 403);
  assert.equal((await eve.post('/rooms/join', { roomId: closed.id })).status, 404);
  assert.equal((await eve.post(`/rooms/${closed.id}/members`, { userId: eve.id })).status, 404);
  assert.equal((await eve.get(`/messages/${message.id}/receipts`)).status, 404);
  assert.equal((await request(server, 'GET', '/metrics', { headers: { 'X-Forwarded-For': '10.0.0.1' } })).status, 403);
});

test('what is refused because it is full', async () => {
  const [one, two] = [await person(server), await person(server)];
  assert.equal((await one.post('/rooms/join', { roomId: room.id })).status, 403, 'two are in it');
  assert.equal((await ann.post(`/rooms/${room.id}/members`, { userId: one.id })).status, 403);
  const small = await two.room('small');
  for (let i = 0; i < 4; i++) {
    await one.room(`room ${i}`);
  }
  assert.equal((await one.post('/rooms', { name: 'more' })).status, 403);
  assert.equal((await one.post('/rooms/join', { roomId: small.id })).status, 403);
  assert.equal((await two.post(`/rooms/${small.id}/members`, { userId: one.id })).status, 403);
});

test('what comes too often', async () => {
  const strict = await start({ config: { limit: { address_logins: 10, ...LONG_WINDOW } }, env: { TOMBOLO_RATE_LIMIT: '1', TOMBOLO_LOGIN_LIMIT: '1' } });
  const me = await person(strict);
  const own = await me.room('own');
  await me.send(own.id, 'x');
  assert.equal((await me.post('/messages', { roomId: own.id, content: 'x' })).status, 429);
  const tries = { email: me.user.email, password: 'wrong', username: 'x', currentPassword: 'wrong' };
  for (const [method, path] of [['POST', '/auth/login'], ['PATCH', '/auth/me'], ['POST', '/auth/register']]) {
    let answer;
    for (let i = 0; i < 20 && answer?.status !== 429; i++) {
      answer = await request(strict, method, path, { body: { ...tries, password: 'wrong wrong' }, token: me.token });
    }
    assert.equal(answer.status, 429, path);
  }
  await strict.stop();
});

// An operation that writes, or asks the journal, as a request that would succeed.
const askers = (who, roomId, messageId) => ({
  register: (i) => request(who.server, 'POST', '/auth/register', { body: account({ email: `${who.id}-${Date.now()}-${i}@example.org` }) }),
  login: () => request(who.server, 'POST', '/auth/login', { body: { email: who.user.email, password: who.password } }),
  changeMe: () => who.patch('/auth/me', { username: 'x', currentPassword: who.password }),
  createRoom: () => who.post('/rooms', { name: 'x' }),
  joinRoom: () => who.post('/rooms/join', { roomId }),
  addMember: () => who.post(`/rooms/${roomId}/members`, { userId: who.id }),
  leaveRoom: () => who.delete(`/rooms/${roomId}/members/me`),
  sendMessage: () => who.post('/messages', { roomId, content: 'x' }),
  readMessages: () => who.post('/messages/read', { messageIds: [messageId] }),
  listRooms: () => who.get('/rooms'),
  listMembers: () => who.get(`/rooms/${roomId}/members`),
  listMessages: () => who.get(`/messages/rooms/${roomId}/messages`),
  listReceipts: () => who.get(`/messages/${messageId}/receipts`),
});

test('what comes while too much waits', async () => {
  const narrow = await start({ config: { journal: { queue: 1, reader_queue: 1 }, auth: { hash_queue: 1 }, limit: { rooms_per_user: 100_000 } } });
  const me = await person(narrow);
  const own = await me.room('own');
  const calls = askers(me, own.id, (await me.send(own.id, 'x')).id);
  for (const [name, call] of Object.entries(calls)) {
    let isBusy = false;
    for (let round = 0; round < 50 && !isBusy; round++) {
      isBusy = (await Promise.all(Array.from({ length: 60 }, (_, i) => call(i)))).some(({ body }) => body.code === 'busy');
    }
    assert.ok(isBusy, name);
  }
  await narrow.stop();
});

test('what comes while the disk is full', async () => {
  const first = await start();
  const me = await person(first);
  const own = await me.room('own');
  const { id } = await me.send(own.id, 'x');
  await first.stop();
  me.server = await start({ data: first.dir, config: { journal: { reserve_mb: 1_000_000 } } });
  for (const [name, call] of Object.entries(askers(me, own.id, id))) {
    const { status } = await call(0);
    assert.equal(status === 507, openapi507.has(name), `${name}: ${status}`);
  }
  assert.equal((await request(me.server, 'GET', '/readyz')).status, 507);
  await me.server.stop();
});
const openapi507 = new Set(operations.filter(({ operation }) => operation.responses[507]).map(({ operation }) => operation.operationId));

test('a login of one whose e-mail was given to another, and of one who came from the old backend without any time', async () => {
  const first = await start();
  const people = [await person(first), await person(first)];
  await first.stop();
  const sql = spawnSync('sqlite3', [join(first.dir, 'tombolo.db'), 'UPDATE user SET email_parked = 1 WHERE id = 1;' +
    ' UPDATE user SET created_at = 0 WHERE id = 2'], { encoding: 'utf8' });
  assert.equal(sql.status, 0, sql.stderr);
  const second = await start({ data: first.dir });
  const [parked, old] = await Promise.all(people.map(({ user, password }) =>
    request(second, 'POST', '/auth/login', { body: { email: user.email, password } })));
  assert.equal(parked.status, 409);
  assert.equal(done(old, 200).user.createdAt, '1970-01-01T00:00:00.000Z');
  await second.stop();
});

test('those whom the operator does not let in', async () => {
  const body = { email: 'eve@example.org', username: 'eve', password: 'correct horse battery' };
  const register = (to, more) => request(to, 'POST', '/auth/register', { body: { ...body, ...more } });
  for (const auth of [{ registration: 'closed' }, { registration: 'token', registration_token: 'sixteen bytes or more' }]) {
    const guarded = await start({ config: { auth } });
    assert.equal((await register(guarded, {})).status, 403);
    await guarded.stop();
  }
  assert.equal((await register(server, { registrationToken: 7 })).status, 400);
  const out = await person(server);
  assert.equal(run(['user', 'disable', String(out.id), '--data', server.dir]).code, 0);
  assert.equal((await request(server, 'POST', '/auth/login', { body: { email: out.user.email, password: out.password } })).status, 403);
});

// By hand: a client of HTTP does not send such things.
async function rawAnswer(method, path, bytes, isIt = () => true) {
  const found = (text) => responses(text).find(isIt);
  const { status, head, body } = found(await raw(server, bytes, { enough: found }));
  const headers = Object.fromEntries(head.split('\r\n').slice(1).map((line) => [line.split(':')[0].toLowerCase(), line.split(': ')[1]]));
  checkAnswer(method, path, undefined, { status, headers, text: body, body: JSON.parse(body) });
  return status;
}

test('what any request may be answered with', async () => {
  const head = `Host: x\r\nAuthorization: Bearer ${ann.token}\r\nContent-Type: application/json\r\n`;
  assert.equal(await rawAnswer('POST', '/rooms', `POST /rooms HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`), 400);
  assert.equal(await rawAnswer('POST', '/messages', `POST /messages HTTP/1.1\r\n${head}Content-Length: 1000000\r\n\r\n`), 413);
  const ahead = `GET /rooms HTTP/1.1\r\n${head}\r\n`.repeat(2000);
  assert.equal(await rawAnswer('GET', '/rooms', ahead, ({ status }) => status !== 200), 429);
  assert.equal((await request(server, 'GET', '/', { headers: { X: 'x'.repeat(33_000) } })).status, 431);
  assert.equal((await post('/rooms', { name: 'x' }, { headers: { 'Content-Encoding': 'br' } })).status, 415);
  assert.equal((await request(server, 'GET', '/nothing')).status, 404);
  assert.equal((await request(server, 'BREW', '/rooms')).status, 405);
});

test('a new site waits for its centre before it takes changes', async () => {
  const waiting = await start({ env: { DATABASE_URL: 'mysql://chat:chat@127.0.0.1:1/chat', TOMBOLO_SYNC_FIRST_CONTACT_MS: '3600000' },
    waits: false });
  assert.equal((await request(waiting, 'GET', '/readyz')).body.code, 'busy');
  assert.equal((await request(waiting, 'POST', '/auth/register', { body: account() })).body.code, 'busy');
  await waiting.stop();
});

// What is documented: one line for each answer that goes well, one for each text of a failure.
const documented = operations.flatMap(({ operation }) => Object.entries(operation.responses).flatMap(([status, response]) => {
  const texts = Object.values(rest(response).content ?? {}).flatMap(examplesOf).map((e) => ` ${e.message}`);
  return (status >= 400 ? texts : ['']).map((text) => `${operation.operationId} ${status}${text}`);
}));

test('all that is documented was met here, but for what is out of reach', () => {
  assert.deepEqual(documented.filter((what) => !seen.has(what) && !OUT_OF_REACH.has(what)), []);
});
