// The panels of cryptnono.jsonnet.
local grafonnet = import 'github.com/grafana/grafonnet/gen/grafonnet-v11.1.0/main.libsonnet';
local panel = grafonnet.panel;
local prometheus = grafonnet.query.prometheus;

local common = import './common.libsonnet';

// Selects the chosen nodes, in every series of the daemon.
local sel = '$node_label=~"$node"';
// Only one of these labels is left after `by ($node_label)`.
local nodeLegend = '{{node}}{{kubernetes_node}}{{instance}}';

// Of series that every process has: those of daemons.
local daemons(metric, range='') =
  local chosen = '%s{%s}' % [metric, sel];
  '%s * on (job, instance) group_left () max by (job, instance) (cryptnono_build_info)'
  % (if range == '' then chosen else 'rate(%s[%s])' % [chosen, range]);

// Several increments a minute: over $__rate_interval none is missed between two points.
local perMinute(by, metric, matchers='') =
  '60 * sum by (%s) (rate(%s{%s}[$__rate_interval]))' % [by, metric, std.join(', ', std.prune([sel, if matchers != '' then matchers]))];
local perSecond(by, metric) = 'sum by (%s) (rate(%s{%s}[$__rate_interval]))' % [by, metric, sel];

local query(expr, legend) = prometheus.new('$PROMETHEUS_DS', expr) + prometheus.withLegendFormat(legend);
local now(expr, legend) = query(expr, legend) + prometheus.withInstant() + prometheus.withRange(false);

local letter(i) = std.char(std.codepoint('A') + i);

// What all kinds of panels have. queries: [[expression, legend], ...]
local described(kind, title, description, unit, targets) =
  kind.new(title)
  + kind.panelOptions.withDescription(description)
  + kind.standardOptions.withUnit(unit)
  + kind.queryOptions.withDatasource('prometheus', '$PROMETHEUS_DS')
  + kind.queryOptions.withTargets([targets[i] { refId: letter(i) } for i in std.range(0, std.length(targets) - 1)]);

local series(title, description, unit, queries) =
  common.tsOptions
  + described(panel.timeSeries, title, description, unit, [query(q[0], q[1]) for q in queries]);

local thresholds(steps) = {
  fieldConfig+: { defaults+: { color: { mode: 'thresholds' }, thresholds: { mode: 'absolute', steps: steps } } },
};
local red = [{ color: 'green', value: null }, { color: 'red', value: 1 }];
local neutral = [{ color: 'blue', value: null }];

local stat(title, description, queries, steps=neutral) =
  described(panel.stat, title, description, 'short', [now(q[0], q[1]) for q in queries])
  + panel.stat.options.reduceOptions.withCalcs(['lastNotNull'])
  + panel.stat.options.withColorMode('value')
  + panel.stat.options.withGraphMode('none')
  + thresholds(steps);

local words(values) = [
  { type: 'value', options: { [value]: { index: std.parseInt(value), text: values[value][0], color: values[value][1] } for value in std.objectFields(values) } },
];

local states(title, description, expr, legend, values) =
  described(panel.stateTimeline, title, description, 'none', [query(expr, legend)])
  + panel.stateTimeline.options.withShowValue('never')
  + panel.stateTimeline.options.withMergeValues()
  + panel.stateTimeline.standardOptions.withMappings(words(values))
  + thresholds(neutral);

local heatmap(title, description, unit, expr) =
  described(panel.heatmap, title, description, unit, [query(expr, '{{le}}') + prometheus.withFormat('heatmap')])
  + panel.heatmap.options.withCalculate(false)
  + panel.heatmap.options.yAxis.withUnit(unit)
  + panel.heatmap.options.color.withScheme('Greens')
  + panel.heatmap.queryOptions.withMaxDataPoints(120)
  + panel.heatmap.options.tooltip.withMode('single');

// The kernel's statistics are on for a second of every minute or so: a shorter step would have gaps.
local sampled = panel.timeSeries.queryOptions.withInterval('5m');

// One row a node. columns: [[title, expression, overrides of the field], ...]; the first expression keeps `version`.
local nodes(title, description, columns) =
  described(panel.table, title, description, 'short', [
    now(columns[i][1], '') + prometheus.withFormat('table')
    for i in std.range(0, std.length(columns) - 1)
  ])
  + panel.table.queryOptions.withTransformations([
    { id: 'merge', options: {} },
    {
      id: 'organize',
      options: {
        excludeByName: { Time: true, 'Value #A': true },
        renameByName: { ['Value #' + letter(i)]: columns[i][0] for i in std.range(1, std.length(columns) - 1) },
      },
    },
  ])
  + panel.table.standardOptions.withOverrides([
    { matcher: { id: 'byName', options: column[0] }, properties: column[2] }
    for column in columns
    if column[2] != []
  ]);

local upDown = { '0': ['off', 'text'], '1': ['down', 'red'], '2': ['up', 'green'] };

{
  glance: [
    stat(
      'Nodes with the daemon',
      'How many daemons are scraped, and how many nodes Kubernetes knows (from kube-state-metrics, if there is one).',
      [['count(cryptnono_build_info{%s}) or vector(0)' % sel, 'daemons'], ['count(kube_node_info)', 'nodes']],
    ),
    stat(
      'Detectors down',
      'Detectors that are enabled and not up. Anything but 0 means that miners are not found somewhere.',
      [['count(cryptnono_detector_enabled{%s} == 1 unless cryptnono_detector_up == 1) or vector(0)' % sel, 'down']],
      red,
    ),
    stat(
      'Canaries failed',
      'Detectors whose last harmless trial was not detected and killed in time.',
      [['count(cryptnono_canary_successful{%s} == 0) or vector(0)' % sel, 'failed']],
      red,
    ),
    stat(
      'Killed',
      'Processes killed in the chosen time.',
      [['round(sum by (detector) (increase(cryptnono_processes_killed_total{%s}[$__range])))' % sel, '{{detector}}']],
    ),
    stat(
      'Events lost',
      'Events of the kernel side that were lost in the chosen time. For each, something may have been missed.',
      [['round(sum(increase(cryptnono_events_lost_total{%s}[$__range])))' % sel, 'lost']],
      red,
    ),
    stat(
      'Limits reached',
      'Detectors whose blast-radius limit is used up at present: in further containers they only report.',
      [['count(cryptnono_limit_reached{%s} == 1) or vector(0)' % sel, 'reached']],
      red,
    ),
  ],

  rows: [
    ['Kills', 'kills'],
    ['Detectors and canaries', 'detectors'],
    ['Not killed, and lost', 'losses'],
    ['What follows a kill', 'after'],
    ['Configuration', 'configuration'],
    ['Cost', 'cost'],
  ],

  kills: [
    series(
      'Kills, by detector',
      'A narrow peak is one attempt; a plateau is something that is started again and again.',
      'cpm',
      [[perMinute('detector', 'cryptnono_processes_killed_total'), '{{detector}}']],
    ),
    series(
      'Kills, by node',
      'One node alone is mostly one user. All nodes at once, after a reload, are mostly a rule that hits honest users.',
      'cpm',
      [[perMinute('$node_label', 'cryptnono_processes_killed_total'), nodeLegend]],
    ),
    series(
      'Kills, by hub',
      |||
        Kills on the nodes where the hub has user pods. Metrics never say whose a process was: where several hubs share a node, its
        kills show for each of them, and the log says which it was. Needs kube-state-metrics, and `node` as node label.
      |||,
      'cpm',
      [[
        |||
          sum by (namespace) (
            60 * sum by (node) (rate(cryptnono_processes_killed_total{%s}[$__rate_interval]))
            * on (node) group_right ()
            (count by (node, namespace) (kube_pod_info{namespace=~"$hub", pod=~"jupyter-.*"}) > bool 0)
          )
        ||| % sel,
        '{{namespace}}',
      ]],
    ),
    series(
      'Kills, by what gave them away',
      'Command lines: at exec in the kernel (execwhacker.bpf), or found by looking at all processes (psutil.process_iter). Connects: to a banned address, or a scan.',
      'cpm',
      [
        [perMinute('source', 'cryptnono_execwhacker_processes_killed_total'), '{{source}}'],
        [perMinute('reason', 'cryptnono_flowkiller_processes_killed_total'), '{{reason}}'],
        ['60 * sum(rate(cryptnono_monero_processes_killed_total{%s}[$__rate_interval]))' % sel, 'RandomX'],
      ],
    ),
    heatmap(
      'Kill latency',
      'Time from the exec, the connect or the first suspicious sample to the signal. Kills in the kernel are at the bottom, RandomX at the top.',
      's',
      'sum by (le) (increase(cryptnono_kill_latency_seconds_bucket{%s}[$__rate_interval]))' % sel,
    ),
    series(
      'Kill latency, median and 99th percentile',
      'The same, by detector. Gaps: nothing was killed.',
      's',
      [
        ['histogram_quantile(%s, sum by (detector, le) (rate(cryptnono_kill_latency_seconds_bucket{%s}[$__rate_interval])))' % [q, sel], '{{detector}} p%d' % (100 * q)]
        for q in [0.5, 0.99]
      ],
    ) + { fieldConfig+: { defaults+: { custom+: { scaleDistribution: { type: 'log', log: 10 } } } } },
  ],

  detectors: [
    states(
      'Detectors, by node',
      'Off: the configuration does not want it. Down: enabled, and its hook is not attached or its last canary lived.',
      'max by ($node_label, detector) (cryptnono_detector_enabled{%s} * (1 + cryptnono_detector_up))' % sel,
      nodeLegend + ' {{detector}}',
      upDown,
    ),
    states(
      'Canaries, by node',
      'Whether the last harmless trial of each detector died in time. Nothing: canaries are off, or this machine cannot run them.',
      'max by ($node_label, detector) (cryptnono_canary_successful{%s})' % sel,
      nodeLegend + ' {{detector}}',
      { '0': ['failed', 'red'], '1': ['died in time', 'green'] },
    ),
    series(
      'Time since a canary died in time',
      'A saw with teeth of canary.interval (five minutes). What only rises is not tried any more, or fails each time.',
      's',
      [['time() - max by ($node_label, detector) (cryptnono_canary_last_success_timestamp_seconds{%s} > 0)' % sel, nodeLegend + ' {{detector}}']],
    ),
    series(
      'Canaries, by result',
      'survived: it did not die. untold: it died and no event told of it. failed: it could not be run.',
      'cpm',
      [[perMinute('detector, result', 'cryptnono_canary_runs_total'), '{{detector}} {{result}}']],
    ),
    series(
      'How long canaries lived',
      'The longest of all nodes. It is what a miner would have had.',
      's',
      [['max by (detector) (cryptnono_canary_duration_seconds{%s})' % sel, '{{detector}}']],
    ) + { fieldConfig+: { defaults+: { custom+: { scaleDistribution: { type: 'log', log: 10 } } } } },
    nodes(
      'Nodes',
      'One row a node. Connect hooks: 2, connects are refused and killed in the kernel; 1, refused, and killed by user space; 0, only killed.',
      [
        ['', 'max by ($node_label, version) (cryptnono_build_info{%s})' % sel, []],
        ['Up since', '1000 * max by ($node_label) (%s)' % daemons('process_start_time_seconds'), [{ id: 'unit', value: 'dateTimeAsIso' }]],
        ['Detectors up', 'sum by ($node_label) (cryptnono_detector_up{%s})' % sel, []],
        ['of', 'sum by ($node_label) (cryptnono_detector_enabled{%s})' % sel, []],
        ['Rules', 'sum by ($node_label) (cryptnono_rules_loaded{%s})' % sel, []],
        ['Last reload good', 'max by ($node_label) (cryptnono_config_last_reload_successful{%s})' % sel, [{ id: 'mappings', value: words({ '0': ['no', 'red'], '1': ['yes', 'green'] }) }]],
        ['Connect hooks', 'max by ($node_label) (cryptnono_flowkiller_hooks{%s})' % sel, []],
        ['Real-time sampling', 'max by ($node_label) (cryptnono_monero_real_time{%s})' % sel, [{ id: 'mappings', value: words({ '0': ['no', 'orange'], '1': ['yes', 'green'] }) }]],
      ],
    ),
  ],

  losses: [
    series(
      'Hit, and not killed',
      "spared: an exception. protected: the configuration. reported: would have been killed but for the mode or the limit. limited: those of them that the limit let live. missed: it ended first. refused: the daemon's own, or out of scope. failed: the kernel.",
      'cpm',
      [
        [perMinute('', 'cryptnono_processes_%s_total' % what), what]
        for what in ['spared', 'protected', 'reported', 'missed', 'refused']
      ] + [
        [perMinute('', 'cryptnono_limit_suppressed_total'), 'limited'],
        [perMinute('', 'cryptnono_kills_failed_total'), 'failed'],
      ],
    ),
    series(
      'Events lost, by reason',
      'Full rings and tables are bursts that were faster than the daemon; each says what was lost in docs/runbook.md.',
      'cpm',
      [[perMinute('detector, reason', 'cryptnono_events_lost_total') + ' > 0', '{{detector}} {{reason}}']],
    ),
    series(
      'Targets that count towards the limit',
      'Containers (outside of containers: users) that one group of rules has hit within the window; the highest of all nodes.',
      'short',
      [
        ['max by (detector) (cryptnono_limit_targets{%s})' % sel, '{{detector}}'],
        ['max by (detector) (cryptnono_limit_reached{%s}) > 0' % sel, '{{detector}} reached'],
      ],
    ),
    series(
      'Log lines dropped',
      "Because nobody reads the daemon's output fast enough. Kills are not delayed by it.",
      'cpm',
      [[perMinute('$node_label', 'cryptnono_log_lines_dropped_total'), nodeLegend]],
    ),
  ],

  after: [
    series(
      'Trees and containers killed after a kill',
      'Where the action is kill-tree or kill-container, or escalation makes it so; and what did not die of them.',
      'cpm',
      [
        [perMinute('response', 'cryptnono_responses_total'), '{{response}}'],
        [perMinute('', 'cryptnono_response_processes_killed_total'), 'processes killed with them'],
        [perMinute('reason', 'cryptnono_responses_failed_total'), 'not whole: {{reason}}'],
      ],
    ),
    series(
      'Webhook',
      'Events for the webhook by what became of them, and attempts that were repeated.',
      'cpm',
      [
        [perMinute('result', 'cryptnono_webhook_deliveries_total'), '{{result}}'],
        [perMinute('', 'cryptnono_webhook_retries_total'), 'retries'],
      ],
    ),
    series(
      'Questions to container runtimes',
      'unknown: the runtime does not know the container. failed: no answer. dropped: not asked, because too many waited.',
      'cpm',
      [[perMinute('result', 'cryptnono_container_lookups_total'), '{{result}}']],
    ),
    series(
      'Cgroups, by what they are',
      'unclassified: of pods of which neither the kubelet nor the runtime has said yet whether they are protected. It should be 0 most of the time.',
      'short',
      [['sum by (kind) (cryptnono_cgroups{%s})' % sel, '{{kind}}']],
    ),
  ],

  configuration: [
    series(
      'Reloads',
      'Attempts to load the configuration. After a failure the one before stays in force.',
      'cpm',
      [[perMinute('result', 'cryptnono_config_reloads_total'), '{{result}}']],
    ),
    series(
      'Generation of the rules, by node',
      'Each daemon counts its reloads from its start, so nodes may differ. A step on all nodes is a new configuration; back to 1 is a restart.',
      'short',
      [['max by ($node_label) (cryptnono_config_generation{%s})' % sel, nodeLegend]],
    ),
    series(
      'Rules, by kind',
      'What is in force: the least and, where nodes differ, the most of all nodes.',
      'short',
      [
        ['min by (detector, kind) (cryptnono_rules_loaded{%s})' % sel, '{{detector}} {{kind}}'],
        ['max by (detector, kind) (cryptnono_rules_loaded{%(sel)s}) > min by (detector, kind) (cryptnono_rules_loaded{%(sel)s})' % { sel: sel }, '{{detector}} {{kind}} at most'],
      ],
    ),
    series(
      'Age of the configuration in force, by node',
      'Since it was loaded. Nodes that do not follow a step of the others are stuck with an old one.',
      's',
      [['time() - max by ($node_label) (cryptnono_config_last_reload_success_timestamp_seconds{%s})' % sel, nodeLegend]],
    ),
    series(
      'Versions',
      'Daemons by version. More than one: an update is under way, or stuck.',
      'short',
      [['count by (version) (cryptnono_build_info{%s})' % sel, '{{version}}']],
    ),
    series(
      'Duration of a scan, longest',
      'Looking at all processes for what rewrites its own command line, every execwhacker.scanInterval.',
      's',
      [['max by (detector) (cryptnono_scan_duration_seconds{%s})' % sel, '{{detector}}']],
    ),
    series(
      'Nodes on which a group reports first',
      'Groups of rules that only report as yet (reportFirst). At 0 its time is over on all nodes, and its action holds.',
      'short',
      [['sum by (group) (cryptnono_group_reports_first{%s})' % sel, '{{group}}']],
    ),
    series(
      'Would have been killed, by group that reports first',
      'What such a group would have killed, had it not reported first. Look at the log before its time is over: these may be honest users.',
      'cpm',
      [[perMinute('group', 'cryptnono_group_would_have_killed_total'), '{{group}}']],
    ),
    series(
      'Clean time of groups that report first, least',
      'For how long such a group would have killed nothing, on the node where that is least. It begins anew with each process that it would have killed.',
      's',
      [['min by (group) (cryptnono_group_clean_seconds{%(sel)s} and cryptnono_group_reports_first{%(sel)s} == 1)' % { sel: sel }, '{{group}}']],
    ),
  ],

  cost: [
    series(
      'CPU of the daemon, by node',
      'In CPUs, with SI prefixes: 5m are 0.005 CPUs.',
      'sishort',
      [['sum by ($node_label) (%s)' % daemons('process_cpu_seconds_total', '$__rate_interval'), nodeLegend]],
    ),
    series(
      'Memory of the daemon, by node',
      'Resident; the tables and rings in the kernel come on top.',
      'bytes',
      [['sum by ($node_label) (%s)' % daemons('process_resident_memory_bytes'), nodeLegend]],
    ),
    series(
      'Time in the kernel in each second, by program',
      "How long each program runs in a second, on all chosen nodes: 10 ms are a hundredth of a CPU. As the kernel's statistics say, which are on for a second of every minute or so.",
      'ns',
      [[
        '1e9 * sum by (program) (rate(cryptnono_bpf_run_seconds_total{%(sel)s}[$__rate_interval]) / ignoring (program) group_left () (rate(cryptnono_bpf_statistics_seconds_total{%(sel)s}[$__rate_interval]) > 0))' % { sel: sel },
        '{{program}}',
      ]],
    ) + sampled,
    series(
      'Time in the kernel for one run, by program',
      'What is added to an exec (exec_match), to a context switch of a thread that uses floating point (fpu_sample), to a connect (flow_...).',
      's',
      [[
        '%s / (%s > 0)' % [perSecond('program', 'cryptnono_bpf_run_seconds_total'), perSecond('program', 'cryptnono_bpf_runs_total')],
        '{{program}}',
      ]],
    ) + sampled,
    series(
      'Checked',
      'Execs, connects and samples a second that were looked at.',
      'cps',
      [
        [perSecond('source', 'cryptnono_execwhacker_processes_checked_total'), 'command lines, {{source}}'],
        ['sum(rate(cryptnono_flowkiller_connects_checked_total{%s}[$__rate_interval]))' % sel, 'connects'],
        ['sum(rate(cryptnono_monero_samples_total{%s}[$__rate_interval]))' % sel, 'samples of rounding modes'],
      ],
    ),
    series(
      'Open files, by node',
      'Some dozens, and one for each process of the node. A slope while these stay as many is a leak.',
      'short',
      [['sum by ($node_label) (%s)' % daemons('process_open_fds'), nodeLegend]],
    ),
  ],
}
