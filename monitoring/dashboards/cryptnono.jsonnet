#!/usr/bin/env -S jsonnet -J ../vendor
// What cryptnono does on every node: what runs, what was killed where, what is lost, what it costs.
local grafonnet = import 'github.com/grafana/grafonnet/gen/grafonnet-v11.1.0/main.libsonnet';
local dashboard = grafonnet.dashboard;
local row = grafonnet.panel.row;
local variable = dashboard.variable;

local common = import './common.libsonnet';
local panels = import './cryptnono.libsonnet';

// The label that names the node: `node` as the prometheus chart's pods have it, or `kubernetes_node` as older ones, or `instance`,
// which everything has. Whichever of them is there is offered, and the first of that order chosen.
local nodeLabel =
  variable.query.new('node_label', 'label_names(cryptnono_build_info)')
  + variable.query.withDatasourceFromVariable(common.variables.prometheus)
  + variable.query.withRegex('^(node|kubernetes_node|instance)$')
  + variable.query.withSort(type='alphabetical', asc=false)
  + variable.query.refresh.onLoad()
  + variable.query.generalOptions.withLabel('Node label')
  + variable.query.generalOptions.withDescription("The label of the daemon's series that names the node.");

local node =
  variable.query.new('node')
  + variable.query.withDatasourceFromVariable(common.variables.prometheus)
  + variable.query.queryTypes.withLabelValues('$node_label', 'cryptnono_build_info')
  + variable.query.withSort(type='alphabetical')
  + variable.query.refresh.onTime()
  + variable.query.selectionOptions.withMulti()
  + variable.query.selectionOptions.withIncludeAll(value=true, customAllValue='.*');

// Rows of two below a row of numbers. grafonnet's makeGrid takes minutes for as many panels as these, with Debian's jsonnet.
local glanceHeight = 5;
local width = 12;
local height = 10;
local place(panels, y, w, h) = std.mapWithIndex(
  function(i, p) p { gridPos: { x: (w * i) % 24, y: y + h * std.floor(w * i / 24), w: w, h: h } }, panels
);
local section(title, contents, y) = [row.new(title) + { gridPos: { x: 0, y: y, w: 24, h: 1 } }] + place(contents, y + 1, width, height);
local sectionHeight(contents) = 1 + height * std.ceil(std.length(contents) * width / 24);

local grid = std.foldl(
  function(done, r) {
    panels: done.panels + section(r[0], panels[r[1]], done.y),
    y: done.y + sectionHeight(panels[r[1]]),
  },
  panels.rows,
  { panels: place(panels.glance, 0, 4, glanceHeight), y: glanceHeight },
);

dashboard.new('Cryptnono')
+ dashboard.withUid('cryptnono')
+ dashboard.withDescription('Cryptominers found and killed, and the health and cost of what finds them.')
+ dashboard.withTags(['jupyterhub', 'kubernetes', 'cryptnono'])
+ dashboard.withEditable(true)
+ dashboard.time.withFrom('now-6h')
+ dashboard.withRefresh('1m')
+ dashboard.withVariables([common.variables.prometheus, nodeLabel, node, common.variables.hub])
+ dashboard.withPanels(grid.panels)
