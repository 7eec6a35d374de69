// The line breaks, the server dies and comes back: what was said is there once, whatever happened to it on its way.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person, person, wholeHistory } from '../api/lib/client.mjs';
import { tempDir } from '../api/lib/server.mjs';
import { Line, Wire } from '../api/lib/sockets.mjs';
import { DESKTOP, Visitor, browse, serve } from './lib/browser.mjs';

let here, there;
before(async () => { [here, there] = await Promise.all([browse(DESKTOP), browse(DESKTOP)]); });
after(async () => {
  await here.close();
  await there.close();
});

const counts = (list) => list.reduce((all, one) => ({ ...all, [one]: (all[one] ?? 0) + 1 }), {});
const once = (texts) => Object.fromEntries(texts.map((text) => [text, 1]));

test('a server that is killed and started again: both go on, with nothing lost and nothing twice', async (t) => {
  const data = tempDir();
  let server = await serve(t, { data });
  const ann = await Visitor.to(server, here);
  const bob = await Visitor.to(server, there);
  await ann.register('ann');
  await bob.register('bob');
  const room = await ann.makeRoom('pier');
  await bob.joinRoom(room, 'pier');
  await ann.send('before the storm');
  await ann.seesState('before the storm', 'Read');

  // Some go out while it dies: they are acknowledged, or they are not and are sent again.
  for (let i = 1; i <= 5; i++) {
    await ann.send(`in the storm ${i}`);
  }
  await server.kill();
  await ann.banner('No connection to the server');
  await bob.banner('No connection to the server');
  await ann.send('in the dark');
  await ann.seesState('in the dark', 'Waits for the connection');
  await bob.send('from the other side');

  const all = ['before the storm', ...[1, 2, 3, 4, 5].map((i) => `in the storm ${i}`), 'in the dark', 'from the other side'];
  server = await serve(t, { data, port: server.port });
  for (const who of [ann, bob]) {
    await who.noBanner();
    for (const text of all) {
      await who.sees(text);
    }
  }
  await ann.seesState('in the dark', /^On site · Read$/);
  for (const who of [ann, bob]) {
    await who.page.locator('.is-waiting').first().waitFor({ state: 'detached' });
    assert.deepEqual(counts(await who.texts()), once(all));
  }
  const token = JSON.parse(await ann.page.evaluate(() => sessionStorage.getItem('tombolo.who'))).token;
  const history = await wholeHistory(new Person(server, { user: { id: 1 }, token }, ''), room);
  assert.deepEqual(counts(history.map((one) => one.content)), once(all));
  await ann.close();
  await bob.close();
  await server.stop();
});

test('a send whose ack is lost is repeated under the same name, also after a reload, and is one message', async (t) => {
  const server = await serve(t);
  const wire = await Wire.to(server);
  const ann = await Visitor.to({ url: `http://127.0.0.1:${wire.port}` }, here);
  await ann.register('ann');
  const room = await ann.makeRoom('pier');
  await ann.send('first');
  await ann.seesState('first', 'On site');
  wire.hold();                      // what the server answers does not come back any more
  await ann.send('only once, please');
  const who = JSON.parse(await ann.page.evaluate(() => sessionStorage.getItem('tombolo.who')));
  const onServer = new Person(server, who, '');
  while (!(await onServer.history(room)).items.some((one) => one.content === 'only once, please')) {
    // it is there as soon as the server has it
  }
  await ann.seesState('only once, please', /Sending|Waits for the connection/);
  wire.break();
  await ann.banner('No connection');
  await ann.seesState('only once, please', 'Waits for the connection');
  wire.isHeld = false;
  wire.mend();
  await ann.page.reload();
  await ann.seesState('only once, please', /^On site$/);
  await ann.page.locator('.is-waiting').waitFor({ state: 'detached' });
  assert.deepEqual(await ann.texts(), ['first', 'only once, please']);
  assert.equal((await onServer.history(room)).items.length, 2);
  await ann.close();
  wire.close();
  await server.stop();
});

// Nothing comes any more and nothing says so, as when a cable is pulled behind the next switch.
test('a line that dies without a word is noticed by the page itself, and so is that it is back', async (t) => {
  const server = await serve(t);
  const wire = await Wire.to(server);
  const ann = await Visitor.to({ url: `http://127.0.0.1:${wire.port}` }, here);
  await ann.register('ann');
  await ann.makeRoom('pier');
  const who = JSON.parse(await ann.page.evaluate(() => sessionStorage.getItem('tombolo.who')));
  const pings = [];
  ann.page.on('request', (one) => { if (one.url().endsWith('/sync')) { pings.push(one.url()); } });
  wire.hold();
  await ann.banner('No connection to the server');          // nobody writes or reads
  assert.ok(pings.length <= 4, `it took ${pings.length} questions`);
  await ann.send('in the dark');
  await ann.seesState('in the dark', 'Waits for the connection');
  wire.break();
  wire.isHeld = false;
  wire.mend();
  await ann.page.evaluate(() => dispatchEvent(new Event('online')));
  await ann.noBanner();
  await ann.seesState('in the dark', /^On site$/);
  assert.equal((await new Person(server, who, '').history(1)).items.length, 1);
  await ann.close();
  wire.close();
  await server.stop();
});

test('a browser that says it is offline is believed when the server does not answer, and only then', async (t) => {
  const server = await serve(t);
  const ann = await Visitor.to(server, here);
  await ann.register('ann');
  await ann.makeRoom('pier');
  await ann.send('hello');
  await ann.seesState('hello', /^On site$/);
  // The client library ends its line at this event and waits before it tries again; the server may be on this machine.
  const tried = await ann.page.evaluate(() => {
    const { open } = XMLHttpRequest.prototype, lines = [];
    XMLHttpRequest.prototype.open = function (...args) { lines.push(new URL(args[1], location).pathname); open.apply(this, args); };
    dispatchEvent(new Event('offline'));
    XMLHttpRequest.prototype.open = open;
    return lines;
  });
  assert.deepEqual(tried, ['/socket.io/'], 'a new line is tried at once');
  await ann.send('still here');
  await ann.seesState('still here', /^On site$/);
  assert.ok(await ann.page.locator('#banner').isHidden());
  await here.setOffline(true);
  await ann.banner('No connection to the server');
  await ann.send('later');
  await ann.seesState('later', 'Waits for the connection');
  await here.setOffline(false);
  await ann.noBanner();
  await ann.seesState('later', /^On site$/);
  await ann.close();
  await server.stop();
});

test('who is too fast is told kindly, and everything goes out in its time', async (t) => {
  const server = await serve(t, { env: { TOMBOLO_RATE_LIMIT: '2', TOMBOLO_LIMIT_MESSAGES_WINDOW_MS: '2500' } });
  const ann = await Visitor.to(server, here);
  await ann.register('ann');
  await ann.makeRoom('pier');
  for (const text of ['one', 'two', 'three', 'four']) {
    await ann.send(text);
  }
  await ann.seesState('three', /A little fast: goes out in \d s/);
  await ann.seesState('four', 'Waits for those before it');
  await ann.seesState('four', 'On site');
  assert.deepEqual(await ann.texts(), ['one', 'two', 'three', 'four']);
  await ann.close();
  await server.stop();
});

test('a message that is refused for what it is says so, and can be thrown away', async (t) => {
  const server = await serve(t, { config: { limit: { content_bytes: 100 } } });
  const ann = await Visitor.to(server, here);
  await ann.register('ann');
  await ann.makeRoom('pier');
  await ann.send('x'.repeat(200));
  await ann.seesState('xxx', 'Not sent: Message content is too long');
  assert.ok(await ann.page.getByRole('button', { name: 'Send again' }).isHidden(), 'it would be refused again');
  await ann.field.fill('and this');
  await ann.page.getByRole('button', { name: 'Edit' }).click();
  assert.equal(await ann.field.inputValue(), `${'x'.repeat(200)}\nand this`);
  await ann.message('xxx').waitFor({ state: 'detached' });
  await ann.field.press('Enter');
  await ann.send('short');
  await ann.seesState('short', 'On site');
  await ann.page.getByRole('button', { name: 'Discard' }).click();
  await ann.message('xxx').waitFor({ state: 'detached' });
  await ann.send(`${'y'.repeat(20_000)} the end`);          // nothing is cut off unsaid
  await ann.message('yyy').locator('.text', { hasText: 'the end' }).waitFor();
  await ann.seesState('yyy', 'Not sent: Message content is too long');
  await ann.close();
  await server.stop();
});

test('a message that may be taken another time is offered to be sent again', async (t) => {
  const server = await serve(t);
  const ann = await Visitor.to(server, here);
  await ann.register('ann');
  const room = await ann.makeRoom('pier');
  const who = new Person(server, JSON.parse(await ann.page.evaluate(() => sessionStorage.getItem('tombolo.who'))), '');
  await ann.page.evaluate(() => sessionStorage.setItem('tombolo.out.1.0123456789abcdef0123456789abcdef', JSON.stringify({
    clientId: '0123456789abcdef0123456789abcdef', roomId: 1, content: 'of another name', at: 1, tries: 0, after: 0 })));
  const used = await Line.to(who);
  await used.ask('send_message', { roomId: room, content: 'the first', clientId: '0123456789abcdef0123456789abcdef' });
  used.close();
  await ann.page.reload();
  await ann.seesState('of another name', 'Not sent');
  assert.ok(await ann.page.getByRole('button', { name: 'Edit' }).isHidden());
  await ann.page.getByRole('button', { name: 'Send again' }).click();
  await ann.seesState('of another name', /^On site$/);
  await ann.close();
  await server.stop();
});

test('what was said while one was away is all there, also when it is more than a page', async (t) => {
  const server = await serve(t);
  const wire = await Wire.to(server);
  const bob = await person(server, 'bob');
  const ann = await Visitor.to({ url: `http://127.0.0.1:${wire.port}` }, here);
  await ann.register('ann');
  const room = await ann.makeRoom('pier');
  await bob.join(room);
  await bob.send(room, 'message 0.');
  await ann.sees('message 0.');
  wire.break();
  await ann.banner('No connection');
  for (let i = 1; i <= 90; i++) {
    await bob.send(room, `message ${i}.`);
  }
  wire.mend();
  await ann.sees('message 90.');
  assert.deepEqual(await ann.texts(), Array.from({ length: 91 }, (_, i) => `message ${i}.`));
  await ann.close();
  wire.close();
  await server.stop();
});

test('a session that has ended leads to the login, and what waits goes out after it', async (t) => {
  const data = tempDir();
  let server = await serve(t, { data, env: { JWT_SECRET: 'a secret that is long enough, one' } });
  const ann = await Visitor.to(server, here);
  await ann.register('ann');
  await ann.makeRoom('pier');
  await server.kill();
  await ann.banner('No connection');
  await ann.send('later');
  await ann.seesState('later', 'Waits for the connection');
  server = await serve(t, { data, port: server.port, env: { JWT_SECRET: 'a secret that is long enough, two' } });
  await ann.page.getByText('Your session has ended').waitFor();
  await ann.login('ann');
  await ann.seesState('later', 'On site');
  await ann.close();
  await server.stop();
});
