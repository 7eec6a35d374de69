// clang-format, as far as it can judge code whose tables and short forms are aligned by hand (STYLE.md): where it would
// only break a line that we keep together, move blanks inside a line or shift what continues one, we are right; where it wants other
// indentation, braces or spacing on the same lines, it is. /* clang-format off */ works as usual.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sources, tool } from './lib/sources.mjs';

const STYLE = readFileSync('.clang-format', 'utf8').replace(/^ColumnLimit:.*$/m, 'ColumnLimit: 0');
const work = mkdtempSync(join(tmpdir(), 'tombolo-format-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
writeFileSync(join(work, '.clang-format'), STYLE);

// Blanks inside a line are the author's; those in front are not.
const normal = (text) => text.replace(/(?<=\S) +/g, ' ').replace(/;\/\*/g, '; /*').replace(/ +$/gm, '');
const LABEL = /^ +\/\*.*\*\/ +[^ ]/;        // the owner in front of a struct's members, which then stand in a column (STYLE.md)
const bare = (lines) => lines.join('').replace(/\s/g, '');

// Hunks of `diff -U0`: [{ at, ours: [...], theirs: [...] }].
function hunks(ours, theirs) {
  if (ours === theirs) {
    return [];
  }
  writeFileSync(join(work, 'ours'), ours);
  writeFileSync(join(work, 'theirs'), theirs);
  const found = [];
  for (const line of tool('diff', ['-U0', join(work, 'ours'), join(work, 'theirs')]).stdout.split('\n').slice(2)) {
    const head = /^@@ -(\d+)/.exec(line);
    if (head !== null) {
      found.push({ at: Number(head[1]), ours: [], theirs: [] });
    } else if (line.startsWith('-')) {
      found.at(-1).ours.push(line.slice(1));
    } else if (line.startsWith('+')) {
      found.at(-1).theirs.push(line.slice(1));
    }
  }
  return found;
}

function isOursToDecide({ at, ours, theirs }, lines) {
  const isBraceMoved = theirs.includes('{') && ours.some((line) => /\S.*\{$/.test(line));
  const isOtherBreaks = ours.length !== theirs.length && bare(ours) === bare(theirs) && !isBraceMoved;
  const isPreprocessor = ours.some((line) => line.startsWith('#')) || /^#|\\$/.test(lines[at - 2] ?? '');
  const before = lines[at - 2] ?? '';
  const isContinued = bare(ours) === bare(theirs) && !/([;{}:]|\*\/)$/.test(before) && before !== '';
  const isLabelled = bare(ours) === bare(theirs) && lines.slice(Math.max(at - 6, 0), at).some((line) => LABEL.test(line));
  return isOtherBreaks || isContinued || isLabelled || isPreprocessor;      // clang-format takes macros for code that they are not
}

test('indentation, braces and spacing are as .clang-format says', () => {
  const wrong = [];
  for (const file of sources().filter((f) => /\.[ch]$/.test(f))) {
    const r = tool('clang-format-14', [`--style=file:${join(work, '.clang-format')}`, file]);
    assert.equal(r.status, 0, r.stderr);
    const text = normal(readFileSync(file, 'utf8'));
    for (const hunk of hunks(text, normal(r.stdout))) {
      if (!isOursToDecide(hunk, text.split('\n'))) {
        wrong.push(`${file}:${hunk.at}\n  is     ${hunk.ours.join('\n         ')}\n  should ${hunk.theirs.join('\n         ')}`);
      }
    }
  }
  assert.ok(wrong.length === 0, wrong.join('\n'));
});
