// clang-tidy with the checks of .clang-tidy over every C file that the build preset `clang` compiles. It reads them as that
// preset would compile them, so clang's own warnings are errors here, and nothing has to be built. The analyzer follows each
// path and takes twenty times as long as all the rest. It looks at the program, and leaves a function after DEEP_ENOUGH
// states: that finds the way into the same lines as four times as many do. With TB_LONG=1 it looks at the tests, too, and
// goes as far as it wants to.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { test } from 'node:test';
import './lib/sources.mjs';

const BUILD = 'build/clang';
const LONG = process.env.TB_LONG === '1';
const DEEP_ENOUGH = ['-analyzer-config', 'max-nodes=50000'].flatMap((arg) => ['--extra-arg=-Xclang', `--extra-arg=${arg}`]);
const AT_ONCE = Number(process.env.TB_JOBS ?? (availableParallelism?.() ?? cpus().length));

function tidy(file) {
  return new Promise((done, broken) => {
    const checks = LONG ? [] : file.startsWith('tests/') ? ['--checks=-clang-analyzer-*'] : DEEP_ENOUGH;
    const known = file === 'src/base/err.c' ? [] : [`--extra-arg=-include${resolve('tests/lint/lib/analyzer.h')}`];
    const args = ['-p', BUILD, '--quiet', '--warnings-as-errors=*', ...checks, ...known, file];
    const child = spawn('clang-tidy-14', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.on('data', (chunk) => { said += chunk; });
    child.once('error', broken);
    child.once('close', (code) => done(code === 0 ? '' : said || `${file}: clang-tidy ended with ${code}`));
  });
}

test('clang-tidy has nothing to say', async () => {
  const compiled = JSON.parse(readFileSync(`${BUILD}/compile_commands.json`, 'utf8'));
  const files = [...new Set(compiled.map((entry) => relative('.', entry.file)))]
    .filter((file) => file.endsWith('.c') && !file.startsWith('build/'));
  assert.ok(files.length > 0);
  const said = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let file = files.pop(); file !== undefined; file = files.pop()) {
      said.push(await tidy(file));
    }
  }));
  assert.ok(said.join('') === '', said.join(''));
});
