// Headless Chromium on the page of a server under test. Whatever the page complains of (an exception, a console error, a breach of its
// policy, a file that was not found) fails the test that had it: see Visitor.close.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { start, tempDir } from '../../api/lib/server.mjs';

const CHROMIUM = process.env.TOMBOLO_TEST_CHROMIUM ?? '/usr/bin/chromium';
const SHOW_MS = 60_000;             // a busy machine
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
export const DESKTOP = { viewport: { width: 1280, height: 800 } };

const open = new Set();
after(async () => { await Promise.all([...open].map((context) => context.close())); });

// A browser of its own, in a folder of its own.
export async function browse(options = {}) {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing; scripts/test installs it`);
  const context = await chromium.launchPersistentContext(tempDir(), {
    executablePath: CHROMIUM, headless: true, reducedMotion: 'reduce', ...DESKTOP, ...options,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  context.setDefaultTimeout(SHOW_MS);
  open.add(context);
  return context;
}

// A server that a test which fails half-way does not leave behind.
export async function serve(t, options) {
  const server = await start(options);
  t.after(() => server.kill());
  return server;
}

// What a browser says by itself when a server is away is no fault of the page.
const IS_AWAY = /net::ERR_|WebSocket connection to .* failed|status of (400|401|403|404|409|429|503)/;

export class Visitor {
  // Opens the page at /app/ in a tab of its own.
  static async to(server, context, { path = '/app/' } = {}) {
    const visitor = new Visitor();
    visitor.complaints = [];
    visitor.page = await context.newPage();
    await visitor.page.exposeFunction('breach', (text) => { visitor.complaints.push(`policy: ${text}`); });
    await visitor.page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => window.breach(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
    });
    visitor.page.on('pageerror', (e) => visitor.complaints.push(`exception: ${e.stack}`));
    visitor.page.on('console', (m) => {
      if (m.type() === 'error' && !IS_AWAY.test(m.text())) {
        visitor.complaints.push(`console: ${m.text()}`);
      }
    });
    visitor.page.on('response', (answer) => {
      if (answer.status() >= 400 && new URL(answer.url()).pathname.startsWith('/app/')) {
        visitor.complaints.push(`missing: ${answer.url()}`);
      }
    });
    await visitor.page.goto(server.url + path);
    return visitor;
  }

  async register(name, password = 'correct horse battery') {
    const { page } = this;
    this.name = name;
    await page.getByRole('button', { name: 'Make an account' }).click();
    await page.getByLabel('E-mail').fill(`${name}@example.org`);
    await page.getByLabel('Name that others see').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Make the account' }).click();
    await this.isIn();
  }

  async login(name, password = 'correct horse battery') {
    const { page } = this;
    this.name = name;
    await page.getByLabel('E-mail').fill(`${name}@example.org`);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await this.isIn();
  }

  isIn() { return this.page.getByRole('navigation', { name: 'Rooms' }).waitFor(); }

  async makeRoom(name, { isPrivate = false } = {}) {
    const { page } = this;
    await page.getByRole('button', { name: 'New room' }).click();
    await page.getByLabel('Name', { exact: true }).fill(name);
    if (isPrivate) {
      await page.getByLabel(/^Private/).check();
    }
    await page.getByRole('button', { name: 'Make it' }).click();
    await this.isInRoom(name);
    return Number(/#room\/(\d+)/.exec(page.url())[1]);
  }

  async joinRoom(id, name) {
    const { page } = this;
    await page.getByRole('button', { name: 'Join by number' }).click();
    await page.getByLabel('Its number').fill(String(id));
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await this.isInRoom(name);
  }

  isInRoom(name) { return this.page.getByRole('heading', { name, level: 2 }).waitFor(); }
  async openRoom(name) { await this.roomRow(name).click(); await this.isInRoom(name); }
  roomRow(name) { return this.page.locator('.rooms-list button', { has: this.page.locator('.room-name', { hasText: name }) }); }

  get field() { return this.page.getByRole('textbox', { name: 'Message' }); }
  async send(text) {
    await this.field.fill(text);
    await this.field.press('Enter');
  }

  message(text) { return this.page.locator('li.message', { has: this.page.locator('.text', { hasText: text }) }); }
  sees(text) { return this.message(text).waitFor(); }
  async seesState(text, state) { await this.message(text).locator('.state', { hasText: state }).waitFor(); }
  texts() { return this.page.locator('li.message .text').allTextContents(); }
  banner(text) { return this.page.locator('#banner', { hasText: text }).waitFor(); }
  noBanner() { return this.page.locator('#banner').waitFor({ state: 'hidden' }); }

  // What axe-core has against what is on the screen now.
  async accessibility() {
    await this.page.evaluate(AXE);
    return this.page.evaluate(async () => {
      const { violations, incomplete } = await window.axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
      const short = (list) => list.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`).join(' | ')}`);
      return { violations: short(violations), unsure: short(incomplete) };
    });
  }

  // The end of a visit, and the judgement on it.
  async close() {
    await this.page.close();
    assert.deepEqual(this.complaints, []);
  }
}
