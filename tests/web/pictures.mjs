// The pictures of the README: node tests/web/pictures.mjs [FOLDER]. Writes page.png and top.png to docs/pictures, or to FOLDER. It needs
// what scripts/test installs, and build/release or the build that TOMBOLO_BIN names.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { person } from '../api/lib/client.mjs';
import { MariaDb } from '../api/lib/mariadb.mjs';
import { BIN, ROOT, start, tempDir } from '../api/lib/server.mjs';
import { Line } from '../api/lib/sockets.mjs';
import { browse } from './lib/browser.mjs';
import { empty, enter, talk } from './lib/scenes.mjs';
import { drawn } from './lib/terminal.mjs';

const folder = process.argv[2] ?? join(ROOT, 'docs/pictures');
const PAGE = { viewport: { width: 1100, height: 640 } };
const COLUMNS = 100, ROWS = 16, FRAMES = 4;     // the first frames have nothing to compare themselves with
const TALKERS = 12, PAUSE_MS = 20;

async function shootPage() {
  const server = await start({ data: tempDir() });
  const context = await browse(PAGE), other = await browse();
  const scene = await enter(server, context, other);
  await empty(scene);
  await talk(scene);
  await scene.ann.page.screenshot({ path: join(folder, 'page.png') });
  await Promise.all([context.close(), other.close()]);
  await server.stop();
}

// People in one room who take turns, until they are stopped.
async function chatter(server) {
  const people = await Promise.all(Array.from({ length: TALKERS }, () => person(server)));
  const room = await people[0].room('Harbour');
  await Promise.all(people.slice(1).map((one) => one.post('/rooms/join', { roomId: room.id })));
  const lines = await Promise.all(people.map((one) => Line.to(one)));
  let turn = 0;
  const timer = setInterval(() => { people[turn++ % TALKERS].send(room.id, 'The tide is out'); }, PAUSE_MS);
  return () => { clearInterval(timer); lines.forEach((line) => line.close()); };
}

// What tombolo top shows in a terminal of COLUMNS by ROWS, after some frames. `script` is the terminal.
async function topOf(above, data) {
  const command = `stty cols ${COLUMNS} rows ${ROWS}; exec ${BIN} top --data ${data} --interval 1`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: above, env: { ...process.env, TERM: 'xterm' } });
  const HOME = '\x1b[H';
  let text = '';
  while (text.split(HOME).length <= FRAMES + 1) {
    const [bytes] = await once(child.stdout, 'data');
    text += bytes;
  }
  child.stdin.write('q');
  await once(child, 'exit');
  return text.split(HOME)[FRAMES];
}

async function shootTop() {
  const centre = await MariaDb.make(), above = tempDir();
  const server = await start({ data: join(above, 'data'), env: { DATABASE_URL: centre.url } });
  const hush = await chatter(server);
  const frame = await topOf(above, 'data');
  hush();
  const context = await browse({ deviceScaleFactor: 1 });
  const page = await context.newPage();
  await page.setContent(drawn(frame, COLUMNS));
  await page.locator('pre').screenshot({ path: join(folder, 'top.png') });
  await context.close();
  await server.stop();
  await centre.kill();
}

mkdirSync(folder, { recursive: true });
await shootPage();
await shootTop();
process.exit(0);
