// The one place for what an operator may want to change. Override it with
// (import 'mixin.libsonnet') + { _config+:: { ... } }, as README.md shows.
{
  _config+:: {
    // Label matchers put into every selector of the daemon's own series, e.g. 'cluster="prod"'.
    selector: '',

    // Targets that are daemons even if they never answered: the pod label that the prometheus chart copies to them.
    upSelector: 'app_kubernetes_io_name="cryptnono"',

    // Label matchers for kube_node_info: the nodes that should have a daemon.
    nodeSelector: '',

    // Where a series says which node it is of, the first that is there.
    nodeLabels: ['node', 'kubernetes_node', 'instance'],

    // Put before docs/runbook.md in runbook_url.
    runbookBase: '',

    // Added to every alert.
    labels: {},

    // As `canary.interval` of the daemon, in seconds.
    canaryInterval: 300,

    // What counters are looked at over. An alert on a counter resolves this long after the last increment.
    window: '10m',

    // More kills than this on one node within `window`.
    killsBurst: 20,

    // CPUs that a daemon and its programs in the kernel may use together, and bytes that the daemon may.
    maxCpus: 0.1,
    maxBytes: 256 * 1024 * 1024,

    // How long a condition must hold, and how bad it is.
    // critical: a node is not protected. warning: somebody should look at it today.
    alerts: {
      CryptnonoDetectorDown: { 'for': '5m', severity: 'critical' },
      // Longer than the canary's interval: two in a row.
      CryptnonoCanaryFailed: { 'for': '6m', severity: 'critical' },
      CryptnonoCanaryStale: { 'for': '5m', severity: 'warning' },
      CryptnonoAgentDown: { 'for': '5m', severity: 'critical' },
      CryptnonoNodeWithoutAgent: { 'for': '15m', severity: 'critical' },
      CryptnonoAgentsAbsent: { 'for': '15m', severity: 'critical' },
      CryptnonoKillsBurst: { 'for': '0s', severity: 'warning' },
      CryptnonoKillsFailed: { 'for': '0s', severity: 'critical' },
      CryptnonoLimitReached: { 'for': '0s', severity: 'critical' },
      CryptnonoEventsLost: { 'for': '0s', severity: 'warning' },
      CryptnonoReloadFailed: { 'for': '5m', severity: 'warning' },
      CryptnonoRulesDiffer: { 'for': '15m', severity: 'warning' },
      CryptnonoResponseFailed: { 'for': '0s', severity: 'warning' },
      CryptnonoWebhookGaveUp: { 'for': '0s', severity: 'warning' },
      CryptnonoLogLinesDropped: { 'for': '0s', severity: 'warning' },
      CryptnonoTooCostly: { 'for': '15m', severity: 'warning' },
      CryptnonoTooMuchMemory: { 'for': '15m', severity: 'warning' },
    },
  },
}
