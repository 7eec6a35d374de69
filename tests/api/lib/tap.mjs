// node:test's events as plain TAP for prove: one flat, numbered line for each test, the reason of a failure on stderr.
// Node's own TAP reporter puts a YAML block under a failing test, and prove loses count over it.
// A skipped or todo test counts as failed: what is not tested must not look as if it were. Only a file may be left out, as a
// whole and with a reason (every test of it has the same { skip: 'why' }): prove then says so in its line.

import { setTimeout as pause } from 'node:timers/promises';

const SILENCE_MS = process.env.TB_LONG === '1' ? 3_600_000 : 90_000;

// A test that fails often leaves open what it would have closed, and that holds the file until scripts/tap's limit. So once a
// test has failed a file in which nothing ends any more is ended; it has failed already.
let hasFailed = false;

async function* untilSilent(events) {
  const from = events[Symbol.asyncIterator]();
  for (;;) {
    let timer;
    const silence = new Promise((end) => { timer = hasFailed && setTimeout(end, SILENCE_MS, { done: true, why: 'silence' }).unref(); });
    const next = await Promise.race([from.next(), silence]);
    clearTimeout(timer);
    if (next.done) {
      process.stderr.write(next.why === 'silence' ? `# ended after ${SILENCE_MS / 1000} s in which no test did\n` : '');
      return;
    }
    hasFailed ||= next.value.type === 'test:fail';
    yield next.value;
  }
}

function why(data) {
  const error = data.details?.error;
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause?.message ?? cause ?? 'no reason given').replace(/\n +at .*\(node:.*/g, '');
}

function complain(name, text) {
  process.stderr.write(`# failed: ${name}\n${text.replace(/^/gm, '#   ')}\n`);
}

export default async function* tap(events) {
  const parents = [];               // names of the tests around the one that runs
  const leftOut = [];               // lines and reasons, until it is known whether something else was tested
  let count = 0;

  for await (const { type, data } of untilSilent(events)) {
    if (type === 'test:start') {
      parents[data.nesting] = data.name;
    }
    if (type !== 'test:pass' && type !== 'test:fail') {
      continue;
    }
    const name = [...parents.slice(0, data.nesting), data.name].join(': ').replace(/[#\\\n]/g, ' ');
    if (data.skip !== undefined || data.todo !== undefined) {
      leftOut.push({ name, reason: data.skip });
      continue;
    }
    if (type === 'test:fail') {
      complain(name, why(data));
    }
    yield `${type === 'test:pass' ? 'ok' : 'not ok'} ${++count} - ${name}\n`;
  }
  const reasons = new Set(leftOut.map(({ reason }) => reason));
  if (count === 0 && reasons.size === 1 && typeof leftOut[0].reason === 'string') {
    yield `1..0 # SKIP ${leftOut[0].reason}\n`;
    return;
  }
  for (const { name } of leftOut) {
    complain(name, 'skipped or todo: not allowed here');
    yield `not ok ${++count} - ${name}\n`;
  }
  if (count === 0) {
    yield `not ok ${++count} - this file holds no test\n`;
  }
  yield `1..${count}\n`;
  if (hasFailed) {
    await pause(100);       // the plan is on its way
    process.exit(1);
  }
}
