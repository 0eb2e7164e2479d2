'use strict';
// What a status document looks like, part by part. A field that is missing shows as such and breaks nothing.

const kSeeks = {
  execwhacker: 'Banned command lines',
  monero: 'RandomX, by its rounding modes',
  tcpflowkiller: 'Banned addresses and network scans',
};
const kCounts = {
  killed: 'killed',
  reported: 'only reported',
  missed: 'ended by themselves first',
  failed: 'could not be killed',
  suppressed: 'spared by the limit',
  spared: 'spared by an exception',
  protected: 'protected',
  checked: 'checked',
};
const kCanary = {
  survived: 'did not die in time',
  untold: 'died, but no event told of it',
  failed: 'could not be run',
  unavailable: 'cannot be run on this machine',
  pending: 'has not been run yet',
  off: 'off',
};
const kBadCanary = ['survived', 'untold', 'failed'];

const badge = (kind, word) => el('span', {class: `badge ${kind}`}, word);
const note = (kind, ...what) => el('p', {class: `note ${kind}`}, what);
const pairs = (rows) =>
  el(
    'dl',
    {},
    rows.filter(Boolean).map(([name, ...value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
  );

// [class, word] of a detector.
function standing(detector) {
  if (!detector.enabled) return ['off', 'off'];
  if (!detector.up) return ['bad', 'down'];
  return detector.why ? ['warn', 'degraded'] : ['good', 'up'];
}

// What an operator should look at: [[class, nodes...]], the worst first.
function concerns(doc) {
  const found = list(doc.not_ready).map((why) => ['bad', said(why)]);
  const say = (kind, ...what) => found.push([kind, ...what]);
  for (const d of doc.detectors.filter((one) => one.enabled)) {
    const [kind] = standing(d);
    const canary = kBadCanary.includes(d.canary?.result) ? `its canary ${kCanary[d.canary.result]}` : '';
    const told = list(doc.not_ready).some((why) => String(why).includes(d.name));
    if (kind === 'bad' && !told) say('bad', said(d.name), ' is down: ', d.why ? said(d.why) : canary || 'why is not known');
    else if (canary && !told) say('bad', said(d.name), `: ${canary}`);
    if (kind === 'warn') say('warn', said(d.name), ': ', said(d.why));
    if (d.limit?.reached) say('warn', said(d.name), ' has used up its limit: in further containers it only reports');
    const lost = list(fields(fields(fields(doc.history).series)[d.name]).lost);
    const events = lost.reduce((total, n) => total + number(n), 0);
    if (events)
      say('warn', said(d.name), ` lost ${plural(events, 'event')} in the last ${duration(lost.length * doc.history.step_s)}`);
  }
  if (!doc.detectors.some((d) => d.enabled)) say('warn', 'no detector is switched on');
  const config = fields(doc.config);
  if (config.last_reload_ok === false) say('bad', 'the last reload failed; the configuration before it is in force');
  if (config.dry_run) say('warn', 'dry run: nothing is killed');
  const missing = list(doc.missing).length;
  if (missing) say('warn', el('a', {href: '#h-missing'}, `${plural(missing, 'thing')} missing on this node`));
  return found.sort(([a], [b]) => a.localeCompare(b));
}

function canary(last) {
  const {result, at, passed_at: passed, lived_ms: lived, why} = fields(last);
  if (!result) return ['–'];
  const bad = kBadCanary.includes(result);
  const words = kCanary[result] || said(result);
  if (result === 'passed') return [`died after ${duration(lived / 1000)}, `, ago(at)];
  return [
    el('span', {class: bad ? 'bad' : false}, words),
    at > 0 ? [', ', ago(at)] : '',
    why ? [': ', said(why)] : '',
    passed > 0 ? ['; last died in time ', ago(passed)] : '',
  ];
}

function limitOf(limit) {
  const {targets, max_targets: most, window_s: window, reached} = fields(limit);
  const text = `${Number.isFinite(targets) ? `${count(targets)} of` : 'at most'} ${count(most)} targets in ${duration(window)}`;
  return reached ? [el('span', {class: 'bad'}, text, ': used up')] : [text];
}

function detector(d, history) {
  const [kind, word] = standing(d);
  const rules = entries(d.rules).filter(([, n]) => n > 0);
  const lost = entries(d.lost).filter(([, n]) => n > 0);
  const known = Object.keys(kCounts).filter((key) => key in fields(d.counts));
  const others = entries(d.counts)
    .map(([key]) => key)
    .filter((key) => !(key in kCounts));
  const series = fields(fields(history.series)[d.name]);
  const id = `d-${d.name}`;
  return el(
    'article',
    {class: `panel ${kind}`, 'aria-labelledby': id, 'data-key': id},
    el('header', {}, el('h3', {id}, said(d.name)), badge(kind, word), kSeeks[d.name] ? el('p', {}, kSeeks[d.name]) : ''),
    el(
      'div',
      {class: 'hook'},
      el('p', {}, d.enabled ? said(d.hook || '–') : 'switched off in the configuration'),
      d.enabled && d.why ? note(kind, said(d.why)) : '',
    ),
    plot(d.name, history, [
      {name: 'killed', values: series.killed},
      {name: 'reported', values: series.reported},
    ]),
    plot(d.name, history, [{name: 'lost', values: series.lost}], true),
    pairs([
      ['canary', ...canary(d.canary)],
      ['limit', ...limitOf(d.limit)],
      [
        'rules',
        rules.length
          ? rules.flatMap(([name, n], i) => [i ? ', ' : '', `${count(n)} `, said(name)])
          : d.name === 'monero'
            ? 'needs none'
            : 'none',
      ],
      [
        'lost',
        lost.length
          ? el(
              'span',
              {class: 'bad'},
              lost.flatMap(([name, n], i) => [i ? ', ' : '', `${count(n)} `, said(name)]),
            )
          : 'nothing',
      ],
    ]),
    el(
      'table',
      {class: 'counts'},
      el('caption', {}, 'Processes since the start'),
      el(
        'tbody',
        {},
        [...known, ...others].map((key) =>
          el(
            'tr',
            {'data-count': kCounts[key] ? key : false, class: d.counts[key] === 0 && 'nil'},
            el('th', {scope: 'row'}, kCounts[key] || said(key)),
            el('td', {}, count(d.counts[key])),
          ),
        ),
      ),
    ),
  );
}

const kColumns = ['When', 'Detector', 'What', 'Rule', 'Latency'];
const kWho = ['namespace', 'pod', 'container', 'image', 'executable', 'pid', 'uid', 'cmdline'];
const kDone = ['killed', 'responded'];

const latencyOf = (us) => (Number.isFinite(us) ? (us < 1 ? 'under 1 µs' : duration(us / 1e6)) : '–');

function who(details) {
  const order = [...kWho.filter((key) => key in details), ...Object.keys(details).filter((key) => !kWho.includes(key))];
  const place = [details.namespace, details.pod].filter(Boolean).map((part) => said(part, 80));
  return el(
    'details',
    {},
    el(
      'summary',
      {},
      el(
        'span',
        {class: 'place'},
        place.flatMap((part, i) => [i ? '/' : '', part]),
      ),
      ' ',
      el('code', {}, said(details.cmdline || details.executable || `process ${details.pid}`, 200)),
    ),
    el(
      'dl',
      {class: 'who'},
      order.map((key) => [el('dt', {}, said(key, 40)), el('dd', {}, el('code', {}, said(details[key])))]),
    ),
  );
}

function rolloutWords(group) {
  if (!group.reports) return ['over: ', said(group.would)];
  const words = ['reports, then ', said(group.would)];
  if (number(group.until)) words.push(`, not before ${new Date(group.until * 1000).toLocaleString('en-GB')}`);
  if (group.clean_days) words.push(`, clean for ${duration(number(group.clean_s))} of ${duration(number(group.clean_days) * 86400)}`);
  return words;
}

function rollouts(doc) {
  return el(
    'ul',
    {},
    list(doc.rollouts)
      .map(fields)
      .map((group) =>
        el(
          'li',
          {},
          el('code', {}, said(group.group)),
          ' ',
          rolloutWords(group),
          `; would have killed ${count(group.would_have_killed)}`,
          group.last_would_at ? [', last ', ago(group.last_would_at)] : '',
        ),
      ),
  );
}

function kills(doc, all) {
  const rows = list(doc.kills).map(fields);
  if (!rows.length) return [el('p', {}, 'None since the start.')];
  const shown = all ? rows : rows.slice(0, 10);
  const seen = new Map(); // two of the same moment get keys of their own
  const body = shown.map((kill) => {
    const name = `${kill.at} ${kill.detector} ${kill.details?.pid}`;
    seen.set(name, (seen.get(name) || 0) + 1);
    const cells = [
      el('td', {role: 'cell', class: 'when'}, el('span', {class: 'clock'}, clock(kill.at)), ' ', ago(kill.at)),
      el('td', {role: 'cell', class: 'by'}, said(kill.detector)),
      el('td', {role: 'cell', class: 'done'}, badge(kDone.includes(kill.action) ? 'did' : 'warn', said(kill.action))),
      el('td', {role: 'cell', class: 'rule'}, el('code', {}, said(kill.rule))),
      el('td', {role: 'cell', class: 'took'}, latencyOf(kill.latency_us)),
    ];
    if (entries(kill.details).length) cells.push(el('td', {role: 'cell', class: 'whom'}, who(kill.details)));
    return el('tr', {role: 'row', 'data-key': `${name} ${seen.get(name)}`}, cells);
  });
  const columns = rows.some((kill) => kill.details) ? [...kColumns, 'Who'] : kColumns;
  const head = el(
    'tr',
    {role: 'row'},
    columns.map((name) => el('th', {scope: 'col', role: 'columnheader'}, name)),
  );
  return [
    doc.details === false
      ? el(
          'p',
          {class: 'hint'},
          'Who it was is not told here: see the log, ',
          el('code', {}, 'cryptnono status'),
          ' on the node, or set ',
          el('code', {}, 'metrics.details'),
          '.',
        )
      : '',
    el(
      'table',
      {role: 'table', class: columns === kColumns ? 'rows' : 'rows known', 'aria-labelledby': 'h-kills'},
      el('thead', {role: 'rowgroup'}, head),
      el('tbody', {role: 'rowgroup'}, body),
    ),
    rows.length > 10
      ? el(
          'button',
          {type: 'button', id: 'more', 'aria-expanded': String(all)},
          all ? 'Show the last 10' : `Show all ${rows.length}`,
        )
      : '',
  ];
}

function missing(doc) {
  const rows = list(doc.missing).map(fields);
  if (!rows.length) return [el('p', {}, 'Nothing: this kernel and these privileges give all that cryptnono can use.')];
  return [
    el(
      'ul',
      {class: 'missing'},
      rows.map(({what, effect, remedy, why}) =>
        el(
          'li',
          {},
          el('strong', {}, said(what)),
          pairs([effect && ['effect', said(effect)], remedy && ['remedy', said(remedy)], why && ['why', said(why)]]),
        ),
      ),
    ),
  ];
}

function configuration(doc) {
  const c = fields(doc.config);
  const files = list(c.files);
  const errors = list(c.last_reload_errors);
  return [
    pairs([
      ['generation', count(c.generation)],
      ['loaded', ago(c.loaded_at)],
      [
        'last reload',
        c.last_reload_ok === false ? el('span', {class: 'bad'}, 'failed; this configuration stays in force') : 'good',
      ],
      ['mode', c.dry_run ? el('span', {class: 'bad'}, 'dry run: nothing is killed') : 'enforcing'],
      ['scope', c.scope_cgroups > 0 ? plural(c.scope_cgroups, 'cgroup') : 'the whole host'],
      [
        'files',
        files.length
          ? el(
              'ul',
              {},
              files.map((file) => el('li', {}, el('code', {}, said(file)))),
            )
          : 'none: the built-in default',
      ],
    ]),
    errors.length
      ? el(
          'ul',
          {class: 'errors', 'aria-label': 'errors of the last reload'},
          errors.map((error) => el('li', {}, el('code', {}, said(error)))),
        )
      : '',
  ];
}
