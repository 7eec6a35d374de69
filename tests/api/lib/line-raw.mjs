// One connection of an attacker.
import net from 'node:net';

export const many = (n, make) => Array.from({ length: n }, (_, i) => make(i));

// A connection that reads what comes, keeps a little of it, and says when it is over.
export class Line {
  constructor(port) {
    this.socket = net.connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('error', () => {});
    this.isOpen = true;
    this.n = 0;
    this.got = Buffer.alloc(0);
    this.socket.on('data', (bytes) => {
      this.n += bytes.length;
      if (this.got.length < 65536) {
        this.got = Buffer.concat([this.got, bytes]);
      }
    });
    this.closed = new Promise((closed) => this.socket.once('close', () => { this.isOpen = false; closed(); }));
  }

  async write(bytes) {
    if (this.isOpen && !this.socket.write(bytes)) {
      await Promise.race([new Promise((drained) => this.socket.once('drain', drained)), this.closed]);
    }
  }

  end() { this.socket.destroy(); }
}
