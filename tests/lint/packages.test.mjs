// The packages of scripts/run and those of the Dockerfile are the same.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import './lib/sources.mjs';

test('the Dockerfile installs what scripts/run installs to build', () => {
  const script = /^BUILD_NEEDS="([^"]*)"/m.exec(readFileSync('scripts/lib.sh', 'utf8'))[1];
  const needs = script.trim().split(/\s+/).map((need) => need.replace(/^.*=/, ''));
  const docker = /AS build\nRUN .*?recommends \\\n(.*?)&&/s.exec(readFileSync('Dockerfile', 'utf8'))[1];
  assert.deepEqual(docker.replaceAll('\\', '').trim().split(/\s+/).sort(), needs.sort());
});
