// docs/architecture.md against the sources: a file or folder that it names is there; a function that it names behind a file, as
// `src/x.c`: `f()`, is defined in that file; and its table of libraries is what the link lines say.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { sources } from './lib/sources.mjs';

const text = readFileSync('docs/architecture.md', 'utf8');
const spans = [...text.replace(/^ {4}.*$/gm, '').matchAll(/`([^`]+)`/g)].map((m) => m[1]);
const isPath = (span) => /^(src|sync|schema|tests|include|docs|conf|scripts)(\/[\w.-]+)*$/.test(span);

test('every file and folder that it names is there', () => {
  assert.ok(spans.filter(isPath).length > 60);
  for (const path of spans.filter(isPath)) {
    assert.ok(existsSync(path), path);
  }
});

test('every function that it names is defined in the file before it', () => {
  const functions = spans.filter((span) => span.endsWith('()'));
  assert.ok(functions.length > 80, `${functions.length}`);
  const wrong = [];
  let file = '';
  for (const span of spans) {
    file = isPath(span) && span.endsWith('.c') ? span : file;
    if (span.endsWith('()') && !new RegExp(`^(static .*)?${span.slice(0, -2)}\\(`, 'm').test(readFileSync(file, 'utf8'))) {
      wrong.push(`${file}: ${span}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('every struct that it names is defined', () => {
  const headers = sources().filter((f) => f.endsWith('.h')).map((f) => readFileSync(f, 'utf8')).join('');
  for (const span of spans.filter((s) => s.startsWith('struct '))) {
    assert.ok(headers.includes(`${span} {`), span);
  }
});

// [library, folder, the libraries of ours that it links], of the table and of the link lines.
const rows = [...text.matchAll(/^\| (\w+) \| `([\w/]+)` \| ([\w ]*)\|/gm)]
  .map(([, name, folder, calls]) => [name, folder, ...calls.split(' ').filter((c) => c !== '')]);
const folders = [...readdirSync('src', { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => `src/${e.name}`), 'sync'];
const lines = folders.flatMap((folder) => [...readFileSync(`${folder}/CMakeLists.txt`, 'utf8').matchAll(/tb_library\((\w+)[^)]*?LINKS ([^)]*)\)/g)]
  .map(([, name, links]) => [name, folder, ...(links.match(/(?<=tb_)\w+/g) ?? [])]));

test('every library of a folder has its row, and may call what that says', () => {
  assert.deepEqual(rows.map(String).sort(), lines.map(String).sort());
});
