// Two people with a browser each: what one says, the other sees, and both are told the truth about it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { person } from '../api/lib/client.mjs';
import { start } from '../api/lib/server.mjs';
import { DESKTOP, PHONE, Visitor, browse } from './lib/browser.mjs';

let server, here, there;
before(async () => {
  [server, here, there] = await Promise.all([start(), browse(DESKTOP), browse(PHONE)]);
});
after(async () => {
  await here.close();
  await there.close();
  await server.stop();
});

const inBar = (who, text) => who.page.locator('#room-sub', { hasText: text }).waitFor();

test('two people register, meet in a room and talk; each state is shown when it is so, and not before', async () => {
  const ann = await Visitor.to(server, here);
  const bob = await Visitor.to(server, there);
  await ann.register('ann');
  await bob.register('bob');
  const room = await ann.makeRoom('harbour');
  await inBar(ann, 'Only you so far');
  await ann.send('Is anybody there?');
  await ann.seesState('Is anybody there?', /^On site$/);

  await bob.joinRoom(room, 'harbour');
  await inBar(ann, 'bob: here now');
  await inBar(bob, 'ann: here now');
  await bob.sees('Is anybody there?');

  await bob.field.pressSequentially('Ye');
  await ann.page.locator('#typing', { hasText: 'bob is typing…' }).waitFor();
  await bob.field.press('Enter');
  await ann.sees('Ye');
  assert.equal(await ann.page.locator('#typing').textContent(), '');
  await bob.seesState('Ye', /^On site · Read$/);

  // bob looks elsewhere: his device has it, he has not
  await bob.page.getByRole('button', { name: 'All rooms' }).click();
  await ann.send('Low water at six');
  await ann.seesState('Low water at six', /^On site · Delivered$/);
  await bob.roomRow('harbour').getByText('1 unread message').waitFor({ state: 'attached' });
  assert.match(await bob.page.title(), /^\(1\)/);
  await bob.openRoom('harbour');
  await ann.seesState('Low water at six', /^On site · Read$/);
  await bob.page.locator('li.new').waitFor();
  await bob.page.waitForFunction(() => !document.title.startsWith('('));

  await bob.close();
  await ann.page.locator('#room-sub', { hasText: /bob: last seen at \d\d:\d\d/ }).waitFor();
  await ann.send('Good night');
  await ann.seesState('Good night', /^On site$/);
  await ann.message('Good night').locator('.state').click();
  await ann.page.getByRole('dialog').getByText('Not delivered yet').waitFor();
  await ann.close();
});

test('the states in the history are asked for, and count who is in the room', async () => {
  const eve = await person(server, 'eve');
  const [fay, gus, hal] = await Promise.all(['fay', 'gus', 'hal'].map((name) => person(server, name)));
  const room = await eve.room('bridge');
  for (const other of [fay, gus, hal]) {
    await other.join(room.id);
  }
  const { id } = await eve.send(room.id, 'Who has the key?');
  await fay.post('/messages/read', { messageIds: [id] });
  const page = await Visitor.to(server, here);
  await page.login('eve');
  await page.openRoom('bridge');
  await page.seesState('Who has the key?', 'On site · Read by 1 of 3');
  await gus.post('/messages/read', { messageIds: [id] });
  await hal.post('/messages/read', { messageIds: [id] });
  await page.seesState('Who has the key?', 'On site · Read by all 3');
  await gus.delete(`/rooms/${room.id}/members/me`);
  await page.seesState('Who has the key?', 'On site · Read by all 2');
  await page.close();
});

test('earlier messages come as one scrolls up, in order, and the place is kept', async () => {
  const ida = await person(server, 'ida');
  const room = await ida.room('log');
  for (let i = 1; i <= 130; i++) {
    await ida.send(room.id, `entry ${i}.`);
  }
  const page = await Visitor.to(server, there);
  await page.login('ida');
  await page.openRoom('log');
  await page.sees('entry 130.');
  const scroller = page.page.locator('#scroller');
  const place = () => page.message('entry 91.').evaluate((one) => one.getBoundingClientRect().top);
  await page.message('entry 91.').scrollIntoViewIfNeeded();
  await page.sees('entry 51.');
  const before = await place();
  assert.ok(before > 0 && before < 740, `entry 91 was pushed to ${before}`);
  for (let i = 0; i < 40 && await page.page.locator('li.message').count() < 130; i++) {
    await scroller.evaluate((one) => { one.scrollTop = 0; });
    await page.page.waitForTimeout(50);
  }
  const texts = await page.texts();
  assert.deepEqual(texts, Array.from({ length: 130 }, (_, i) => `entry ${i + 1}.`));
  await page.page.getByRole('button', { name: 'To the newest' }).click();
  await page.message('entry 130.').isVisible();
  await page.close();
});

test('a message that is longer than the screen counts as read when it has been scrolled through', async () => {
  const [joe, kay] = [await person(server, 'joe'), await person(server, 'kay')];
  const room = await joe.room('x'.repeat(191));
  await kay.join(room.id);
  const long = [];
  for (const name of ['one', 'two', 'three']) {
    long.push((await joe.send(room.id, `${name} ${'word '.repeat(1500)}`)).id);
  }
  const page = await Visitor.to(server, there);
  await page.login('kay');
  await page.openRoom('x'.repeat(191));
  const field = await page.field.boundingBox();
  assert.ok(field.height < 100, `the field's hint makes it ${field.height} px high`);
  await page.page.locator('#scroller').focus();
  await page.page.mouse.move(150, 300);
  for (let i = 0; i < 200 && !await page.page.locator('#scroller').evaluate((s) => s.scrollHeight - s.scrollTop - s.clientHeight < 2); i++) {
    await page.page.mouse.wheel(0, 200);
    await page.page.waitForTimeout(20);
  }
  for (const id of long) {
    for (const deadline = Date.now() + 10_000; ; await page.page.waitForTimeout(50)) {
      const { items: [receipt] } = (await joe.get(`/messages/${id}/receipts`)).body;
      if (receipt?.readAt) {
        break;
      }
      assert.ok(Date.now() < deadline, `message ${id} was scrolled through and is not read`);
    }
  }
  await page.close();
});

test('what is at a centre out of reach is said to be there, and is fetched when it can be', async () => {
  const oda = await person(server, 'oda');
  const room = await oda.room('archive');
  for (let i = 1; i <= 60; i++) {
    await oda.send(room.id, `entry ${i}.`);
  }
  const page = await Visitor.to(server, there);
  const isOlder = /messages\?limit=\d+&cursor=/;
  await page.page.route(isOlder, (route) => route.fulfill({ json: { items: [], nextCursor: null, offset: '', partial: true } }));
  await page.login('oda');
  await page.openRoom('archive');
  await page.sees('entry 60.');
  await page.page.locator('#scroller').evaluate((one) => { one.scrollTop = 0; });
  await page.page.getByText('is at the centre, which cannot be reached now').waitFor();
  await page.page.unroute(isOlder);
  await page.page.getByRole('button', { name: 'Try again' }).click();
  await page.sees('entry 1.');
  assert.equal((await page.texts()).length, 60);
  assert.ok(await page.page.locator('#older').isHidden());
  await page.close();
});

test('a private room is entered by being added, and left again', async () => {
  const kim = await Visitor.to(server, here);
  const leo = await Visitor.to(server, there);
  await kim.register('kim');
  await leo.register('leo');
  const room = await kim.makeRoom('quiet', { isPrivate: true });
  await leo.page.getByRole('button', { name: 'Join by number' }).click();
  await leo.page.getByLabel('Its number').fill(String(room));
  await leo.page.getByRole('button', { name: 'Join', exact: true }).click();
  await leo.page.getByRole('alert').filter({ hasText: /./ }).waitFor();
  await leo.page.getByRole('button', { name: 'Cancel' }).click();

  await leo.page.getByRole('button', { name: 'You: leo' }).click();
  const number = await leo.page.locator('#account-facts dd').nth(2).textContent();
  await leo.page.keyboard.press('Escape');
  await kim.page.getByRole('button', { name: 'People' }).click();
  await kim.page.getByLabel('Add somebody').fill(number);
  await kim.page.getByRole('button', { name: 'Add', exact: true }).click();
  await kim.page.locator('#people-list').getByText('leo').waitFor();
  await leo.openRoom('quiet');
  await leo.page.getByRole('button', { name: 'People' }).click();
  await leo.page.getByRole('button', { name: 'Leave this room' }).click();
  await leo.page.getByRole('dialog', { name: 'Leave this room?' }).getByText('only when a member adds you').waitFor();
  await leo.page.waitForFunction(() => document.activeElement.textContent === 'Stay');
  await leo.page.keyboard.press('Escape');
  await leo.page.getByRole('dialog', { name: 'Leave this room?' }).waitFor({ state: 'hidden' });
  await kim.page.locator('#people-list').getByText('leo').waitFor();
  await leo.page.waitForFunction(() => document.activeElement.textContent === 'Leave this room');
  await leo.page.keyboard.press('Enter');
  await leo.page.getByRole('button', { name: 'Leave', exact: true }).click();
  await leo.page.getByText('You are in no room yet').waitFor();
  await kim.page.locator('#people-list').getByText('leo').waitFor({ state: 'detached' });
  await kim.close();
  await leo.close();
});

test('what cannot be is said beside the form', async () => {
  const max = await Visitor.to(server, here);
  const says = (text) => max.page.locator('#login-error', { hasText: text }).waitFor();
  await max.page.getByRole('button', { name: 'Log in' }).click();
  await says('An e-mail address is needed');
  await max.page.getByLabel('E-mail').fill('nobody@example.org');
  await max.page.getByLabel('Password').fill('wrong password');
  await max.page.getByRole('button', { name: 'Log in' }).click();
  await says('Invalid email or password');
  await max.close();
});

test('closing the tab logs out, unless one asks to be kept logged in', async () => {
  const context = await browse();
  let ned = await Visitor.to(server, context);
  await ned.register('ned');
  await ned.page.reload();
  await ned.isIn();
  await ned.close();
  ned = await Visitor.to(server, context);
  await ned.page.getByLabel('Keep me logged in on this device').check();
  await ned.login('ned');
  await ned.close();
  ned = await Visitor.to(server, context);
  await ned.isIn();
  const other = await Visitor.to(server, context);
  await other.isIn();
  await ned.makeRoom('my secrets');
  await ned.send('the key is under the mat');
  await ned.page.getByRole('button', { name: 'You: ned' }).click();
  await ned.page.getByRole('button', { name: 'Log out' }).click();
  await ned.page.getByLabel('E-mail').waitFor();
  assert.doesNotMatch(await ned.page.content(), /my secrets|under the mat|ned@/);
  await ned.page.reload();
  await ned.page.getByLabel('E-mail').waitFor();
  await other.page.getByLabel('E-mail').waitFor();      // it was one login
  await other.close();
  await ned.close();
  await context.close();
});
