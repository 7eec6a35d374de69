// The link, the centre and the site itself fail at random moments, in schedules that come from seeds, while two people talk
// over live sockets. They never notice the centre's faults: every send is acknowledged, every message heard, no connection
// drops but where the site itself is killed, and there they are recovered. After each schedule journal and centre hold the same
// rows, once, and the chain is whole. The centre's disk is a small one, which is filled up, too.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { done, person } from '../api/lib/client.mjs';
import { smallDisk } from '../api/lib/disk.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { MysqlLink } from '../api/lib/mysql-link.mjs';
import { SEED, randomFrom } from '../api/lib/random.mjs';
import { BIN, LONG, freePort, run, start } from '../api/lib/server.mjs';
import { Line } from '../api/lib/sockets.mjs';

const SCHEDULES = Number(process.env.TB_ROUNDS ?? (LONG ? 100 : 10));
// MySQL (not MariaDB, as it is set) writes a binary log; when that found the disk full it looks again once a minute.
const [LEVEL_MS, DISK_MB] = process.env.TB_MYSQLD === undefined ? [60_000, 96] : [150_000, 320];
const LOCKED_S = LONG ? [1, 5, 60] : [0.5, 1, 2];      // tables are locked for one of these
const CONFIG = { sync: { io_timeout_ms: 1000, connect_timeout_ms: 1000 }, presence: { grace_ms: 100 }, live: { events_per_second: 0 } };
const COMPARE = join(dirname(BIN), 'bin/sync-compare');

const disk = smallDisk(DISK_MB);
let db, link, port, site;
const struck = new Map();           // fault -> how often

before(async () => {
  process.stderr.write(`# TB_SEED=${SEED}, ${SCHEDULES} schedules\n`);
  db = await MariaDb.make({ under: disk.dir, options: ['--innodb-log-file-size=8M'] });
  await db.asRoot('CREATE DATABASE rival; CREATE TABLE rival.heavy (id INT PRIMARY KEY) ENGINE=InnoDB');
  link = await MysqlLink.to(db);
  port = await freePort();
});
after(async () => {
  process.stderr.write(`# struck: ${[...struck].map(([name, n]) => `${name} ${n}`).join(', ')}\n`);
  link.close();
  await db.kill();
});

// ---- a site and the people on it ----

class Site {
  static async make() {
    const one = new Site();
    Object.assign(one, { kills: 0, acked: [], slowest: 0, recoveries: [], nth: 0 });
    await one.boot();
    one.people = [await person(one.server, 'ann'), await person(one.server, 'bob')];
    one.room = await one.people[0].room('harbour');
    await one.people[1].join(one.room.id);
    one.lines = await Promise.all(one.people.map((who) => one.line(who)));
    return one;
  }

  async boot() {
    this.server = await start({ data: this.server?.dir, port, env: { DATABASE_URL: link.url }, config: CONFIG });
    this.people?.forEach((who) => { who.server = this.server; });
  }

  async line(who) {
    const line = await Line.to(who, { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50, randomizationFactor: 0 });
    line.socket.on('connect', () => this.recoveries.push(line.socket.recovered));
    return line;
  }

  async kill() {
    this.kills++;
    this.isDying = true;
    const downs = this.lines.map((line) => line.downs);
    await this.server.kill();
    await this.boot();
    await Promise.all(this.lines.map((line, i) => line.until(() => line.downs > downs[i] && line.socket.connected, 'being back')));
    this.isDying = false;
  }

  // One message, sent until it is acknowledged: again, under the same key, only when the site was killed.
  async say(line) {
    const clientId = `key ${++this.nth}`;
    const content = `${this.nth}: it's "quoted" \\ ${'港😀'.repeat(this.nth % 7)}`;
    for (;;) {
      const began = Date.now(), kills = this.kills;
      try {
        const answer = await line.ask('send_message', { roomId: this.room.id, content, clientId });
        assert.equal(answer.ok, true, JSON.stringify(answer));
        this.acked.push(answer.message.id);
        if (kills === this.kills) {
          this.slowest = Math.max(this.slowest, Date.now() - began);
        }
        return;
      } catch (e) {
        assert.ok(e.code !== 'ERR_ASSERTION' && (kills !== this.kills || this.isDying), e.message);
      }
    }
  }

  // The rest of what people do, so that ops of every kind are on their way when something fails.
  async chore(random) {
    const [ann, bob] = this.people;
    const pick = Math.floor(random() * 4);
    try {
      if (pick === 0) {
        const side = await bob.room(`side ${this.nth}`);
        await ann.join(side.id);
        await Promise.all([ann, bob].map((who) => who.delete(`/rooms/${side.id}/members/me`)));
      } else if (pick === 1) {
        done(await ann.patch('/auth/me', { username: `ann ${this.nth} \\ 'é😀`, currentPassword: ann.password }), 200);
      } else if (pick === 2) {
        done(await bob.post('/messages/read', { messageIds: this.acked.slice(-20).concat(1) }), 200);
      } else {
        await this.lines[1].ask('read_message', { roomId: this.room.id, messageIds: this.acked.slice(-5).concat(1) });
      }
    } catch (e) {
      assert.notEqual(e.code, 'ERR_ASSERTION', e.message);     // else it was killed meanwhile
    }
  }

  work(random) {
    this.isWorking = true;
    const loop = async (act) => {
      while (this.isWorking) {
        await act();
        await pause(2 + random() * 15);
      }
    };
    return Promise.all([loop(() => this.say(this.lines[0])), loop(() => this.say(this.lines[1])), loop(() => this.chore(random))]);
  }

  async theyNoticedNothing() {
    const [ann, bob] = this.lines;
    for (const line of [ann, bob]) {
      const ids = () => new Set(line.named('receive_message').map((m) => m.id));
      await line.until(() => this.acked.every((id) => ids().has(id)), 'every message that was acknowledged');
      const heard = line.named('receive_message').filter((m) => m.roomId === this.room.id).map((m) => m.id);
      assert.equal(line.downs, this.kills, `connections dropped ${line.downs} times, the site was killed ${this.kills} times`);
      assert.ok(this.kills > 0 || heard.length === new Set(heard).size, 'a message was heard twice');
    }
    assert.equal(new Set(this.acked).size, this.acked.length, 'an id was given twice');
    assert.ok(this.recoveries.every((is) => is), `recovered: ${this.recoveries}`);
  }

  async level() {
    let state;
    for (const deadline = Date.now() + LEVEL_MS; Date.now() < deadline; await pause(20)) {
      state = done(await this.people[0].get('/sync'), 200);
      if (state.state === 'up' && state.lagOps === 0) {
        return;
      }
    }
    throw new Error(`not level: ${JSON.stringify(state)}\n${this.server.log.slice(-3000)}`);
  }

  async end() {
    this.isWorking = false;
    this.lines.forEach((line) => line.close());
    await this.server.kill();
  }

  // Stopped first, so that nobody's leaving adds an op while rows are compared.
  async itIsWhole() {
    this.lines.forEach((line) => line.close());
    await this.server.stop();
    const check = run(['check', '--data', this.server.dir]);
    assert.equal(check.code, 0, check.all);
    await this.boot();
    await this.level();
    const same = spawnSync(COMPARE, [this.server.dir, String(db.port)], { encoding: 'utf8' });
    assert.equal(same.status, 0, same.stdout + same.stderr);
    await this.server.stop();
  }
}

// ---- faults ----

const upTo = (random, ms) => pause(random() * ms);

async function withDb(act) {
  await db.kill();
  await act();
  await db.start();
}

const FAULTS = {
  async cut(random) { link.cut(); await upTo(random, 100); link.cut(); },
  async refuse(random) { link.refuse(); await upTo(random, 800); link.mend(); },
  async hold(random) { link.hold(); await upTo(random, 2500); link.go(); },
  async delay(random) { link.delayMs = random() * 300; await upTo(random, 800); link.delayMs = 0; },
  async halve(random) { link.halveNext(); await upTo(random, 300); },
  async swallow(random) { link.swallowNextOk(); await upTo(random, 300); },
  async killCentre(random) { await withDb(() => upTo(random, 400)); },
  async freezeCentre(random) { db.child.kill('SIGSTOP'); await upTo(random, 2500); db.child.kill('SIGCONT'); },
  async killSite() { await site.kill(); },

  // The rival has what our batch wants, wants what it has, and has done more, so that ours is the one that is given up.
  async deadlock() {
    const said = await db.asRoot('SET innodb_lock_wait_timeout=5; START TRANSACTION; INSERT INTO rival.heavy SELECT seq FROM rival.' +
      'seq_1_to_3000; SELECT id FROM chat.message ORDER BY id DESC LIMIT 1 FOR UPDATE; DO SLEEP(0.3); ' +
      'UPDATE chat.site SET name=_utf8mb4 X\'61\'; ROLLBACK');
    assert.match(said, /^(|.*(1205|1213|Can't connect|doesn't exist).*\n)$/s, said);
  },
  async lockTable(random) {
    const seconds = LOCKED_S[Math.floor(random() * LOCKED_S.length)];
    const table = ['message', 'op_log', 'site', 'receipt', 'user'][Math.floor(random() * 5)];
    await db.asRoot(`LOCK TABLES chat.${table} WRITE; DO SLEEP(${seconds}); UNLOCK TABLES`);
  },
  async revoke(random) {
    await db.asRoot("REVOKE ALL ON chat.* FROM chat@'127.0.0.1'");
    db.cutSessions();
    await upTo(random, 800);
    await db.asRoot("GRANT ALL ON chat.* TO chat@'127.0.0.1'");
  },
  async password(random) {
    await db.asRoot("ALTER USER chat@'127.0.0.1' IDENTIFIED BY 'another'");
    db.cutSessions();
    await upTo(random, 800);
    await db.asRoot("ALTER USER chat@'127.0.0.1' IDENTIFIED BY 'chat'");
  },
  async fullDisk(random) {
    disk.fill();
    await upTo(random, 1500);
    disk.makeRoom();
    if (db.child.exitCode !== null || db.child.signalCode !== null) {
      await db.start();             // it may give up by itself
    }
  },
};

async function strike(random) {
  const names = Object.keys(FAULTS);
  const name = names[Math.floor(random() * names.length)];
  struck.set(name, (struck.get(name) ?? 0) + 1);
  process.stderr.write(`#   ${name}\n`);
  await FAULTS[name](random);
}

for (let i = 0; i < SCHEDULES; i++) {
  const seed = (SEED + i) % 2 ** 32;
  test(`seed ${seed}: whatever fails, people notice nothing and everything is at the centre once`, async (t) => {
    const random = randomFrom(seed);
    process.stderr.write(`# seed ${seed}\n`);
    await db.asRoot('DROP DATABASE IF EXISTS chat; CREATE DATABASE chat');
    site = await Site.make();
    t.after(() => site.end());
    const work = site.work(randomFrom(seed + 1));
    work.catch(() => {});           // awaited below, when the faults have struck
    for (let n = 3 + Math.floor(random() * 4); n > 0; n--) {
      await upTo(random, 150);
      await strike(random);
    }
    site.isWorking = false;
    await work;
    await site.theyNoticedNothing();
    await site.itIsWhole();
    process.stderr.write(`#   ${site.acked.length} messages, slowest ack ${site.slowest} ms\n`);
  });
}
