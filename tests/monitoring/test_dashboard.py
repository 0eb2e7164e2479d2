"""The rendered dashboard."""
import json
import re
import subprocess

import pytest

import catalog
import panels

DASHBOARD = panels.dashboard()
PANELS = panels.panels(DASHBOARD)
# Series that no panel shows, and why.
UNSEEN = {
    # The predecessor's, kept for its users' own dashboards: the series by detector say the same, and finer.
    "cryptnono_execwhacker_processes_missed_total", "cryptnono_execwhacker_processes_allowed_total",
    "cryptnono_execwhacker_unexpected_errors_total", "cryptnono_execwhacker_log_and_kill_execution_seconds",
    "cryptnono_execwhacker_kill_if_needed_execution_seconds", "cryptnono_flowkiller_processes_missed_total",
    "cryptnono_flowkiller_log_and_kill_execution_seconds", "cryptnono_monero_processes_missed_total",
    "cryptnono_monero_processes_spared_total", "cryptnono_monero_kill_seconds", "cryptnono_exec_decision_seconds",
    # For who looks into one hand-over, beside its log line.
    "cryptnono_pinned", "cryptnono_unattended_seconds", "cryptnono_taken_over_records_total",
    # For who has BPF LSM and the guard.
    "cryptnono_guard_active", "cryptnono_guard_refused_total",
    # For who tunes a detector.
    "cryptnono_monero_suspects", "cryptnono_monero_highest_spared_score", "cryptnono_flowkiller_counted_units",
    "process_virtual_memory_bytes", "process_max_fds",
    # For who has BPF LSM.
    "cryptnono_lsm_active", "cryptnono_lsm_refused_total", "cryptnono_lsm_skipped_total",
}


def expressions():
    return [panels.substitute(query.expr, panels.variables()) for panel in PANELS for query in panel.queries]


def test_it_is_what_the_source_makes(render):
    vendor = render.vendor()
    if not vendor:
        pytest.skip("no grafonnet: set GRAFONNET_VENDOR, or jb install in monitoring/")
    assert panels.DASHBOARD.read_text() == render.dashboard(vendor)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_panel_is_complete(panel):
    assert panel.title and len(panel.json["description"]) > 20 and panel.row is not None
    assert panel.unit
    for where in [panel.json, *panel.json["targets"]]:
        assert where["datasource"] == {"type": "prometheus", "uid": "$PROMETHEUS_DS"}
    refs = [query.ref for query in panel.queries]
    assert refs and len(set(refs)) == len(refs)
    for query in panel.queries:
        assert query.legend or panel.kind == "table"
        _, grouping = catalog.promql.names(panels.substitute(query.expr, panels.variables()))
        wanted = set(re.findall(r"{{(\w+)}}", query.legend)) - {"node", "kubernetes_node", "instance"}
        assert wanted <= grouping, f"the legend names a label that the query does not keep: {query}"


def test_nothing_overlaps():
    taken = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]
    height = 1 + max(y for _, y in taken)
    assert {y for _, y in taken} == set(range(height)), "a gap"


def test_names_are_unique_and_stay():
    assert DASHBOARD["uid"] == "cryptnono"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids) and len(set(titles)) == len(titles)


def test_variables():
    found = {v["name"]: v for v in DASHBOARD["templating"]["list"]}
    assert list(found) == ["PROMETHEUS_DS", "node_label", "node", "hub"]
    assert found["PROMETHEUS_DS"]["type"] == "datasource"
    for name in ("node", "hub"):
        assert found[name]["multi"] and found[name]["includeAll"] and found[name]["allValue"] == ".*"
    # Grafana takes the first option of those sorted, here downwards.
    order = sorted(["instance", "kubernetes_node", "node"], reverse=True)
    assert order[0] == "node" and order[-1] == "instance" and found["node_label"]["sort"] == 2
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used <= set(found) | {"__rate_interval", "__range"}


def test_each_query_parses(tmp_path):
    rules = [{"record": f"q{i}", "expr": expr} for i, expr in enumerate(expressions())]
    path = tmp_path / "queries.yaml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_each_series_label_and_value_is_there(known):
    for expr in expressions():
        catalog.check(expr, known)


def test_each_series_is_shown(known):
    shown = {metric for expr in expressions() for metric in catalog.promql.names(expr)[0]}
    shown = {re.sub("_bucket$", "", metric) for metric in shown}
    all_of_them = {re.sub("_(bucket|sum|count)$", "", metric) for metric in catalog.catalogue()}
    assert all_of_them - shown == UNSEEN


def test_what_canaries_say(tmp_path):
    """A canary that lived, on one of two nodes; test_monitoring.py has only such as die."""
    def series(name, node, detector, values, more=""):
        return {"series": f'{name}{{node="{node}", instance="{node}:1", job="c", detector="{detector}"{more}}}', "values": values}
    given = [series("cryptnono_canary_successful", node, "monero", values) for node, values in (("a", "1x20"), ("b", "1x5 0x20"))]
    given += [series("cryptnono_canary_last_success_timestamp_seconds", node, "monero", values) for node, values in (("a", "540x20"), ("b", "240x20"))]
    given += [series("cryptnono_canary_duration_seconds", node, "monero", values) for node, values in (("a", "0.3x20"), ("b", "5x20"))]
    given += [series("cryptnono_canary_runs_total", "b", "monero", "0+1x20", ', result="survived"')]
    given += [series("cryptnono_detector_enabled", node, "monero", "1x20") for node in "ab"]
    given += [series("cryptnono_detector_up", node, "monero", values) for node, values in (("a", "1x20"), ("b", "1x5 0x20"))]
    wanted = {
        "Canaries failed": [("{}", 1)],
        "Detectors down": [("{}", 1)],
        "Canaries, by node": [('{node="a", detector="monero"}', 1), ('{node="b", detector="monero"}', 0)],
        "Detectors, by node": [('{node="a", detector="monero"}', 2), ('{node="b", detector="monero"}', 1)],
        "Time since a canary died in time": [('{node="a", detector="monero"}', 60), ('{node="b", detector="monero"}', 360)],
        "How long canaries lived": [('{detector="monero"}', 5)],
        "Canaries, by result": [('{detector="monero", result="survived"}', 1)],
    }
    values = panels.variables(interval="5m", span="10m")
    cases = [{"expr": panels.substitute(panel.queries[0].expr, values), "eval_time": "10m",
              "exp_samples": [{"labels": labels, "value": value} for labels, value in wanted[panel.title]]}
             for panel in PANELS if panel.title in wanted]
    assert len(cases) == len(wanted)
    path = tmp_path / "test.yaml"
    path.write_text(json.dumps({"rule_files": [], "tests": [{"interval": "1m", "input_series": given, "promql_expr_test": cases}]}))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
