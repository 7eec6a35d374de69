// Pictures of the page, to be looked at: node tests/web/shots.mjs [FOLDER]. Each view on a phone and a desktop, light and dark.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { start, tempDir } from '../api/lib/server.mjs';
import { DESKTOP, PHONE, browse } from './lib/browser.mjs';
import { empty, enter, talk } from './lib/scenes.mjs';

const folder = process.argv[2] ?? '/tmp/tombolo-shots';
mkdirSync(folder, { recursive: true });

for (const [device, size] of [['phone', PHONE], ['desktop', DESKTOP]]) {
  for (const colorScheme of ['light', 'dark']) {
    const server = await start({ data: tempDir() });
    const shoot = async (visitor, name) => {
      const file = join(folder, `${name}-${device}-${colorScheme}.png`);
      await visitor.page.screenshot({ path: file });
      console.log(file);
    };
    const context = await browse({ ...size, colorScheme });
    const other = await browse();
    const scene = await enter(server, context, other);
    await shoot(scene.ann, 'login');
    await scene.ann.page.getByRole('button', { name: 'Make an account' }).click();
    await shoot(scene.ann, 'register');
    await scene.ann.page.getByRole('button', { name: 'Log in' }).click();
    await empty(scene);
    await shoot(scene.ann, 'empty');
    await talk(scene);
    await shoot(scene.ann, 'busy');
    await scene.ann.page.getByRole('button', { name: 'People' }).click();
    await scene.ann.page.locator('#people-list li').nth(2).waitFor();
    await shoot(scene.ann, 'people');
    await scene.ann.page.keyboard.press('Escape');
    await scene.ann.message('Bring the second line').last().locator('.state').click();
    await shoot(scene.ann, 'details');
    await scene.ann.page.keyboard.press('Escape');
    if (device === 'phone') {
      await scene.ann.page.getByRole('button', { name: 'All rooms' }).click();
      await shoot(scene.ann, 'rooms');
      await scene.ann.openRoom('Harbour');
    }
    await server.kill();
    await scene.ann.banner('No connection to the server');
    await scene.ann.send('Can anybody hear me?');
    await scene.ann.sees('Can anybody hear me?');
    await shoot(scene.ann, 'offline');
    await context.close();
    await other.close();
  }
}
process.exit(0);
