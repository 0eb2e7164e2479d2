// The page of `/` in headless Chromium, against a server that plays the daemon.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {after, before, describe, test} from 'node:test';

import {audit, build, kPhone, kWide, launch, poorContrast, visit} from './browser.mjs';
import * as documents from './documents.mjs';
import {serve} from './server.mjs';

const {kNow} = documents;
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

// A server and a page that asks it. A page costs more than a test: most tests take what another one is done with.
const rested = [];

async function pair(options) {
  const daemon = await serve(build);
  return {daemon, ...(await visit(browser, daemon.url, {now: kNow, ...options}))};
}

// A test with a server that gives `status`, and a page that has shown it, at the time of the documents. With options, the
// page is nobody else's.
function paged(name, status, body, options) {
  test(name, async () => {
    const one = (!options && rested.pop()) || (await pair(options));
    const {daemon, page} = one;
    // Does something, by default lets five seconds pass, and waits until the page has drawn what came of its next question.
    const next = async (something = () => page.clock.fastForward(5000)) => {
      const before = await page.evaluate(() => timer);
      await something();
      await page.waitForFunction((last) => timer !== last, before);
    };
    let good = false;
    try {
      Object.assign(daemon, {status, answer: undefined});
      daemon.asked.length = 0;
      await one.open();
      if (options?.javaScriptEnabled !== false) await page.waitForFunction(() => timer);
      await body(page, daemon, next);
      await one.blameless();
      assert.deepEqual(
        daemon.asked.filter((path) => !['/', '/status.json'].includes(path)),
        [],
      );
      good = true;
    } finally {
      if (good && !options) {
        rested.push(one);
      } else {
        await one.close();
        await daemon.stop();
      }
    }
  });
}
after(() => Promise.all(rested.map(({daemon}) => daemon.stop())));

const text = (page, selector) => page.locator(selector).innerText();
const texts = (page, selector) => page.locator(selector).allInnerTexts();
const card = (name) => `[data-key="d-${name}"]`;
const row = (dt) => `dl > div:has(> dt:text-is("${dt}")) > dd`;

describe('page', {concurrency: 2, timeout: 120000}, () => {
  paged('a quiet node: state, detectors, canaries, counts, configuration', documents.quiet(), async (page) => {
    assert.equal(await text(page, '#word'), 'Ready');
    assert.equal(await page.title(), 'Ready – node-1 – cryptnono');
    assert.equal(await text(page, 'h1'), 'cryptnono on node-1');
    assert.equal(await text(page, '#about'), 'version 0.1.0 · kernel 6.1.0-18-amd64 · up for 26 h');
    assert.deepEqual(await texts(page, 'h3'), ['execwhacker', 'monero', 'tcpflowkiller']);
    assert.deepEqual(await texts(page, 'article .badge'), ['up', 'up', 'up']);
    const exec = card('execwhacker');
    assert.equal(await text(page, `${exec} .hook`), 'killed in the kernel at exec');
    assert.equal(await text(page, `${exec} ${row('canary')}`), 'died after 400 µs, 23 s ago');
    assert.equal(await text(page, `${exec} ${row('limit')}`), '0 of 20 targets in 60 s');
    assert.equal(await text(page, `${exec} ${row('rules')}`), '6,120 banned, 2 allowed-pattern, 1 allowed-executable');
    assert.equal(await text(page, `${exec} ${row('lost')}`), 'nothing');
    assert.equal(await text(page, `${card('monero')} ${row('rules')}`), 'needs none');
    assert.equal(await text(page, `${card('tcpflowkiller')} [data-count=checked] td`), '1,204,377');
    assert.equal(await text(page, '#kills'), 'None since the start.');
    assert.match(await text(page, '#missing'), /^Nothing/);
    assert.equal(await page.locator('#reporting').isVisible(), false);
    assert.equal(await text(page, `#config ${row('generation')}`), '3');
    assert.equal(await text(page, `#config ${row('loaded')}`), '2 h ago');
    assert.deepEqual(await texts(page, '#config li'), ['/etc/cryptnono/base.yaml', '/etc/cryptnono/hub.yaml']);
  });

  paged('a busy node: losses, limits, kills with who it was', documents.busy(), async (page, daemon) => {
    assert.equal(await text(page, '#word'), 'Ready, with restrictions');
    assert.deepEqual(await texts(page, '#reasons li'), [
      'execwhacker has used up its limit: in further containers it only reports',
      'execwhacker lost 15 events in the last 60 min',
      'tcpflowkiller: refused only: this kernel cannot kill from the hook',
      '1 thing missing on this node',
    ]);
    assert.deepEqual(await texts(page, 'article .badge'), ['up', 'up', 'degraded']);
    const exec = card('execwhacker');
    assert.deepEqual(await texts(page, `${exec} .counts td`), ['1,841', '12', '7', '1', '31', '96', '4', '1,912,044']);
    assert.equal(await text(page, `${exec} ${row('limit')}`), '20 of 20 targets in 60 s: used up');
    assert.equal(await text(page, `${exec} ${row('lost')}`), '12 events-ring-full, 3 unreadable-arguments');
    assert.equal(await text(page, '.missing strong'), 'no real-time priority');
    assert.equal(await text(page, `.missing ${row('remedy')}`), 'add CAP_SYS_NICE');
    const [pools, miners] = await texts(page, '#rollouts li');
    assert.match(pools, /^pools reports, then kill, not before .*2026.*, clean for 25 h of 7 d; would have killed 3, last 25 h ago$/);
    assert.equal(miners, 'miners over: kill-tree; would have killed 0');

    assert.deepEqual(await texts(page, '.rows thead th'), ['When', 'Detector', 'What', 'Rule', 'Latency', 'Who']);
    assert.equal(await page.locator('.rows tbody tr').count(), 10);
    const first = page.locator('.rows tbody tr').first();
    assert.deepEqual((await first.locator('td').allInnerTexts()).slice(0, 5), [
      '16:02:00 3 s ago',
      'execwhacker',
      'killed',
      'default:3:5',
      '14 µs',
    ]);
    const outside = page.locator('.rows tbody tr').nth(8); // of no pod: the command line remains its name
    await outside.locator('summary').click();
    assert.ok((await outside.locator('summary').innerText()).includes('./xmrig'));
    assert.equal(await outside.locator('.took').innerText(), 'under 1 µs');
    await page.locator('#more').click();
    const rows = page.locator('.rows tbody tr');
    assert.equal(await rows.count(), 50);
    for (const i of [0, 17, 49]) {
      const {detector, action, rule, details} = daemon.status.kills[i];
      const cells = await rows.nth(i).locator('td').allTextContents();
      assert.deepEqual(cells.slice(1, 4), [detector, action, rule]);
      for (const value of Object.values(details)) assert.ok(cells[5].includes(value), `${value} in row ${i}`);
    }
  });

  paged('a row that is unfolded by the keyboard stays so when kills arrive', documents.busy(), async (page, daemon, next) => {
    const cmdline = documents.kill(2).details.cmdline;
    const third = page.locator('.rows tbody tr').nth(2);
    await page.locator('.rows summary').nth(1).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal(await third.locator('dd').last().innerText(), cmdline);
    const at = kNow + 4;
    daemon.status.kills.unshift({...documents.kill(1), at, rule: 'new'}, {...documents.kill(1), at, rule: 'twin'});
    daemon.status.kills.length = 50;
    daemon.status.now += 5;
    await next();
    assert.deepEqual(await texts(page, '.rows tbody tr:nth-child(-n+3) .rule'), ['new', 'twin', 'default:3:5']);
    assert.equal(await page.locator('details[open]').count(), 1);
    assert.equal(await page.locator('.rows tbody tr').nth(4).locator('details[open] dd').last().innerText(), cmdline);
    assert.equal(await page.evaluate(() => document.activeElement.closest('tr').rowIndex), 5, 'the focus stays too');
    assert.equal(await text(page, '.rows tbody tr:nth-child(3) time'), '8 s ago');
  });

  const off = documents.quiet();
  for (const detector of off.detectors) Object.assign(detector, {enabled: false, up: false});

  paged('no detector at all', off, async (page) => {
    assert.equal(await text(page, '#word'), 'Ready, with restrictions');
    assert.deepEqual(await texts(page, '#reasons li'), ['no detector is switched on']);
  });

  paged('a detector that is down, one that is off, a reload that failed, a dry run', documents.broken(), async (page) => {
    assert.equal(await text(page, '#word'), 'Not ready');
    assert.deepEqual(await texts(page, '#reasons li'), [
      'monero: the canary did not die in time',
      'the last reload failed; the configuration before it is in force',
      'dry run: nothing is killed',
      '2 things missing on this node',
    ]);
    assert.deepEqual(await texts(page, 'article .badge'), ['up', 'down', 'off']);
    assert.equal(await text(page, `${card('monero')} ${row('canary')}`), 'did not die in time, 9 s ago: still alive after 5 s');
    assert.equal(await text(page, `${card('execwhacker')} ${row('limit')}`), 'at most 20 targets in 60 s');
    assert.equal(await text(page, `.missing ${row('why')}`), 'no such file or directory');
    assert.equal(await text(page, `${card('tcpflowkiller')} .hook`), 'switched off in the configuration');
    assert.equal(await text(page, `#config ${row('last reload')}`), 'failed; this configuration stays in force');
    assert.deepEqual(await texts(page, '.errors li'), documents.broken().config.last_reload_errors);
    assert.deepEqual(
      await texts(page, '.missing strong'),
      documents.broken().missing.map((one) => one.what),
    );
    assert.equal(await page.locator('#state [role=status]').getAttribute('aria-live'), 'polite');
  });

  // [x, y, width, height] of the bars of a plot, with their class.
  const drawn = (page, name, plot) =>
    page.locator(`${card(name)} [data-plot=${plot}] svg`).evaluate((svg) => ({
      label: svg.getAttribute('aria-label'),
      box: svg.getAttribute('viewBox'),
      bars: [...svg.querySelectorAll('rect:not(.hit)')].map((r) => [
        r.getAttribute('class'),
        ...['x', 'y', 'height'].map((a) => +r.getAttribute(a)),
      ]),
      titles: [...svg.querySelectorAll('g > title')].map((t) => t.textContent),
    }));

  const plotted = documents.quiet();
  // The last of the 360 steps ends at 16:02:00, so minute k of the hour is steps 6k to 6k + 5.
  Object.assign(plotted.history.series.execwhacker.killed, {0: 2, 6: 3, 11: 1, 12: 8, 359: 10});
  Object.assign(plotted.history.series.execwhacker.reported, {12: 2, 354: 5});
  plotted.history.series.execwhacker.lost[359] = 3;
  plotted.history.series.monero = {killed: [0, 4], reported: [0, 0], lost: [0, 0]};
  plotted.history.series.tcpflowkiller.killed[180] = 100000;
  plotted.history.series.tcpflowkiller.killed[186] = 1;

  paged('plots have the points of the history', plotted, async (page) => {
    const killed = await drawn(page, 'execwhacker', 'killed');
    assert.equal(killed.box, '0 0 60 40');
    assert.deepEqual(killed.bars, [
      // the scale ends at 20, which is 40 high
      ['killed', 0.1, 36, 4],
      ['killed', 1.1, 32, 8],
      ['killed', 2.1, 24, 16],
      ['reported', 2.1, 20, 4],
      ['killed', 59.1, 20, 20],
      ['reported', 59.1, 10, 10],
    ]);
    assert.deepEqual(killed.titles, [
      '15:02–15:03: 2 killed, 0 reported',
      '15:03–15:04: 4 killed, 0 reported',
      '15:04–15:05: 8 killed, 2 reported',
      '16:01–16:02: 10 killed, 5 reported',
    ]);
    assert.equal(
      killed.label,
      'execwhacker: killed and reported per minute, 15:02 to 16:02: 24 killed, 7 reported; most in one bar: 15, at 16:01',
    );
    const figure = `${card('execwhacker')} [data-plot=killed]`;
    assert.deepEqual(await texts(page, `${figure} > span`), ['20', '0', '15:02', '16:02']);
    assert.deepEqual(await texts(page, `${figure} figcaption > span`), ['24 killed7 reported', 'per minute']);
    assert.deepEqual((await drawn(page, 'execwhacker', 'lost')).bars, [['lost', 59.1, 16, 24]]);
    const young = await drawn(page, 'monero', 'killed'); // 20 seconds old: the time before is marked, not drawn as "none"
    assert.deepEqual(young.bars, [
      ['void', 0, 0, 40],
      ['killed', 59.1, 8, 32],
    ]);
    assert.match(young.label, /^monero: killed and reported per minute, since 16:01, 15:02 to 16:02: 4 killed, 0 reported;/);
    const tall = await drawn(page, 'tcpflowkiller', 'killed');
    assert.deepEqual(
      tall.bars,
      [
        ['killed', 30.1, 0, 40],
        ['killed', 31.1, 39, 1],
      ],
      'one is seen beside many',
    );
  });

  paged('a history of 10,000 steps', documents.endless(), async (page, daemon) => {
    const {bars, label} = await drawn(page, 'execwhacker', 'killed');
    const sum = (list) => list.reduce((a, b) => a + b, 0).toLocaleString('en');
    const {killed, reported} = daemon.status.history.series.execwhacker;
    assert.ok(label.includes(`${sum(killed)} killed, ${sum(reported)} reported`), label);
    const some = bars.filter(([kind]) => kind !== 'void').length;
    assert.ok(some > 100 && some <= 122, `${some} bars`);
  });

  paged('what changes is shown; ages tick without being read aloud', documents.quiet(), async (page, daemon, next) => {
    await page.evaluate(() => {
      window.spoken = [];
      new MutationObserver((records) => window.spoken.push(...records.map((r) => r.target.textContent))).observe(
        document.querySelector('[aria-live]'),
        {subtree: true, childList: true, characterData: true},
      );
    });
    await page.clock.fastForward(3000);
    assert.equal(await text(page, '#fresh'), 'answered 3 s ago');
    assert.equal(await text(page, `${card('execwhacker')} ${row('canary')}`), 'died after 400 µs, 26 s ago');
    daemon.status.detectors[0].counts.killed = 7;
    daemon.status.now += 5;
    await next();
    assert.equal(await text(page, `${card('execwhacker')} [data-count=killed] td`), '7');
    assert.deepEqual(await page.evaluate(() => window.spoken), []);
    daemon.status.ready = false;
    daemon.status.not_ready = ['execwhacker: its hook is gone'];
    await next();
    assert.equal(await text(page, '#word'), 'Not ready');
    assert.equal(await page.title(), 'Not ready – node-1 – cryptnono');
    assert.ok((await page.evaluate(() => window.spoken)).length > 0);
  });

  paged('no answer: since when, and why; and again one', documents.quiet(), async (page, daemon, next) => {
    const word = page.locator('#word');
    const since = 'No answer since 16:02:03';
    await daemon.stop();
    await next();
    assert.equal(await word.innerText(), since);
    assert.match(await text(page, '#reasons'), /^the daemon cannot be reached; what stands below/);
    await next(() => page.clock.fastForward(60000));
    assert.equal(await text(page, '#fresh'), 'answered 65 s ago');
    assert.equal(await word.innerText(), since);
    assert.equal(await page.title(), `${since} – node-1 – cryptnono`);
    assert.equal(await page.locator('article').count(), 3);
    await daemon.start();
    for (const [answer, why] of [
      [(r) => r.writeHead(503, 'Service Unavailable').end('x'), 'the daemon answers 503 Service Unavailable'],
      [(r) => r.writeHead(200).end('# HELP metrics'), 'the answer is not a status'],
      [(r) => r.writeHead(200).end('null'), 'the answer is not a status'],
      [(r) => r.writeHead(200).end('{"detectors": [null]}'), 'the answer cannot be shown'],
      [(r) => r.writeHead(200, {'Content-Length': 100}).write('{') && r.destroy(), 'the daemon cannot be reached'],
    ]) {
      daemon.answer = answer;
      await next();
      assert.ok((await text(page, '#reasons')).startsWith(why), why);
      assert.equal(await word.innerText(), since, why);
    }
    await next(async () => {
      const asked = new Promise((resolve) => {
        daemon.answer = resolve;
      }); // who never answers
      await page.clock.fastForward(5000);
      await asked;
      await page.clock.fastForward(4000);
    });
    assert.match(await text(page, '#reasons'), /^no answer within 4 s;/);
    daemon.answer = undefined;
    await next();
    assert.equal(await word.innerText(), 'Ready');
    assert.equal(await page.locator('#reasons li').count(), 0);
  });

  paged('a daemon that never answered', {}, async (page) => {
    assert.equal(await text(page, '#word'), 'No answer');
    assert.equal(await text(page, '#reasons'), 'the answer is not a status');
    assert.equal(await page.locator('#all').isVisible(), false);
  });

  paged('a page that nobody sees asks for nothing', documents.quiet(), async (page, daemon, next) => {
    const hide = (hidden) =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'hidden', {value, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await hide(true);
    const before = daemon.asked.length;
    await page.clock.fastForward(60000);
    assert.equal(daemon.asked.length, before);
    await next(() => hide(false));
    assert.equal(daemon.asked.length, before + 1);
    await next();
    assert.equal(daemon.asked.length, before + 2);
  });

  paged('hostile text is text, and what is unseen in it is shown', documents.hostile(), async (page, daemon) => {
    await page.locator('#more').click();
    const shown = (i) => page.locator('.rows tbody tr').nth(i).locator('dd').last();
    const expected = {
      // by the place in kEvil
      0: documents.kEvil[0],
      1: documents.kEvil[1],
      3: documents.kEvil[3],
      6: '\\x1b[2J\\x1b]0;owned\\x07\\x1b[31mred',
      7: 'safe \\u202egnp.exe\\u202c end',
      8: '\\u2066\\u2067isolates',
      9: 'zero\\u200bwidth\\u200d\\ufeff\\u00ad'.replace('\\u00ad', '\\xad'),
      11: documents.kEvil[11],
      12: 'tag\\u{e0041}\\u{e0042}',
      13: 'half \\ud800 pair',
      14: 'line\\nbreak\\ttab\\r\\x00nul\\u2028ls',
      15: '\\u3164filler\\u2800',
    };
    for (const [i, wanted] of Object.entries(expected)) assert.equal(await shown(+i).textContent(), wanted, `cmdline ${i}`);
    assert.match(await shown(10).textContent(), /^Z\u0301\u0302\\u0303\\u0304/, 'what would pile up does not');
    assert.equal(await shown(16).textContent(), 'A'.repeat(4096) + ' … and 95,904 more characters');
    assert.equal(await shown(17).textContent(), '<b>'.repeat(1366).slice(0, 4096) + ' … and 85,904 more characters');
    assert.equal(
      await shown(11)
        .locator('bdi')
        .evaluate((b) => `${b.dir} ${getComputedStyle(b).unicodeBidi}`),
      'ltr isolate',
    );
    assert.equal(await text(page, 'h1'), `cryptnono on ${documents.kEvil[0]}`);
    assert.deepEqual(
      await page
        .locator('#all .errors li')
        .allTextContents()
        .then((l) => l.slice(0, 2)),
      documents.kEvil.slice(0, 2),
    );
    // No element came of a string, and no character that is unseen is left.
    assert.equal(await page.locator('img, b, iframe, body style, main script, main svg:not(figure svg)').count(), 0);
    const left = await page.evaluate(() =>
      /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/.exec(document.body.innerText + document.title),
    );
    assert.equal(left, null);
  });

  // Every field of a document, taken away or replaced by something else, leaves a page that works.
  paged('fields that are missing or of another kind', documents.busy(), async (page, daemon) => {
    const worked = await page.evaluate(
      (whole) => {
        const paths = [];
        const walk = (value, path) => {
          if (path.length) paths.push(path);
          if (path.length > 4 || value === null || typeof value !== 'object') return;
          const keys = Object.keys(value);
          for (const key of Array.isArray(value) ? keys.slice(0, 1) : keys) walk(value[key], [...path, key]);
        };
        walk(whole, []);
        const failed = [];
        for (const path of paths) {
          for (const other of [undefined, null, 'text', -1e300, [null], {a: [{}]}]) {
            const copy = structuredClone(whole);
            const last = path.slice(0, -1).reduce((o, key) => o[key], copy);
            last[path.at(-1)] = other;
            try {
              doc = copy; // of the page's script
              drawParts();
              drawState();
            } catch (error) {
              failed.push(`${path.join('.')} = ${JSON.stringify(other)}: ${error.stack.split('\n').slice(0, 2).join(' ')}`);
            }
          }
        }
        return {paths: paths.length, failed};
      },
      {
        ...daemon.status,
        detectors: daemon.status.detectors.slice(0, 1),
        kills: daemon.status.kills.slice(0, 1),
        history: {...daemon.status.history, series: {execwhacker: {killed: [1, 2], reported: [0, 0], lost: [0]}}},
      },
    );
    assert.ok(worked.paths > 60, `${worked.paths} fields`);
    // What is no list of detectors is no status, and is refused before it is drawn.
    assert.deepEqual(
      worked.failed.filter((line) => !/^detectors(\.0)? = /.test(line)),
      [],
    );
  });

  paged(
    'without JavaScript it says where else to look',
    documents.quiet(),
    async (page, daemon) => {
      const seen = await page.evaluate(() => document.body.innerText);
      assert.match(seen, /needs JavaScript/);
      assert.match(seen, /cryptnono status on the node/);
      assert.equal(await page.locator('noscript a, main a[href=metrics]').first().isVisible(), true);
      assert.equal(await page.locator('#all').isVisible(), false);
      assert.deepEqual(daemon.asked, ['/']);
    },
    {javaScriptEnabled: false},
  );

  const kPictures = `${build}/artifacts/page`;
  fs.mkdirSync(kPictures, {recursive: true});
  for (const name of ['quiet', 'busy', 'broken', 'hostile']) {
    paged(
      `${name}, light and dark, wide and phone: contrast, accessibility, no way to the side`,
      documents[name](),
      async (page) => {
        for (const size of ['wide', 'phone']) {
          await page.setViewportSize(size === 'wide' ? kWide : kPhone);
          for (const colorScheme of ['light', 'dark']) {
            await page.emulateMedia({colorScheme});
            const folded = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
            assert.ok(folded[0] <= folded[1], `${size}: ${folded}`);
            await page.evaluate(() =>
              document.querySelectorAll('details').forEach((one) => {
                one.open = true;
              }),
            );
            const unfolded = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
            assert.ok(unfolded[0] <= unfolded[1], `${size}, unfolded: ${unfolded}`);
            if (size === 'wide') {
              const {poor, texts, bars} = await poorContrast(page);
              assert.deepEqual(poor, [], colorScheme);
              assert.ok(texts > 100 && (bars > 40 || ['quiet', 'broken'].includes(name)), `${texts} texts, ${bars} bars`);
            }
            await page.evaluate(() =>
              document.querySelectorAll('details').forEach((one, i) => {
                one.open = i === 0;
              }),
            );
            const height = await page.evaluate(() => document.body.scrollHeight);
            await page.screenshot({
              path: `${kPictures}/${name}-${colorScheme}-${size}.png`,
              fullPage: true,
              clip: {x: 0, y: 0, width: page.viewportSize().width, height: Math.min(height + 20, 3500)},
            });
          }
        }
        await page.clock.resume(); // the auditor waits
        assert.deepEqual(await audit(page), []);
      },
      {},
    );
  }
});
