// A server under attack: what it costs others, and the server itself. The attacker is a process of its own, the other client asks
// from here: one question after the other, over one connection that was there before.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from './client.mjs';
import { attacks } from './attacks.mjs';
import { Line } from './sockets.mjs';

const SCRIPT = fileURLToPath(new URL('attacks.mjs', import.meta.url));
const EVERY_MS = 2, KINDS = 10;

export function rssOf(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

export function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

// Asks until over() is true, one time in ten over a socket; { p50, p99, max, rss } in ms and MB, rss the highest seen.
export async function watch(server, who, over) {
  const times = [], line = await Line.to(who);
  let rss = 0;
  while (!over() || times.length < 200) {
    const began = performance.now();
    if (times.length % KINDS === 0) {
      await line.ask('read_message', { roomId: 1, messageIds: [1] });
    } else {
      await request(server, 'GET', times.length % 2 === 0 ? '/' : '/rooms', { token: who.token });
    }
    times.push(performance.now() - began);
    rss = Math.max(rss, rssOf(server.pid));
    await pause(EVERY_MS);
  }
  line.close();
  times.sort((a, b) => a - b);
  return { n: times.length, p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: times.at(-1), rss };
}

export async function watchFor(server, who, ms) {
  const until = Date.now() + ms;
  return watch(server, who, () => Date.now() >= until);
}

// Attacks and watches at once, `port` another server's when that one is attacked and this one is only on the same machine. An attack that
// takes longer than ms is ended then.
export async function attack(server, who, name, { size = attacks[name].size[0], ms = 20_000, token = who.token, port = server.port } = {}) {
  const child = spawn(process.execPath, ['--no-warnings', SCRIPT, name, String(port), String(size), token],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '', isOver = false;
  child.stdout.setEncoding('utf8').on('data', (text) => { said += text; });
  const ended = new Promise((done) => child.once('close', () => { isOver = true; done(); }));
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  const during = await watch(server, who, () => isOver);
  await ended;
  clearTimeout(timer);
  return { during, result: said === '' ? { sent: 'not all', cuts: '?', ms } : JSON.parse(said) };
}

// { 'reason': cuts } from /metrics.
export async function cutsOf(server) {
  const { text } = await request(server, 'GET', '/metrics');
  return Object.fromEntries([...text.matchAll(/^tombolo_guard_cuts_total\{reason="([a-z_]+)"\} (\d+)$/gm)].map(([, r, n]) => [r, Number(n)]));
}
