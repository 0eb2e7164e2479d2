'use strict';
// Elements, text and units. A string of the daemon's becomes text and nothing else: no markup is ever made of one.

const kSvg = document.querySelector('svg').namespaceURI;
const kMaxText = 4096; // characters of one string that are shown

// What would hide, reorder or pile up what stands around it: controls, format characters (those of bidirectional text among
// them), what is drawn as nothing, odd spaces, halves of surrogate pairs, a third combining mark.
const kUnseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\p{DI}\u2800]|(?! )\p{Zs}|(?<=\p{M}{2})\p{M}/gu;
const kShort = {'\n': '\\n', '\r': '\\r', '\t': '\\t'};

function escaped(c) {
  const code = c.codePointAt(0);
  const hex = code.toString(16);
  return kShort[c] || (code < 256 ? '\\x' + hex.padStart(2, '0') : code < 65536 ? '\\u' + hex.padStart(4, '0') : `\\u{${hex}}`);
}

// An element. Attributes come from this program, but for numbers and what `key` makes.
function el(tag, attributes, ...children) {
  const [name, svg] = tag.startsWith('svg:') ? [tag.slice(4), true] : [tag, false];
  const node = svg ? document.createElementNS(kSvg, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== ''));
  return node;
}

// A string from outside, in a box of its own that its direction does not leave; what is unseen is escaped and marked as such.
function said(value, max = kMaxText) {
  const all = typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
  const text = all.slice(0, max);
  const box = el('bdi', {dir: 'ltr'});
  let from = 0;
  for (const match of text.matchAll(kUnseen)) {
    box.append(text.slice(from, match.index), el('i', {class: 'esc'}, escaped(match[0])));
    from = match.index + match[0].length;
  }
  box.append(text.slice(from));
  if (all.length > max) box.append(el('span', {class: 'more'}, ` … and ${count(all.length - max)} more characters`));
  return box;
}

const list = (value) => (Array.isArray(value) ? value : []);
const fields = (value) => (value && typeof value === 'object' ? value : {});
const entries = (value) => Object.entries(fields(value));
const number = (value) => (Number.isFinite(value) ? value : 0);
const count = (value) => (Number.isFinite(value) ? value.toLocaleString('en') : '–');
const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;

// Seconds, in two or three figures and the unit that suits them.
function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.max(0, seconds);
  const figures = (x) => (x >= 9.95 ? Math.round(x).toString() : x.toFixed(1).replace(/\.0$/, ''));
  if (s < 0.9995e-3) return `${figures(s * 1e6)} µs`;
  if (s < 0.9995) return `${figures(s * 1e3)} ms`;
  if (s < 120) return `${figures(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

function moment(at) {
  const date = new Date(number(at) * 1000);
  return isNaN(date) ? new Date(0) : date;
}

const clock = (at) => moment(at).toLocaleTimeString('en-GB');
const minute = (at) => clock(at).slice(0, 5);

// "12 s ago", by the daemon's own clock; tick() in page.js keeps it true.
function ago(at) {
  if (!(at > 0)) return 'never';
  const date = moment(at);
  return el('time', {datetime: date.toISOString(), title: date.toLocaleString('en-GB', {timeZoneName: 'short'}), 'data-at': at});
}

// Makes `have` the same as `want`, touching only what differs: selected text, focus and what is unfolded stay.
function morph(have, want) {
  for (const {name} of [...have.attributes]) {
    if (!want.hasAttribute(name) && name !== 'open') have.removeAttribute(name);
  }
  for (const {name, value} of want.attributes) if (have.getAttribute(name) !== value) have.setAttribute(name, value);
  const key = (node) => node.dataset && node.dataset.key;
  const keyed = new Map([...have.children].filter(key).map((child) => [key(child), child]));
  let at = have.firstChild;
  for (const next of [...want.childNodes]) {
    const old = key(next) ? keyed.get(key(next)) : at;
    if (!old || old.nodeName !== next.nodeName || key(old) !== key(next)) {
      have.insertBefore(next, at);
      continue;
    }
    if (old === at) at = at.nextSibling;
    else have.insertBefore(old, at);
    if (old.nodeType !== Node.TEXT_NODE) morph(old, next);
    else if (old.data !== next.data) old.data = next.data;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const show = (id, ...children) => {
  const have = document.getElementById(id);
  const want = have.cloneNode(false);
  want.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== ''));
  morph(have, want);
};
