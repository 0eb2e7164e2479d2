// A browser that notes whatever a page may not do, and measures what a person sees.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {createRequire} from 'node:module';

const kFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const build = process.env.CRYPTNONO_BUILD;
const require = createRequire(`${build}/page/`);
const {chromium} = require('playwright-core');
const kAxe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const launch = () => chromium.launch({executablePath: '/usr/bin/chromium', args: kFlags});

export const kWide = {width: 1280, height: 900};
export const kPhone = {width: 360, height: 740};

// A page of its own for `url`; `open` goes there, `blameless` demands that it did nothing but ask for `/` and `/status.json`.
export async function visit(browser, url, {now, ...options} = {}) {
  const context = await browser.newContext({viewport: kWide, locale: 'en-GB', timezoneId: 'UTC', ...options});
  const page = await context.newPage();
  const sins = [];
  await context.route('**/*', (route) => {
    const {pathname, origin} = new URL(route.request().url());
    if (origin + '/' === url && ['/', '/status.json'].includes(pathname)) return route.continue();
    sins.push(`request ${route.request().url()}`);
    return route.abort();
  });
  page.on('pageerror', (error) => sins.push(`error ${error.stack}`));
  page.on('dialog', (dialog) => {
    sins.push(`dialog ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('console', (message) => {
    const lost = /^Failed to load resource/.test(message.text()) && message.location().url.endsWith('/status.json');
    if (message.type() === 'error' && !lost) sins.push(`console ${message.text()}`);
  });
  context.on('page', () => sins.push('a new window'));
  await page.addInitScript(() =>
    addEventListener('securitypolicyviolation', (event) =>
      console.error(`policy ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  if (now) {
    // time stands still there, but for what a test lets pass
    await page.clock.install({time: now * 1000 - 1000});
    await page.clock.pauseAt(now * 1000);
  }
  const open = async () => {
    if (now) await page.clock.setSystemTime(now * 1000);
    await page.goto(url);
  };
  const blameless = async () => {
    if (options.javaScriptEnabled !== false) assert.equal(await page.evaluate(() => window.owned), undefined, 'a string was run');
    assert.deepEqual(sins, []);
  };
  return {page, open, blameless, close: () => context.close()};
}

// Every text that is seen and has less contrast to what is behind it than WCAG 2.2 AA wants, and bars below 3.
export function poorContrast(page) {
  return page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
    const behind = (element) => {
      const layers = [];
      for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
      return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const light = (color) =>
      color
        .map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => {
      const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
      return (x + 0.05) / (y + 0.05);
    };
    const poor = [];
    let texts = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || element.closest('svg, script, style, noscript') || !element.checkVisibility())
        continue;
      texts++;
      const style = getComputedStyle(element);
      const below = behind(element);
      const size = parseFloat(style.fontSize);
      const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
      const got = ratio(over(rgba(style.color), below), below);
      if (got < wanted) poor.push(`${got.toFixed(2)} of ${wanted}: ${element.className} ${walker.currentNode.data.slice(0, 40)}`);
    }
    let bars = 0;
    for (const bar of document.querySelectorAll('figure rect:not(.hit, .void)')) {
      bars++;
      const got = ratio(rgba(getComputedStyle(bar).fill), behind(bar.closest('figure')));
      if (got < 3) poor.push(`${got.toFixed(2)} of 3: a bar, ${bar.getAttribute('class')}`);
    }
    return {poor: [...new Set(poor)], texts, bars};
  });
}

// What the auditor of accessibility finds wrong.
export async function audit(page) {
  await page.evaluate(kAxe);
  const {violations, passes} = await page.evaluate(() =>
    window.axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}),
  );
  assert.ok(passes.length > 10);
  return violations.map(
    (v) =>
      `${v.id}: ${v.nodes
        .map((n) => n.html.slice(0, 120))
        .slice(0, 3)
        .join(' | ')}`,
  );
}
