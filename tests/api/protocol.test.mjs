// What docs/protocol.md shows, line by line, and that it names every code and event there is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './lib/server.mjs';
import { asyncapi, openapi } from './lib/spec.mjs';
import { testTour } from './lib/tour.mjs';

testTour('docs/protocol.md', 9);

const text = readFileSync(join(ROOT, 'docs/protocol.md'), 'utf8');

test('it has every code of a failure, every event and every call', () => {
  const calls = Object.entries(openapi.paths).flatMap(([path, methods]) => Object.keys(methods).map((m) => `${m.toUpperCase()} ${path}`));
  for (const name of [...openapi.components.schemas.Failure.properties.code.enum, ...calls,
    ...Object.values(asyncapi.components.messages).map((m) => m.name).filter((n) => n !== '*')]) {
    assert.ok(text.includes(`\`${name}`), name);
  }
});
