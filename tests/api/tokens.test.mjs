// Tokens made by hand: only ours, whole, in time and signed with HS256 count (DESIGN section 4).
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { after, before, test } from 'node:test';
import { done, person, refused, request } from './lib/client.mjs';
import { start } from './lib/server.mjs';

const SECRET = 'a secret of the tests, 32 bytes or more';
const WEEK_S = 7 * 24 * 3600;
const HASHES = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };

let server, me, real;
before(async () => {
  server = await start({ env: { JWT_SECRET: SECRET } });
  me = await person(server);
  real = JSON.parse(Buffer.from(me.token.split('.')[1], 'base64url'));
});
after(() => server.stop());

const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const mac = (text, key = SECRET, hash = 'sha256') => createHmac(hash, key).update(text).digest('base64url');
function token(claims = {}, header = {}, key = SECRET) {
  const head = { alg: 'HS256', typ: 'JWT', ...header };
  const now = Math.floor(Date.now() / 1000);
  const text = `${part(head)}.${part({ ...real, iat: now, exp: now + WEEK_S, ...claims })}`;
  return `${text}.${mac(text, key, HASHES[head.alg] ?? 'sha256')}`;
}
const use = (value, where = server) => request(where, 'GET', '/rooms', { token: value });

test('a token made by hand with the right secret and claims is good, so the refusals below mean something', async () => {
  done(await use(token()), 200);
});

const signed = (claims) => { const t = `${part({ alg: 'HS256', typ: 'JWT' })}.${claims}`; return `${t}.${mac(t)}`; };
const now = () => Math.floor(Date.now() / 1000);
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const withoutSignature = (header) => token({}, header).split('.').slice(0, 2).join('.') + '.';
for (const [what, make] of [
  ['alg none without a signature', () => withoutSignature({ alg: 'none' })],
  ['alg None in other letters', () => withoutSignature({ alg: 'NoNe' })],
  ['alg none with our signature', () => token({}, { alg: 'none' })],
  ['an empty alg', () => token({}, { alg: '' })],
  ['no alg', () => token({}, { alg: undefined })],
  ['alg HS384, signed with our secret', () => token({}, { alg: 'HS384' })],
  ['alg HS512, signed with our secret', () => token({}, { alg: 'HS512' })],
  ['alg RS256, signed with our secret by HMAC', () => token({}, { alg: 'RS256' })],
  ['alg RS256, signed with an RSA key that came along', () => {
    const jwk = publicKey.export({ format: 'jwk' });
    const text = `${part({ alg: 'RS256', typ: 'JWT', jwk })}.${part({ ...real, exp: now() + 60 })}`;
    return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`;
  }],
  ['alg hs256 in small letters', () => token({}, { alg: 'hs256' })],
  ['another secret', () => token({}, {}, 'another secret of 32 bytes or more, really')],
  ['an empty secret', () => token({}, {}, '')],
  ['an end that has passed', () => token({ exp: now() - 1 })],
  ['no end', () => token({ exp: undefined })],
  ['an end that is text', () => token({ exp: String(now() + 60) })],
  ['an end that is null', () => token({ exp: null })],
  ['another issuer', () => token({ iss: '00000000-0000-4000-8000-000000000000' })],
  ['no issuer', () => token({ iss: undefined })],
  ['an issuer that is a number', () => token({ iss: 5 })],
  ['no user id', () => token({ id: undefined })],
  ['a user id that is an object', () => token({ id: {} })],
  ['a user id of 0', () => token({ id: 0 })],
  ['a negative user id', () => token({ id: -1 })],
  ['a user id with a fraction', () => token({ id: 1.5 })],
  ['claims that are an array', () => signed(part([real]))],
  ['claims that are no JSON', () => signed(part('{"id":'))],
  ['claims of another token under its signature', () => {
    const [head, , signature] = token().split('.');
    return `${head}.${part({ ...real, id: real.id + 1 })}.${signature}`;
  }],
  ['its last byte cut', () => token().slice(0, -2)],
  ['its signature cut', () => token().split('.').slice(0, 2).join('.') + '.'],
  ['its signature and point cut', () => token().split('.').slice(0, 2).join('.')],
  ['only its header', () => token().split('.')[0]],
  ['a fourth part', () => `${token()}.${part('x')}`],
  ['a changed letter in the claims', () => {
    const [head, body, signature] = token().split('.');
    return `${head}.${body.slice(0, -1)}${body.endsWith('A') ? 'B' : 'A'}.${signature}`;
  }],
  ['8 KB of letters', () => 'a'.repeat(8000)],
  ['two points and nothing else', () => '..'],
]) {
  test(`a token with ${what} is refused`, async () => {
    refused(await use(make()), 401, 'unauthorized', 'Invalid or expired token');
  });
}

test('every cut of a real token is refused', async () => {
  for (let n = 1; n < me.token.length; n += 3) {
    refused(await use(me.token.slice(0, n)), 401, 'unauthorized', 'Invalid or expired token');
  }
});

test('a token of another journal with the same secret is refused', async () => {
  const other = await start({ env: { JWT_SECRET: SECRET } });
  const stranger = await person(other);
  refused(await use(stranger.token), 401, 'unauthorized', 'Invalid or expired token');
  await other.stop();
});

test('tokens of the old backend, which name no issuer, count where the settings say so', async () => {
  const old = await start({ env: { JWT_SECRET: SECRET }, config: { auth: { legacy_tokens: 'yes' } } });
  const user = await person(old);
  const legacy = (more) => token({ id: user.id, email: user.user.email, iss: undefined, gen: undefined, ...more });
  done(await use(legacy(), old), 200);
  refused(await use(legacy({ gen: real.gen }), old), 401, 'unauthorized');
  refused(await use(legacy({ iat: now() - 60 }), old), 401, 'unauthorized');         // older than the account
  refused(await use(legacy({ iat: undefined }), old), 401, 'unauthorized');
  const { token: fresh } = done(await user.patch('/auth/me', { password: 'another battery', currentPassword: user.password }), 200);
  done(await use(fresh, old), 200);
  refused(await use(legacy({ iat: now() - 1 }), old), 401, 'unauthorized');          // older than the password
  refused(await use(legacy({ exp: now() - 1 }), old), 401, 'unauthorized');
  refused(await use(token({ id: user.id, iss: 'someone else' }), old), 401, 'unauthorized');
  await old.stop();
});

test('a token stays good over a restart with the same secret and is refused after a change of it', async () => {
  const first = await start({ env: { JWT_SECRET: SECRET } });
  const user = await person(first);
  await first.stop();
  const same = await start({ data: first.dir, env: { JWT_SECRET: SECRET } });
  done(await use(user.token, same), 200);
  await same.stop();
  const changed = await start({ data: first.dir, env: { JWT_SECRET: `${SECRET}, changed` } });
  refused(await use(user.token, changed), 401, 'unauthorized');
  await changed.stop();
  assert.ok(!changed.log.includes(SECRET), 'a secret in the log');
});
