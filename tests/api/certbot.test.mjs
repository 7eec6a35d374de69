// conf/certbot-deploy, run as Certbot runs it: the server shows the renewed certificate, and a socket that was open stays open.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, start, tempDir } from './lib/server.mjs';
import { Authority, handshake } from './lib/tls.mjs';

const ca = new Authority();

// Certbot's folder of a certificate, and the hook on it.
class Lineage {
  constructor(name) {
    this.folder = join(tempDir(), name);
    mkdirSync(this.folder);
  }

  renew() {
    const { cert, key, sha256 } = ca.issue();
    copyFileSync(cert, join(this.folder, 'fullchain.pem'));
    copyFileSync(key, join(this.folder, 'privkey.pem'));
    return sha256;
  }

  hook(env) {
    const group = String(process.getgid());
    return spawnSync(join(ROOT, 'conf/certbot-deploy'), {
      env: { PATH: process.env.PATH, RENEWED_LINEAGE: this.folder, TOMBOLO_CERT_GROUP: group, ...env }, encoding: 'utf8',
    });
  }
}

test('a renewed certificate is shown to new connections, and old ones stay', async () => {
  const chat = new Lineage('chat.example'), folder = join(tempDir(), 'tls');
  chat.renew();
  assert.equal(chat.hook({ TOMBOLO_CERT_FOLDER: folder, TOMBOLO_RELOAD: 'true' }).status, 0);
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));
  assert.deepEqual([folder, cert, key].map((path) => statSync(path).mode & 0o777), [0o750, 0o640, 0o640]);

  const server = await start({ config: { tls: { cert, key, port: 0 } } });
  const first = await handshake(server, ca.pem);
  const shown = async () => {
    const socket = await handshake(server, ca.pem);
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const renewed = chat.renew();
  assert.notEqual(await shown(), renewed);
  assert.equal(chat.hook({ TOMBOLO_CERT_FOLDER: folder, TOMBOLO_RELOAD: `kill -HUP ${server.pid}` }).status, 0);
  while (await shown() !== renewed) { /* the loop takes it when it comes to it */ }
  assert.equal(first.destroyed, false);
  first.destroy();
  await server.stop();
});

test('another certificate of the machine is left alone', () => {
  const mail = new Lineage('mail.example'), folder = join(tempDir(), 'tls');
  mail.renew();
  const r = mail.hook({ TOMBOLO_CERT_FOLDER: folder, TOMBOLO_CERT_NAME: 'chat.example', TOMBOLO_RELOAD: 'false' });
  assert.equal(r.status, 0);
  assert.equal(existsSync(folder), false);
});

test('a failed reload is a failure of the hook, which Certbot reports', () => {
  const chat = new Lineage('chat.example'), folder = join(tempDir(), 'tls');
  chat.renew();
  assert.notEqual(chat.hook({ TOMBOLO_CERT_FOLDER: folder, TOMBOLO_RELOAD: 'false' }).status, 0);
  assert.deepEqual(readFileSync(join(folder, 'cert.pem')), readFileSync(join(chat.folder, 'fullchain.pem')));
});
