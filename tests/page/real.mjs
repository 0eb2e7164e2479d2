// What the page at a daemon's address shows, as JSON, once it shows a kill. Usage: node real.mjs URL PICTURE
import {build, kWide, launch, visit} from './browser.mjs';

const [url, picture] = process.argv.slice(2);
const browser = await launch();
try {
  const {page, open, blameless} = await visit(browser, url);
  await open();
  await page.locator('.rows tbody tr').first().waitFor({timeout: 15000});
  if (await page.locator('summary').count()) await page.locator('summary').first().click();
  const shown = await page.evaluate(() => {
    const texts = (selector) => [...document.querySelectorAll(selector)].map((one) => one.innerText);
    return {
      word: texts('#word')[0],
      reasons: texts('#reasons li'),
      node: texts('#node')[0],
      detectors: texts('h3'),
      badges: texts('article .badge'),
      killed: texts('[data-count=killed] td'),
      plotted: [...document.querySelectorAll('[data-plot=killed] svg')].map((svg) => svg.getAttribute('aria-label')),
      cells: texts('.rows tbody tr:first-child td'),
      names: texts('.rows tbody tr:first-child dt'),
      values: texts('.rows tbody tr:first-child dd'),
      made: document.querySelectorAll('img, main script').length,
      all: document.body.innerText,
    };
  });
  const sizes = [];
  for (const width of [kWide.width, 360]) {
    await page.setViewportSize({width, height: kWide.height});
    sizes.push(await page.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth));
  }
  await page.setViewportSize(kWide);
  await page.screenshot({path: picture, fullPage: true});
  await blameless();
  console.log(JSON.stringify({...shown, fits: sizes.every(Boolean)}));
} finally {
  await browser.close();
}
