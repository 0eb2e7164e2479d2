// The layout of a monitoring mixin. The dashboard alone needs grafonnet.
{
  grafanaDashboards+:: { 'cryptnono.json': import 'dashboards/cryptnono.jsonnet' },
}
+ (import 'config.libsonnet')
+ (import 'alerts.libsonnet')
+ (import 'rules.libsonnet')
