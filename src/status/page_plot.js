'use strict';
// Bars over time. The SVG holds only the bars and is stretched to its place; labels are HTML, so that they keep their size.

const kHeight = 40;
const kBars = 60;
const kLeast = 1; // height of the smallest bar that is not 0: one kill beside thousands is still seen

// Steps to at most kBars + 1 bars that begin at multiples of their width, so that a bar stays the same while time passes.
// A history that is not full yet is drawn on the right, beside an empty time before the start.
function bars(history, series) {
  const step = Math.max(1e-3, number(history.step_s) || 10);
  const until = number(history.until);
  const filled = Math.max(0, ...series.map((s) => list(s.values).length));
  const steps = Math.max(filled, 6 * kBars);
  const width = step * Math.ceil(steps / kBars);
  const begin = Math.floor((until - steps * step) / width);
  const made = Array.from({length: Math.ceil(until / width) - begin}, (_, i) => ({
    from: (begin + i) * width,
    sums: series.map(() => 0),
  }));
  series.forEach((s, which) => {
    const values = list(s.values);
    values.forEach((value, i) => {
      const middle = until - (values.length - i - 0.5) * step;
      const bar = made[Math.floor(middle / width) - begin];
      if (bar) bar.sums[which] += number(value);
    });
  });
  return {made, width, first: Math.max(until - filled * step, number(history.started))};
}

// The next of 1, 2, 5, 10, 20...
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 5, 10].map((x) => x * power).find((x) => x >= value);
}

// series: [{name, values}], drawn upon each other. subject: whose they are, for who does not see the plot.
function plot(subject, history, series, small) {
  const {made, width, first} = bars(history, series);
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const total = series.map((_, which) => sum(made.map((bar) => bar.sums[which])));
  const top = made.reduce((a, b) => (sum(b.sums) > sum(a.sums) ? b : a), {sums: [0], from: 0});
  const scale = nice(sum(top.sums));
  const begin = made.length ? made[0].from : 0;
  const end = begin + made.length * width;
  const day = end - begin > 86400;
  const when = (at) => (day ? moment(at).toLocaleDateString('en-GB', {day: 'numeric', month: 'short'}) + ' ' : '') + minute(at);

  const drawn = [];
  const unit = `per ${duration(width).replace(/^60 s$/, 'minute')}${first > begin + width ? `, since ${when(first)}` : ''}`;
  const before = Math.min(made.length, Math.max(0, (first - begin) / width));
  if (before > 0) {
    drawn.push(
      el(
        'svg:rect',
        {class: 'void', x: 0, y: 0, width: before.toFixed(2), height: kHeight},
        el('svg:title', {}, 'before the start'),
      ),
    );
  }
  made.forEach((bar, i) => {
    let y = kHeight;
    const parts = bar.sums.map((value, which) => {
      if (!(value > 0)) return '';
      const height = Math.max(kLeast, (value / scale) * kHeight);
      y -= height;
      return el('svg:rect', {class: series[which].name, x: i + 0.1, y: +y.toFixed(2), width: 0.8, height: +height.toFixed(2)});
    });
    if (y === kHeight) return;
    const what = series.map((s, which) => `${count(bar.sums[which])} ${s.name}`).join(', ');
    const title = el('svg:title', {}, `${when(bar.from)}–${when(bar.from + width)}: ${what}`);
    drawn.push(el('svg:g', {}, title, parts, el('svg:rect', {class: 'hit', x: i, y: 0, width: 1, height: kHeight})));
  });

  const names = series.map((s) => s.name).join(' and ');
  const totals = series.map((s, which) => `${count(total[which])} ${s.name}`);
  const most = sum(top.sums) > 0 ? `; most in one bar: ${count(sum(top.sums))}, at ${when(top.from)}` : '';
  const keys = series.map((s, which) => el('span', {class: `key ${s.name}`}, totals[which]));
  return el(
    'figure',
    {class: small ? 'plot small' : 'plot', 'data-plot': series[0].name},
    el('figcaption', {}, el('span', {}, keys), el('span', {}, unit)),
    el('span', {class: 'max', 'aria-hidden': 'true'}, scale.toLocaleString('en', {notation: 'compact'})),
    el('span', {class: 'zero', 'aria-hidden': 'true'}, '0'),
    el(
      'svg:svg',
      {
        role: 'img',
        viewBox: `0 0 ${Math.max(1, made.length)} ${kHeight}`,
        preserveAspectRatio: 'none',
        'aria-label': `${subject}: ${names} ${unit}, ${when(begin)} to ${when(end)}: ${totals.join(', ')}${most}`,
      },
      drawn,
    ),
    el('span', {class: 'from', 'aria-hidden': 'true'}, when(begin)),
    el('span', {class: 'to', 'aria-hidden': 'true'}, when(end)),
  );
}
