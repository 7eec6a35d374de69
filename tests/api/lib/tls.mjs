// A private authority and what it certifies, made by openssl for one test; and clients that trust it alone.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { join } from 'node:path';
import tls from 'node:tls';
import { io } from 'socket.io-client';
import { tempDir } from './server.mjs';
import { checkAnswer } from './spec.mjs';

export function openssl(...args) {
  const r = spawnSync('openssl', args, { encoding: 'utf8' });
  assert.equal(r.status, 0, `openssl ${args.join(' ')}: ${r.stderr}`);
  return r.stdout;
}

export class Authority {
  constructor() {
    this.dir = tempDir();
    this.file = join(this.dir, 'ca.pem');
    this.n = 0;
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj',
      '/CN=an authority of a test', '-keyout', this.at('ca.key'), '-out', this.file);
    this.pem = readFileSync(this.file, 'utf8');
  }

  at(name) { return join(this.dir, name); }

  // { cert, key, sha256 } for localhost and 127.0.0.1, as paths; sha256 as Node shows it.
  issue({ days = 20, cn = 'localhost' } = {}) {
    const n = ++this.n, [cert, key, csr, ext] = ['crt', 'key', 'csr', 'ext'].map((end) => this.at(`${n}.${end}`));
    writeFileSync(ext, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${cn}`, '-keyout', key, '-out', csr);
    openssl('x509', '-req', '-in', csr, '-CA', this.file, '-CAkey', this.at('ca.key'), '-set_serial', String(n), '-days',
      String(days), '-extfile', ext, '-out', cert);
    const sha256 = openssl('x509', '-in', cert, '-noout', '-fingerprint', '-sha256').trim().split('=')[1];
    return { cert, key, sha256 };
  }
}

// The port that the log names as the one with TLS.
export function securePort(server) {
  return Number(/serve\.listening .*tls_port=(\d+)/.exec(server.log)[1]);
}

export const secureUrl = (server, scheme = 'https') => `${scheme}://127.0.0.1:${securePort(server)}`;

// A TLS connection, once the handshake is done; throws what went wrong instead.
export function handshake(server, ca, options = {}) {
  return new Promise((done, broken) => {
    const socket = tls.connect({ host: '127.0.0.1', port: securePort(server), servername: 'localhost', ca, ...options });
    socket.once('error', broken);
    socket.once('secureConnect', () => { socket.off('error', broken); socket.on('error', () => {}); done(socket); });
  });
}

// For Line's `connect`: a stock client to the listener with TLS.
export const over = (server, ca) => (_, options) => io(secureUrl(server), { ...options, ca });

// One request of an HTTP/2 session.
export function ask2(session, method, path, { body, headers = {}, token } = {}) {
  const text = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const all = { ':method': method, ':path': path, ...headers };
  if (text !== undefined) {
    all['content-type'] ??= 'application/json';
  }
  if (token !== undefined) {
    all.authorization = `Bearer ${token}`;
  }
  return new Promise((answer, broken) => {
    const req = session.request(all, { endStream: text === undefined });
    let status, seen, got = '';
    req.setEncoding('utf8');
    req.on('response', ({ ':status': code, ...h }) => { status = code; seen = h; });
    req.on('data', (chunk) => { got += chunk; });
    req.on('error', broken);
    req.on('end', () => {
      const isJson = (seen?.['content-type'] ?? '').startsWith('application/json');
      const all = { status, headers: seen, text: got, body: isJson && got !== '' ? JSON.parse(got) : got };
      try {
        checkAnswer(method, path, text, all);
      } catch (e) {
        broken(e);
      }
      answer(all);
    });
    if (text !== undefined) {
      req.end(text);
    }
  });
}

export function session2(url, options = {}) {
  return new Promise((done, broken) => {
    const session = http2.connect(url, options);
    session.once('error', broken);
    session.once('connect', () => { session.off('error', broken); session.on('error', () => {}); done(session); });
  });
}
