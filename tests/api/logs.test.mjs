// The log as a program reads it: JSON that is sound whatever people send, ids that lead from an answer to its lines, and nothing in
// it that is nobody's business.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { person, raw, request, responses } from './lib/client.mjs';
import { start } from './lib/server.mjs';
import { Line, denied } from './lib/sockets.mjs';

const jsonLog = (log) => ({ config: { log: { format: 'json', ...log } } });
const LEVELS = ['error', 'warn', 'info', 'debug'];

// Members of a flat object, with those that stand in it twice.
const keysOf = (line) => [...line.matchAll(/[{,]"((?:[^"\\]|\\.)*)":/g)].map(([, key]) => key);

function lines(server) {
  return server.log.split('\n').slice(0, -1).map((line) => {
    const parsed = JSON.parse(line);
    assert.deepEqual(Object.keys(parsed).slice(0, 4), ['time', 'level', 'event', 'thread'], line);
    assert.match(parsed.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(LEVELS.includes(parsed.level), line);
    assert.match(parsed.event, /^[a-z]+\.[a-z_0-9]+$/);
    for (const value of Object.values(parsed)) {
      assert.ok(['string', 'number'].includes(typeof value), line);
    }
    const keys = keysOf(line.replace(/"(?:[^"\\]|\\.)*"(?!:)/g, '""'));
    assert.equal(new Set(keys).size, keys.length, `a member twice: ${line}`);
    return parsed;
  });
}

async function logged(server, event) {
  while (!server.log.includes(event)) {
    await once(server.child.stderr, 'data');
  }
}

const SANE = ['a', 'A-b_c.9', '4598370400000001', 'x'.repeat(64)];     // one looks like a number, as one in a thousand of ours
const idOf = ({ headers }) => headers['x-request-id'];

test('each line is one JSON object, whatever people send', async () => {
  const server = await start(jsonLog({ level: 'debug', requests: 'yes', slow_ms: 1 }));
  const ann = await person(server);
  const { id } = await ann.room('a "room"\\ of {odd} = things\u2028');
  const line = await Line.to(ann);
  await line.send(id, 'content "with" quotes\nand lines');
  denied(await line.ask('send_message', { roomId: 999, content: 'x' }), 'forbidden');
  await request(server, 'GET', '/no/"such"/path\\%0a\u007f');
  await request(server, 'GET', `/${'long'.repeat(300)}?token=secret`);
  await request(server, 'POST', '/messages', { token: ann.token, body: '{"roomId":' });
  await request(server, 'POST', '/auth/login', { body: { email: 'no"b=o dy\\@example.org', password: 'geheim "geheim"' } });
  await raw(server, 'BREW /pot"=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await raw(server, 'garbage\r\n\r\n');
  line.close();
  server.signal('SIGHUP');
  await logged(server, 'serve.reloaded');
  await server.stop();
  const all = lines(server);
  assert.ok(all.length > 20);
  assert.ok(all.some(({ event, log_level }) => event === 'serve.reloaded' && typeof log_level === 'number'));
  for (const secret of ['geheim', 'content', 'odd', ann.token, 'token=']) {
    assert.ok(!server.log.includes(secret), `${secret} in the log`);
  }
});

test('an id is made for each answer, failures too, unless the client brings a sane one', async () => {
  const server = await start(jsonLog({ requests: 'yes' }));
  const ann = await person(server);
  const made = [
    await ann.get('/rooms'), await request(server, 'GET', '/'), await request(server, 'GET', '/rooms'),
    await request(server, 'GET', '/nowhere'), await ann.post('/messages', { roomId: 1 }), await request(server, 'PUT', '/rooms'),
  ].map(idOf);
  made.forEach((id) => assert.match(id, /^[0-9a-f]{16}$/));
  assert.equal(new Set(made).size, made.length);
  for (const sane of SANE) {
    assert.equal(idOf(await ann.get('/rooms', { headers: { 'X-Request-Id': sane } })), sane);
  }
  for (const odd of ['x'.repeat(65), 'a b', 'a"b', 'a=b', 'a\\b', 'ä', '']) {
    assert.match(idOf(await ann.get('/rooms', { headers: { 'X-Request-Id': odd } })), /^[0-9a-f]{16}$/, odd);
  }
  const [twice] = responses(await raw(server, 'GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: one\r\nX-Request-Id: two\r\nConnection: close\r\n\r\n'));
  assert.match(twice.head, /x-request-id: one/i);
  await server.stop();
  const all = lines(server).filter(({ event }) => event === 'http.request');
  assert.deepEqual(all.filter((one) => made.includes(one.request)).map(({ route, status, user }) => [route, status, user]), [
    ['GET /rooms', 200, ann.id], ['GET /', 200, 0], ['GET /rooms', 401, 0], ['other', 404, 0], ['POST /messages', 400, ann.id],
    ['other', 405, 0],
  ]);
  assert.deepEqual(all.map(({ request: of }) => of).filter((id) => SANE.includes(id)), SANE);
  const first = all.find(({ request: of }) => of === made[0]);
  assert.deepEqual([first.method, first.path, first.peer, first.thread], ['GET', '/rooms', '127.0.0.1', 'loop']);
  assert.ok(Number.isInteger(first.us) && first.us > 0);
});

test('without log.requests no request has a line', async () => {
  const server = await start(jsonLog({}));
  await (await person(server)).room('quiet');
  await server.stop();
  assert.deepEqual(lines(server).filter(({ request: id }) => id !== undefined), []);
});

test('a slow password is told on the hasher with the id of its request, and counted', async () => {
  const server = await start({ ...jsonLog({ slow_ms: 1 }), env: { TOMBOLO_PASSWORD_COST: 'interactive' } });
  const headers = { 'X-Request-Id': 'slow-1' };
  await request(server, 'POST', '/auth/login', { headers, body: { email: 'nobody@example.org', password: 'not his password' } });
  const { text } = await request(server, 'GET', '/metrics');
  await server.stop();
  const of = (event) => lines(server).find((one) => one.event === event && one.request === 'slow-1');
  assert.equal(of('slow.hash').thread, 'hasher');
  assert.ok(of('slow.hash').worked_ms >= 1 && of('slow.hash').ms >= of('slow.hash').worked_ms);
  assert.equal(of('slow.request').route, 'POST /auth/login');
  assert.ok(Number(/^tombolo_slow_operations_total\{operation="hash"\} (\d+)$/m.exec(text)[1]) >= 1);
});

test('lines about a socket name it and its user', async () => {
  const server = await start(jsonLog({ level: 'debug' }));
  const ann = await person(server);
  const line = await Line.to(ann);
  const { id } = line.socket;
  line.close();
  await logged(server, 'live.disconnect');
  await server.stop();
  const end = lines(server).find(({ event }) => event === 'live.disconnect');
  assert.deepEqual([end.user, end.socket], [ann.id, id]);
});

test('the log and a metric say what no client is told: an unknown event without an ack, a socket too many', async () => {
  const server = await start({ config: { live: { sockets_per_user: 1 } } });
  const ann = await person(server);
  const line = await Line.to(ann);
  denied(await line.ask('no such event', {}), 'bad_request', 'Unknown event');
  line.socket.emit('sent_message', { roomId: 1, content: 'lost' });
  await logged(server, 'live.unknown_event');
  const extra = new Line(ann);
  await logged(server, 'live.too_many_sockets');
  assert.match(server.log, / warn live\.unknown_event .*name="sent_message"/);
  assert.doesNotMatch(server.log, /no such event|lost/);
  const { text } = await request(server, 'GET', '/metrics');
  assert.match(text, /^tombolo_events_total\{event="unknown",result="bad_request"\} 2$/m);
  assert.match(text, /^tombolo_limit_hits_total\{limit="live\.sockets_per_user"\} 1$/m);
  [line, extra].forEach((one) => one.close());
  await server.stop();
});
