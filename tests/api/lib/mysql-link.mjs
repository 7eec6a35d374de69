// A link between a server under test and its centre that can be cut, held, slowed, halved, and closed between COMMIT and its
// OK. It knows two things of the protocol: a client's packet is 3 bytes of length, a number that is 0 for a new command, and
// 3 for a query; a server's OK begins with 0x00, holds two length-encoded integers and then the status flags, of which 0x0008
// says that more results follow, so the first OK without it after a batch is COMMIT's.
import net from 'node:net';

const HEADER = 4;
const MORE_RESULTS = 0x0008;
const BATCH = Buffer.from('START TRANSACTION');

const isBatch = (bytes) => bytes.length > HEADER + BATCH.length && bytes[3] === 0 && bytes[4] === 3 &&
  bytes.subarray(5, 5 + BATCH.length).equals(BATCH);

const lenencSize = (first) => (first < 0xfb ? 1 : first === 0xfc ? 3 : first === 0xfd ? 4 : 9);

function isLastAnswer(packet) {
  if (packet[0] !== 0x00) {
    return packet[0] === 0xff;
  }
  let at = 1;
  at += lenencSize(packet[at]);
  at += lenencSize(packet[at]);
  return (packet.readUInt16LE(at) & MORE_RESULTS) === 0;
}

export class MysqlLink {
  static async to(db) {
    const link = new MysqlLink();
    Object.assign(link, { db, pairs: new Set(), delayMs: 0, struck: 0 });
    link.listener = net.createServer((near) => link.pass(near));
    await new Promise((up) => link.listener.listen(0, '127.0.0.1', up));
    link.port = link.listener.address().port;
    link.url = db.url.replace(`:${db.port}/`, `:${link.port}/`);
    return link;
  }

  pass(near) {
    const far = net.connect(this.db.port, '127.0.0.1');
    const pair = { near, far, seen: null };
    pair.end = () => { near.destroy(); far.destroy(); this.pairs.delete(pair); };
    this.pairs.add(pair);
    for (const one of [near, far]) {
      one.setNoDelay(true);
      one.on('error', pair.end).on('close', pair.end).on('end', pair.end);
      if (this.isHeld) {
        one.pause();
      }
    }
    near.on('data', (bytes) => this.up(pair, bytes));
    far.on('data', (bytes) => this.down(pair, bytes));
    if (this.isRefusing) {
      pair.end();
    }
  }

  later(pair, to, bytes) {
    if (this.delayMs === 0 && !(to.owed > 0)) {
      to.write(bytes);
      return;
    }
    to.owed = (to.owed ?? 0) + 1;   // what follows must not overtake it
    setTimeout(() => { to.owed--; if (!to.destroyed) { to.write(bytes); } }, this.delayMs);
  }

  up(pair, bytes) {
    if (isBatch(bytes)) {
      if (this.wish === 'halve') {
        this.strikes();
        pair.far.write(bytes.subarray(0, bytes.length >> 1), () => pair.end());
        return;
      }
      pair.seen = this.wish === 'swallow' ? Buffer.alloc(0) : null;
    }
    this.later(pair, pair.far, bytes);
  }

  down(pair, bytes) {
    if (pair.seen === null) {
      this.later(pair, pair.near, bytes);
      return;
    }
    pair.seen = Buffer.concat([pair.seen, bytes]);
    while (pair.seen.length >= HEADER && pair.seen.length >= HEADER + pair.seen.readUIntLE(0, 3)) {
      const length = HEADER + pair.seen.readUIntLE(0, 3);
      if (isLastAnswer(pair.seen.subarray(HEADER, length))) {
        this.strikes();
        pair.end();
        return;
      }
      pair.seen = pair.seen.subarray(length);
    }
  }

  strikes() { this.wish = undefined; this.struck++; }

  halveNext() { this.wish = 'halve'; }
  swallowNextOk() { this.wish = 'swallow'; }
  cut() { [...this.pairs].forEach((pair) => pair.end()); }
  refuse() { this.isRefusing = true; this.cut(); }
  mend() { this.isRefusing = false; }
  hold() { this.isHeld = true; this.pairs.forEach(({ near, far }) => { near.pause(); far.pause(); }); }
  go() { this.isHeld = false; this.pairs.forEach(({ near, far }) => { near.resume(); far.resume(); }); }
  close() { this.cut(); this.listener.close(); }
}
