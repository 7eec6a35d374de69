// Stock Socket.IO clients against a server under test. A test waits for what it expects to hear; that something is *not*
// told is proved by what comes after it on the same connection, never by a pause.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import net from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { io } from 'socket.io-client';
import { checkAck, checkHeard, checkRefused } from './spec.mjs';

const HEAR_MS = 60_000;             // sanitizer builds on a busy machine

export const TRANSPORTS = [['websocket', ['websocket']], ['polling', ['polling']], ['upgrading', ['polling', 'websocket']]];

// One socket of a person, with everything it heard in order: [event, ...arguments]. The offset events are kept apart. What it
// hears must be as docs/api/asyncapi.json says.
export class Line {
  constructor(who, { transports = ['websocket'], auth = {}, through = who.server, connect = io, ...more } = {}) {
    this.who = who;
    this.heard = [];
    this.offsets = [];
    this.downs = 0;
    this.waiting = new Set();
    this.socket = connect(`http://127.0.0.1:${through.port}`, {
      transports, auth: { token: who.token, ...auth }, forceNew: true, reconnection: false, ...more });
    this.socket.on('connect', () => this.changed());
    this.socket.on('connect_error', (e) => {
      if (e.type !== 'TransportError' && e.message !== 'timeout') {      // both are the client's own words
        checkRefused(e.message);
      }
      this.error = e;
      this.changed();
    });
    this.socket.on('disconnect', (why) => { this.downs++; this.why = why; this.changed(); });
    this.socket.onAny((name, ...args) => {
      checkHeard(name, args, auth.recovery);
      if (name === 'offset') {
        this.offsets.push(args);
      } else {
        this.heard.push([name, ...args]);
      }
      this.changed();
    });
  }

  static async to(who, options) {
    const line = new Line(who, options);
    await line.connected();
    return line;
  }

  changed() {
    for (const look of [...this.waiting]) {
      look();
    }
  }

  // What find gives, once it is neither undefined nor false.
  until(find, what, ms = HEAR_MS) {
    return new Promise((answer, broken) => {
      const end = () => { this.waiting.delete(look); clearTimeout(timer); };
      const look = () => {
        const found = find();
        if (found !== undefined && found !== false) {
          end();
          answer(found);
        }
      };
      const timer = setTimeout(() => {
        end();
        broken(new Error(`${this.who.user?.username} waited for ${what} for ${ms} ms, and heard ` +
          `${this.heard.length} events, last ${this.heard.slice(-5).map((one) => JSON.stringify(one).slice(0, 200)).join(' ')}`));
      }, ms);
      this.waiting.add(look);
      look();
    });
  }

  async connected() {
    await this.until(() => this.socket.connected || this.error !== undefined, 'CONNECT');
    assert.ok(this.socket.connected, `refused: ${this.error?.message}`);
    return this.socket.id;
  }
  async refused() {
    await this.until(() => this.error !== undefined || this.socket.connected, 'CONNECT_ERROR');
    assert.ok(!this.socket.connected, 'it was let in');
    return this.error.message;
  }
  down() { return this.until(() => !this.socket.connected, 'the end of the connection'); }

  named(name) { return this.heard.filter((one) => one[0] === name).map((one) => one[1]); }

  // The first event of this name that fits: an object whose members it must have, or a function.
  hears(name, fits = () => true) {
    const isIt = typeof fits === 'function' ? fits : (v) => Object.entries(fits).every(([k, x]) => isDeepStrictEqual(v?.[k], x));
    return this.until(() => this.named(name).find(isIt), `${name} ${JSON.stringify(fits)}`);
  }

  // The same for one who may be far behind: it may take long, but something is to be heard all the time.
  async hearsAtLast(name, fits) {
    for (;;) {
      const before = this.heard.length;
      try {
        return await this.hears(name, fits);
      } catch (e) {
        if (this.heard.length === before) {
          throw e;
        }
      }
    }
  }

  async ask(name, ...args) {
    const answer = await this.socket.timeout(HEAR_MS).emitWithAck(name, ...args);
    checkAck(name, args, answer);
    return answer;
  }
  async send(roomId, content, more = {}) {
    const answer = await this.ask('send_message', { roomId, content, ...more });
    assert.equal(answer.ok, true, JSON.stringify(answer));
    return answer.message;
  }
  // Everything that the server told this socket before now has been heard: the ack comes behind it.
  async fence() { await this.ask('typing', {}); }

  forget() { this.heard.length = 0; }
  close() { this.socket.disconnect(); }
}

// A failure as an ack tells it.
export function denied(answer, code, error) {
  const { retryAfter, ...rest } = answer;
  if (error instanceof RegExp) {
    assert.match(rest.error, error);
    rest.error = error;
  }
  assert.deepEqual(rest, { ok: false, error: error ?? rest.error, code });
  return { retryAfter };
}

// A token of this person with other claims; the server must have been started with the secret.
export function forge(who, secret, claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const real = JSON.parse(Buffer.from(who.token.split('.')[1], 'base64url'));
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ ...real, ...claims })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

// A wire to the server that can be cut and held. `server` may be replaced by one that was started again.
export class Wire {
  static async to(server) {
    const wire = new Wire();
    wire.server = server;
    wire.pairs = new Set();
    wire.listener = net.createServer((near) => wire.pass(near));
    await new Promise((up) => wire.listener.listen(0, '127.0.0.1', up));
    wire.port = wire.listener.address().port;
    return wire;
  }

  pass(near) {
    const far = net.connect(this.server.port, '127.0.0.1');
    const pair = { near, far };
    this.left = this.each ?? this.left;
    const end = () => { near.destroy(); far.destroy(); this.pairs.delete(pair); };
    this.pairs.add(pair);
    if (this.isBroken) {
      end();
    }
    for (const [from, to] of [[near, far], [far, near]]) {
      from.setNoDelay(true);
      from.on('error', end).on('close', end).on('end', end);
      from.on('data', (bytes) => { from === far && this.left !== undefined ? this.passLast(pair, bytes) : to.write(bytes); });
    }
    if (this.isHeld) {
      far.pause();
    }
  }

  // What the client is still to get: behind that the connection ends, be it in the middle of a frame.
  cutAfter(bytes) { this.left = bytes; }
  cutEachAfter(bytes) { this.each = bytes; }              // each connection made from now on; undefined: none
  passLast({ near, far }, bytes) {
    const part = bytes.subarray(0, this.left);
    this.left -= part.length;
    if (this.left > 0) {
      near.write(part);
    } else {
      this.left = undefined;
      near.end(part);
      far.resetAndDestroy();
    }
  }

  break() { this.isBroken = true; this.cut(); }           // and nobody gets through until mend
  mend() { this.isBroken = false; }
  cut() { [...this.pairs].forEach(({ near, far }) => { near.resetAndDestroy(); far.resetAndDestroy(); }); }
  hold() { this.isHeld = true; this.pairs.forEach(({ far }) => far.pause()); }       // the client reads nothing more
  go() { this.isHeld = false; this.pairs.forEach(({ far }) => far.resume()); }
  mute() { this.pairs.forEach(({ near }) => near.pause()); }      // the server hears nothing more of those who are there
  close() { this.cut(); this.listener.close(); }
}
