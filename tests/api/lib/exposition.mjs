// What /metrics answers, read as strictly as Prometheus' text format (version 0.0.4) allows, and checked for what its guidelines ask:
// https://prometheus.io/docs/instrumenting/exposition_formats/ and /docs/practices/naming/.
import assert from 'node:assert/strict';
import { request } from './client.mjs';

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const HEAD = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.+)\\})? (-?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const KINDS = ['counter', 'gauge', 'histogram'];
const OTHER_UNITS = /_(ms|us|ns|millis|milliseconds|microseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)(_|$)/;

function labelsOf(text) {
  const labels = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name, value] = LABEL.exec(text) ?? assert.fail(`labels: ${text}`);
    assert.ok(!(name in labels), `${name} twice: ${text}`);
    labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

const textOf = (labels) => Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(',');

function checkHistogram(name, samples) {
  const series = new Map();
  for (const { name: of, labels: { le, ...labels }, value } of samples) {
    const key = textOf(labels);
    const one = series.get(key) ?? series.set(key, { edges: [], counts: [] }).get(key);
    if (of === `${name}_bucket`) {
      one.edges.push(le === '+Inf' ? Infinity : Number(le)), one.counts.push(value);
    } else {
      assert.equal(le, undefined);
      one[of.slice(name.length + 1)] = value;
    }
  }
  for (const [key, { edges, counts, sum, count }] of series) {
    const where = `${name}{${key}}`;
    assert.equal(edges.at(-1), Infinity, where);
    assert.ok(edges.every((edge, i) => i === 0 || edge > edges[i - 1]), `${where}: edges rise`);
    assert.ok(counts.every((n, i) => Number.isInteger(n) && n >= (counts[i - 1] ?? 0)), `${where}: buckets are cumulative`);
    assert.equal(count, counts.at(-1), where);
    assert.ok(count === 0 ? sum === 0 : sum >= 0, `${where}: sum ${sum}`);
    const least = counts.reduce((at, n, i) => at + (n - (counts[i - 1] ?? 0)) * (edges[i - 1] ?? 0), 0);
    assert.ok(sum >= least - 1e-6, `${where}: a sum of ${sum} is less than its buckets say`);
  }
}

function checkFamily(name, { kind, help, samples }) {
  assert.match(name, /^(tombolo|process)_[a-z0-9_]+$/);
  assert.match(help, /^[A-Z0-9].*\.$/, `${name}: help is a sentence`);
  assert.doesNotMatch(name, OTHER_UNITS, 'base units');
  assert.equal(kind === 'counter', name.endsWith('_total'), `${name} is a ${kind}`);
  for (const { name: of, labels, value } of samples) {
    assert.ok(kind !== 'counter' || value >= 0, `${name} ${value}`);
    assert.ok(kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(of) : of === name, of);
    assert.equal('le' in labels, of === `${name}_bucket` && kind === 'histogram', of);
  }
  if (kind === 'histogram') {
    checkHistogram(name, samples);
  }
}

// { families: Map of name -> { kind, help, samples: [{ name, labels, value }] }, of: (series) -> value, 0 where a labelled one is not there }
export function parse(text) {
  const families = new Map(), values = new Map();
  let family, name;
  assert.ok(text.endsWith('\n'));
  for (const line of text.split('\n').slice(0, -1)) {
    const [, what, of, rest] = HEAD.exec(line) ?? [];
    if (what === 'HELP') {
      assert.ok(!families.has(of), `${of} has one head`);
      family = { help: rest, kind: undefined, samples: [] };
      families.set(name = of, family);
    } else if (what === 'TYPE') {
      assert.equal(of, name, 'TYPE stands behind HELP');
      assert.ok(KINDS.includes(rest) && family.kind === undefined && family.samples.length === 0, line);
      family.kind = rest;
    } else {
      const [, sample, labels = '', value] = SAMPLE.exec(line) ?? assert.fail(line);
      assert.ok(family?.kind !== undefined && sample.startsWith(name), `${line} stands behind the head of ${name}`);
      const one = { name: sample, labels: labelsOf(labels), value: Number(value) };
      const key = labels === '' ? sample : `${sample}{${textOf(one.labels)}}`;
      assert.ok(!values.has(key), `${key} is there once`);
      values.set(key, one.value);
      family.samples.push(one);
    }
  }
  families.forEach((one, of) => checkFamily(of, one));
  const of = (series) => values.get(series) ?? (series.includes('{') ? 0 : assert.fail(`there is no ${series}`));
  return { families, values, of };
}

export async function metrics(server, headers = {}) {
  const { status, headers: answered, text } = await request(server, 'GET', '/metrics', { headers });
  assert.equal(status, 200, text);
  assert.equal(answered['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  return parse(text);
}

// What only grows: no counter falls and no bucket empties between the two.
export function checkGrowth(before, after) {
  for (const [name, { kind, samples }] of before.families) {
    for (const one of kind === 'gauge' ? [] : samples) {
      const key = Object.keys(one.labels).length > 0 ? `${one.name}{${textOf(one.labels)}}` : one.name;
      assert.ok(after.values.get(key) >= one.value, `${key} of ${name} fell from ${one.value} to ${after.values.get(key)}`);
    }
  }
}

// Every metric as a row of the table in docs/operations.md.
export function table({ families }) {
  const rows = [...families].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { kind, help, samples }]) => {
    const labels = new Set(samples.flatMap((one) => Object.keys(one.labels)).filter((label) => label !== 'le'));
    return `| \`${name}\` | ${kind} | ${[...labels].join(', ')} | ${help} |`;
  });
  return ['| metric | kind | labels | |', '|---|---|---|---|', ...rows].join('\n');
}
