// docs/log-events.md against the sources: every event that the program can log has a row with its levels and its keys, and no row is
// about an event that nothing logs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sources } from './lib/sources.mjs';

const EVENT = /"([a-z]+\.[a-z_0-9]+)"/g;
const code = sources().filter((f) => /^(src|sync)\/.*\.c$/.test(f) && f !== 'src/base/log.c')
  .map((f) => readFileSync(f, 'utf8').replace(/\/\*.*?\*\//gs, '')).join('\n');

// The arguments of each call of a function, as text.
function callsOf(name) {
  return [...code.matchAll(new RegExp(`\\b${name}\\(`, 'g'))].map(({ index }) => {
    const from = index + name.length + 1;
    let depth = 1, at = from, isText = false;
    for (; depth > 0; at++) {
      isText = code[at] === '"' && code[at - 1] !== '\\' ? !isText : isText;
      depth += isText ? 0 : code[at] === '(' ? 1 : code[at] === ')' ? -1 : 0;
    }
    return code.slice(from, at - 1);
  });
}

// The keys of logfmt in the text of a format: what stands between escaped quotes is a value.
function keysOf(args) {
  const format = [...args.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]).filter((s) => !/^[a-z]+\.[a-z_0-9]+$/.test(s)).join('');
  return [...format.replace(/\\".*?\\"/g, '').matchAll(/(\w+)=/g)].map((m) => m[1]);
}

const logged = new Map();           // event -> { levels, keys }
function note(event, levels, keys) {
  const one = logged.get(event) ?? { levels: new Set(), keys: new Set() };
  levels.forEach((l) => one.levels.add(l));
  keys.forEach((k) => one.keys.add(k));
  logged.set(event, one);
}
for (const level of ['error', 'warn', 'info', 'debug']) {
  for (const args of callsOf(`log_${level}`)) {
    [...args.matchAll(EVENT)].forEach(([, event]) => note(event, [level], keysOf(args)));
  }
}
// Those whose level is decided by the moment: the two levels stand in a line before.
for (const { index } of code.matchAll(/\blog_write\(level/g)) {
  const levels = [...code.slice(0, index).split('enum log_level level =').at(-1).split(';')[0].matchAll(/LOG_([A-Z]+)/g)];
  const args = callsOf('log_write').find((text) => code.startsWith(text, index + 'log_write('.length));
  [...args.matchAll(EVENT)].forEach(([, event]) => note(event, levels.map((m) => m[1].toLowerCase()), keysOf(args)));
}
// What was slow: its name is in a table, and log.slow_ms puts two keys in front of each.
const slow = new Map([...code.matchAll(/\[(SLOW_[A-Z]+)\] = "(slow\.\w+)"/g)].map((m) => [m[1], m[2]]));
for (const args of callsOf('slow_log')) {
  const event = slow.get(/SLOW_[A-Z]+/.exec(args)?.[0]);
  if (event !== undefined) {
    note(event, ['warn'], ['ms', 'unsaid', ...keysOf(args)]);
  }
}

const list = (cell) => [...cell.matchAll(/[\w]+/g)].map((m) => m[0]).sort().join(' ');
const rows = [...readFileSync('docs/log-events.md', 'utf8').matchAll(/^\| `([a-z]+\.[a-z_0-9]+)` \| ([^|]*) \| ([^|]*) \| ([^|]+) \|$/gm)]
  .map(([, event, levels, keys, text]) => ({ event, levels: list(levels), keys: list(keys), text }));

test('events were found', () => {
  assert.ok(logged.size > 80, `${logged.size}`);
  assert.deepEqual([...slow.values()].filter((event) => !logged.has(event)), []);
});

test('every event has one row, and every row an event', () => {
  assert.deepEqual(rows.map((r) => r.event).sort(), [...logged.keys()].sort());
});

test('levels and keys are as in the sources', () => {
  const said = rows.map((r) => `${r.event}: ${r.levels}: ${r.keys}`).sort();
  const are = [...logged].map(([event, { levels, keys }]) => `${event}: ${[...levels].sort().join(' ')}: ${[...keys].sort().join(' ')}`).sort();
  assert.deepEqual(said, are);
});

test('every row says something', () => {
  assert.deepEqual(rows.filter((r) => r.text.trim().length < 20).map((r) => r.event), []);
});
