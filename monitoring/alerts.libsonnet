// Alerts. Each has its section in docs/runbook.md and its unit tests in tests/, and aggregates with `without`, so that
// whatever labels the scrape gave a node stay.
local selectors = import 'selectors.libsonnet';

{
  local config = $._config,
  local sel = selectors(config),
  local of = sel.of,
  local increased(metric, matchers='') = 'increase(%s[%s])' % [of(metric, matchers), config.window],

  local alert(name, expr, summary, description) = {
    alert: name,
    expr: expr,
    'for': config.alerts[name]['for'],
    labels: config.labels { severity: config.alerts[name].severity },
    annotations: {
      summary: summary,
      description: description,
      runbook_url: config.runbookBase + 'docs/runbook.md#' + std.asciiLower(name),
    },
  },
  local onNode = ' on node ' + sel.node,

  prometheusAlerts+:: {
    groups+: [
      {
        name: 'cryptnono-protection',
        rules: [
          alert(
            'CryptnonoDetectorDown',
            |||
              %s == 1
              unless
              %s == 1
            ||| % [of('cryptnono_detector_enabled'), of('cryptnono_detector_up')],
            'A detector that is switched on does not work.',
            'The detector {{ $labels.detector }}' + onNode + ' is enabled and not up: its hook is not attached, or its last canary lived.'
          ),
          alert(
            'CryptnonoCanaryFailed',
            '%s == 0' % of('cryptnono_canary_successful'),
            'A detector does not kill what it must.',
            'The last canary of {{ $labels.detector }}' + onNode + ' was not detected and killed in time.'
          ),
          alert(
            'CryptnonoCanaryStale',
            |||
              time() - %s > %d
              and
              %s == 1
            ||| % [of('cryptnono_canary_last_success_timestamp_seconds'), 4 * config.canaryInterval, of('cryptnono_canary_successful')],
            'A detector has not been tried for a long time.',
            'The last canary of {{ $labels.detector }}' + onNode + ' died {{ $value | humanizeDuration }} ago, and none has been run since.'
          ),
          alert(
            'CryptnonoAgentDown',
            |||
              up{%s} == 0
              or
              up == 0
              and on (job, instance)
              max by (job, instance) (last_over_time(%s[1h]))
            ||| % [config.upSelector, of('cryptnono_build_info')],
            'A daemon does not answer.',
            'cryptnono' + onNode + ' cannot be scraped. Enforcement ends with the daemon.'
          ),
          alert(
            'CryptnonoNodeWithoutAgent',
            // Only where the two name nodes alike: otherwise every node would seem to be without.
            |||
              max by (node) (kube_node_info%s)
              unless on (node)
              node:cryptnono_agent:info
              and on ()
              count(kube_node_info and on (node) node:cryptnono_agent:info) > 0
            ||| % (if config.nodeSelector == '' then '' else '{%s}' % config.nodeSelector),
            'A node has no daemon.',
            'Kubernetes knows the node {{ $labels.node }}, and no cryptnono is scraped there.'
          ),
          alert(
            'CryptnonoAgentsAbsent',
            'absent(%s)' % of('cryptnono_build_info'),
            'No daemon is scraped at all.',
            'Not one cryptnono answers: none runs, or Prometheus does not find them.'
          ),
        ],
      },
      {
        name: 'cryptnono-kills',
        rules: [
          alert(
            'CryptnonoKillsBurst',
            |||
              sum without (detector) (%s)
              > %d
            ||| % [increased('cryptnono_processes_killed_total'), config.killsBurst],
            'Unusually many processes are killed on one node.',
            '{{ $value | printf "%.0f" }} processes were killed within ' + config.window + onNode + ': an attack, or a rule that hits honest users.'
          ),
          alert(
            'CryptnonoKillsFailed',
            '%s > 0' % increased('cryptnono_kills_failed_total'),
            'The kernel refused a kill.',
            '{{ $value | printf "%.0f" }} kills of {{ $labels.detector }} within ' + config.window + onNode + ' were refused: what was found lives.'
          ),
          alert(
            'CryptnonoLimitReached',
            |||
              %s > 0
              or
              %s == 1
            ||| % [increased('cryptnono_limit_suppressed_total'), of('cryptnono_limit_reached')],
            'The blast-radius limit stops kills.',
            'A group of rules of {{ $labels.detector }}' + onNode + ' has hit so many containers or users that it only reports in further ones.'
          ),
          alert(
            'CryptnonoResponseFailed',
            '%s > 0' % increased('cryptnono_responses_failed_total'),
            'A tree or a container was not killed whole.',
            '{{ $value | printf "%.0f" }} times within ' + config.window + onNode + ' something of a tree or container lived on ({{ $labels.reason }}).'
          ),
        ],
      },
      {
        name: 'cryptnono-operation',
        rules: [
          alert(
            'CryptnonoEventsLost',
            '%s > 0' % increased('cryptnono_events_lost_total'),
            'Events of the kernel side are lost.',
            '{{ $value | printf "%.0f" }} events of {{ $labels.detector }} within ' + config.window + onNode + ' were lost ({{ $labels.reason }}).'
          ),
          alert(
            'CryptnonoReloadFailed',
            '%s == 0' % of('cryptnono_config_last_reload_successful'),
            'A new configuration is not in force.',
            'The last attempt to load the configuration' + onNode + ' failed; the one before stays in force.'
          ),
          alert(
            'CryptnonoRulesDiffer',
            // Not the generation: each daemon counts its own from its start.
            |||
              %(rules)s
              != on (detector, kind) group_left ()
              quantile by (detector, kind) (0.5, %(rules)s)
            ||| % { rules: of('cryptnono_rules_loaded') },
            'Nodes have different rules.',
            'The {{ $labels.kind }} rules of {{ $labels.detector }}' + onNode + ' are {{ $value }}, not as many as on most nodes.'
          ),
          alert(
            'CryptnonoWebhookGaveUp',
            '%s > 0' % increased('cryptnono_webhook_deliveries_total', 'result!="sent"'),
            'The webhook was not told of something.',
            '{{ $value | printf "%.0f" }} events within ' + config.window + onNode + ' did not reach the webhook ({{ $labels.result }}).'
          ),
          alert(
            'CryptnonoLogLinesDropped',
            '%s > 0' % increased('cryptnono_log_lines_dropped_total'),
            'Log lines are lost.',
            '{{ $value | printf "%.0f" }} log lines within ' + config.window + onNode + ' were dropped, because nobody read them.'
          ),
          alert(
            'CryptnonoTooCostly',
            // The kernel's statistics may not be had; what the daemon itself uses counts all the same.
            |||
              (
                instance:cryptnono_daemon_cpu:rate5m + instance:cryptnono_bpf_cpu:rate5m
                or
                instance:cryptnono_daemon_cpu:rate5m
              )
              > %g
            ||| % config.maxCpus,
            'cryptnono uses more CPU than it should.',
            'cryptnono' + onNode + ' and its programs in the kernel use {{ $value | printf "%.2f" }} CPUs.'
          ),
          alert(
            'CryptnonoTooMuchMemory',
            '%s> %d' % [sel.daemon('process_resident_memory_bytes'), config.maxBytes],
            'cryptnono uses more memory than it should.',
            'cryptnono' + onNode + ' has {{ $value | humanize1024 }}B resident.'
          ),
        ],
      },
    ],
  },
}
