// What is handed to those who watch servers (the dashboard, the alerts, the table of metrics) says what /metrics says.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { person } from './lib/client.mjs';
import { metrics, table } from './lib/exposition.mjs';
import { ROOT, run, start } from './lib/server.mjs';
import { Line, denied } from './lib/sockets.mjs';

const ALERTS = join(ROOT, 'conf/prometheus/tombolo.yml');
const read = (...path) => readFileSync(join(ROOT, ...path), 'utf8');
const SCRAPED = ['instance', 'job'];            // labels that Prometheus adds itself

let server, now;
before(async () => {            // with a centre that is configured and not there: only then its metrics are
  server = await start({ env: { DATABASE_URL: 'mysql://nobody:nothing@127.0.0.1:1/nowhere', TOMBOLO_SYNC_FIRST_CONTACT_MS: '0' } });
  const line = await Line.to(await person(server));
  denied(await line.ask('send_message', {}), 'bad_request');        // so that pairs of labels are there, too
  line.close();
  now = await metrics(server);
});
after(() => server.stop());

// What a PromQL expression names must be there: its metrics, and the labels by which it picks or groups them.
function checkExpression(expr, where) {
  const names = expr.match(/\b(?:tombolo|process)_[a-z0-9_]+\b/g) ?? [];
  assert.ok(names.length > 0 || /\bup\b/.test(expr), `${where}: ${expr}`);
  const labels = new Set(SCRAPED);
  for (const name of names) {
    const plain = name.replace(/_(bucket|sum|count)$/, '');
    const family = now.families.get(name) ?? (now.families.get(plain)?.kind === 'histogram' ? now.families.get(plain) : undefined);
    assert.ok(family !== undefined, `${where}: there is no ${name}`);
    assert.equal(family.kind === 'histogram', name !== plain, `${where}: ${name}`);
    family.samples.forEach((one) => Object.keys(one.labels).forEach((label) => labels.add(label)));
  }
  const bare = expr.replace(/"[^"]*"/g, '""');
  const picked = [...bare.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside]) => inside.split(',').map((one) => /^\s*(\w+)/.exec(one)?.[1]));
  const grouped = [...bare.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, inside]) => inside.split(',').map((one) => one.trim()));
  for (const label of [...picked, ...grouped].filter((one) => one !== undefined)) {
    assert.ok(labels.has(label), `${where}: no label ${label} in ${expr}`);
  }
  for (const [, counter] of bare.matchAll(/\b(?:rate|increase)\(\s*((?:tombolo|process)_\w+)/g)) {
    assert.match(counter, /_(total|bucket|sum|count)$/, `${where}: the rate of what is no counter`);
  }
}

test('each panel of the dashboard shows something that there is', () => {
  const dashboard = JSON.parse(read('conf/grafana/tombolo.json'));
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  assert.ok(panels.length > 20);
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  for (const { title, targets } of panels) {
    targets.forEach(({ expr }) => checkExpression(expr.replaceAll('$__rate_interval', '5m'), title));
  }
  dashboard.annotations.list.forEach(({ name, expr }) => checkExpression(expr, name));
});

test('each alert is about something that there is, and says what to do', () => {
  const rules = parseYaml(read('conf/prometheus/tombolo.yml')).groups.flatMap((group) => group.rules);
  assert.ok(rules.length >= 15);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, expr, labels, annotations, ...rest } of rules) {
    assert.match(alert, /^Tombolo[A-Z][A-Za-z]+$/);
    checkExpression(expr, alert);
    assert.ok(['page', 'ticket'].includes(labels.severity), alert);
    assert.match(annotations.summary, /\{\{ \$labels\.instance \}\}/, alert);
    assert.deepEqual(Object.keys(rest).filter((key) => key !== 'for'), [], alert);
    assert.match(rest.for ?? '1m', /^\d+[smh]$/);
  }
});

test('promtool, where it is installed, finds nothing wrong', () => {
  if (spawnSync('promtool', ['--version']).error !== undefined) {
    return;
  }
  const r = spawnSync('promtool', ['check', 'rules', ALERTS], { encoding: 'utf8' });
  assert.equal(r.status, 0, r.stdout + r.stderr);
});

// TB_WRITE=1 writes it.
test('the table in docs/operations.md is what /metrics says', () => {
  const [head, written, tail] = read('docs/operations.md').split(/(?<=<!-- metrics -->\n)|(?=\n<!-- \/metrics -->)/);
  if (process.env.TB_WRITE === '1') {
    writeFileSync(join(ROOT, 'docs/operations.md'), head + table(now) + tail);
    return;
  }
  assert.equal(written, table(now));
});

test('the log lines and settings that alerts send people to exist', () => {
  const sources = spawnSync('grep', ['-rhoE', '"[a-z]+\\.[a-z_]+"', join(ROOT, 'src'), join(ROOT, 'sync')], { encoding: 'utf8' }).stdout;
  const settings = run(['help', 'settings']).stdout;
  const texts = parseYaml(read('conf/prometheus/tombolo.yml')).groups.flatMap(({ rules }) => rules.map((one) => one.annotations.description ?? ''));
  const named = texts.flatMap((text) => text.match(/\b[a-z]+\.[a-z]+(?:_[a-z]+)*\b/g) ?? []);
  assert.ok(named.length > 5);
  for (const name of named) {
    assert.ok(sources.includes(`"${name}"`) || settings.includes(name), name);
  }
});
