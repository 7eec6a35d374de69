// HTTP/2 as bytes, for what no client library would send (RFC 9113, RFC 7541).
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const DATA = 0, HEADERS = 1, PRIORITY = 2, RST_STREAM = 3, SETTINGS = 4, PUSH_PROMISE = 5, PING = 6, GOAWAY = 7,
  WINDOW_UPDATE = 8, CONTINUATION = 9;
export const END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8;

export function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const setting = (id, value) => Buffer.concat([Buffer.from([0, id]), u32(value)]);
export const START = Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]);

// ---- header blocks, without Huffman ----

function integer(first, bits, value) {
  const most = (1 << bits) - 1;
  if (value < most) {
    return Buffer.from([first | value]);
  }
  const octets = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) {
    octets.push(128 | rest % 128);
  }
  return Buffer.from([...octets, rest]);
}

const string = (text) => Buffer.concat([integer(0, 7, Buffer.byteLength(text)), Buffer.from(text)]);
export const indexed = (index) => integer(0x80, 7, index);
export const literal = (name, value) => Buffer.concat([Buffer.from([0]), string(name), string(value)]);
export const remembered = (name, value) => Buffer.concat([Buffer.from([0x40]), string(name), string(value)]);     // goes into the table

// :method GET, :scheme http, :authority x, :path
export const request = (path = '/', method = 'GET') => Buffer.concat([
  method === 'GET' ? indexed(2) : method === 'POST' ? indexed(3) : literal(':method', method), indexed(6), literal(':authority', 'x'),
  path === '/' ? indexed(4) : literal(':path', path)]);

export const get = (stream, path) => frame(HEADERS, END_HEADERS | END_STREAM, stream, request(path));
export const post = (stream, path) => frame(HEADERS, END_HEADERS, stream, request(path, 'POST'));
export const reset = (stream, code = 8) => frame(RST_STREAM, 0, stream, u32(code));
export const windowUpdate = (stream, by) => frame(WINDOW_UPDATE, 0, stream, u32(by));
export const odd = (i) => 2 * i + 1;

// Frames of the server, as they come: { type, flags, stream, payload }.
export function* framesOf(bytes) {
  for (let at = 0; at + 9 <= bytes.length;) {
    const n = bytes.readUIntBE(at, 3);
    if (at + 9 + n > bytes.length) {
      return;
    }
    yield { type: bytes[at + 3], flags: bytes[at + 4], stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, at + 9 + n) };
    at += 9 + n;
  }
}
