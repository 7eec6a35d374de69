// What attacks cost others, with the guard and without:
//     node tests/bench/attacks.mjs [--short] [--only WORD] [--off]
// One row an attack: p99 of another client before it, while it goes on against another server on the same machine (what the attacker and his
// server take of its processors costs anybody), and during it; and the server's memory. --off: the guard is off, as the HTTP library
// would be by itself; HPACK bombs are smaller then, as they fill gigabytes. TOMBOLO_BIN: the program, build/release/tombolo by default.
import { attacks } from '../api/lib/attacks.mjs';
import { attack, cutsOf, watchFor } from '../api/lib/siege.mjs';
import { person, request } from '../api/lib/client.mjs';
import { start } from '../api/lib/server.mjs';

const args = process.argv.slice(2);
const isOff = args.includes('--off'), isShort = args.includes('--short');
const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : '';
const OFF_BOMB_MB = 10;
const QUIET_MS = 3000;

// One hash takes 64 MB while it lasts, whoever asks for it: that is part of a server at rest, too.
async function quiet(server, who, name) {
  const logins = name === 'logins' ? [1, 2, 3].map(() =>
    request(server, 'POST', '/auth/login', { body: { email: who.user.email, password: who.password } })) : [];
  const [seen] = await Promise.all([watchFor(server, who, QUIET_MS), ...logins]);
  return seen;
}

async function large(who) {     // answers of some size, for those who do not read them
  for (let i = 0; i < 200; i++) {
    await who.room(`room ${i} ${'x'.repeat(150)}`);
  }
}

const cell = (text, n) => String(text).padStart(n);
const ms = (v) => v.toFixed(1);
console.log(`guard ${isOff ? 'off' : 'on'}; ms and MB; "before" is the same server at rest\n`);
console.log(`${'attack'.padEnd(40)}${cell('size', 20)}${cell('took s', 8)}${cell('p99 before', 12)}${cell('elsewhere', 11)}${cell('during', 9)}${cell('max', 9)}` +
  `${cell('RSS before', 12)}${cell('during', 8)}  cut, and why`);
for (const [name, { size, unit }] of Object.entries(attacks).filter(([n]) => n.includes(only))) {
  const off = isOff ? { guard: { enabled: 'no' }, live: { frames_per_second: 0 } } : {};
  const options = { config: { ...off, auth: { password_cost: 'interactive' } }, env: { TOMBOLO_PASSWORD_COST: 'interactive' } };
  const [server, other] = [await start(options), await start(options)];
  const [who, them] = [await person(server), await person(other)];
  await Promise.all([large(who), large(them)]);
  const before = await quiet(server, who, name);
  const n = isOff && name === 'HPACK bomb' ? Math.min(size[isShort ? 0 : 1], OFF_BOMB_MB) : size[isShort ? 0 : 1];
  const elsewhere = await attack(server, who, name, { size: n, ms: 30_000, port: other.port, token: them.token });
  await other.kill();
  const { during, result } = await attack(server, who, name, { size: n, ms: 30_000 });
  const why = Object.entries(await cutsOf(server)).filter(([, k]) => k > 0).map(([r, k]) => `${r} ${k}`).join(', ');
  console.log(`${name.padEnd(40)}${cell(`${n} ${unit}`, 20)}${cell((result.ms / 1000).toFixed(1), 8)}${cell(ms(before.p99), 12)}${cell(ms(elsewhere.during.p99), 11)}` +
    `${cell(ms(during.p99), 9)}${cell(ms(during.max), 9)}${cell(before.rss.toFixed(0), 12)}${cell(during.rss.toFixed(0), 8)}` +
    `  ${result.cuts}${why === '' ? '' : `: ${why}`}`);
  await request(server, 'GET', '/');
  await server.kill();
}
