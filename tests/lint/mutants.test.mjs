// Every case of tests/unit/eio/ws.c, which go along the sections of RFC 6455, is seen to fail: on one at least of these
// broken copies of the code, a change each. The other way round, each change is noticed by some case. Building and running
// all of them takes a minute, so that is for TB_LONG=1; that each change still has its one place is looked at always.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tool } from './lib/sources.mjs';

const CASES = 'tests/unit/eio/ws.c';
const WS = 'src/eio/ws.c', STR = 'src/base/str.c';
const PARTS = [WS, STR, 'src/eio/base64.c', 'src/eio/sha1.c'];
const LONG = process.env.TB_LONG === '1';
const STUCK_MS = 10_000;        // a broken copy may turn in circles

const MUTANTS = [
  // 5.1, 5.2: the first two bytes of a frame
  [WS, 'head[0] & 0x70)', 'head[0] & 0x30)'],
  [WS, 'head[0] & 0x70)', 'head[0] & 0x50)'],
  [WS, 'head[0] & 0x70)', 'head[0] & 0x60)'],
  [WS, ' || (opcode > EIO_WS_OP_BINARY && opcode < EIO_WS_OP_CLOSE)', ''],
  [WS, 'opcode > EIO_WS_OP_PONG || ', ''],
  [WS, 'if (!(ws->head[1] & 0x80))', 'if (false)'],
  // 5.2: its length
  [WS, 'length >= 126 :', 'true :'],
  [WS, 'length >= 126 :', 'length >= 300 && length < 65535 :'],
  [WS, 'length > UINT16_MAX && ', ''],
  [WS, 'length > UINT16_MAX && ', 'length > 65536 && '],
  [WS, ' && length <= INT64_MAX', ''],
  [WS, 'length > EIO_WS_CONTROL_MAX ?', 'false ?'],
  [WS, 'length > EIO_WS_CONTROL_MAX ?', 'length >= EIO_WS_CONTROL_MAX ?'],
  [WS, 'unsigned length = ws->head[1] & 0x7f;\n    return length == 126', 'unsigned length = ws->head[1] & 0x7f;\n    return length == 125'],
  // 5.3: masking
  [WS, 'p[i] ^= turned[i % 8];', 'p[i] ^= 1;'],
  [WS, 'turned[k] = mask[k % 4];', 'turned[k] = mask[k % 4 ^ 1];'],
  [WS, 'mask[k] = old[(by + k) % 4];', 'mask[k] = old[k];'],
  [WS, 'turned[k] = mask[k % 4];', 'turned[k] = mask[k % 4] == 0 ? 1 : mask[k % 4];'],
  // 5.4: fragments
  [WS, 'opcode == EIO_WS_OP_CONTINUE && ws->message == 0)', 'false)'],
  [WS, 'opcode != EIO_WS_OP_CONTINUE && ws->message != 0 ?', 'false ?'],
  [WS, '    ws->message = 0;\n    if (ws->is_discarding', '    if (ws->is_discarding'],
  [WS, 'message_event(ws, ws->message, *payload)', 'message_event(ws, EIO_WS_OP_TEXT, *payload)'],
  [WS, 'bool is_whole = is_control(ws) || is_final(ws);', 'bool is_whole = true;'],
  [WS, 'bool is_whole = is_control(ws) || is_final(ws);', 'bool is_whole = is_control(ws) || (is_final(ws) && ws->message == 0);'],
  [WS, 'return is_control(ws) ? &ws->partial->control : &ws->partial->message;', 'return &ws->partial->message;'],
  [WS, 'tb_buf_clear(&ws->partial->control);', '(void)0;'],
  [WS, 'bool is_whole = is_control(ws) || is_final(ws);', 'bool is_whole = (is_control(ws) && ws->message == 0) || is_final(ws);\n    if (is_control(ws) && ws->message != 0) is_whole = false;'],
  // 5.5: control frames
  [WS, 'return !is_final(ws) ', 'return false '],
  [WS, 'return EIO_WS_PING;', 'return EIO_WS_PONG;'],
  [WS, 'return EIO_WS_PONG;', 'return EIO_WS_PING;'],
  [WS, 'if (payload->n == 1)', 'if (false)'],
  [WS, 'ws->code = EIO_WS_NO_CODE;', 'ws->code = EIO_WS_NORMAL;'],
  [WS, 'payload->p + 2, .n = payload->n - 2', 'payload->p + 2, .n = 0'],
  [WS, '    ws->is_over = true;\n    return EIO_WS_CLOSE;', '    return EIO_WS_CLOSE;'],
  [WS, '    eio_ws_stop(ws);\n    ws->code = (uint16_t)code;', '    ws->code = (uint16_t)code;'],
  [WS, 'if (!tb_str_is_utf8(*payload))', 'if (false)'],
  // 7.4: close codes
  [WS, 'code >= 1000 && code <= 1003', 'code <= 1003'],
  [WS, 'code >= 1000 && code <= 1003', 'code >= 1001 && code <= 1002'],
  [WS, 'code <= 1003', 'code <= 1006'],
  [WS, 'code >= 1007 && code <= 1014', 'code >= 1008 && code <= 1010'],
  [WS, 'code <= 1014', 'code <= 1015'],
  [WS, 'code >= 3000 && code <= 4999', 'code > 3000 && code < 4999'],
  [WS, 'code >= 3000 && code <= 4999', 'code >= 2000'],
  [WS, 'ws->code = (uint16_t)code;\n    }', '}'],
  // 8.1: UTF-8
  [WS, 'return tb_str_is_utf8(payload) ? EIO_WS_TEXT', 'return true ? EIO_WS_TEXT'],
  [WS, 'if (opcode == EIO_WS_OP_BINARY)', 'if (opcode == EIO_WS_OP_BINARY && tb_str_is_utf8(payload))'],
  [STR, 'v < least || ', ''],
  [STR, 'v > 0x10ffff || ', ''],
  [STR, ' || (v >= 0xd800 && v <= 0xdfff)', ''],
  [STR, 'if (s.n < len)\n        return 0;', 'if (s.n < len)\n        return s.n;'],
  [STR, '(p[0] & 0xf8) == 0xf0', 'false'],
  // 10.4: limits
  [WS, 'length + gathered(ws) > ws->max_message', 'length + gathered(ws) >= ws->max_message'],
  [WS, 'length + gathered(ws) > ws->max_message', 'length > ws->max_message'],
  [WS, 'if (!is_control(ws) && length + gathered(ws) > ws->max_message)', 'if (false)'],
  // empty frames, and one frame after the other
  [WS, 'return event;\n    }\n    in->n = 0;', 'return event;\n        in->n = 0;\n    }\n    in->n = 0;'],
  [WS, '(in->n == 0 && ws->left > 0))', 'in->n == 0)'],
  [WS, '    ws->n_head = 0;\n    ws->was_told', '    ws->was_told'],
  [WS, 'enum eio_ws_event event = is_whole ?', 'enum eio_ws_event event = is_whole && payload->n > 0 ?'],
  // 4.2: the handshake
  [WS, '!has_token(upgrade, TB_LIT("websocket")) || ', ''],
  [WS, '!has_token(connection, TB_LIT("upgrade")) ||', ''],
  [WS, '!tb_str_eq(tb_str_trim(version), TB_LIT("13")) || ', ''],
  [WS, ' || !is_key(key)', ''],
  [WS, 'tb_str_eq_nocase(tb_str_trim(', 'tb_str_eq(tb_str_trim('],
  [WS, 'tb_str_trim((tb_str){ .p = list.p, .n = n })', '(tb_str){ .p = list.p, .n = n }'],
  [WS, 'tb_str_eq_nocase(tb_str_trim((tb_str){ .p = list.p, .n = n }), token)', 'tb_str_starts((tb_str){ .p = list.p, .n = n }, token)'],
  [WS, '258EAFA5-', '258EAFA6-'],
];

const dir = mkdtempSync(join(tmpdir(), 'tombolo-mutants-'));
after(() => rmSync(dir, { recursive: true }));
const FLAGS = ['-D_GNU_SOURCE', '-std=gnu17', '-O0', '-w', '-Iinclude', '-Isrc/eio', '-Isrc/base', '-Isrc', '-Itests'];

function compile(source, name) {
  const object = join(dir, `${name}.o`);
  const r = tool('cc', [...FLAGS, '-c', source, '-o', object]);
  assert.equal(r.status, 0, r.stderr);
  return object;
}

// The cases that fail when an object takes the place of a part.
function failing(objects) {
  const program = join(dir, 'cases');
  const linked = tool('cc', [...objects, '-lcmocka', '-lsodium', '-o', program]);
  assert.equal(linked.status, 0, linked.stderr);
  const r = spawnSync(program, { encoding: 'utf8', timeout: STUCK_MS, env: { ...process.env, ASAN_OPTIONS: '' } });
  const cases = [...r.stderr.matchAll(/^RFC 6455 section ([\d.]+), (.*?)(?:, in steps of .*)?$/gm)].map((m) => `${m[1]} ${m[2]}`);
  return { cases, hasFailed: r.status !== 0 };
}

function broken(part, from, to) {
  const source = readFileSync(part, 'utf8');
  assert.equal(source.split(from).length, 2, `${part} has not just one "${from}"`);
  return source.replace(from, () => to);
}

test('each change has its place in the code', () => {
  MUTANTS.forEach((mutant) => broken(...mutant));
});

function eachCaseFailsOnABrokenCopy() {
  const text = readFileSync(CASES, 'utf8');
  const all = [...[...text.matchAll(/^ {4}\{ "([\d.]+)", "([^"]+)",/gm)].map((m) => `${m[1]} ${m[2]}`),
    ...[...text.matchAll(/^ {8}\{ "([^"]+)", "[^"]*", "[^"]*", "[^"]*", .*(?:true|false) \},$/gm)].map((m) => `4.2 ${m[1]}`)];
  assert.ok(all.length > 90, `${all.length} cases`);
  const cases = compile(CASES, 'cases');
  const whole = new Map(PARTS.map((part) => [part, compile(part, part.replaceAll('/', '-'))]));
  assert.deepEqual(failing([cases, ...whole.values()]), { cases: [], hasFailed: false });
  const seen = new Set();
  const unnoticed = [];
  for (const [part, from, to] of MUTANTS) {
    const copy = join(dir, 'broken.c');
    writeFileSync(copy, broken(part, from, to));
    const objects = new Map(whole).set(part, compile(copy, 'broken'));
    const result = failing([cases, ...objects.values()]);
    result.cases.forEach((one) => seen.add(one));
    if (!result.hasFailed) {
      unnoticed.push(`${from} -> ${to}`);
    }
  }
  assert.deepEqual({ neverFailed: all.filter((one) => !seen.has(one)), unnoticed }, { neverFailed: [], unnoticed: [] });
}

if (LONG) {
  test('each case fails on a broken copy of the code, and each broken copy fails', eachCaseFailsOnABrokenCopy);
}
