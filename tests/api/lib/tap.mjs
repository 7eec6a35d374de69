// node:test's events as plain TAP for prove: one flat, numbered line for each test, the reason of a failure on stderr.
// Node's own TAP reporter puts a YAML block under a failing test, and prove loses count over it.
// A skipped or todo test counts as failed: what is not tested must not look as if it were.

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
  let count = 0;

  for await (const { type, data } of events) {
    if (type === 'test:start') {
      parents[data.nesting] = data.name;
    }
    if (type !== 'test:pass' && type !== 'test:fail') {
      continue;
    }
    const name = [...parents.slice(0, data.nesting), data.name].join(': ').replace(/[#\\\n]/g, ' ');
    const isLeftOut = data.skip !== undefined || data.todo !== undefined;
    if (type === 'test:fail') {
      complain(name, why(data));
    } else if (isLeftOut) {
      complain(name, 'skipped or todo: not allowed here');
    }
    yield `${type === 'test:pass' && !isLeftOut ? 'ok' : 'not ok'} ${++count} - ${name}\n`;
  }
  if (count === 0) {
    yield `not ok ${++count} - this file holds no test\n`;
  }
  yield `1..${count}\n`;
}
