// What others write stays text, and the page is served so that nothing else can come in.
import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { person, request } from '../api/lib/client.mjs';
import { start } from '../api/lib/server.mjs';
import { Visitor, browse } from './lib/browser.mjs';

const NASTY = [
  '<img src=x onerror="window.pwned = 1">',
  '<script>window.pwned = 2</script>',
  '"><svg onload=window.pwned=3>',
  'javascript:window.pwned=4',
  '</li></ol><iframe srcdoc="<script>parent.pwned = 5</script>">',
  '{{constructor.constructor("window.pwned = 6")()}}',
  '\u202Eevil \u0000 <b>bold</b> &lt;i&gt;',
];

let server;
before(async () => { server = await start(); });
after(() => server.stop());

test('markup in names, rooms and messages is shown as it was written', async () => {
  const context = await browse();
  const mal = await person(server, 'mal');
  await mal.patch('/auth/me', { username: NASTY[0].slice(0, 60), currentPassword: mal.password });
  const room = await mal.room(NASTY[1]);
  for (const text of NASTY) {
    await mal.send(room.id, text.replace('\u0000', ''));
  }
  const ann = await Visitor.to(server, context);
  await ann.register('ann');
  await ann.joinRoom(room.id, NASTY[1]);
  await ann.sees('evil');
  assert.deepEqual(await ann.texts(), NASTY.map((text) => text.replace('\u0000', '')));
  assert.match(await ann.page.locator('.who').first().textContent(), /^<img src=x onerror/);
  await mal.send(room.id, `${NASTY[0]} live`);
  await ann.page.locator('#announcer', { hasText: 'live' }).waitFor({ state: 'attached' });
  await ann.page.getByRole('button', { name: 'People' }).click();
  await ann.page.getByRole('dialog').getByText('<img src=x').first().waitFor();
  assert.equal(await ann.page.evaluate(() => window.pwned), undefined);
  assert.equal(await ann.page.locator('#room img, #room iframe, #room script, #rooms-list img').evaluateAll((all) =>
    all.filter((one) => !one.src.endsWith('/icon.svg')).length), 0);
  await ann.close();
  await context.close();
});

// What is shown around a name runs the way it would without it. This server takes no such names; those of before, and of other sites,
// are still there, so the answers are given them on their way.
test('a name cannot turn round what stands beside it', async () => {
  const context = await browse();
  const mal = await person(server, 'turncoat');
  const NAME = '\u202Eecila\u2067 \u05d0';
  const room = await mal.room('room turncoat');
  await mal.send(room.id, '\u202Etxet');
  const ann = await Visitor.to(server, context);
  await ann.page.route(/\/(rooms|messages)\b/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replaceAll('turncoat', NAME) });
  });
  await ann.register('tina');
  await ann.joinRoom(room.id, /^room /);
  assert.equal(await ann.page.locator('#room-name').textContent(), `room ${NAME}`, 'the name comes as it was');
  await ann.page.locator('#room-sub', { hasText: 'last seen' }).or(ann.page.locator('#room-sub', { hasText: 'not seen' })).waitFor();
  await ann.sees('txet');
  await ann.page.getByRole('button', { name: 'People' }).click();
  await ann.page.locator('#people-list li').nth(1).waitFor();
  await ann.page.getByRole('button', { name: 'Leave this room' }).click();
  await ann.page.locator('#leave-text', { hasText: 'You are about' }).waitFor();
  // Each text that has such a character is an element of its own that is isolated, or is closed in marks that isolate.
  const loose = await ann.page.evaluate(() => {
    const turns = /[\u202a-\u202e\u2066\u2067\u05d0]/;
    const isClosed = (text) => !turns.test(text.replace(/\u2068[^\u202a-\u202e\u2066-\u2069]*\u2069/g, ''));
    const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = all.nextNode(); node !== null; node = all.nextNode()) {
      const { unicodeBidi } = getComputedStyle(node.parentElement);
      if (!isClosed(node.data) && !['isolate', 'plaintext'].includes(unicodeBidi)) {
        found.push(`${node.parentElement.id || node.parentElement.className}: ${escape(node.data)}`);
      }
    }
    const attributes = [...document.querySelectorAll('[title], [aria-label], [placeholder]')]
      .flatMap((one) => [one.title, one.ariaLabel ?? '', one.placeholder ?? '']);
    return [...found, ...[document.title, ...attributes].filter((text) => !isClosed(text)).map(escape)];
  });
  assert.deepEqual(loose, []);
  await ann.page.keyboard.press('Escape');
  await ann.close();
  await context.close();
});

test('addresses can be pressed: those of the web, without what stands around them, and nothing that hides where it leads', async () => {
  const context = await browse();
  const lea = await person(server, 'lea');
  const room = await lea.room('links');
  const rows = [
    ['see https://example.org/a_(b).', ['https://example.org/a_(b)']],
    ['(HTTP://example.org/x?y=1&z=2#top), and "https://example.org"', ['HTTP://example.org/x?y=1&z=2#top', 'https://example.org']],
    ['two: http://a.example/,http://b.example/!', ['http://a.example/,http://b.example/']],
    ['<https://example.org/<b>>', ['https://example.org/']],
    ['javascript:alert(1) data:text/html,x ftp://example.org file:///etc/passwd xhttps://example.org https:// http://', []],
    ['https://bank.example@evil.example/ https://bank.example\\@evil.example', []],
    ['https://example.org/\u202Egpj.exe', ['https://example.org/']],
    ['https://\u0430pple.example/', ['https://\u0430pple.example/']],
    ['https://[::1]:8080/x]', ['https://[::1]:8080/x']],
    [`https://example.org/${')'.repeat(8000)}`, ['https://example.org/']],
  ];
  for (const [text] of rows) {
    await lea.send(room.id, text);
  }
  const ann = await Visitor.to(server, context);
  await ann.register('lina');
  await ann.joinRoom(room.id, 'links');
  await ann.sees('8080');
  await ann.page.locator('li.message').nth(rows.length - 1).waitFor();
  assert.deepEqual(await ann.texts(), rows.map(([text]) => text));
  const links = await ann.page.locator('li.message .text').evaluateAll((all) => all.map((one) => [...one.querySelectorAll('a')].map((a) => ({
    text: a.textContent, protocol: a.protocol, rel: a.rel, target: a.target, title: a.title }))));
  assert.deepEqual(links.map((list) => list.map(({ text }) => text)), rows.map(([, found]) => found));
  for (const { protocol, rel, target } of links.flat()) {
    assert.match(protocol, /^https?:$/);
    assert.deepEqual([rel, target], ['noopener noreferrer nofollow', '_blank']);
  }
  assert.equal(links[7][0].title, 'https://xn--pple-43d.example/', 'where it leads is said in ASCII');
  await ann.message('see https').locator('.state').click();
  await ann.page.getByRole('dialog').getByRole('link', { name: 'https://example.org/a_(b)' }).waitFor();
  await ann.close();
  await context.close();
});

test('a breach of the policy is noticed by these tests', async () => {
  const context = await browse();
  const ann = await Visitor.to(server, context);
  await ann.page.evaluate(() => { document.body.append(Object.assign(document.createElement('script'), { text: 'window.pwned = 7' })); })
    .catch(() => {});
  await ann.page.waitForFunction(() => window.pwned === undefined);
  await assert.rejects(() => ann.close(), /policy: /);
  await context.close();
});

const get = (path, headers = {}) => request(server, 'GET', path, { headers });
const assetsOf = (html) => [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((one) => one[1]);

test('every file of the page is served with its type, its policy and how long it may be kept', async () => {
  const index = await get('/app/');
  assert.equal(index.status, 200);
  assert.equal(index.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(index.headers['cache-control'], 'no-cache');
  assert.doesNotMatch(index.text, /<script(?![^>]*\bsrc=)|<style|\bstyle=|\son[a-z]+=/, 'nothing inline');
  const policy = new Map(index.headers['content-security-policy'].split('; ').map((one) => [one.split(' ')[0], one]));
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "form-action 'none'",
    "base-uri 'none'", "frame-ancestors 'none'"]) {
    assert.equal(policy.get(part.split(' ')[0]), part);
  }
  const assets = new Set(assetsOf(index.text));
  assert.ok(assets.size >= 4);
  for (const path of assets) {
    const answer = await get(path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.equal(answer.headers['referrer-policy'], 'no-referrer');
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
    assert.match(answer.headers.etag, /^"[0-9a-f]{16}"$/);
    assert.match(path, /^\/app\/[0-9a-f]{12}\/[\w.-]+$/);
  }
  assert.equal((await get('/app')).text, index.text);
  assert.match((await get([...assets].find((path) => path.endsWith('licences.txt')))).text, /MIT/);
});

test('what a browser has already is not sent again, and what is sent is compressed for those who take it', async () => {
  const index = await get('/app/');
  const again = await get('/app/', { 'If-None-Match': `W/${index.headers.etag}` });
  assert.equal(again.status, 304);
  assert.equal(again.text, '');
  assert.equal(again.headers.etag, index.headers.etag);
  const bytes = await new Promise((done, broken) => {
    http.get({ host: '127.0.0.1', port: server.port, path: '/app/', headers: { 'Accept-Encoding': 'br, gzip;q=0.5' } }, (answer) => {
      const parts = [];
      assert.equal(answer.headers['content-encoding'], 'gzip');
      answer.on('data', (part) => parts.push(part)).on('end', () => done(Buffer.concat(parts))).on('error', broken);
    });
  });
  assert.ok(bytes.length < index.text.length / 2);
  assert.equal(gunzipSync(bytes).toString(), index.text);
  assert.equal((await get('/app/', { 'Accept-Encoding': 'gzip;q=0' })).headers['content-encoding'], undefined);
});

test('other paths and methods are refused as everywhere', async () => {
  assert.equal((await get('/app/000000000000/app.js')).status, 404);
  assert.equal((await get('/app/index.html')).status, 404);
  assert.equal((await request(server, 'POST', '/app/')).status, 405);
  const head = await request(server, 'HEAD', '/app/');
  assert.equal(head.status, 200);
  assert.equal(head.text, '');
});

test('server.app = no switches it off, and says so', async () => {
  const without = await start({ config: { server: { app: 'no' } } });
  const answer = await request(without, 'GET', '/app/');
  assert.equal(answer.status, 404);
  assert.match(answer.text, /switched off/);
  await without.stop();
});
