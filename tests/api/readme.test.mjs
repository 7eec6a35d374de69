// The tour of the README, line by line against a fresh server: a `sh` or `js` block is run, and the `json` or `text` block
// after it is what it must print. Times, tokens and offsets differ each time; everything else must be the same.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, start } from './lib/server.mjs';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const MARK = '\n---8<--- end of block\n';

// [{ lines: shell text, kind: 'json' | 'text' | undefined, expected }]
const steps = [];
for (const [, kind, body] of README.matchAll(/^```(sh|js|json|text)\n(.*?)^```$/gms)) {
  if (kind === 'sh') {
    steps.push({ lines: body });
  } else if (kind === 'js') {
    steps.push({ lines: `TOKEN=$ANN BASE=$BASE node --input-type=module <<'END'\n${body}END\n` });
  } else {
    Object.assign(steps.at(-1), { kind, expected: body.trim() });
  }
}

let server, printed;
before(async () => {
  server = await start({ env: { TOMBOLO_RATE_LIMIT: undefined, TOMBOLO_LOGIN_LIMIT: undefined } });
  const script = steps.map((step) => `${step.lines}printf '%s' '${MARK}'\n`).join('');
  const env = { PATH: process.env.PATH, BASE: server.url };
  const cwd = join(ROOT, 'tests');       // where the npm packages are
  const r = spawnSync('sh', ['-eu', '-c', script], { encoding: 'utf8', env, cwd });
  assert.equal(r.status, 0, r.stderr);
  printed = r.stdout.split(MARK);
});
after(() => server.stop());

const VOLATILE = {
  token: /^[\w-]+\.[\w-]+\.[\w-]+$/, offset: /^\d+-[0-9a-f]{8}$/, createdAt: /T.*Z$/, deliveredAt: /T.*Z$/, readAt: /T.*Z$/,
};

function steady(key, value) {
  return typeof value === 'string' && VOLATILE[key]?.test(value) ? `a ${key}` : value;
}

const normal = (text) => JSON.parse(text, steady);

test('the tour is there', () => { assert.ok(steps.length >= 15, `${steps.length} steps`); });

steps.forEach((step, i) => {
  if (step.kind === undefined) {
    return;
  }
  test(`step ${i + 1} prints what the README says: ${step.lines.trim().split('\n').at(step.lines.startsWith('TOKEN') ? 0 : -1)}`, () => {
    if (step.kind === 'text') {
      assert.equal(printed[i].trim(), step.expected);
    } else {
      const said = step.expected.replace('eyJhbGciOi...', 'a.b.c');
      assert.deepEqual(normal(printed[i]), normal(said));
    }
  });
});

test('every file and folder the README names is there', () => {
  const paths = [...README.matchAll(/`((?:src|tests|conf|schema|include|scripts|build)\/[\w./-]*)`/g)].map((m) => m[1]);
  for (const path of paths.filter((p) => !/build\/|NAME|FOLDER/.test(p))) {
    assert.ok(existsSync(join(ROOT, path)), path);
  }
});
