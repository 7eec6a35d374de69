// What counting and timing cost on the way of a message: sends over one WebSocket, one after the other, each its own commit (the worst
// case: most counts are one a commit), in a room of MEMBERS sockets, the server under callgrind.
//   node tests/bench/watch-cost.mjs [SENDS [MEMBERS]]      TOMBOLO_BIN: the build, build/release/tombolo unless given
// Prints instructions a send, and how many of them are in the functions that watch. valgrind's count differs by a few percent from
// run to run, since threads meet differently: the share is the figure, not the difference of two runs.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import { BIN, freePort, tempDir } from '../api/lib/server.mjs';
import { person } from '../api/lib/client.mjs';

const [sends, members] = [Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 10)];
const WATCHING = ['tb_observe', 'log_about', 'client_about', 'look_at_free_space', 'net_tally_note', 'slow_is'];
const OWN_CLOCKS = 4;               // of the writer, a commit: a transaction's begin and end, and its COMMIT's
const CLOCK = 'system_mono_us';

const port = await freePort(), dir = tempDir(), out = join(dir, 'callgrind.out');
const settings = { 'server.host': '127.0.0.1', 'server.stall_ms': 600000, 'limit.messages': 0, 'live.events_per_second': 0, 'auth.password_cost': 'min' };
const child = spawn('valgrind', ['--tool=callgrind', `--callgrind-out-file=${out}`, BIN, 'serve', '--port', `${port}`, '--data', join(dir, 'data'),
  ...Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`])], { env: { PATH: process.env.PATH }, stdio: ['ignore', 'ignore', 'pipe'] });
await new Promise((up, broken) => {
  let said = '';
  child.stderr.on('data', (text) => { said += text; if (said.includes('serve.listening')) { up(); } });
  child.once('exit', () => broken(new Error(said)));
});
const who = await person({ port });
const { id: roomId } = await who.room('r');
const sockets = await Promise.all(Array.from({ length: members }, () => new Promise((up, broken) => {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], auth: { token: who.token }, forceNew: true, timeout: 60_000 });
  socket.on('connect', () => up(socket)).on('connect_error', broken);
})));
for (let i = 0; i < sends; i++) {
  await sockets[0].timeout(60_000).emitWithAck('send_message', { roomId, content: 'The tide is out, we walk across' });
}
sockets.forEach((socket) => socket.close());
child.kill('SIGTERM');
await new Promise((end) => child.once('close', end));

const annotate = (...how) =>
  spawnSync('callgrind_annotate', ['--inclusive=yes', '--threshold=100', ...how, out], { encoding: 'utf8', maxBuffer: 1 << 28 }).stdout;
const stdout = annotate();
const costOf = (name) => Math.max(0, ...[...stdout.matchAll(new RegExp(`^ *([\\d,]+) \\([^)]*\\)  \\S+:${name}(?: |$)`, 'gm'))]
  .map(([, n]) => Number(n.replaceAll(',', ''))));
const total = Number(/^ *([\d,]+) .*PROGRAM TOTALS/m.exec(stdout)[1].replaceAll(',', ''));
const [, cost, calls] = /^ *([\d,]+) \([^)]*\)  < \S+:work \((\d+)x\)\n(?:.*  < .*\n)*.*\* +\S+:system_mono_us /m.exec(annotate('--tree=caller')) ?? [];
const clock = Number((cost ?? '0').replaceAll(',', '')) / Number(calls ?? 1);      // of one look
const rows = [...WATCHING.map((name) => [name, costOf(name)]), [`${CLOCK}, ${OWN_CLOCKS} a send`, clock * OWN_CLOCKS * sends]];
for (const [name, n] of [['all', total], ...rows, ['watching', rows.reduce((sum, [, of]) => sum + of, 0)]]) {
  console.log(`${name.padEnd(28)} ${(n / sends).toFixed(0).padStart(9)} instructions a send ${(100 * n / total).toFixed(2).padStart(7)} %`);
}
