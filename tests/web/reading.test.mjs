// What one reads and where it stands: unread messages, the order of messages and of rooms, and what many messages cost.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { person, wholeHistory } from '../api/lib/client.mjs';
import { start } from '../api/lib/server.mjs';
import { DESKTOP, Visitor, browse } from './lib/browser.mjs';

let server, context;
before(async () => { [server, context] = await Promise.all([start(), browse(DESKTOP)]); });
after(async () => {
  await context.close();
  await server.stop();
});

const AT_ONCE = 50;

async function sendMany(who, room, n, name = 'entry') {
  for (let i = 1; i <= n; i += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, n - i + 1) }, (_, k) => who.send(room.id, `${name} ${i + k}.`)));
  }
}

const unreadOf = async (who, room) => (await who.get('/rooms')).body.find(({ id }) => id === room.id).unread;

async function until(look, what) {
  for (const deadline = Date.now() + 60_000; !await look(); await new Promise((later) => { setTimeout(later, 50); })) {
    assert.ok(Date.now() < deadline, what);
  }
}

const afterNew = (page) => page.locator('li.new + li .text').textContent();

test('1,333 unread messages: one begins at the first, "New" stands above it, and at the end none is left', async () => {
  const [bob, ann] = [await person(server, 'bob'), await person(server, 'ann')];
  const room = await bob.room('busy');
  await ann.join(room.id);
  const other = await ann.room('other');
  await bob.send(room.id, 'read before');
  const history = (await bob.history(room.id)).items;
  await ann.post('/messages/read', { messageIds: [history[0].id] });
  await sendMany(bob, room, 1333);
  const first = (await wholeHistory(bob, room.id)).at(-2).content;
  const visitor = await Visitor.to(server, context);
  await visitor.login('ann');
  await visitor.roomRow('busy').locator('.badge', { hasText: '99+' }).waitFor();
  await visitor.openRoom('busy');
  await visitor.page.locator('li.new').waitFor();
  assert.equal(await afterNew(visitor.page), first);
  await visitor.page.waitForFunction(() => {
    const mark = document.querySelector('li.new').getBoundingClientRect(), view = document.querySelector('#scroller').getBoundingClientRect();
    return mark.top >= view.top - 1 && mark.bottom <= view.bottom;
  });
  assert.ok(await unreadOf(ann, room) > 1200, 'what was not on the screen is not read');
  await visitor.page.getByRole('button', { name: 'To the newest' }).click();
  await until(async () => await unreadOf(ann, room) === 0, 'some are unread for ever');
  await visitor.openRoom('other');
  await visitor.roomRow('busy').locator('.badge').waitFor({ state: 'hidden' });
  await bob.send(room.id, 'one more');
  await visitor.roomRow('busy').locator('.badge', { hasText: /^1$/ }).waitFor();
  await visitor.openRoom('busy');
  await visitor.sees('one more');
  assert.equal(await afterNew(visitor.page), 'one more');
  assert.equal(await unreadOf(ann, other), 0);
  await visitor.close();
});

test('more unread messages than are loaded: "New" stands nowhere rather than wrong, and at the end none is left', async () => {
  const [dan, cem] = [await person(server, 'dan'), await person(server, 'cem')];
  const room = await dan.room('flood');
  await cem.join(room.id);
  await sendMany(dan, room, 2300);
  const visitor = await Visitor.to(server, context);
  await visitor.login('cem');
  await visitor.openRoom('flood');
  await until(async () => await unreadOf(cem, room) === 0, 'some are unread for ever');
  assert.equal(await visitor.page.locator('li.new').count(), 0);
  await visitor.close();
});

// A page of the history that is not in the order of times or ids, as after a clock was put back, or with two sites in one millisecond.
test('messages stand in the order of the history, whatever their times and ids are', async () => {
  const eve = await person(server, 'eve');
  const room = await eve.room('clocks');
  const own = { id: eve.id, username: 'eve' };
  const item = (id, content, createdAt) => ({ id, content, createdAt, roomId: room.id, sender: own, syncedAt: null });
  const pages = [
    [item(11, 'six', '2026-01-01T00:00:05.000Z'), item(40, 'five', '2026-01-01T00:00:09.000Z'), item(12, 'four', '2026-01-01T00:00:09.000Z')],
    [item(90, 'three', '2026-01-01T00:00:07.000Z'), item(13, 'two', '2026-01-01T00:00:08.000Z'), item(91, 'one', '2026-01-01T00:00:08.000Z')],
  ];
  const visitor = await Visitor.to(server, context);
  await visitor.page.route(/rooms\/\d+\/messages\?/, (route) => {
    const isOlder = route.request().url().includes('cursor=');
    route.fulfill({ json: { items: pages[isOlder ? 1 : 0], nextCursor: isOlder ? null : 12, offset: '' } });
  });
  await visitor.login('eve');
  await visitor.openRoom('clocks');
  await visitor.sees('one');
  assert.deepEqual(await visitor.texts(), ['one', 'two', 'three', 'four', 'five', 'six']);
  await visitor.close();
});

test('a message that comes late takes the place that the history gives it', async () => {
  const [fay, gus] = [await person(server, 'fay'), await person(server, 'gus')];
  const room = await fay.room('late');
  await gus.join(room.id);
  const messages = [];
  for (const text of ['one', 'two', 'three']) {
    messages.push(await gus.send(room.id, text));
  }
  const visitor = await Visitor.to(server, context);
  let isLate = false;
  const late = () => ({ ...messages[2], id: messages[2].id + 100, content: 'from afar', createdAt: new Date(0).toISOString(), syncedAt: null });
  await visitor.page.route(/rooms\/\d+\/messages\?/, async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    if (isLate) {
      body.items.splice(1, 0, late());      // the history: one, two, from afar, three
    }
    await route.fulfill({ response: answer, json: body });
  });
  await visitor.page.routeWebSocket(/socket\.io/, (socket) => {
    const real = socket.connectToServer();
    real.onMessage((text) => {
      socket.send(text);
      if (typeof text === 'string' && text.includes('"receive_message"') && text.includes('now')) {
        isLate = true;
        socket.send(`42${JSON.stringify(['receive_message', late()])}`);
      }
    });
  });
  await visitor.page.reload();
  await visitor.login('fay');
  await visitor.openRoom('late');
  await visitor.sees('three');
  await gus.send(room.id, 'now');
  await visitor.sees('from afar');
  const is = (texts) => visitor.page.waitForFunction((wanted) =>
    [...document.querySelectorAll('li.message .text')].map((one) => one.textContent).join() === wanted, texts.join());
  await is(['one', 'two', 'three', 'from afar', 'now']);
  await visitor.close();
});

test('a new room stands where it belongs and in sight, however many there are', async () => {
  const hal = await person(server, 'hal');
  for (let i = 0; i < 30; i++) {
    await hal.send((await hal.room(`old ${i}.`)).id, 'said');
  }
  const empty = await (await person(server, 'ina')).room('long empty');
  const names = () => visitor.page.locator('.rooms-list .room-name').allTextContents();
  const visitor = await Visitor.to(server, context);
  await visitor.login('hal');
  await visitor.roomRow('old 0.').waitFor();
  await visitor.makeRoom('brand new');
  assert.equal((await names())[0], 'brand new');
  const isInSight = () => visitor.page.waitForFunction(() => {
    const row = document.querySelector('.rooms-list [aria-current]')?.getBoundingClientRect();
    const list = document.querySelector('.rooms-list').getBoundingClientRect();
    return row !== undefined && row.top > list.top - 1 && row.bottom < list.bottom + 1;
  });
  await isInSight();
  await visitor.page.locator('.rooms-list').evaluate((list) => { list.scrollTop = 0; });
  await visitor.page.evaluate((hash) => { location.hash = hash; }, `#room/${(await hal.get('/rooms')).body[0].id}`);
  await visitor.isInRoom('old 0.');
  await isInSight();
  await visitor.joinRoom(empty.id, 'long empty');
  await isInSight();
  await visitor.close();
});

test('the Enter that ends a composition does not send, in whatever order the browser tells of it', async () => {
  const visitor = await Visitor.to(server, context);
  await visitor.register('jun');
  await visitor.makeRoom('kana');
  await visitor.field.fill('かな');
  const enter = (more) => visitor.field.evaluate((field, options) => {
    field.dispatchEvent(new CompositionEvent('compositionend', { data: 'かな', bubbles: true }));
    return field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...options }));
  }, more);
  assert.ok(await enter({ keyCode: 229, isComposing: false }), 'Safari');
  assert.ok(await enter({ keyCode: 13, isComposing: true }), 'Firefox');
  assert.ok(await enter({ keyCode: 229, isComposing: true }), 'Chromium');
  assert.equal(await visitor.field.inputValue(), 'かな');
  await visitor.field.press('Enter');
  await visitor.seesState('かな', /^On site$/);
  assert.deepEqual(await visitor.texts(), ['かな']);
  await visitor.close();
});

test('with many messages the page keeps few on the screen while one is at the end, and the rest can be had', async () => {
  const [kay, lou] = [await person(server, 'kay'), await person(server, 'lou')];
  const room = await kay.room('many');
  await lou.join(room.id);
  const visitor = await Visitor.to(server, context);
  await visitor.login('lou');
  await visitor.openRoom('many');
  await visitor.page.getByText('Nothing has been said here yet').waitFor();
  await sendMany(kay, room, 1000);
  await kay.send(room.id, 'the last');
  await visitor.sees('the last');
  await visitor.page.waitForFunction(() => document.querySelectorAll('li.message').length <= 600);
  const all = (await wholeHistory(kay, room.id)).map(({ content }) => content).reverse();
  const shown = await visitor.texts();
  assert.deepEqual(shown, all.slice(-shown.length));
  await visitor.page.locator('#scroller').evaluate((one) => { one.scrollTop = 0; });
  await visitor.page.waitForFunction((n) => document.querySelectorAll('li.message').length > n, shown.length);
  const more = await visitor.texts();
  assert.deepEqual(more, all.slice(-more.length));
  await visitor.close();
});

// The browser asks each layer of the page, at each letter that is written, whether the pointer is over it.
test('a message is no layer of the page, and a screen reader has its sender', async () => {
  const [mia, ned] = [await person(server, 'mia'), await person(server, 'ned')];
  const room = await mia.room('layers');
  await ned.join(room.id);
  for (const [who, text] of [[mia, 'one'], [mia, 'two'], [ned, 'three'], [ned, 'four']]) {
    await who.send(room.id, text);
  }
  const visitor = await Visitor.to(server, context);
  await visitor.login('ned');
  await visitor.openRoom('layers');
  await visitor.sees('four');
  const layers = await visitor.page.evaluate(() => [...document.querySelectorAll('li.message, li.message *')].filter((one) => {
    const { position, opacity, transform, filter, clipPath, overflow } = getComputedStyle(one);
    return position !== 'static' || opacity !== '1' || overflow !== 'visible' || [transform, filter, clipPath].some((is) => is !== 'none');
  }).map((one) => one.className));
  assert.deepEqual(layers, []);
  const tree = await visitor.page.locator('#messages').ariaSnapshot();
  assert.deepEqual([...tree.matchAll(/\b(mia|You)\b/g)].map(([name]) => name), ['mia', 'mia', 'You', 'You'], tree);
  await visitor.close();
});
