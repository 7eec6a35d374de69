// For everybody: with a keyboard alone, with a screen reader, on a phone, in the dark. axe-core looks at each view.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { person } from '../api/lib/client.mjs';
import { DESKTOP, PHONE, Visitor, browse, serve } from './lib/browser.mjs';
import { empty, enter, talk } from './lib/scenes.mjs';

let other;
before(async () => { other = await browse(); });
after(() => other.close());

for (const [device, size] of [['phone', PHONE], ['desktop', DESKTOP]]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`axe-core finds nothing on a ${device} in ${colorScheme}`, async (t) => {
      const server = await serve(t);
      const context = await browse({ ...size, colorScheme });
      const scene = await enter(server, context, other);
      const { ann } = scene;
      const isFine = async (view) => {
        const { violations } = await ann.accessibility();
        assert.deepEqual(violations, [], view);
        const wide = await ann.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(wide, 0, `${view} scrolls sideways`);
      };
      await isFine('login');
      await ann.page.getByRole('button', { name: 'Make an account' }).click();
      await isFine('register');
      await ann.page.getByRole('button', { name: 'Log in' }).click();
      await empty(scene);
      await isFine('empty');
      await ann.page.getByRole('button', { name: 'New room' }).click();
      await isFine('new room');
      await ann.page.keyboard.press('Escape');
      await talk(scene);
      await isFine('busy');
      await ann.page.getByRole('button', { name: 'People' }).click();
      await ann.page.locator('#people-list li').nth(2).waitFor();
      await isFine('people');
      await ann.page.keyboard.press('Escape');
      await ann.message('Bring the second line').last().locator('.state').click();
      await isFine('details');
      await ann.page.keyboard.press('Escape');
      await server.kill();
      await ann.banner('No connection to the server');
      await ann.send('Can anybody hear me?');
      await ann.sees('Can anybody hear me?');
      await isFine('offline');
      await ann.close();
      await scene.bob.close();
      await context.close();
    });
  }
}

test('with a keyboard alone: register, make a room, write, look at a message, log out', async (t) => {
  const server = await serve(t);
  const context = await browse();
  const ann = await Visitor.to(server, context);
  const { keyboard } = ann.page;
  const focus = () => ann.page.evaluate(() => {
    const one = document.activeElement;
    return one === document.body ? '' : one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? one.textContent;
  });
  // Tab until the focus is on what is called so; each stop must be on the screen and show that it has the focus.
  const tabTo = async (name, key = 'Tab') => {
    for (let i = 0; i < 30; i++) {
      if ((await focus()).includes(name)) {
        return;
      }
      await keyboard.press(key);
      const { isSeen, outline } = await ann.page.evaluate(() => {
        const one = document.activeElement;
        const box = one.getBoundingClientRect();
        return { isSeen: one === document.body || (box.width > 0 && box.bottom > 0 && box.top < innerHeight),
          outline: one === document.body ? 'solid' : getComputedStyle(one).outlineStyle };
      });
      assert.ok(isSeen, `the focus went out of sight at ${await focus()}`);
      assert.notEqual(outline, 'none', `${await focus()} does not show the focus`);
    }
    assert.fail(`no Tab comes to ${name}`);
  };
  await ann.page.getByLabel('E-mail').waitFor();
  await tabTo('Make an account');
  await keyboard.press('Enter');
  assert.equal(await focus(), 'E-mail', 'the focus is where one begins to write');
  await keyboard.type('ann@example.org');
  await tabTo('Name that others see');
  await keyboard.type('ann');
  await tabTo('Password');
  await keyboard.type('correct horse battery');
  await keyboard.press('Enter');
  await ann.isIn();
  await tabTo('New room');
  await keyboard.press('Enter');
  await ann.page.waitForFunction(() => document.activeElement.id === 'create-name');
  await keyboard.type('pier');
  await keyboard.press('Enter');
  await ann.isInRoom('pier');
  await ann.page.waitForFunction(() => document.activeElement.id === 'compose-text');
  await keyboard.type('first');
  await keyboard.press('Shift+Enter');
  await keyboard.type('with a second line');
  await keyboard.press('Enter');
  await keyboard.type('next');
  await keyboard.press('Enter');
  await ann.seesState('next', 'On site');
  assert.deepEqual(await ann.texts(), ['first\nwith a second line', 'next']);

  await tabTo('Younext', 'Shift+Tab');
  await keyboard.press('ArrowUp');
  assert.match(await focus(), /first/);
  await keyboard.press('Enter');
  await ann.page.getByRole('dialog', { name: 'Message' }).waitFor();
  await keyboard.press('Escape');
  assert.match(await focus(), /On site|first/, 'the dialog gives the focus back');

  await tabTo('You: ann', 'Shift+Tab');
  await keyboard.press('Enter');
  await ann.page.getByRole('dialog', { name: 'You' }).waitFor();
  await tabTo('Log out');
  await keyboard.press('Enter');
  await ann.page.getByLabel('E-mail').waitFor();
  assert.equal(await focus(), 'E-mail');
  await ann.close();
  await context.close();
  await server.stop();
});

// Whatever the wheel is turned over, the page stays: only its lists scroll.
for (const [device, size] of [['phone', PHONE], ['desktop', DESKTOP], ['small window at 200 %', { viewport: { width: 320, height: 400 } }]]) {
  test(`the page itself does not scroll on a ${device}, and a long room name is there in whole`, async (t) => {
    const server = await serve(t);
    const context = await browse(size);
    const bob = await person(server, 'bob');
    const name = `long ${'n'.repeat(150)} the end`;
    const room = await bob.room(name);
    await bob.room('other');
    for (let i = 0; i < 60; i++) {
      await bob.send(room.id, `entry ${i}.`);
    }
    for (let i = 0; i < 25; i++) {
      await bob.room(`room ${i}.`);
    }
    const ann = await Visitor.to(server, context);
    await ann.login('bob');
    await ann.openRoom(name);
    await ann.sees('entry 59.');
    const over = await ann.page.evaluate(() => ['scrollHeight', 'scrollWidth'].map((of) =>
      document.documentElement[of] - document.documentElement[of.replace('scroll', 'client')]));
    assert.deepEqual(over, [0, 0]);
    const bar = await ann.page.locator('#room-open > .bar').boundingBox();
    assert.ok(bar.height < 130, `the bar is ${bar.height} px high`);
    assert.ok((await ann.page.locator('#compose').boundingBox()).y < size.viewport.height - 40, 'the field is in sight');
    assert.equal(await ann.page.locator('#room-name').getAttribute('title'), name);
    await ann.page.getByRole('button', { name: 'People' }).click();
    const whole = ann.page.locator('#people-room', { hasText: 'the end is an open room' });
    await whole.waitFor();
    assert.equal(await whole.evaluate((one) => one.scrollWidth - one.clientWidth), 0);
    assert.equal(await ann.page.locator('#people').evaluate((one) => one.scrollWidth - one.clientWidth), 0);
    await ann.close();
    await context.close();
  });
}

test('a screen reader hears what others say, once, and nothing of what is loaded', async (t) => {
  const server = await serve(t);
  const context = await browse();
  const bob = await person(server, 'bob');
  const room = await bob.room('pier');
  const far = await bob.room('far away');
  await bob.send(room.id, 'from yesterday');
  const ann = await Visitor.to(server, context);
  await ann.register('ann');
  await ann.joinRoom(room.id, 'pier');
  await ann.joinRoom(far.id, 'far away');
  await ann.openRoom('pier');
  await ann.sees('from yesterday');
  await bob.send(room.id, 'The ferry is in');
  await bob.send(far.id, 'Not here');
  await ann.page.locator('#announcer', { hasText: 'New message in far away' }).waitFor({ state: 'attached' });
  assert.deepEqual(await ann.page.locator('#announcer p').allTextContents(), ['bob: The ferry is in', 'New message in far away']);
  assert.equal(await ann.page.locator('#announcer').getAttribute('aria-live'), 'polite');
  await ann.page.getByRole('region', { name: 'Messages' }).waitFor();
  await ann.page.locator('li.theirs', { hasText: 'The ferry is in' }).getByText('bob').waitFor({ state: 'attached' });
  await ann.close();
  await context.close();
  await server.stop();
});

test('nothing moves for those who do not want it to', async (t) => {
  const server = await serve(t);
  const context = await browse({ reducedMotion: 'reduce' });
  const ann = await Visitor.to(server, context);
  await ann.register('ann');
  await ann.makeRoom('pier');
  await server.kill();
  await ann.banner('No connection');
  await ann.send('still');
  const styles = await ann.page.locator('.is-waiting').evaluate((one) => [getComputedStyle(one).animationName,
    getComputedStyle(document.querySelector('button')).transitionDuration]);
  assert.deepEqual(styles, ['none', '0s']);
  await ann.close();
  await context.close();
});
