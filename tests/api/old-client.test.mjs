// docs/migrating.md's table of statuses: each row is asked here, and the last column is what the server answers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { person, request } from './lib/client.mjs';
import { ROOT, start } from './lib/server.mjs';

const text = readFileSync(join(ROOT, 'docs/migrating.md'), 'utf8');
const section = text.slice(text.indexOf('### Statuses'), text.indexOf('### What is taken'));
const rows = [...section.matchAll(/^\| (.*) \| \d+ \| (\d+) \|$/gm)].map(([, what, status]) => [what, Number(status)]);
let server, ann, bob, cid, room, hidden;

before(async () => {
  server = await start({ env: { TOMBOLO_RATE_LIMIT: '5' }, config: { limit: { messages_window_ms: 600_000 } } });
  cid = await person(server, 'cid');
  ann = await person(server, 'ann');
  bob = await person(server, 'bob');
  room = await ann.room('harbour');
  await cid.join(room.id);
  hidden = await ann.room('hidden', { isPrivate: true });
});
after(() => server.stop());

const register = (more) => request(server, 'POST', '/auth/register', { body: { email: 'new@example.org', username: 'new', password: 'correct horse', ...more } });
const login = (email, password) => request(server, 'POST', '/auth/login', { body: { email, password } });
const send = (who, content) => who.post('/messages', { roomId: room.id, content });

// One or more requests for each row: all of them get its status.
const asked = {
  'a login with a wrong password or an unknown e-mail': () => [login('ann@example.org', 'wrong horse'), login('nobody@example.org', 'wrong horse')],
  'registering an e-mail that is taken': () => [register({ email: 'ANN@example.org' })],
  'joining a room that is not there': () => [bob.post('/rooms/join', { roomId: 999 })],
  'joining a private room without having been added': () => [bob.post('/rooms/join', { roomId: hidden.id })],
  'sending into a room that one is not in': () => [send(bob, 'x'), bob.post('/messages', { roomId: 999, content: 'x' })],
  'the history of a room that one is not in': () => [bob.get(`/messages/rooms/${room.id}/messages`), bob.get('/messages/rooms/999/messages')],
  'another method than a path has': () => [ann.get('/auth/login'), ann.delete('/rooms'), request(server, 'POST', '/', { body: {} })],
  'a body of more than 64 KB (there: of more than 100 KB)': () => [send(ann, 'x'.repeat(70_000)), send(ann, 'x'.repeat(110_000))],
  'a message of more than 16 KB (there: of more than 191 characters)': () => [send(ann, 'x'.repeat(20_000))],
  'a sixth message within ten seconds over REST': async () => {
    const all = await Promise.all(Array.from({ length: 6 }, (_, i) => send(cid, `message ${i}`)));
    return all.sort((a, b) => a.status - b.status).slice(5);
  },
  'a message without a token whose body is no JSON': () => [request(server, 'POST', '/messages', { body: '{"x' })],
  'a password of less than 8 or more than 1,024 bytes at registration': () => [register({ password: 'secret' }), register({ password: 'x'.repeat(1025) })],
  'an e-mail that is none (`ann`), or of more than 254 bytes': () => [register({ email: 'ann' }), register({ email: `${'x'.repeat(250)}@example.org` })],
  'a username that is blank, or of more than 64 characters': () => [register({ username: '  ' }), register({ username: 'x'.repeat(65) })],
  "a room's name that is blank": () => [ann.post('/rooms', { name: '  ' })],
  "a room's name with a line break": () => [ann.post('/rooms', { name: 'a\nb' })],
  'a fraction or 0 among `messageIds`': () => [1.5, 0].map((id) => ann.post('/messages/read', { messageIds: [id] })),
};

test('the table has a row for each, and each row is asked', () => {
  assert.deepEqual(rows.map(([what]) => what), Object.keys(asked));
});

for (const [what, status] of rows) {
  test(`${what}: ${status}`, async () => {
    for (const answer of await Promise.all(await asked[what]())) {
      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
      assert.equal(typeof answer.body.message, 'string');
      assert.equal(typeof answer.body.code, 'string');
    }
  });
}
