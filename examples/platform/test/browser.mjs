// A browser, and what a person does in it.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = process.env.PLATFORM_SCREENSHOTS;
export const WIDE = { width: 1280, height: 860 };
export const NARROW = { width: 390, height: 844 };

export async function launched() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
}

/** A person's window, and what went wrong in it that they do not see. */
export async function person(browser, url, { viewport = WIDE, colorScheme = 'light' } = {}) {
  const context = await browser.newContext({ baseURL: url, viewport, colorScheme, locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'], acceptDownloads: true });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (message) => {
    // A refusal is an answer, and the browser calls it an error.
    if (message.type() === 'error' && !message.text().includes('the server responded with a status of')) troubles.push(message.text());
  });
  return { page, context, troubles };
}

export async function signedIn(browser, url, credential, options) {
  const one = await person(browser, url, options);
  await one.page.goto('/');
  await signIn(one.page, credential);
  await one.page.getByRole('button', { name: 'Sign out' }).waitFor();
  return one;
}

export async function signIn(page, credential) {
  await page.getByLabel('API key').fill(credential);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Goes to a page as a person does, by its name. */
export async function goTo(page, name) {
  const menu = page.getByRole('button', { name: 'Menu', exact: true });
  if (await menu.isVisible()) await menu.click();
  const link = page.getByRole('navigation').getByRole('link', { name });
  // Asked for again, the page would be made anew while it is used.
  if ((await link.getAttribute('aria-current')) === 'page') return;
  await link.click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
}

/** No serious finding of axe, and nothing that is cut off: in light and dark, wide and narrow. */
export async function isFine(page, name) {
  for (const [size, viewport] of [['wide', WIDE], ['narrow', NARROW]]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      // As whoever looks at the page: its policy forbids scripts of others to itself.
      await page.evaluate(`${AXE}; undefined`);
      const findings = await page.evaluate(async () => {
        const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
        const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        return grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`);
      });
      assert.deepEqual(findings, [], `${name}, ${size}, ${colorScheme}`);
      await shot(page, `${name}-${size}-${colorScheme}`);
    }
    const { over, cut } = await page.evaluate(() => {
      const root = document.scrollingElement;
      const wider = [...document.querySelectorAll('main *, dialog *, header *')].filter((element) => {
        const { left, right, width } = element.getBoundingClientRect();
        return width > 0 && !element.closest('.unseen, .skip, thead, .said') && (right > window.innerWidth + 1 || left < -1);
      });
      return { over: root.scrollWidth - window.innerWidth, cut: wider.map((element) => element.outerHTML.slice(0, 120)) };
    });
    assert.ok(over <= 0, `${name}, ${size}: ${over} pixels too wide`);
    assert.deepEqual(cut, [], `${name}, ${size}`);
  }
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: 'light' });
}

async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), animations: 'disabled' });
}
