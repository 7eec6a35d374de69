// Attacks on what is behind the WebSocket upgrade, and on polling: as strangers, who never get in, and with an account. See attacks.mjs.
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Line, many } from './line-raw.mjs';

const UPGRADE = 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
const TEXT = 0x81, BINARY = 0x82;
const LARGE = 1_000_000, AT_ONCE = 20, HOLD_MS = 3000;
const BACKLOG = 400;      // messages of 16 KB: more than the kernel takes for one connection

// A client's frame, masked with 0.
export function clientFrame(first, payload) {
  const bytes = Buffer.from(payload), header = Buffer.alloc(bytes.length < 126 ? 6 : bytes.length < 65536 ? 8 : 14);
  header[0] = first;
  header[1] = 0x80 | (bytes.length < 126 ? bytes.length : bytes.length < 65536 ? 126 : 127);
  if (bytes.length >= 65536) {
    header.writeBigUInt64BE(BigInt(bytes.length), 2);
  } else if (bytes.length >= 126) {
    header.writeUInt16BE(bytes.length, 2);
  }
  return Buffer.concat([header, bytes]);
}

async function heard(line, text) {
  while (line.isOpen && !line.got.includes(text)) {
    await Promise.race([once(line.socket, 'data'), line.closed]);
  }
}

async function upgraded(port) {
  const line = new Line(port);
  await line.write(UPGRADE);
  await heard(line, '"sid"');
  return line;
}

async function joined(port, token) {
  const line = await upgraded(port);
  line.got = Buffer.alloc(0);
  await line.write(clientFrame(TEXT, `40${JSON.stringify({ token })}`));
  await heard(line, '40{"sid"');
  return line;
}

// A few at a time: the kernel's queue of those who knock is short.
async function all(n, open) {
  const lines = [];
  while (lines.length < n) {
    const before = lines.length;
    lines.push(...await Promise.all(many(Math.min(AT_ONCE, n - before), (i) => open(before + i))));
  }
  return lines;
}

function over(lines, sent) {
  const cuts = lines.filter((line) => !line.isOpen).length;
  lines.forEach((line) => line.end());
  return { sent, cuts };
}

async function hold(lines, bytes) {
  await Promise.all(lines.map((line) => line.write(bytes.subarray(0, -1))));
  await pause(HOLD_MS);
  return over(lines, lines.length);
}

// All but the last byte of each, and then that, all together.
async function together(lines, bytes) {
  await Promise.all(lines.map((line) => line.write(bytes.subarray(0, -1))));
  await pause(500);
  for (const line of lines.filter((l) => l.isOpen)) {
    line.socket.write(bytes.subarray(-1));
  }
  await pause(HOLD_MS);
  return over(lines, lines.length);
}

const objects = (head, n, tail) => head + Array(Math.floor(n / 3)).fill('{}').join(',') + tail;
const keys = (head, n) => `${head}{${many(Math.floor(n / 12), (i) => `"${i.toString(36)}":{}`).join(',')}}`;

async function handshake(port) {
  const line = new Line(port);
  await line.write('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n');
  await heard(line, '"sid"');
  return [line, /"sid":"([\w-]+)"/.exec(line.got.toString('latin1'))[1]];
}

async function post(line, sid, bytes, most = bytes.length) {
  await line.write(`POST /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  await line.write(bytes.subarray(0, most));
}

function call(port, token, path, body) {
  return fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body: JSON.stringify(body),
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } }).then((r) => r.json());
}

// Accounts of the attacker in one room.
async function accounts(port, n, roomId, token) {
  const tokens = [];
  for (let i = 0; i < n; i++) {
    const name = `sybil${i}-${Math.random().toString(36).slice(2)}`;
    tokens.push((await call(port, token, '/auth/register', { email: `${name}@example.org`, username: name, password: 'correct horse' })).token);
    await call(port, tokens.at(-1), '/rooms/join', { roomId });
  }
  return tokens;
}

export const sockets = {
  'WebSocket frames that never end': {
    size: [100, 400], unit: 'connections', isCut: true,
    run: async (port, n) => hold(await all(n, () => upgraded(port)), clientFrame(TEXT, '4'.repeat(LARGE - 10))),
  },
  'WebSocket fragments that never end': {
    size: [100, 400], unit: 'connections', isCut: true,
    run: async (port, n) => {
      const part = clientFrame(0x00, 'x'.repeat(1000));
      return hold(await all(n, () => upgraded(port)), Buffer.concat([clientFrame(0x01, '4'), ...Array(900).fill(part)]));
    },
  },
  'CONNECTs just short of whole': {
    size: [500, 2000], unit: 'connections',
    run: async (port, n) => hold(await all(n, () => upgraded(port)), clientFrame(TEXT, `40{"token":"${'x'.repeat(7900)}"}`)),
  },
  'large CONNECTs that end together': {
    size: [100, 250], unit: 'connections', isCut: true,
    run: async (port, n) => together(await all(n, () => upgraded(port)), clientFrame(TEXT, objects('40{"a":[', LARGE - 100, ']}'))),
  },
  'CONNECTs that end together': {
    size: [500, 2000], unit: 'connections',
    run: async (port, n) => together(await all(n, () => upgraded(port)), clientFrame(TEXT, keys('40', 8000))),
  },
  'polling bodies that never end': {
    size: [100, 400], unit: 'connections', isCut: true,
    run: async (port, n) => {
      const lines = await all(n, async () => {
        const [line, sid] = await handshake(port);
        await post(line, sid, Buffer.alloc(LARGE, '4'), LARGE - 1);
        return line;
      });
      await pause(HOLD_MS);
      return over(lines, n);
    },
  },
  'attachments of an account that no event uses': {
    size: [20, 45], unit: 'sockets',
    run: async (port, n, token) => {
      const lines = await all(n, () => joined(port, token));
      const binary = clientFrame(BINARY, Buffer.alloc(LARGE));
      await Promise.all(lines.map(async (line) => {
        await line.write(clientFrame(TEXT, `4510-["x"${',{"_placeholder":true,"num":0}'.repeat(10)}]`));
        for (let i = 0; i < 9 && line.isOpen; i++) {
          await line.write(binary);
        }
      }));
      await pause(HOLD_MS);
      return over(lines, n);
    },
  },
  'frames of an account that never end': {
    size: [20, 45], unit: 'sockets',
    run: async (port, n, token) => hold(await all(n, () => joined(port, token)), clientFrame(TEXT, '4'.repeat(LARGE - 10))),
  },
  'large events of an account that end together': {
    size: [20, 45], unit: 'sockets',
    run: async (port, n, token) => together(await all(n, () => joined(port, token)),
      clientFrame(TEXT, `${keys('42["send_message",', LARGE - 100)}]`)),
  },
  'recoveries that nobody reads': {
    size: [100, 400], unit: 'sockets',
    run: async (port, n, token) => {
      const { id } = await call(port, token, '/rooms', { name: 'full' });
      const tokens = await accounts(port, 10, id, token);
      const first = await all(n, async (i) => ({ token: tokens[i % 10], line: await joined(port, tokens[i % 10]) }));
      const back = first.map(({ token: own, line }) =>
        ({ token: own, pid: JSON.parse(/40(\{"sid".*?\})/.exec(line.got.toString('latin1'))[1]).pid }));
      first.forEach(({ line }) => line.end());
      for (let i = 0; i < BACKLOG; i++) {
        await call(port, token, '/messages', { roomId: id, content: 'x'.repeat(16_000) });
      }
      const lines = await all(n, async (i) => {
        const line = await upgraded(port);
        line.socket.pause();
        await line.write(clientFrame(TEXT, `40${JSON.stringify(back[i])}`));
        return line;
      });
      await pause(HOLD_MS);
      return over(lines, n);
    },
  },
};
