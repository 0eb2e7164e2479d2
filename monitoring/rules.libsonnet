// Recording rules. The dashboard needs none of them; alerts need those of the nodes and of the cost.
local selectors = import 'selectors.libsonnet';

{
  local sel = selectors($._config),

  prometheusRules+:: {
    groups+: [
      {
        name: 'cryptnono-recorded',
        rules: [
          {
            // Which node each daemon is on, whatever label says so, without a port: what kube_node_info calls `node`.
            record: 'node:cryptnono_agent:info',
            expr: |||
              max by (node, version) (
                label_replace(
                  label_join(%(build)s, "node", "|", "%(labels)s"),
                  "node", "$1", "node", "[|]*([^|]+?)(?::[0-9]+)?(?:[|].*)?"
                )
              )
            ||| % { build: sel.of('cryptnono_build_info'), labels: std.join('", "', $._config.nodeLabels) },
          },
          {
            record: 'detector:cryptnono_processes_killed:increase1h',
            expr: 'sum by (detector) (increase(%s[1h]))' % sel.of('cryptnono_processes_killed_total'),
          },
          {
            // An hour of every node's buckets at each evaluation would be ten million samples for a thousand nodes: so first the sums.
            record: 'detector_le:cryptnono_kill_latency_seconds_bucket:rate5m',
            expr: 'sum by (detector, le) (rate(%s[5m]))' % sel.of('cryptnono_kill_latency_seconds_bucket'),
          },
          {
            record: 'detector:cryptnono_kill_latency_seconds:p99_1h',
            expr: 'histogram_quantile(0.99, avg_over_time(detector_le:cryptnono_kill_latency_seconds_bucket:rate5m[1h]))',
          },
          {
            // CPUs that the daemon itself uses.
            record: 'instance:cryptnono_daemon_cpu:rate5m',
            expr: sel.daemon('rate(process_cpu_seconds_total[5m])'),
          },
          {
            // CPUs that its programs in the kernel use. The kernel may count for a part of the time only.
            record: 'instance:cryptnono_bpf_cpu:rate5m',
            expr: |||
              sum without (program) (rate(%s[5m]))
              / (rate(%s[5m]) > 0)
            ||| % [sel.of('cryptnono_bpf_run_seconds_total'), sel.of('cryptnono_bpf_statistics_seconds_total')],
          },
        ],
      },
      {
        // One line a cluster, however many nodes it has: what another Prometheus federates (docs/scale-out.md). The prefix says by what.
        name: 'cryptnono-cluster',
        rules: [
          { record: 'version:cryptnono_agents:count', expr: 'count by (version) (node:cryptnono_agent:info)' },
        ] + [
          { record: 'detector:cryptnono_%s:sum' % name, expr: 'sum by (detector) (%s)' % sel.of('cryptnono_' + name) }
          for name in ['detector_enabled', 'detector_up', 'canary_successful', 'limit_reached']
        ] + [
          {
            record: 'detector:cryptnono_%s:increase1h' % name,
            expr: 'sum by (detector) (increase(%s[1h]))' % sel.of('cryptnono_' + name + '_total'),
          }
          for name in ['processes_reported', 'limit_suppressed', 'kills_failed']
        ] + [
          { record: 'detector:cryptnono_events_lost:rate5m', expr: 'sum by (detector) (rate(%s[5m]))' % sel.of('cryptnono_events_lost_total') },
          { record: 'cluster:cryptnono_log_lines_dropped:rate5m', expr: 'sum(rate(%s[5m]))' % sel.of('cryptnono_log_lines_dropped_total') },
        ] + [
          {
            // While new rules are on their way to the nodes, these two differ.
            record: 'detector_kind:cryptnono_rules_loaded:' + how,
            expr: '%s by (detector, kind) (%s)' % [how, sel.of('cryptnono_rules_loaded')],
          }
          for how in ['min', 'max']
        ] + [
          { record: 'group:cryptnono_group_reports_first:sum', expr: 'sum by (group) (%s)' % sel.of('cryptnono_group_reports_first') },
          {
            record: 'group:cryptnono_group_would_have_killed:sum',
            expr: 'sum by (group) (%s)' % sel.of('cryptnono_group_would_have_killed_total'),
          },
          { record: 'cluster:cryptnono_config_reload_failed:sum', expr: 'sum(1 - %s)' % sel.of('cryptnono_config_last_reload_successful') },
          { record: 'cluster:cryptnono_daemon_cpu:sum', expr: 'sum(instance:cryptnono_daemon_cpu:rate5m)' },
          { record: 'cluster:cryptnono_bpf_cpu:sum', expr: 'sum(instance:cryptnono_bpf_cpu:rate5m)' },
          { record: 'cluster:cryptnono_daemon_memory_bytes:max', expr: 'max(%s)' % sel.daemon('process_resident_memory_bytes') },
        ],
      },
    ],
  },
}
