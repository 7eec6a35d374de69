// docs/api/openapi.json and asyncapi.json as judges: whatever a test gets by client.mjs or hears by sockets.mjs must be as they
// say, no more and no less. So they can neither promise what is not so nor leave out what is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import addFormats from 'ajv-formats';
import Ajv2020 from 'ajv/dist/2020.js';

const DOCS = resolve(fileURLToPath(import.meta.url), '../../../../docs/api');
export const openapi = JSON.parse(readFileSync(join(DOCS, 'openapi.json'), 'utf8'));
export const asyncapi = JSON.parse(readFileSync(join(DOCS, 'asyncapi.json'), 'utf8'));

// What was met, for those who ask whether all that is documented can be: 'sendMessage 403 You are not a member of this room'.
export const seen = new Set();

// ---- schemas ----

// For what the server says: members that are not documented are wrong. Clients are told to expect more, so the documents do
// not say so themselves.
function strict(schema) {
  if (Array.isArray(schema)) {
    return schema.map(strict);
  }
  if (typeof schema !== 'object' || schema === null) {
    return schema;
  }
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  return 'properties' in copy ? { additionalProperties: false, ...copy } : copy;
}

const pointed = (schema) => JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"doc#/$defs/'));

// schema -> judge(value), which gives '' or what is wrong. Schemas are compiled when they are first used.
function judgeOf(document, shape) {
  const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictRequired: true });
  addFormats.default(ajv);
  ajv.addSchema(pointed({ $id: 'doc', $defs: shape(document.components.schemas) }));
  const compiled = new Map();
  return (schema, value) => {
    if (!compiled.has(schema)) {
      compiled.set(schema, ajv.compile(pointed(shape(schema))));
    }
    const judge = compiled.get(schema);
    return judge(value) ? '' : ajv.errorsText(judge.errors, { dataVar: 'it' });
  };
}
export const restAnswer = judgeOf(openapi, strict), restRequest = judgeOf(openapi, (schema) => schema);
export const told = judgeOf(asyncapi, strict), asked = judgeOf(asyncapi, (schema) => schema);

export function resolved(document, object) {
  if (object?.$ref === undefined) {
    return object;
  }
  return object.$ref.slice(2).split('/').reduce((at, key) => at?.[key.replaceAll('~1', '/')], document) ??
    assert.fail(`${object.$ref} is not there`);
}
const rest = (object) => resolved(openapi, object);

// ---- REST ----

const NOT_API = ['/socket.io/', '/app'];        // another protocol, and a page for people
const OF_HTTP = new Set(['date', 'connection', 'keep-alive', 'content-length', 'content-type', 'transfer-encoding', 'server', 'vary',
  'access-control-allow-origin', 'access-control-expose-headers', 'access-control-allow-credentials']);

const patterns = Object.entries(openapi.paths).map(([template, methods]) => (
  { template, methods, pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`.replace('//?', '/')) }));
const everywhere = Object.entries(openapi.components.headers).filter(([, h]) => h['x-every-answer']);
const anyRequest = Object.entries(openapi.components.responses).filter(([, r]) => r['x-any-request'] !== undefined);

// The responses of any request that may come with this status: of an operation, of a path without that method, of no path.
function generalResponses(status, { path, operation }) {
  const impossible = operation !== undefined ? ['NotFound', 'MethodNotAllowed'] : path !== undefined ? ['NotFound'] : ['MethodNotAllowed'];
  return anyRequest.filter(([name, r]) => r['x-any-request'] === status && !impossible.includes(name)).map(([, r]) => r);
}

export const examplesOf = (content) => Object.values(content.examples ?? {}).map((e) => rest(e).value);

// A failure's text is one of those in the examples, with retryAfter where its example has it.
function judgeFailure(content, body) {
  const known = examplesOf(content).find((e) => e.message === body.message && e.code === body.code);
  if (known === undefined) {
    return `its text is not documented: ${JSON.stringify(body)}`;
  }
  return (known.retryAfter === undefined) === (body.retryAfter === undefined) ? '' : `retryAfter: ${JSON.stringify(body)}`;
}

function judgeBody(response, answer, isHead) {
  if (response.content === undefined) {
    return answer.text === '' && answer.headers['content-type'] === undefined ? '' : 'it has a body';
  }
  const type = (answer.headers['content-type'] ?? '').split(';')[0], content = response.content[type];
  if (content === undefined) {
    return `its type is ${type}`;
  }
  if (isHead) {
    return answer.text === '' ? '' : 'HEAD with a body';
  }
  return restAnswer(content.schema, answer.body) || (answer.status >= 400 ? judgeFailure(content, answer.body) : '');
}

function judgeHeaders(response, answer, isOfOperation) {
  const documented = { ...Object.fromEntries(everywhere), ...response.headers };
  for (const [name, header] of Object.entries(documented).map(([key, h]) => [key.toLowerCase(), rest(h)])) {
    const value = answer.headers[name];
    const isMissing = value === undefined && header.required && (isOfOperation || !header['x-every-answer']);
    const wrong = isMissing ? 'is missing'
      : value === undefined ? '' : restAnswer(header.schema, header.schema.type === 'integer' ? Number(value) : value);
    if (wrong !== '') {
      return `${name}: ${wrong}`;
    }
  }
  const known = new Set([...OF_HTTP, ...Object.keys(documented).map((name) => name.toLowerCase())]);
  const others = Object.keys(answer.headers).filter((name) => !known.has(name));
  return others.length === 0 ? '' : `headers that are not documented: ${others}`;
}

const retryAgrees = ({ headers, body }) =>
  headers['retry-after'] === (body?.retryAfter === undefined ? undefined : String(body.retryAfter));

function judge(response, answer, isHead, isOfOperation) {
  return judgeBody(response, answer, isHead) || judgeHeaders(response, answer, isOfOperation) ||
    (isHead || retryAgrees(answer) ? '' : 'retryAfter and Retry-After differ');
}

// What was taken was asked for as the document says.
function judgeAsking(operation, query, sent) {
  const body = operation.requestBody?.content['application/json'].schema;
  const said = body === undefined ? '' : restRequest(body, JSON.parse(String(sent ?? '{}') || '{}'));
  if (said !== '') {
    return said;
  }
  for (const [name, value] of new URLSearchParams(query)) {
    const parameter = operation.parameters?.find((p) => p.in === 'query' && p.name === name);
    const schema = parameter?.schema;
    const wrong = schema === undefined ? '' : restRequest(schema, schema.type === 'integer' && value !== '' ? Number(value) : value);
    if (wrong !== '' && value !== '') {
      return `${name}=${value}: ${wrong}`;
    }
  }
  return '';
}

// answer: { status, headers, text, body }. sent: the request's body as text.
export function checkAnswer(method, target, sent, answer) {
  const [name, query] = target.split('?', 2);
  if (method === 'OPTIONS' || !name.startsWith('/') || NOT_API.some((prefix) => name.startsWith(prefix))) {
    return;
  }
  const { status } = answer, isHead = method === 'HEAD';
  const path = patterns.find(({ pattern }) => pattern.test(name));
  const operation = path?.methods[isHead ? 'get' : method.toLowerCase()];
  const own = rest(operation?.responses[status]);
  const choices = [...(own === undefined ? [] : [own]), ...generalResponses(status, { path, operation })];
  const faults = choices.map((response) => judge(response, answer, isHead, response === own));
  const wrong = choices.length === 0 ? ['no such answer'] : faults.includes('') ? [] : faults;
  if (wrong.length === 0 && status < 300) {
    wrong.push(judgeAsking(operation, query, sent));
  }
  const what = `${method} ${name.slice(0, 100)}: ${status} ${answer.text.slice(0, 300)}`;
  assert.equal(wrong.join('; '), '', `not as docs/api/openapi.json says: ${what}: ${wrong.join('; ')}`);
  seen.add([operation?.operationId ?? '*', status, ...(status >= 400 ? [answer.body.message] : [])].join(' '));
}

// ---- events ----

const messages = asyncapi.components.messages;
const ofServer = Object.fromEntries(Object.entries(messages).filter(([key]) => key.startsWith('server.')).map(([, m]) => [m.name, m]));

// An event as it was heard; recovery: the mode that the socket asked for.
export function checkHeard(name, args, recovery = 'event') {
  const message = ofServer[name] ?? assert.fail(`${name} is not in docs/api/asyncapi.json`);
  const wrong = told(message.payload, args[0]);
  assert.equal(wrong, '', `${name} ${JSON.stringify(args[0]).slice(0, 300)} is not as docs/api/asyncapi.json says: ${wrong}`);
  const hasOffset = recovery === 'argument' && message['x-journalled'];
  assert.equal(args.length, hasOffset ? 2 : 1, `${name} has ${args.length} arguments`);
  assert.equal(hasOffset ? told(messages['server.offset'].payload, args[1]) : '', '', `${args[1]}`);
  assert.ok(name !== 'offset' || recovery !== 'off' && recovery !== 'argument', `an offset event with ${recovery}`);
  seen.add(name);
}

// An ack. asked: the payloads that the event was sent with.
export function checkAck(name, payloads, answer) {
  const key = messages[`ack.${name}`] === undefined || messages[`client.${name}`]?.name !== name ? 'unknown' : name;
  const message = messages[`ack.${key}`];
  const what = `${name} was acknowledged with ${JSON.stringify(answer).slice(0, 300)}`;
  assert.equal(told(message.payload, answer), '', what);
  if (answer.ok) {
    assert.equal(asked(messages[`client.${key}`].payload, payloads[0]), '', `${what} to ${JSON.stringify(payloads[0]).slice(0, 300)}`);
  } else {
    const known = message.examples.map((e) => e.payload).find((e) => e.error === answer.error && e.code === answer.code);
    assert.ok(known !== undefined, `its text is not documented: ${what}`);
    assert.equal(answer.retryAfter === undefined, known.retryAfter === undefined, what);
  }
  seen.add([`ack.${key}`, ...(answer.ok ? [] : [answer.error])].join(' '));
}

export function checkRefused(text) {
  assert.equal(told(messages['ack.connect_error'].payload, { message: text }), '', text);
  seen.add(`ack.connect_error ${text}`);
}
