'use strict';
// Asks for the status again and again, and says so when nobody answers.

const kEvery = 5000; // ms from one answer to the next question; none while the page is not seen
const kPatience = 4000; // ms

let doc; // the last answer
let answered; // [Date.now(), performance.now()] when it came
let failure; // why there was none the last time, in words
let all = false; // show all kills
let timer;

function state() {
  const wide = doc ? concerns(doc) : [];
  if (failure) {
    const what = doc ? `No answer since ${new Date(answered[0]).toLocaleTimeString('en-GB')}` : 'No answer';
    return ['bad', what, [['bad', failure, doc ? '; what stands below is what was true then' : '']]];
  }
  if (!doc) return ['wait', 'Asking the daemon…', []];
  if (!doc.ready) return ['bad', 'Not ready', wide];
  if (wide.some(([kind]) => kind === 'bad')) return ['bad', 'Ready, but not as it should be', wide];
  return wide.length ? ['warn', 'Ready, with restrictions', wide] : ['good', 'Ready', wide];
}

function drawState() {
  const [kind, word, reasons] = state();
  document.getElementById('state').className = kind;
  document.getElementById('all').classList.toggle('old', Boolean(failure));
  show('word', word);
  show(
    'reasons',
    reasons.map(([of, ...what]) => el('li', {class: of}, what)),
  );
  document.title = `${word} – ${doc ? `${doc.node} – ` : ''}cryptnono`.replace(kUnseen, '');
  tick();
}

function drawParts() {
  show('node', 'on ', said(doc.node));
  show('about', 'version ', said(doc.version), ' · kernel ', said(doc.kernel), ' · up for ', duration(doc.uptime_s));
  show(
    'detectors',
    doc.detectors.map((d) => detector(d, {...fields(doc.history), started: doc.started_at})),
  );
  show('kills', kills(doc, all));
  document.getElementById('reporting').hidden = !list(doc.rollouts).length;
  show('rollouts', rollouts(doc));
  show('missing', missing(doc));
  show('config', configuration(doc));
  document.getElementById('all').hidden = false;
}

// Ages, once a second; outside of what is read aloud when it changes.
function tick() {
  if (!doc) return;
  const since = (performance.now() - answered[1]) / 1000;
  for (const time of document.querySelectorAll('time[data-at]')) {
    const age = number(doc.now) + since - Number(time.dataset.at);
    const text = age < 1 ? 'just now' : `${duration(Math.floor(age))} ago`;
    if (time.textContent !== text) time.textContent = text;
  }
  document.getElementById('fresh').textContent = `answered ${since < 1 ? 'just now' : `${duration(Math.floor(since))} ago`}`;
}

async function ask() {
  clearTimeout(timer);
  let next;
  try {
    const answer = await fetch('status.json', {cache: 'no-store', signal: AbortSignal.timeout(kPatience)});
    if (!answer.ok) throw new Error(`the daemon answers ${answer.status} ${answer.statusText}`);
    next = JSON.parse(await answer.text());
    if (!next || !Array.isArray(next.detectors)) throw new SyntaxError();
    failure = '';
  } catch (error) {
    failure =
      error.name === 'TimeoutError'
        ? `no answer within ${duration(kPatience / 1000)}`
        : error.name === 'SyntaxError'
          ? 'the answer is not a status'
          : error.name === 'TypeError'
            ? 'the daemon cannot be reached'
            : error.message;
  }
  const before = [doc, answered];
  try {
    if (!failure) {
      doc = next;
      answered = [Date.now(), performance.now()];
      drawParts();
    }
    drawState();
  } catch (error) {
    failure = `the answer cannot be shown: ${error.message}`;
    [doc, answered] = before;
    drawState();
  }
  if (!document.hidden) timer = setTimeout(ask, kEvery);
}

document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(timer) : ask()));
document.getElementById('kills').addEventListener('click', (event) => {
  if (event.target.id !== 'more') return;
  all = !all;
  drawParts();
  tick();
});
setInterval(tick, 1000);
drawState();
ask();
