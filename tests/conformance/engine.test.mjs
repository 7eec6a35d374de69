// Engine.IO 4 on the wire, below both addresses: what the published test suite asks for, and what it leaves out.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { MAX_PAYLOAD, PATIENCE, PING_INTERVAL, PING_TIMEOUT, Poll, event, start } from './lib/program.mjs';
import { Socket } from 'engine.io-client';

const ECHO = '/engine.io/';
const SEPARATOR = '\x1e';
let server, calm;       // calm: with a slow heartbeat, for what has nothing to do with it
const open = [];
before(async () => { [server, calm] = await Promise.all([start(), start(undefined, undefined, PATIENCE)]); });
afterEach(() => open.splice(0).forEach((one) => one.close()));
after(() => Promise.all([server.stop(), calm.stop()]));

const kept = (one) => { open.push(one); return one; };
const wire = (path, options) => kept(server.wire(path, options));
async function stream(folder = ECHO, from = calm) {
  const one = kept(from.wire(`${folder}?EIO=4&transport=websocket`));
  assert.equal((await one.take())[0], '0');
  if (folder !== ECHO) {            // whoever joins no namespace is closed after connectTimeout
    await one.send('40/custom,');
    assert.match(await one.next(), /^40/);
    assert.match(await one.next(), /^42/);
  }
  return one;
}
function refusal(answer, status, code, message) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(JSON.parse(answer.text), { code, message });
}
async function isUnknown(poll) { refusal(await poll.get(), 400, 1, 'Session ID unknown'); }
// Up to the answer to the probe.
async function probe(poll) {
  const one = kept(poll.wire());
  await one.send('2probe');
  assert.equal(await one.next(), '3probe');
  return one;
}

for (const folder of [ECHO, '/socket.io/']) {
  const polling = `${folder}?EIO=4&transport=polling`;

  test(`${folder}: a handshake by polling names the session, the upgrade and the limits`, async () => {
    const { status, headers, text } = await server.request('GET', polling);
    assert.equal(status, 200);
    assert.match(headers['content-type'], /^text\/plain; *charset=utf-8$/i);
    assert.match(headers['cache-control'], /no-store/);
    const { sid, ...rest } = JSON.parse(text.slice(1));
    assert.equal(text[0], '0');
    assert.match(sid, /^[\w-]{20,}$/);
    assert.deepEqual(rest, { upgrades: ['websocket'], pingInterval: PING_INTERVAL, pingTimeout: PING_TIMEOUT, maxPayload: MAX_PAYLOAD });
  });

  test(`${folder}: a handshake by WebSocket offers no upgrade`, async () => {
    const { sid, ...rest } = JSON.parse((await wire(`${folder}?EIO=4&transport=websocket`).take()).slice(1));
    assert.match(sid, /^[\w-]{20,}$/);
    assert.deepEqual(rest, { upgrades: [], pingInterval: PING_INTERVAL, pingTimeout: PING_TIMEOUT, maxPayload: MAX_PAYLOAD });
  });

  for (const [what, method, query, code, message] of [
    ['without a protocol version', 'GET', 'transport=polling', 5, 'Unsupported protocol version'],
    ['with a protocol version that is no number', 'GET', 'EIO=abc&transport=polling', 5, 'Unsupported protocol version'],
    ['of protocol 3', 'GET', 'EIO=3&transport=polling', 5, 'Unsupported protocol version'],
    ['without a transport', 'GET', 'EIO=4', 0, 'Transport unknown'],
    ['with an unknown transport', 'GET', 'EIO=4&transport=abc', 0, 'Transport unknown'],
    ['by POST', 'POST', 'EIO=4&transport=polling', 2, 'Bad handshake method'],
    ['by PUT', 'PUT', 'EIO=4&transport=polling', 2, 'Bad handshake method'],
    ['for a WebSocket without an upgrade', 'GET', 'EIO=4&transport=websocket', 3, 'Bad request'],
    ['with the id of no session', 'GET', 'EIO=4&transport=polling&sid=abc', 1, 'Session ID unknown'],
    ['that posts to no session', 'POST', 'EIO=4&transport=polling&sid=abc', 1, 'Session ID unknown'],
  ]) {
    test(`${folder}: a request ${what} is refused with code ${code}`, async () => {
      refusal(await server.request(method, `${folder}?${query}`), 400, code, message);
    });
  }

  for (const [what, query, code] of [
    ['without a protocol version', 'transport=websocket', 5],
    ['with an unknown protocol version', 'EIO=abc&transport=websocket', 5],
    ['without a transport', 'EIO=4', 0],
    ['with an unknown transport', 'EIO=4&transport=abc', 0],
    ['for polling', 'EIO=4&transport=polling', 3],
    ['for no session', 'EIO=4&transport=websocket&sid=abc', 1],
  ]) {
    test(`${folder}: a WebSocket ${what} is refused with code ${code}`, async () => {
      const { status, text } = await wire(`${folder}?${query}`).refused;
      assert.equal(status, 400);
      assert.equal(JSON.parse(text).code, code);
    });
  }

  test(`${folder}: pages of any origin may talk to it, after a preflight too`, async () => {
    const headers = { origin: 'https://page.example', 'access-control-request-method': 'POST' };
    const preflight = await server.request('OPTIONS', polling, { headers });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], '*');
    assert.match(preflight.headers['access-control-allow-methods'], /POST/);
    assert.equal((await server.request('GET', polling, { headers })).headers['access-control-allow-origin'], '*');
    await wire(`${folder}?EIO=4&transport=websocket`, { origin: 'https://page.example' }).opened;
  });

  test(`${folder}: of the subprotocols that a client offers the first is named`, async () => {
    const one = wire(`${folder}?EIO=4&transport=websocket`, { protocols: ['mine', 'other'] });
    assert.equal((await one.take())[0], '0');
    assert.equal(one.ws.protocol, 'mine');
  });

  test(`${folder}: a WebSocket of another version is refused and told ours`, async () => {
    const { status, headers } = await wire(`${folder}?EIO=4&transport=websocket`, { protocolVersion: 8 }).refused;
    assert.equal(status, 400);
    assert.equal(headers['sec-websocket-version'], '13');
  });

  test(`${folder}: a page may send headers of its own`, async () => {
    const headers = { origin: 'https://page.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-mine' };
    const preflight = await server.request('OPTIONS', polling, { headers });
    assert.equal(preflight.headers['access-control-allow-headers'], 'x-mine');
  });

  test(`${folder}: pings come by polling while they are answered`, async () => {
    const poll = await Poll.open(server, folder);
    for (let i = 0; i < 3; i++) {
      assert.equal((await poll.get()).text, '2');
      assert.equal((await poll.post('3')).text, 'ok');
    }
  });

  test(`${folder}: a ping by polling that is not answered ends the session`, async () => {
    const poll = await Poll.open(server, folder);
    assert.equal((await poll.get()).text, '2');
    assert.equal((await poll.get()).text, '1');
    await isUnknown(poll);
  });

  test(`${folder}: pings come by WebSocket while they are answered, and without an answer it is closed`, async () => {
    const one = await stream(folder, server);
    const times = [performance.now()];
    for (let i = 0; i < 3; i++) {
      assert.equal(await one.take(), '2');
      times.push(performance.now());
      await one.send('3');
    }
    assert.equal(await one.take(), '2');
    assert.equal(await one.take(), undefined);
    assert.ok(times.slice(1).every((t, i) => t - times[i] > PING_INTERVAL - 50), String(times));
  });

  test(`${folder}: a close by POST ends a waiting GET with a noop, and the session`, async () => {
    const poll = await Poll.open(server, folder);
    const held = poll.hold();
    await held.arrived();
    assert.equal((await poll.post('1')).text, 'ok');
    assert.equal((await held.answer).text, '6');
    await isUnknown(poll);
  });

  test(`${folder}: a close by WebSocket closes it`, async () => {
    const one = await stream(folder);
    await one.send('1');
    assert.equal(await one.take(), undefined);
  });

  test(`${folder}: an upgrade answers the probe, frees the waiting GET and shuts HTTP and a second WebSocket out`, async () => {
    const poll = await Poll.open(server, folder);
    const held = poll.hold();
    await held.arrived();
    const one = await probe(poll);
    assert.equal((await held.answer).text, '6');
    await one.send('5');
    assert.equal(await one.take(), '2');            // it is the session's now: pings come here
    await one.send('3');
    refusal(await poll.get(), 400, 3, 'Bad request');
    refusal(await poll.post('4x'), 400, 3, 'Bad request');
    assert.equal(await kept(poll.wire()).closed(), 1000);
    assert.equal(await one.take(), '2');
  });
}

for (const [what, body] of [
  ['one packet', '4hello'],
  ['several packets', ['4test1', '4test2', '4test3'].join(SEPARATOR)],
  ['text and binary', ['4hello', 'bAQIDBA=='].join(SEPARATOR)],
  ['an empty message', '4'],
  ['characters of two, three and four bytes', '4é€😀'],
]) {
  test(`a payload of ${what} comes back as it was`, async () => {
    const poll = await Poll.open(calm, ECHO);
    const answer = await poll.post(body);
    assert.deepEqual([answer.status, answer.text], [200, 'ok']);
    assert.equal((await poll.get()).text, body);
  });
}

// As the stock clients for Java write it (android.util.Base64), and mail programs.
for (const [what, size, inLines] of [
  ['and a line break behind it', 2, (text) => `${text}\n`],
  ['in lines of 76', 200, (text) => text.replace(/.{76}/g, '$&\n') + '\n'],
  ['in lines of 64 that end in CR LF', 500, (text) => text.replace(/.{64}/g, '$&\r\n')],
]) {
  test(`a payload of base64 ${what} comes back as it was, in one line`, async () => {
    const poll = await Poll.open(calm, ECHO);
    const text = Buffer.from(Array.from({ length: size }, (_, i) => i * 7 % 256)).toString('base64');
    const answer = await poll.post(['4before', `b${inLines(text)}`, '4behind'].join(SEPARATOR));
    assert.deepEqual([answer.status, answer.text], [200, 'ok']);
    assert.equal((await poll.get()).text, ['4before', `b${text}`, '4behind'].join(SEPARATOR));
  });
}

test('of 40 packets a GET gets 16, then the rest, in order', async () => {
  const poll = await Poll.open(calm, ECHO);
  const packets = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? `b${Buffer.from([i, i]).toString('base64')}` : `4${i}`));
  assert.equal((await poll.post(packets.join(SEPARATOR))).status, 200);
  const answers = [(await poll.get()).text, (await poll.get()).text, (await poll.get()).text].map((text) => text.split(SEPARATOR));
  assert.deepEqual(answers.map(({ length }) => length), [16, 16, 8]);
  assert.deepEqual(answers.flat(), packets);
});

for (const [what, body, headers] of [
  ['of no known type', 'abc'],
  ['that is empty', ''],
  ['with a packet behind a good one that is none', `4hello${SEPARATOR}x`],
  ['with base64 that is none', 'b@@@@'],
  ['that is no UTF-8', Buffer.from([0x34, 0xc3, 0x28])],
  ['of protocol 3', '4hello', { 'content-type': 'application/octet-stream' }],
]) {
  test(`a payload ${what} is refused and ends the session`, async () => {
    const poll = await Poll.open(calm, ECHO);
    refusal(await poll.post(body, headers), 400, 3, 'Bad request');
    await isUnknown(poll);
  });
}

test('a second GET ends the session', async () => {
  const poll = await Poll.open(calm, ECHO);
  const answers = await Promise.all([poll.get(), poll.get()]);
  assert.deepEqual(answers.map((a) => a.status).sort(), [200, 400]);
  assert.equal(answers.find((a) => a.status === 200).text, '1');
  await isUnknown(poll);
});

test('a GET that is aborted ends the session', async () => {
  const began = performance.now();
  const poll = await Poll.open(calm, ECHO);
  const held = poll.hold();
  await held.arrived();
  held.abort();
  let answer;
  do {
    answer = await poll.post('4x');
  } while (answer.status === 200 && performance.now() - began < PING_INTERVAL * PATIENCE / 2);
  refusal(answer, 400, 1, 'Session ID unknown');
});

for (const [what, data] of [['text', '4hello'], ['an empty text', '4'], ['binary', Buffer.from([1, 2, 3, 4])], ['nothing, in binary', Buffer.alloc(0)]]) {
  test(`a WebSocket brings ${what} back`, async () => {
    const one = await stream();
    await one.send(data);
    assert.deepEqual(await one.next(), data);
  });
}

for (const data of ['abc', '', '9', 'b@@@@']) {
  test(`a WebSocket that sends ${JSON.stringify(data)} is closed`, async () => {
    const one = await stream();
    await one.send(data);
    assert.equal(await one.next(), undefined);
  });
}

test('what waits for a GET when the upgrade comes leaves by WebSocket, once and in order', async () => {
  const poll = await Poll.open(calm, ECHO);
  await poll.post(['4a', '4b', 'bAQI='].join(SEPARATOR));
  const one = await probe(poll);
  await poll.post('4c');
  await one.send('5', '4d');
  assert.deepEqual([await one.next(), await one.next(), await one.next(), await one.next(), await one.next()],
    ['4a', '4b', Buffer.from([1, 2]), '4c', '4d']);
});

test('a client that wants no binary gets base64 by WebSocket too, also what waited for the upgrade', async () => {
  const poll = await Poll.open(calm, ECHO);
  await poll.post(['4a', 'bAQI='].join(SEPARATOR));
  const one = kept(calm.wire(`${ECHO}?EIO=4&transport=websocket&sid=${poll.sid}&b64=1`));
  await one.send('2probe');
  assert.equal(await one.next(), '3probe');
  await one.send('5', Buffer.from([3, 4]));
  assert.deepEqual([await one.next(), await one.next(), await one.next()], ['4a', 'bAQI=', 'bAwQ=']);
});

test('a body in chunks is a payload like any other', async () => {
  const poll = await Poll.open(calm, ECHO);
  const rq = http.request(`${calm.url}${poll.path}`, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } });
  rq.write('4he');
  rq.end('llo');
  assert.equal((await event(rq, 'response'))[0].resume().statusCode, 200);
  assert.equal((await poll.get()).text, '4hello');
});

test('a probe that hangs up leaves the session to polling', async () => {
  const poll = await Poll.open(calm, ECHO);
  (await probe(poll)).close();
  await poll.post('4still here');
  assert.equal((await poll.get()).text, '4still here');
});

test('a WebSocket that does not begin with a probe is closed, and the session stays', async () => {
  const poll = await Poll.open(calm, ECHO);
  const one = kept(poll.wire());
  await one.send('4hello');
  assert.equal(await one.take(), undefined);
  await poll.post('4still here');
  assert.equal((await poll.get()).text, '4still here');
});

test('a message of maxPayload comes back, and one byte more is too much, by either way', async () => {
  const most = '4' + 'm'.repeat(MAX_PAYLOAD - 1);
  const poll = await Poll.open(calm, ECHO);
  assert.equal((await poll.post(most)).status, 200);
  assert.equal((await poll.get()).text, most);
  assert.equal((await poll.post(`${most}+`)).status, 413);
  const one = await stream();
  await one.send(most);
  assert.equal(await one.next(), most);
  await one.send(`${most}+`);
  assert.equal(await one.closed(), 1009);
});

test('an answer with several packets stays below maxPayload', async () => {
  const poll = await Poll.open(calm, ECHO);
  const third = (c) => '4' + c.repeat(MAX_PAYLOAD * 0.4);
  for (const c of 'ab') {
    await poll.post(third(c));
  }
  await poll.post('4c');
  await poll.post(third('d').slice(0, 220_000));
  const first = (await poll.get()).text.split(SEPARATOR);
  assert.deepEqual(first.map((p) => p.slice(0, 2)), ['4a', '4b', '4c']);
  assert.equal((await poll.get()).text.slice(0, 2), '4d');
});

// ---- the client package ----

const SOME = 10_000;

test(`${SOME} messages sent across an upgrade come back in order, none lost`, async () => {
  const socket = kept(new Socket(calm.url, { path: ECHO, transports: ['polling', 'websocket'] }));
  const got = [];
  const ways = new Set();
  let sent = 0;
  const all = new Promise((done) => socket.on('message', (data) => {
    ways.add(socket.transport.name);
    got.push(Number(data));
    if (got.length === SOME) {
      done();
    }
  }));
  // A hundred a turn, half of them kept back for after the switch.
  const send = (upTo) => {
    for (const end = Math.min(sent + 100, upTo); sent < end;) {
      socket.send(String(sent++));
    }
    if (sent < upTo) {
      setImmediate(send, upTo);
    }
  };
  await event(socket, 'open');
  socket.once('upgrade', () => send(SOME));
  send(SOME / 2);
  const ended = event(socket, 'close', 30_000).then(([why]) => { throw new Error(`closed after ${got.length}: ${why}`); });
  await Promise.race([all, ended]);
  assert.deepEqual(got, Array.from({ length: SOME }, (_, i) => i));
  assert.deepEqual([...ways], ['polling', 'websocket']);
  ended.catch(() => {});
});

test(`${SOME} messages that are on their way when the upgrade comes arrive in order, none lost`, async () => {
  const poll = await Poll.open(calm, ECHO);
  const got = [];
  const take = (text) => got.push(...text.split(SEPARATOR).filter((p) => p[0] === '4').map((p) => Number(p.slice(1))));
  const part = (n) => Array.from({ length: SOME / 5 }, (_, i) => `4${n * SOME / 5 + i}`);
  const held = poll.hold();
  await poll.post(part(0).join(SEPARATOR));
  take((await held.answer).text);
  await poll.post(part(1).join(SEPARATOR));
  const one = await probe(poll);
  await poll.post(part(2).join(SEPARATOR));
  take((await poll.get()).text);
  await poll.post(part(3).join(SEPARATOR));
  await one.send('5', ...part(4));
  while (got.length < SOME) {
    const text = await one.next();
    assert.notEqual(text, undefined);
    take(text);
  }
  assert.deepEqual(got, Array.from({ length: SOME }, (_, i) => i));
});

for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
  test(`engine.io-client by ${transports.join(' and ')}: text, binary, a quiet time and the end`, async () => {
    const socket = kept(new Socket(server.url, { path: ECHO, transports }));
    socket.binaryType = 'nodebuffer';
    await event(socket, transports.length > 1 ? 'upgrade' : 'open');
    for (const data of ['hello', 'é€😀', Buffer.from([0, 1, 254, 255])]) {
      socket.send(data);
      assert.deepEqual((await event(socket, 'data'))[0], data);
    }
    await event(socket, 'heartbeat');
    await event(socket, 'heartbeat');
    const ended = event(socket, 'close');
    socket.close();
    assert.equal((await ended)[0], 'forced close');
  });
}
