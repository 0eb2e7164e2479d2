// What dashboards share, under the names that jupyterhub/grafana-dashboards gives it in its own file of this name: cryptnono.jsonnet
// and cryptnono.libsonnet work beside that one, too.
local grafonnet = import 'github.com/grafana/grafonnet/gen/grafonnet-v11.1.0/main.libsonnet';
local variable = grafonnet.dashboard.variable;

{
  // Time series: from 0, filled a little, steps (a sample says what was), all series in the tooltip.
  tsOptions: {
    fieldConfig+: { defaults+: { min: 0, custom+: { fillOpacity: 10, lineInterpolation: 'stepAfter' } } },
    options+: { tooltip+: { mode: 'multi' } },
  },

  variables: {
    prometheus:
      variable.datasource.new('PROMETHEUS_DS', 'prometheus')
      + variable.datasource.generalOptions.showOnDashboard.withValueOnly(),

    // Namespaces in which there is a hub, from kube-state-metrics.
    hub:
      variable.query.new('hub')
      + variable.query.withDatasourceFromVariable(self.prometheus)
      + variable.query.queryTypes.withLabelValues('namespace', 'kube_service_labels{service="hub"}')
      + variable.query.refresh.onTime()
      + variable.query.selectionOptions.withMulti()
      + variable.query.selectionOptions.withIncludeAll(customAllValue='.*'),
  },
}
