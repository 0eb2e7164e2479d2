// Selectors with the configured matchers in them. `config`: the mixin's _config.
function(config)
  {
    // Of one of the daemon's own series, with further matchers.
    of(metric, matchers=''):
      local all = std.filter(function(m) m != '', [config.selector, matchers]);
      metric + if all == [] then '' else '{' + std.join(', ', all) + '}',

    // What an expression says of targets that are daemons: series that every process has, such as process_cpu_seconds_total.
    daemon(expr):
      |||
        %s
        * on (job, instance) group_left ()
        max by (job, instance) (%s)
      ||| % [expr, self.of('cryptnono_build_info')],

    // In annotations: which node the alert is about.
    node: '{{ or %s "?" }}' % std.join(' ', ['$labels.' + label for label in config.nodeLabels]),
  }
