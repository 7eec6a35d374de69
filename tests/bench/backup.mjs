// How a backup is felt by those who send meanwhile: durable REST sends at a steady rate against one server, in rounds without
// and with backups made one after the other.
//   node tests/bench/backup.mjs [ROUNDS [SECONDS [SENDS_A_SECOND [MEGABYTES]]]]      TOMBOLO_BIN: else build/release/tombolo
// MEGABYTES: about how large the journal is before the first round.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { person } from '../api/lib/client.mjs';
import { BIN, ENV, start, tempDir } from '../api/lib/server.mjs';

const [rounds = 3, seconds = 10, rate = 500, megabytes = 200] = process.argv.slice(2).map(Number);
const FILL = 'x'.repeat(15_000);        // twice in the file: in the journal and in its table
const server = await start();
const who = await person(server);
const room = await who.room();
const file = join(tempDir(), 'tombolo.backup');

async function fill() {
  const n = Math.ceil((megabytes * 1e6) / (2 * FILL.length));
  let left = n;
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (left-- > 0) {
      await who.send(room.id, FILL);
    }
  }));
}

async function backUp() {
  const child = spawn(BIN, ['backup', file, '--data', server.dir, '--json'], { env: ENV, stdio: ['ignore', 'pipe', 'inherit'] });
  const [code] = await once(child, 'close');
  if (code !== 0) {
    throw new Error(`backup ended with ${code}`);
  }
}

// Sends are due at their time, whether or not those before them were answered: a wait is counted for all who are kept waiting.
async function measure(withBackups) {
  const took = [];
  const began = performance.now();
  let isOver = false, backups = 0, wal = 0;
  const copying = (async () => {
    while (withBackups && !isOver) {
      await backUp();
      backups++;
    }
  })();
  const sends = [];
  for (let i = 0; i < rate * seconds; i++) {
    const due = began + (i * 1000) / rate;
    if (due > performance.now()) {
      await pause(due - performance.now());
    }
    sends.push(who.send(room.id, `message ${i}`).then(() => took.push(performance.now() - due)));
    if (i % 100 === 0) {
      wal = Math.max(wal, statSync(join(server.dir, 'tombolo.db-wal')).size);
    }
  }
  await Promise.all(sends);
  isOver = true;
  await copying;
  took.sort((a, b) => a - b);
  const at = (q) => took[Math.min(took.length - 1, Math.floor(took.length * q))].toFixed(1);
  console.log(`${withBackups ? 'with   ' : 'without'}  p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  p99.9 ${at(0.999)} ms  max ${at(1)} ms  ` +
    `${backups} backups  WAL at most ${(wal / 1e6).toFixed(0)} MB`);
}

await fill();
console.log(`journal ${(statSync(join(server.dir, 'tombolo.db')).size / 1e6).toFixed(0)} MB, ${rate} sends/s, ${seconds} s a round`);
for (let i = 0; i < rounds; i++) {
  await measure(false);
  await measure(true);
}
await server.stop();
