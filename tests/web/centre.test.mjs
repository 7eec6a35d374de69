// With a centre: a message is "at the centre" when it is there, and a link that is down is said, once it is.
import { after, before, test } from 'node:test';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { MysqlLink } from '../api/lib/mysql-link.mjs';
import { start } from '../api/lib/server.mjs';
import { Visitor, browse } from './lib/browser.mjs';

let db, link, server;
before(async () => {
  db = await MariaDb.make();
  link = await MysqlLink.to(db);
  server = await start({ env: { DATABASE_URL: link.url } });
});
after(async () => {
  await server?.stop();
  link?.close();
  await db?.kill();
});

test('what is at the centre, what is not yet, and how much waits', async () => {
  const ann = await Visitor.to(server, await browse());
  await ann.register('ann');
  await ann.makeRoom('pier');
  await ann.send('to everybody');
  await ann.seesState('to everybody', /^At the centre$/);

  link.refuse();
  await ann.send('to those who are here');
  await ann.seesState('to those who are here', /^On site$/);
  await ann.banner(/No link to the centre. Everything on site works as always. \d+ changes? waits? to be passed on/);
  await ann.message('to those who are here').locator('.state').click();
  await ann.page.getByRole('dialog').getByText('not yet').waitFor();
  await ann.page.keyboard.press('Escape');
  await ann.seesState('to those who are here', /^On site$/);

  link.mend();
  await ann.seesState('to those who are here', /^At the centre$/);
  await ann.noBanner();
  await ann.page.reload();
  await ann.seesState('to those who are here', /^At the centre$/);
  await ann.close();
});
