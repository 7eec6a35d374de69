// docs/tombolo.d.ts: every type has the shape of the schema of its name in docs/api, every event the payload and ack of its message;
// a client written with it compiles and runs, and one that is wrong does not compile.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import ts from 'typescript';
import { ROOT, start } from './lib/server.mjs';
import { asyncapi, openapi, resolved } from './lib/spec.mjs';

const TYPES = join(ROOT, 'docs/tombolo.d.ts'), CLIENT = join(ROOT, 'docs/examples/client.ts');
const MODULES = join(ROOT, 'tests/node_modules');
const OPTIONS = {
  strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, skipLibCheck: true,
  moduleResolution: ts.ModuleResolutionKind.Bundler, lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'], types: ['node'],
  typeRoots: [join(MODULES, '@types')], paths: { 'socket.io-client': [join(MODULES, 'socket.io-client')] }, baseUrl: ROOT,
};

// What the compiler says of each of these files; sources: { 'file name': text } of those that are nowhere else.
function complaints(names, sources = {}) {
  const host = ts.createCompilerHost(OPTIONS);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name in sources || fileExists(name);
  host.getSourceFile = (name, target) => (name in sources ? ts.createSourceFile(name, sources[name], target) : getSourceFile(name, target));
  const compiled = ts.createProgram(names, OPTIONS, host);
  return names.map((name) => ts.getPreEmitDiagnostics(compiled, compiled.getSourceFile(name))
    .map((d) => ts.flattenDiagnosticMessageText(d.messageText, '\n')));
}

// ---- shapes: of a type and of a schema, in one form: a sorted list of what a value may be ----

const union = (...lists) => [...new Set(lists.flat())].sort();

function shapeOfSchema(document, schema) {
  const s = resolved(document, schema), of = (one) => shapeOfSchema(document, one);
  const choices = s.oneOf ?? s.anyOf ?? s.allOf ?? (Array.isArray(s.type) ? s.type.map((type) => ({ ...s, type })) : undefined);
  if (choices !== undefined) {
    assert.ok(s.allOf === undefined || s.allOf.length === 1);
    return union(...choices.map(of));
  }
  if ('const' in s || 'enum' in s) {
    return union((s.enum ?? [s.const]).map((value) => JSON.stringify(value)));
  }
  switch (s.type) {
    case 'integer': case 'number': return ['number'];
    case 'boolean': return ['false', 'true'];
    case 'string': case 'null': return [s.type];
    case 'array': return [`[${of(s.items)}]`];
    case 'object': return [`{${Object.entries(s.properties).map(([name, one]) =>
      `${name}${s.required?.includes(name) ? '' : '?'}:${of(one).join('|')}`).sort().join()}}`];
    default: return assert.fail(JSON.stringify(s));
  }
}

const program = ts.createProgram([TYPES], OPTIONS), checker = program.getTypeChecker();
const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(TYPES)));
const isOptional = (symbol) => (symbol.flags & ts.SymbolFlags.Optional) !== 0;

function shapeOfType(type) {
  const { TypeFlags: F } = ts;
  if (type.isUnion()) {
    return union(...type.types.filter((t) => !(t.flags & F.Undefined)).map(shapeOfType));
  }
  if (type.isStringLiteral() || type.isNumberLiteral()) {
    return [JSON.stringify(type.value)];
  }
  if (type.flags & (F.Number | F.String | F.Null | F.BooleanLiteral)) {
    return [checker.typeToString(type)];
  }
  if (checker.isArrayType(type)) {
    return [`[${shapeOfType(checker.getTypeArguments(type)[0])}]`];
  }
  return [`{${checker.getPropertiesOfType(type).map((p) =>
    `${p.name}${isOptional(p) ? '?' : ''}:${shapeOfType(checker.getTypeOfSymbol(p)).join('|')}`).sort().join()}}`];
}

const EVENTS = ['ClientToServerEvents', 'ServerToClientEvents'];
const typeNamed = (name) => checker.getDeclaredTypeOfSymbol(exported.find((symbol) => symbol.name === name) ?? assert.fail(name));

test('each type is a schema of docs/api, and the other way round, of the same shape', () => {
  const documents = { ...asyncapi.components.schemas, ...openapi.components.schemas };
  assert.deepEqual(exported.map((symbol) => symbol.name).filter((name) => !EVENTS.includes(name)).sort(), Object.keys(documents).sort());
  for (const [document, name] of [openapi, asyncapi].flatMap((one) => Object.keys(one.components.schemas).map((key) => [one, key]))) {
    assert.deepEqual(shapeOfType(typeNamed(name)), shapeOfSchema(document, { $ref: `#/components/schemas/${name}` }), name);
  }
});

// { event: the types of its listener's parameters, each with isOptional }.
function parametersOf(events) {
  return Object.fromEntries(checker.getPropertiesOfType(typeNamed(events)).map((event) => {
    const [signature] = checker.getTypeOfSymbol(event).getCallSignatures();
    return [event.name, signature.parameters.map((p) => ({ type: checker.getTypeOfSymbol(p),
      isOptional: checker.isOptionalParameter(p.valueDeclaration) }))];
  }));
}

const messagesOf = (side) => Object.fromEntries(Object.entries(asyncapi.components.messages)
  .filter(([key]) => key.startsWith(`${side}.`)).map(([key, message]) => [key.slice(side.length + 1), message]));
const shapeOfMessage = (message) => shapeOfSchema(asyncapi, message.payload);

test('each event that clients hear has the payload of its message, and an offset where it is journalled', () => {
  const messages = messagesOf('server'), events = parametersOf('ServerToClientEvents');
  assert.deepEqual(Object.keys(events).sort(), Object.keys(messages).sort());
  for (const [name, [payload, offset, ...more]] of Object.entries(events)) {
    assert.deepEqual(shapeOfType(payload.type), shapeOfMessage(messages[name]), name);
    assert.deepEqual([offset?.isOptional ?? false, more], [messages[name]['x-journalled'] ?? false, []], name);
  }
});

test('each event that clients send has the payload and the ack of its messages', () => {
  const { connect, ...messages } = messagesOf('client'), events = parametersOf('ClientToServerEvents'), acks = messagesOf('ack');
  assert.ok(connect !== undefined);
  assert.deepEqual(Object.keys(events).sort(), Object.keys(messages).sort());
  for (const [name, [payload, ack]] of Object.entries(events)) {
    const [answer] = checker.getNonNullableType(ack.type).getCallSignatures()[0].parameters;
    assert.deepEqual(shapeOfType(payload.type), shapeOfMessage(messages[name]), name);
    assert.deepEqual(shapeOfType(checker.getTypeOfSymbol(answer)), shapeOfMessage(acks[name]), name);
  }
});

// ---- clients ----

const WRONG = {
  'an event that is not there': "socket.emit('send', { roomId: 1, content: 'x' });",
  'a payload without what is needed': "socket.emit('send_message', { roomId: 1 }, () => {});",
  'a member that is not there': "socket.on('receive_message', (m) => m.senderId);",
  'an answer that was not looked at': "socket.emitWithAck('send_message', { roomId: 1, content: 'x' }).then((answer) => answer.message);",
  'hearing what nobody says': "socket.on('message', () => {});",
};

test('the example compiles, and a client does not with an event, a payload or a member that is not there', () => {
  const sources = Object.fromEntries(Object.entries(WRONG).map(([what, line]) => [join(ROOT, `docs/examples/${what}.ts`),
    "import { io, type Socket } from 'socket.io-client';\n" +
    "import type { ClientToServerEvents, ServerToClientEvents } from '../tombolo.d.ts';\n" +
    `const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io();\n${line}\n`]));
  const [ofExample, ...ofWrong] = complaints([CLIENT, ...Object.keys(sources)], sources);
  assert.deepEqual(ofExample, []);
  ofWrong.forEach((found, i) => assert.equal(found.length, 1, `${Object.keys(WRONG)[i]}: ${found}`));
});

test('the example does what it says', async () => {
  const server = await start();
  const folder = mkdtempSync(join(ROOT, 'tests/node_modules/.example-'));     // where it finds socket.io-client
  try {
    const { outputText } = ts.transpileModule(readFileSync(CLIENT, 'utf8'), { compilerOptions: OPTIONS });
    writeFileSync(join(folder, 'client.mjs'), outputText);
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'client.mjs')], { env: { BASE: server.url }, timeout: 30_000 });
    assert.deepEqual(stdout.trim().split('\n').sort(), ['ann: The tide is out', 'message 1 is on the disk']);
  } finally {
    rmSync(folder, { recursive: true });
  }
  await server.stop();
});
