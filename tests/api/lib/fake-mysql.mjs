// Whoever answers where a centre is awaited: the beginning of the MySQL protocol, without TLS, and then what a test wants. All that the
// client sends is kept.
import net from 'node:net';

const CAPABILITIES = 0x00aaa68d | 0x8000 | 0x80000;         // protocol 4.1, plugins, databases; TLS is bit 0x800
const TLS = 0x800;
const SALT = 'abcdefghijklmnopqrst';

export const packet = (seq, body) => Buffer.concat([Buffer.from([body.length & 255, body.length >> 8 & 255, body.length >> 16, seq & 255]), body]);
const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))));
const u16 = (v) => [v & 255, v >> 8 & 255];
const u32 = (v) => [...u16(v & 0xffff), ...u16(v >>> 16)];

export const OK = bytes([0, 0, 0], u16(2), u16(0));
export const okMore = bytes([0, 0, 0], u16(2 | 8), u16(0));
export const denied = bytes([0xff], u16(1045), '#28000no');
export const switchTo = (plugin, data = `${SALT}\0`) => bytes([0xfe], `${plugin}\0`, data);

const lenenc = (text) => {
  const body = Buffer.from(text, 'latin1');
  const n = body.length;
  return Buffer.concat([Buffer.from(n < 251 ? [n] : n < 65536 ? [0xfc, ...u16(n)] : [0xfd, n & 255, n >> 8 & 255, n >> 16 & 255]), body]);
};
const column = (name) => Buffer.concat([lenenc('def'), lenenc(''), lenenc(''), lenenc(''), lenenc(name), lenenc(''),
  Buffer.from([0x0c, ...u16(45), ...u32(1 << 30), 253, ...u16(0), 0, 0, 0])]);
const EOF = bytes([0xfe], u16(0), u16(2));

// The packets of an answer: columns, then rows of texts.
export function answer(columns, rows) {
  let seq = 1;
  const head = [packet(seq++, Buffer.from([columns])), ...Array.from({ length: columns }, (_, i) => packet(seq++, column(`c${i}`))),
    packet(seq++, EOF)];
  return Buffer.concat([...head, ...rows.map((row) => packet(seq++, Buffer.concat(row.map(lenenc)))), packet(seq, EOF)]);
}
export function beginning(columns) {
  return Buffer.concat([packet(1, Buffer.from([columns])), ...Array.from({ length: columns }, (_, i) => packet(i + 2, column(`c${i}`))),
    packet(columns + 2, EOF)]);
}
export const row = (seq, values) => packet(seq, Buffer.concat(values.map(lenenc)));

// onLogin(socket, seq, body) answers the login packet; onQuery(socket, sql) a question. got: every byte of every client.
export async function fakeMysql({ hasTls = false, plugin = 'mysql_native_password', onLogin, onQuery = () => {} }) {
  const fake = { got: Buffer.alloc(0), logins: 0, connections: 0 };
  const sockets = new Set();
  fake.server = net.createServer((socket) => {
    let rest = Buffer.alloc(0), isIn = false;
    fake.connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    const capabilities = CAPABILITIES | (hasTls ? TLS : 0);
    socket.write(packet(0, bytes([10], '8.4.0-fake\0', u32(7), SALT.slice(0, 8), [0], u16(capabilities & 0xffff), [45], u16(2),
      u16(capabilities >>> 16), [21], Array(10).fill(0), SALT.slice(8), [0], `${plugin}\0`)));
    socket.on('data', (chunk) => {
      fake.got = Buffer.concat([fake.got, chunk]);
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readUIntLE(0, 3)) {
        const n = rest.readUIntLE(0, 3), seq = rest[3], body = rest.subarray(4, 4 + n);
        rest = rest.subarray(4 + n);
        if (isIn && body[0] === 3) {
          onQuery(socket, body.subarray(1).toString('latin1'));
        } else if (!isIn) {
          fake.logins++;
          isIn = onLogin(socket, seq, body, fake.logins) === true;
        }
      }
    });
  });
  await new Promise((up) => fake.server.listen(0, '127.0.0.1', up));
  fake.port = fake.server.address().port;
  fake.close = () => new Promise((down) => { fake.server.close(down); for (const socket of sockets) { socket.destroy(); } });
  return fake;
}
