// docs/examples/kubernetes.yaml against what it stands on: the image, the settings, the paths of the probes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import './lib/sources.mjs';

const documents = parseAllDocuments(readFileSync('docs/examples/kubernetes.yaml', 'utf8'), { uniqueKeys: true });
const [service, set] = documents.map((d) => d.toJS());
const pod = set.spec.template.spec, [container] = pod.containers;
const docker = readFileSync('Dockerfile', 'utf8');

test('it is a Service and a StatefulSet in YAML without mistakes', () => {
  assert.deepEqual(documents.flatMap((d) => [...d.errors, ...d.warnings]), []);
  assert.deepEqual([service, set].map((d) => `${d.apiVersion} ${d.kind}`), ['v1 Service', 'apps/v1 StatefulSet']);
  assert.equal(documents.length, 2);
});

test('one server has one journal, which is kept', () => {
  assert.equal(set.spec.replicas, 1);
  const volume = docker.match(/^VOLUME (.*)$/m)[1];
  assert.equal(container.volumeMounts.find((m) => m.mountPath === volume).name, set.spec.volumeClaimTemplates[0].metadata.name);
});

test('the parts name each other', () => {
  assert.equal(set.spec.serviceName, service.metadata.name);
  assert.deepEqual(set.spec.selector.matchLabels, set.spec.template.metadata.labels);
  assert.deepEqual(service.spec.selector, set.spec.template.metadata.labels);
  const names = [...pod.volumes.map((v) => v.name), ...set.spec.volumeClaimTemplates.map((c) => c.metadata.name)];
  assert.deepEqual(container.volumeMounts.map((m) => m.name).filter((name) => !names.includes(name)), []);
});

test('port and user are those of the image', () => {
  assert.match(docker, new RegExp(`^EXPOSE ${container.ports[0].containerPort}\\b`, 'm'));
  const { runAsUser, runAsGroup, fsGroup } = pod.securityContext;
  assert.match(docker, new RegExp(`^USER ${runAsUser}:${runAsGroup}$`, 'm'));
  assert.equal(fsGroup, runAsGroup);
});

test('its variables are settings, and none can come from the names of services', () => {
  const known = [...readFileSync('src/config/table.c', 'utf8').matchAll(/AT\((\w+), (\w+)\)/g)]
    .map(([, section, key]) => `TOMBOLO_${section}_${key}`.toUpperCase());
  const aliases = ['JWT_SECRET', 'DATABASE_URL'];
  assert.deepEqual(container.env.map((v) => v.name).filter((name) => !known.includes(name) && !aliases.includes(name)), []);
  assert.equal(pod.enableServiceLinks, false);
});

test('probes ask what the server answers, and the server has the time it needs to stop', () => {
  const paths = Object.keys(JSON.parse(readFileSync('docs/api/openapi.json', 'utf8')).paths);
  const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) => container[name].httpGet);
  assert.deepEqual(probes.map((p) => p.path), ['/healthz', '/healthz', '/readyz']);
  probes.forEach((p) => { assert.ok(paths.includes(p.path) && p.port === container.ports[0].name); });
  assert.ok(pod.terminationGracePeriodSeconds > 10);
});
