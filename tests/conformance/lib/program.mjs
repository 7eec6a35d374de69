// sio-conformance and the example server as the tests see them: started on a free loopback port, stopped by process id;
// plain HTTP requests and WebSockets to them, for what no client package would send. TOMBOLO_BIN says which build.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import http from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';

export const ROOT = resolve(fileURLToPath(import.meta.url), '../../../..');
const FOLDER = join(dirname(resolve(ROOT, process.env.TOMBOLO_BIN ?? 'build/release/tombolo')), 'bin');

export const PING_INTERVAL = 300;   // as sio_conformance.c sets them
export const PING_TIMEOUT = 200;
export const MAX_PAYLOAD = 1_000_000;
const START_MS = 60_000;            // a sanitizer build on a busy machine takes seconds
const STOP_MS = 60_000;
export const WAIT_MS = 60_000;      // for anything that should come soon, on a machine where nothing does

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
process.on('SIGTERM', () => process.exit(143));
process.on('SIGINT', () => process.exit(130));

export function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error(`${what}: not within ${ms} ms`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The next `event` of an emitter, as an array of its arguments.
export const event = (emitter, name, ms = WAIT_MS) =>
  within(ms, new Promise((told) => { emitter.once(name, (...args) => told(args)); }), name);

// PATIENCE: for what is not about the heartbeat (see sio_conformance.c).
export const PATIENCE = 20;
export async function start(program = 'sio-conformance', port = 0, patience = undefined) {
  const path = join(FOLDER, program);
  if (!existsSync(path)) {
    throw new Error(`${path} is not built; scripts/test builds it, or set TOMBOLO_BIN`);
  }
  const server = new Program(path, patience === undefined ? [port] : [port, patience]);
  await within(START_MS, server.listening, `${program} said: ${server.said}`);
  return server;
}

class Program {
  constructor(path, args) {
    this.said = '';
    this.agent = new http.Agent({ keepAlive: true });
    this.child = spawn(path, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    this.ended = new Promise((done) => this.child.once('close', (code, signal) => {
      running.delete(this.child);
      done({ code, signal });
    }));
    this.listening = new Promise((done, fail) => {
      const hear = (text) => {
        this.said += text;
        const at = /listening on (\d+)/.exec(this.said);
        if (at !== null && this.port === undefined) {
          this.port = Number(at[1]);
          this.url = `http://127.0.0.1:${this.port}`;
          done();
        }
      };
      this.child.stdout.setEncoding('utf8').on('data', hear);
      this.child.stderr.setEncoding('utf8').on('data', hear);
      this.ended.then((end) => fail(new Error(`ended with ${JSON.stringify(end)}:\n${this.said}`)));
    });
  }

  signal(name) { this.child.kill(name); }

  // Sanitizers report through the exit code.
  async stop() {
    this.agent.destroy();
    this.signal('SIGTERM');
    const end = await within(STOP_MS, this.ended, 'the end');
    if (end.code !== 0) {
      throw new Error(`ended with ${JSON.stringify(end)} instead of 0:\n${this.said.slice(-8000)}`);
    }
  }

  // One request. `answer` is { status, headers, text }. `arrived()` settles when the server has taken it. That the
  // kernel has it is not enough: a turn of the loop reads what lies there on several connections, the latest first. But it
  // reads all of it, so what is sent after the answer to a second request comes after both.
  hold(method, path, { body, headers = {} } = {}) {
    const rq = http.request(`${this.url}${path}`, { method, agent: this.agent, headers: body === undefined ? headers
      : { 'content-type': 'text/plain;charset=UTF-8', 'content-length': Buffer.byteLength(body), ...headers } });
    const sent = new Promise((done) => rq.once('finish', done));
    const arrived = async () => { await sent; await this.request('GET', '/'); };
    const answer = within(WAIT_MS, new Promise((done, fail) => {
      rq.once('error', fail);
      rq.once('response', (rs) => {
        let text = '';
        rs.setEncoding('utf8').on('data', (more) => { text += more; }).once('error', fail);
        rs.once('end', () => done({ status: rs.statusCode, headers: rs.headers, text }));
      });
    }), `${method} ${path}`);
    answer.catch(() => {});
    rq.end(body);
    return { arrived, answer, abort: () => rq.destroy() };
  }

  request(method, path, options) { return this.hold(method, path, options).answer; }

  wire(path, options) { return new Wire(`${this.url.replace('http', 'ws')}${path}`, options); }
}

// A session by long-polling.
export class Poll {
  static async open(server, folder) {
    const { text } = await server.request('GET', `${folder}?EIO=4&transport=polling`);
    return new Poll(server, folder, JSON.parse(text.slice(1)).sid);
  }

  constructor(server, folder, sid) {
    Object.assign(this, { server, sid, path: `${folder}?EIO=4&transport=polling&sid=${sid}`, folder });
  }

  hold() { return this.server.hold('GET', this.path); }
  get() { return this.server.request('GET', this.path); }
  post(body, headers) { return this.server.request('POST', this.path, { body, headers }); }
  wire() { return this.server.wire(`${this.folder}?EIO=4&transport=websocket&sid=${this.sid}`); }
}

// A WebSocket whose messages are taken one by one: text as a string, binary as a Buffer.
export class Wire {
  constructor(url, options) {
    this.messages = [];
    this.takers = [];
    this.ws = new WebSocket(url, options?.protocols ?? [], options);
    this.ws.on('message', (data, isBinary) => this.put(isBinary ? data : data.toString()));
    this.ws.on('error', () => {});
    this.opened = new Promise((done) => this.ws.once('open', done));
    this.refusal = new Promise((done) => this.ws.once('unexpected-response', (_, rs) => {
      let text = '';
      rs.setEncoding('utf8').on('data', (more) => { text += more; });
      rs.once('end', () => { this.ws.terminate(); done({ status: rs.statusCode, headers: rs.headers, text }); });
    }));
    this.ended = new Promise((done) => this.ws.once('close', (code) => { this.put(undefined); done(code); }));
  }

  put(message) {
    if (this.takers.length > 0) {
      this.takers.shift()(message);
    } else {
      this.messages.push(message);
    }
  }

  get refused() { return within(WAIT_MS, this.refusal, 'a refusal'); }

  // undefined: it has been closed.
  take() {
    return this.messages.length > 0 ? Promise.resolve(this.messages.shift())
      : within(WAIT_MS, new Promise((done) => this.takers.push(done)), 'a message');
  }

  // The next that is no ping; pings are answered on the way.
  async next() {
    for (const began = performance.now(); performance.now() - began < WAIT_MS;) {
      const message = await this.take();
      if (message !== '2') {
        return message;
      }
      this.send('3');
    }
    throw new Error(`nothing but pings within ${WAIT_MS} ms`);
  }

  async send(...messages) {
    await this.opened;
    messages.forEach((m) => this.ws.send(m));
  }

  // The close code; pings are answered meanwhile.
  async closed() {
    while (await this.next() !== undefined) {
      // what comes before the end is of no interest
    }
    return this.ended;
  }

  close() { this.ws.terminate(); }
}
