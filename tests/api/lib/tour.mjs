// A document as a test: its `sh` and `js` blocks are run one after the other in one shell against a fresh server, and the `json` or
// `text` block behind one is what it must print. Times, tokens and offsets differ each time; everything else must be the same.
// js gets what is in the shell's ANN and BOB as TOKEN and BOB.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, start } from './server.mjs';

const TOUR_MS = 120_000;            // sanitizer builds on a busy machine
const MARK = '\n---8<--- end of block\n';

// [{ lines: shell text, kind: 'json' | 'text' | undefined, expected }]
export function stepsOf(text) {
  const steps = [];
  for (const [, kind, body] of text.matchAll(/^```(sh|js|json|text)\n(.*?)^```$/gms)) {
    if (kind === 'sh') {
      steps.push({ lines: body });
    } else if (kind === 'js') {
      steps.push({ lines: `TOKEN=$ANN BOB=$BOB BASE=$BASE node --input-type=module <<'END'\n${body}END\n` });
    } else {
      Object.assign(steps.at(-1), { kind, expected: body.trim() });
    }
  }
  return steps;
}

// What each step prints, all in one shell.
export function printedBy(steps, env) {
  const script = steps.map((step) => `${step.lines}printf '%s' '${MARK}'\n`).join('');
  const cwd = join(ROOT, 'tests');       // where the npm packages are
  const r = spawnSync('sh', ['-eu', '-c', script], { encoding: 'utf8', env: { PATH: process.env.PATH, ...env }, cwd, timeout: TOUR_MS });
  assert.equal(r.status, 0, `${r.error ?? ''} ${r.stderr} ${r.stdout}`);
  return r.stdout.split(MARK);
}

// An answer, or what stands for one in a document, without what differs each time.
const VOLATILE = {
  token: /^[\w-]+\.[\w-]+\.[\w-]+$/, offset: /^\d+-[0-9a-f]{8}$/, createdAt: /T.*Z$/, deliveredAt: /T.*Z$/, readAt: /T.*Z$/,
  lastSeen: /T.*Z$/, syncedAt: /T.*Z$/, sid: /^[\w-]{20}$/, pid: /^\d+\.[\w-]{20}\.[0-9a-f]{32}$/,
};

function steady(key, value) {
  return typeof value === 'string' && VOLATILE[key]?.test(value) ? `a ${key}` : value;
}

export const normal = (value) => JSON.parse(JSON.stringify(value), steady);

// file: from the root. least: how many blocks it must have, so that none is lost without being noticed.
export function testTour(file, least) {
  const text = readFileSync(join(ROOT, file), 'utf8'), steps = stepsOf(text);
  let server, printed;
  before(async () => {
    server = await start({ env: { TOMBOLO_RATE_LIMIT: undefined, TOMBOLO_LOGIN_LIMIT: undefined } });
    printed = printedBy(steps, { BASE: server.url });
  });
  after(() => server.stop());

  test(`${file} has its steps`, () => { assert.ok(steps.length >= least, `${steps.length} steps`); });

  steps.forEach((step, i) => {
    if (step.kind === undefined) {
      return;
    }
    test(`step ${i + 1} prints what ${file} says: ${step.lines.trim().split('\n').at(step.lines.startsWith('TOKEN') ? 1 : -1)}`, () => {
      if (step.kind === 'text') {
        assert.equal(printed[i].trim(), step.expected);
      } else {
        const said = step.expected.replace('eyJhbGciOi...', 'a.b.c');
        assert.deepEqual(normal(JSON.parse(printed[i])), normal(JSON.parse(said)));
      }
    });
  });

  test(`every file and folder that ${file} names is there`, () => {
    const paths = [...text.matchAll(/`((?:src|tests|conf|schema|include|scripts|build)\/[\w./-]*)`/g)].map((m) => m[1]);
    for (const path of paths.filter((p) => !/build\/|NAME|FOLDER/.test(p))) {
      assert.ok(existsSync(join(ROOT, path)), path);
    }
  });
}
