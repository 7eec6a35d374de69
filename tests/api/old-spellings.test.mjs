// What clients of the old backend may send and were answered, where taking it costs nothing; and the settings that bring back what
// it answered otherwise. Spelled here as they spell it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { done, person, refused, request } from './lib/client.mjs';
import { start } from './lib/server.mjs';

let server, ann, room, ids;
before(async () => {
  server = await start({ config: { limit: { messages: 0 } } });
  ann = await person(server);
  room = await ann.room('harbour');
  ids = [];
  for (let i = 0; i < 5; i++) {
    ids.push((await ann.send(room.id, `m${i}`)).id);
  }
});
after(() => server.stop());

// By fetch: these are spellings that the documents do not name.
const call = (path, { method = 'GET', headers = {}, body, to = server, token = ann.token } = {}) =>
  fetch(to.url + path, { method, body, headers: { Authorization: `Bearer ${token}`, ...headers } });
const history = async (query) => {
  const answer = await call(`/messages/rooms/${room.id}/messages?${query}`);
  assert.equal(answer.status, 200, query);
  return (await answer.json()).items.map(({ id }) => id);
};
const newest = (n) => [...ids].reverse().slice(0, n);

test('a cursor that JavaScript writes for none begins with the newest', async () => {
  for (const query of ['cursor=null', 'cursor=undefined', 'cursor=0', 'cursor=', 'cursor=%30', 'cursor']) {
    assert.deepEqual(await history(query), newest(5), query);
  }
});

test('a cursor that is no message is a position; one of another room is refused', async () => {
  assert.deepEqual(await history('cursor=9999'), newest(5));
  const gap = await ann.send((await ann.room('elsewhere')).id, 'x');
  const after = await ann.send(room.id, 'm5');
  ids.push(after.id);
  refused(await ann.get(`/messages/rooms/${room.id}/messages?cursor=${gap.id}`), 400, 'bad_request', 'Invalid cursor');
  assert.deepEqual(await history(`cursor=${ids[2]}`), [ids[1], ids[0]]);
  assert.deepEqual(await history('cursor=9007199254740991'), []);      // of a site that nothing is known of
  refused(await ann.get(`/messages/rooms/${room.id}/messages?cursor=abc`), 400, 'bad_request', 'Invalid cursor');
});

test('a limit is moved to where it may be', async () => {
  for (const [limit, n] of [['2', 2], ['%32', 2], ['2.0', 2], ['2.9', 2], ['1e0', 1], ['0', 1], ['-1', 1], ['100000', 6]]) {
    assert.deepEqual(await history(`limit=${limit}`), newest(n), limit);
  }
  for (const limit of ['abc', '0x10', 'Infinity', '1e400', '2,5']) {
    refused(await ann.get(`/messages/rooms/${room.id}/messages?limit=${limit}`), 400, 'bad_request');
  }
  assert.equal((await call(`/rooms/${room.id}/members?limit=0&cursor=null`)).status, 200);
  for (const query of ['limit=null', 'limit=undefined', 'since=null&limit=', 'since=undefined&cursor=null']) {
    assert.deepEqual(await history(query), newest(6), query);
  }
});

test('paths are found whatever their case, and with escapes', async () => {
  for (const path of ['/Rooms', '/ROOMS/', '/%72ooms', `/messages/rooms/%3${room.id}/messages`, `/Messages/Rooms/${room.id}/MESSAGES`]) {
    assert.equal((await call(path)).status, 200, path);
  }
  assert.equal((await call(`/rooms%2F${room.id}/members`)).status, 404);       // an escaped slash parts nothing
});

test('a token may come behind another word for Bearer', async () => {
  for (const scheme of ['Bearer', 'bearer', 'Token', 'JWT', 'token']) {
    assert.equal((await call('/rooms', { headers: { Authorization: `${scheme} ${ann.token}` } })).status, 200, scheme);
  }
  for (const value of [ann.token, `Basic ${ann.token}`, 'Bearer']) {
    refused(await request(server, 'GET', '/rooms', { headers: { Authorization: value } }), 401, 'unauthorized', 'Invalid token format');
  }
});

test('more ids than one change holds are read in steps, in one call', async () => {
  const bob = await person(server);
  await bob.join(room.id);
  const many = Array.from({ length: 2500 }, (_, i) => i + 1);
  assert.equal(done(await bob.post('/messages/read', { messageIds: many }), 200).count, ids.length);
  assert.equal(done(await bob.post('/messages/read', { messageIds: [...many].reverse() }), 200).count, ids.length);
  assert.equal(done(await bob.post('/messages/read', { messageIds: [...many, ...many, ids[0]] }), 200).count, ids.length);
  for (const id of [ids[0], ids.at(-1)]) {
    assert.equal(done(await ann.get(`/messages/${id}/receipts`), 200).items.length, 1);
  }
});

const json = { 'Content-Type': 'application/json' };
const send = (content, pack, encoding, { more = {} } = {}) => call('/messages', { method: 'POST',
  headers: { ...json, 'Content-Encoding': encoding }, body: pack(JSON.stringify({ roomId: room.id, content, ...more })) });

test('a body may be compressed by gzip or deflate; the limit is that of its content', async () => {
  for (const [encoding, pack] of [['gzip', gzipSync], ['GZIP', gzipSync], ['deflate', deflateSync], ['identity', Buffer.from]]) {
    const answer = await send(`by ${encoding}`, pack, encoding);
    assert.equal(answer.status, 201, encoding);
    assert.equal((await answer.json()).content, `by ${encoding}`);
  }
  assert.equal((await send('x'.repeat(16_384), gzipSync, 'gzip')).status, 201);
  const empty = (headers, body) => call('/rooms', { method: 'POST', headers: { ...json, ...headers }, body });
  for (const answer of [await empty({ 'Content-Encoding': 'gzip' }), await empty({}, '\ufeff'), await empty({}, '')]) {
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).message, 'Room name is required');
  }
  assert.equal((await send('x', gzipSync, 'gzip', { more: { pad: ' '.repeat(70_000) } })).status, 413);
  assert.equal((await send('x', gzipSync, 'gzip', { more: { pad: ' '.repeat(20_000_000) } })).status, 413);
});

test('another encoding is 415 and says which are taken; what is not as it says is 400', async () => {
  for (const encoding of ['br', 'zstd', 'gzip, gzip']) {
    const answer = await send('x', brotliCompressSync, encoding);
    assert.equal(answer.status, 415, encoding);
    assert.equal(answer.headers.get('accept-encoding'), 'gzip, deflate');
    assert.equal((await answer.json()).code, 'unsupported_media_type');
  }
  assert.equal((await send('x', Buffer.from, 'gzip')).status, 400);
  assert.equal((await send('x', (text) => gzipSync(text).subarray(0, -1), 'gzip')).status, 400);
  assert.equal((await send('x', (text) => Buffer.concat([gzipSync(text), Buffer.from('x')]), 'gzip')).status, 400);
  assert.equal((await send('x', deflateRawSync, 'deflate')).status, 400);
});

test('with server.old_statuses a call is refused with 400 where the old backend said so, and a token with 401', async () => {
  const old = await start({ config: { server: { old_statuses: 'yes' }, auth: { password_min: 6 }, limit: { content_bytes: 1000 } } });
  const post = async (path, body, token) => (await call(path, { method: 'POST', body: JSON.stringify(body), headers: json, to: old, token })).status;
  const account = { email: 'bob@example.org', username: 'bob', password: 'secret' };
  assert.equal(await post('/auth/register', account), 201);
  assert.equal(await post('/auth/register', { ...account, email: 'eve@example.org', password: 'short' }), 400);
  const bob = await person(old, 'carl');
  assert.equal(await post('/auth/register', account), 400);                                         // 409
  assert.equal(await post('/auth/login', { email: account.email, password: 'nope nope' }), 400);    // 401
  const hall = await bob.room('hall', { isPrivate: true });
  const dan = await person(old, 'dan');
  assert.equal(await post('/messages', { roomId: hall.id, content: 'x' }, dan.token), 400);         // 403
  assert.equal(await post('/rooms/join', { roomId: 999 }, dan.token), 400);                         // 404
  assert.equal(await post('/messages', { roomId: hall.id, content: 'x'.repeat(1001) }, bob.token), 400);     // 413
  assert.equal(await post('/rooms', { name: 'x' }, 'no token'), 401);
  const packed = (encoding, body) => call('/rooms', { method: 'POST', to: old, token: bob.token, body,
    headers: { ...json, 'Content-Encoding': encoding } });
  assert.equal((await packed('br', brotliCompressSync('{"name":"x"}'))).status, 415);               // before any call, as there
  assert.equal((await packed('gzip', gzipSync(' '.repeat(200_000)))).status, 413);
  assert.equal((await call('/nothing', { to: old, token: bob.token })).status, 404);
  assert.equal((await call('/rooms', { to: old, token: bob.token, method: 'DELETE' })).status, 405);
  await old.stop();
});

test('a password and an e-mail are the same however a keyboard writes their letters', async () => {
  const password = 'café au lait', email = 'jörg@example.org';
  const register = (body) => request(server, 'POST', '/auth/register', { body: { username: 'x', ...body } });
  const login = (body) => request(server, 'POST', '/auth/login', { body });
  const { user } = done(await register({ email: email.normalize('NFD'), password: password.normalize('NFD') }), 201);
  assert.equal(user.email, email.normalize('NFC'));
  for (const form of ['NFC', 'NFD']) {
    done(await login({ email: email.normalize(form), password: password.normalize(form) }), 200);
    refused(await register({ email: email.normalize(form), password }), 409, 'email_taken');
    refused(await login({ email, password: 'cafe au lait' }), 401, 'unauthorized');
  }
});

test('names and addresses show what they are', async () => {
  const register = (more) => request(server, 'POST', '/auth/register', {
    body: { email: `u${Math.random()}@example.org`, username: 'x', password: 'correct horse', ...more } });
  for (const name of ['\u200b', '\u2800', '\u3164', '\u00ad', '\u2060', 'Mod \u202egnipyt', 'a\u200db', '\u0301']) {
    refused(await register({ username: name }), 400, 'bad_request', 'username must hold characters that can be seen, and no others');
    refused(await ann.post('/rooms', { name }), 400, 'bad_request', 'name must hold characters that can be seen, and no others');
  }
  for (const email of ['a\u00a0b@example.org', 'a\u200bb@example.org', 'a\u202eb@example.org', 'a\u3000@example.org']) {
    refused(await register({ email }), 400, 'bad_request', 'email must be an e-mail address');
  }
  for (const username of ['👨‍👩‍👧', 'Jörg', '山田 太郎', 'علي']) {
    assert.equal(done(await register({ username }), 201).user.username, username);
  }
});
