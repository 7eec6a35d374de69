// A MariaDB of the test's own, or the MySQL whose mysqld TB_MYSQLD names: in a folder of its own, on a free loopback port,
// without a service. It can be killed and started again. Temporary files are in that folder, too: a server that starts removes those of another one.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, tempDir } from './server.mjs';

const START_MS = 60_000;
const MYSQLD = process.env.TB_MYSQLD;
const asMySql = (option) => option.replace('--innodb-log-file-size=8M', '--innodb-redo-log-capacity=32M');
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class MariaDb {
  // under: the folder for its files. options: of the server, beyond the usual ones.
  static async make({ under, options = [] } = {}) {
    const db = new MariaDb();
    db.options = MYSQLD === undefined ? options : options.map(asMySql).concat('--mysqlx=OFF', '--secure-file-priv=NULL', '--tls-version=');
    db.dir = tempDir(under);
    db.port = await freePort();
    db.url = db.urlOf('chat');
    db.install();
    writeFileSync(join(db.dir, 'init.sql'),
      // one statement a line is how the server reads it
      "CREATE DATABASE IF NOT EXISTS chat;\nCREATE USER IF NOT EXISTS chat@'127.0.0.1' IDENTIFIED BY 'chat';\n" +
      "GRANT ALL ON chat.* TO chat@'127.0.0.1';\nCREATE USER IF NOT EXISTS root@'127.0.0.1';\n" +
      "GRANT ALL ON *.* TO root@'127.0.0.1';\n");
    await db.start();
    return db;
  }

  install() {
    const own = [`--datadir=${this.dir}/data`, `--tmpdir=${this.dir}`, `--user=${userInfo().username}`];
    const [program, ...args] = MYSQLD === undefined
      ? ['mariadb-install-db', ...own, '--no-defaults', '--auth-root-authentication-method=normal', '--skip-test-db']
      : [MYSQLD, '--no-defaults', '--initialize-insecure', ...own];
    const r = spawnSync(program, [...args, ...this.options], { encoding: 'utf8' });
    if (r.error !== undefined || r.status !== 0) {
      throw new Error(`${program}: ${r.error?.message ?? r.stdout + r.stderr}`);
    }
  }

  async start() {
    const log = openSync(join(this.dir, 'log'), 'a');
    this.child = spawn(MYSQLD ?? 'mariadbd', ['--no-defaults', `--datadir=${this.dir}/data`,
      `--tmpdir=${this.dir}`, `--socket=${this.dir}/sock`,
      `--port=${this.port}`, '--bind-address=127.0.0.1', '--skip-name-resolve', `--user=${userInfo().username}`,
      `--init-file=${this.dir}/init.sql`, `--pid-file=${this.dir}/pid`, '--innodb-buffer-pool-size=32M', ...this.options],
    { stdio: ['ignore', log, log] });
    closeSync(log);
    running.add(this.child);
    const child = this.child;
    this.ended = once(child, 'close').then(() => running.delete(child));
    for (const deadline = Date.now() + START_MS; Date.now() < deadline && child.exitCode === null; await pause(100)) {
      if (existsSync(join(this.dir, 'sock')) && this.tryQuery('SELECT 1').status === 0) {
        return;
      }
    }
    throw new Error(`the server did not start:\n${readFileSync(join(this.dir, 'log'), 'utf8').slice(-3000)}`);
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  // Statements as root, in a session of their own, while others go on. Resolves with what was said when they failed, or ''.
  asRoot(sql) {
    return new Promise((answer, broken) => {
      const child = spawn('mariadb', ['--no-defaults', '-S', join(this.dir, 'sock'), '-u', 'root', '-e', sql],
        { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text) => { said += text; });
      child.once('error', broken);
      child.once('close', () => answer(said));
    });
  }

  tryQuery(sql) {
    return spawnSync('mariadb', ['--no-defaults', '--ssl=0', '-h', '127.0.0.1', '-P', String(this.port), '-u', 'chat', '-pchat', 'chat',
      '--batch', '--raw', '--skip-column-names', '-e', sql], { encoding: 'utf8', maxBuffer: 1 << 26 });
  }

  // Any number of statements, as root; for databases beside chat, which then belong to chat@ as well.
  load(sql) {
    const r = spawnSync('mariadb', ['--no-defaults', `--socket=${this.dir}/sock`, '-u', 'root', '--default-character-set=utf8mb4',
      '--max-allowed-packet=64M'], { input: sql, encoding: 'utf8', maxBuffer: 1 << 26 });
    if (r.status !== 0) {
      throw new Error(`load: ${r.stderr}`);
    }
  }

  // Ends the sessions of chat@: they keep the rights they began with.
  cutSessions() {
    const client = ['--no-defaults', '--force', `--socket=${this.dir}/sock`, '-u', 'root', '--batch', '--skip-column-names'];
    const { stdout } = spawnSync('mariadb', [...client, '-e', "SELECT CONCAT('KILL ',id,';') FROM information_schema.processlist WHERE user='chat'"],
      { encoding: 'utf8' });
    spawnSync('mariadb', client, { input: stdout });
  }

  makeDatabase(name) {
    this.load(`CREATE DATABASE ${name};\nGRANT ALL ON ${name}.* TO chat@'127.0.0.1';`);
    return this.urlOf(name);
  }

  urlOf(name) {
    return `mysql://chat:chat@127.0.0.1:${this.port}/${name}` +
      (MYSQLD === undefined ? '' : `?ssl-mode=DISABLED&public-key=${this.dir}/data/public_key.pem`);
  }

  // Rows as arrays of text.
  query(sql) {
    const r = this.tryQuery(sql);
    if (r.status !== 0) {
      throw new Error(`${sql}: ${r.stderr}`);
    }
    return r.stdout.split('\n').slice(0, -1).map((line) => line.split('\t'));
  }
}
