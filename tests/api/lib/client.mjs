// Requests to a server under test, and what their answers must look like.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { checkAnswer } from './spec.mjs';

const ANSWER_MS = 60_000;

// One request. body: an object becomes JSON, text and bytes go as they are. The answer's body is parsed when it is JSON, and
// must be as docs/api/openapi.json says.
export function request(server, method, path, { body, headers = {}, token } = {}) {
  const asText = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const all = { ...headers };
  if (asText !== undefined) {
    all['Content-Type'] ??= 'application/json';
    all['Content-Length'] ??= Buffer.byteLength(asText);
  }
  if (token !== undefined) {
    all.Authorization = `Bearer ${token}`;
  }
  for (const name of Object.keys(all)) {
    if (all[name] === null) {
      delete all[name];             // null: without this header
    }
  }
  return new Promise((answer, broken) => {
    const req = http.request({ host: '127.0.0.1', port: server.port, method, path, headers: all, agent: server.agent });
    req.setTimeout(ANSWER_MS, () => req.destroy(new Error(`${method} ${path}: no answer in ${ANSWER_MS} ms`)));
    req.once('error', broken);
    req.once('response', (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.once('error', broken);
      res.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = (res.headers['content-type'] ?? '').startsWith('application/json');
        const got = { status: res.statusCode, headers: res.headers, text, body: isJson && text !== '' ? JSON.parse(text) : text };
        try {
          checkAnswer(method, path, asText, got);
        } catch (e) {
          broken(e);
        }
        answer(got);
      });
    });
    req.end(asText);
  });
}

// Someone with an account on a server.
export class Person {
  constructor(server, { user, token }, password) {
    Object.assign(this, { server, user, token, password, id: user.id });
  }
  get(path, options) { return request(this.server, 'GET', path, { token: this.token, ...options }); }
  post(path, body, options) { return request(this.server, 'POST', path, { token: this.token, body, ...options }); }
  patch(path, body, options) { return request(this.server, 'PATCH', path, { token: this.token, body, ...options }); }
  delete(path, options) { return request(this.server, 'DELETE', path, { token: this.token, ...options }); }

  async room(name = 'a room', more = {}) { return done(await this.post('/rooms', { name, ...more }), 201); }
  async join(roomId) { return done(await this.post('/rooms/join', { roomId }), 200); }
  async send(roomId, content, headers) { return done(await this.post('/messages', { roomId, content }, { headers }), 201); }
  async history(roomId, query = '') { return done(await this.get(`/messages/rooms/${roomId}/messages${query}`), 200); }
}

let people = 0;

export async function person(server, name = `person${++people}`) {
  const password = 'correct horse battery';
  const body = { email: `${name}@example.org`, username: name, password };
  return new Person(server, done(await request(server, 'POST', '/auth/register', { body }), 201), password);
}

// The whole history of a room, newest first, page by page.
export async function wholeHistory(who, roomId, limit = 100) {
  const items = [];
  let cursor = null;
  do {
    const page = await who.history(roomId, `?limit=${limit}` + (cursor === null ? '' : `&cursor=${cursor}`));
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
}

export function done(answer, status) {
  assert.equal(answer.status, status, `answered ${answer.status} ${answer.text}`);
  return answer.body;
}

// A failure as DESIGN section 4 writes it: a text for a person, a code for a program, and nothing of our insides.
export function refused(answer, status, code, message) {
  assert.equal(answer.status, status, `answered ${answer.status} ${answer.text}`);
  assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
  const { message: said, code: coded, retryAfter, ...rest } = answer.body;
  assert.deepEqual(rest, {}, 'a failure holds message, code and retryAfter only');
  assert.equal(coded, code);
  assert.equal(typeof said, 'string');
  assert.notEqual(said, '');
  if (message instanceof RegExp) {
    assert.match(said, message);
  } else if (message !== undefined) {
    assert.equal(said, message);
  }
  if (retryAfter !== undefined) {
    assert.equal(answer.headers['retry-after'], String(retryAfter));
  }
  return answer.body;
}

export function isTime(text) {
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
}

export function isId(value) {
  assert.ok(Number.isSafeInteger(value) && value > 0, `${value} is no id`);
}

export function hasKeys(object, keys) {
  assert.deepEqual(Object.keys(object).sort(), [...keys].sort());
}

// Bytes as they are on one connection. Resolves with all that came back when the server closes, or once enough(text).
export function raw(server, bytes, { enough = () => false, ms = ANSWER_MS, end = false } = {}) {
  return new Promise((answer, broken) => {
    const socket = net.connect(server.port, '127.0.0.1');
    let text = '';
    const finish = (result) => { clearTimeout(timer); socket.destroy(); answer(result); };
    const timer = setTimeout(() => { socket.destroy(); broken(new Error(`no end after ${ms} ms; got: ${text}`)); }, ms);
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => { text += chunk; if (enough(text)) { finish(text); } });
    socket.on('error', () => finish(text));     // a reset is an answer, too
    socket.on('close', () => finish(text));
    socket.on('connect', () => {
      [bytes].flat().forEach((part) => socket.write(part, 'latin1'));
      if (end) {
        socket.end();
      }
    });
  });
}

// The answers in a stream of HTTP/1.1 responses with Content-Length; what is not complete yet is left out.
export function responses(text) {
  const found = [];
  for (let at = 0; ;) {
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) {
      return found;
    }
    const head = text.slice(at, headEnd);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    if (text.length < headEnd + 4 + length) {
      return found;
    }
    found.push({ status, head, body: text.slice(headEnd + 4, headEnd + 4 + length) });
    at = headEnd + 4 + length;
  }
}
