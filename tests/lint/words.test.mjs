// What can be said of every source file by looking at its text: the functions that are banned, the length of files and
// lines, white space, headers that guard themselves.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sources } from './lib/sources.mjs';

const BANNED = /(?<![\w.>])(strcpy|strcat|sprintf|strtok|atoi|sscanf|alloca|gets)\b(?=\s*\()/;
const POSTPONED = /\b(TODO|FIXME|XXX|HACK)\b/;
// Of a file: one job each (STYLE.md says 700; a table may end a little later). Tests of a protocol are long lists.
const MAX_LINES = 730;
const MAX_LINES_OF_TESTS = 1500;
// .editorconfig says 120; what is aligned by hand may end a little later, and the row of a test's table is one line.
const MAX_COLUMNS = 135;
const MAX_COLUMNS_OF_TESTS = 210;

const each = sources().map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n') }));
const found = (files, wrong) => files.flatMap(({ file, lines }) =>
  lines.flatMap((line, i) => wrong(line, i) ? [`${file}:${i + 1}: ${line.trim()}`] : []));
const inC = each.filter(({ file }) => /\.[ch]$/.test(file));

// Comments and texts may name what code must not call.
const code = (line) =>
  line.replace(/"(\\.|[^"\\])*"/g, '""').replace(/\/\*.*?(\*\/|$)/g, '').replace(/^\s*\*.*/, '').replace(/\/\/.*/, '');
const names = (list) => list.map(({ file, lines }) => `${file}: ${lines.length} lines`);

test('no code calls a function that cannot know how much room there is', () => {
  assert.deepEqual(found(inC, (line) => BANNED.test(code(line))), []);
});

test('nothing is left for later', () => {
  assert.deepEqual(found(each, (line) => POSTPONED.test(line)).filter((hit) => !hit.startsWith('tests/lint/')), []);
});

test('lines hold no tabs, no trailing blanks and not too many columns', () => {
  const isWrong = (max) => (line) => /\t|[ \r]$/.test(line) || [...line].length > max;
  const ofTests = each.filter(({ file }) => file.startsWith('tests/'));
  const others = each.filter(({ file }) => !file.startsWith('tests/'));
  assert.deepEqual([...found(others, isWrong(MAX_COLUMNS)), ...found(ofTests, isWrong(MAX_COLUMNS_OF_TESTS))], []);
});

test(`files have at most ${MAX_LINES} lines and end in a line break`, () => {
  const most = (file) => file.startsWith('tests/') ? MAX_LINES_OF_TESTS : MAX_LINES;
  assert.deepEqual(names(each.filter(({ file, lines }) => lines.length > most(file) + 1)), []);
  assert.deepEqual(names(each.filter(({ lines }) => lines.at(-1) !== '')), []);
});

test('every header begins with #pragma once and what it is for', () => {
  const isGood = (lines) => lines[0] === '#pragma once' && lines[1].startsWith('/*');
  assert.deepEqual(names(inC.filter(({ file, lines }) => file.endsWith('.h') && !isGood(lines))), []);
});

test('every C file begins with what it is for', () => {
  assert.deepEqual(names(inC.filter(({ file, lines }) => file.endsWith('.c') && !lines[0].startsWith('/*'))), []);
});
