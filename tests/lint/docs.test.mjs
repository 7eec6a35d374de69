// What the documents say of files, settings and defaults: links lead somewhere, `section.key` is a setting or stands in the sources, and where a number
// stands behind one, as `limit.read_ids` (1000), it is the default.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { sources } from './lib/sources.mjs';

const documents = ['README.md', ...readdirSync('docs').filter((f) => /\.(md|d\.ts)$/.test(f)).map((f) => `docs/${f}`),
  ...readdirSync('docs/api').map((f) => `docs/api/${f}`)].map((file) => ({ file, text: readFileSync(file, 'utf8') }));
const settings = new Map([...readFileSync('src/config/table.c', 'utf8').matchAll(/AT\((\w+), (\w+)\).*?\.initial = "([^"]*)"/gs)]
  .map(([, section, key, initial]) => [`${section}.${key}`, initial]));
const sections = [...new Set([...settings.keys()].map((name) => name.split('.')[0]))];
const code = sources().filter((f) => /^(src|sync)\/.*\.[ch]$/.test(f)).map((f) => readFileSync(f, 'utf8')).join('');
// A line of the log, a file, a member of a JSON object: its name stands in the sources.
const isOfCode = (name) => code.includes(`"${name}"`) || code.includes(`"${name.split('.')[1]}"`);

test('settings were found', () => { assert.ok(settings.size > 50 && settings.get('limit.messages') === '5'); });

for (const { file, text } of documents) {
  test(`links and settings of ${file}`, () => {
    const wrong = [];
    for (const [, to] of text.matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
      if (!existsSync(join(dirname(file), to))) {
        wrong.push(`no such file: ${to}`);
      }
    }
    for (const [, name, , , number] of text.matchAll(/`((\w+)\.(\w+))`(?: \(([\d,]+)\))?/g)) {
      if (sections.includes(name.split('.')[0]) && !settings.has(name) && !isOfCode(name)) {
        wrong.push(`no such setting: ${name}`);
      }
      if (settings.has(name) && number !== undefined && number.replaceAll(',', '') !== settings.get(name)) {
        wrong.push(`${name} is ${settings.get(name)} by default, not ${number}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
}

test('docs/README.md lists every page, and README.md leads to it', () => {
  const index = readFileSync('docs/README.md', 'utf8');
  const pages = documents.map(({ file }) => file.replace(/^docs\//, '')).filter((file) => file.endsWith('.md') && file !== 'README.md');
  assert.deepEqual(pages.filter((page) => !index.includes(`](${page})`)), []);
  assert.ok(readFileSync('README.md', 'utf8').includes('](docs/README.md)'));
});

test('links lead to headings that are there', () => {
  const anchor = (heading) => heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-');
  const wrong = documents.flatMap(({ file, text }) => [...text.matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)].filter(([, to, at]) => {
    const target = to === '' ? text : readFileSync(join(dirname(file), to), 'utf8');
    return ![...target.matchAll(/^#+ (.*)$/gm)].some(([, heading]) => anchor(heading) === at);
  }).map(([link]) => `${file}: ${link}`));
  assert.deepEqual(wrong, []);
});

test('pictures are small', () => {
  for (const name of readdirSync('docs/pictures')) {
    assert.ok(statSync(`docs/pictures/${name}`).size < 150_000, name);
  }
});
