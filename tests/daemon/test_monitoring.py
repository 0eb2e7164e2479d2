"""Dashboard and rules on a real Prometheus that scrapes real daemons: each query must say what was really done, and alerts fire and end.

monitored.py does it; here is what must be seen. What a query says is compared twice: as Grafana sends it, where rates are extrapolated
to the edges of their window; and with each increase counted exactly from the moment before, where every number must be right.
"""
import os
import re
import shutil

import pytest
import yaml

import monitored
import panels
from test_canary import detach_connect_hook

PANELS = panels.panels()
WINDOW = "60s"
CANARY_SECONDS = 3
ALL = ("execwhacker", "monero", "tcpflowkiller")
RUNNING = [("node-1", d) for d in ALL] + [("node-2", "execwhacker"), ("node-2", "monero")]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    for tool in ("prometheus", "jsonnet"):
        if not shutil.which(tool):
            pytest.fail(f"{tool} is not installed")
    one = monitored.Monitored(tmp_path_factory.mktemp("monitored"), CANARY_SECONDS)
    one.act()
    one.wanted = expected(one)
    yield one
    one.close()


class Between:
    """A number of which only the limits are known."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __repr__(self):
        return f"{self.low} to {self.high}"


class Perhaps(Between):
    """The same, or no such series."""


class Own:
    """As the daemons say themselves, a counter since the beginning, and not 0: what other tests of this machine do counts, too."""

    def __init__(self, *series):
        self.series = series


def by_node(**values):
    return {f"node-{name[1:]}": value for name, value in values.items()}


def expected(seen):
    """{panel's title: {series as the legend names it: value}}, right after it was done. What is not named must be 0, or not there."""
    killed = {"execwhacker": 12, "monero": 1, "tcpflowkiller": 3}
    age = seen.at - seen.begin
    memory = {node.name: sum(node.daemon.rss_kib().values()) * 1024 for node in (seen.one, seen.two)}
    files = {node.name: len(os.listdir(f"/proc/{node.daemon.process.pid}/fd")) for node in (seen.one, seen.two)}
    return {
        "Nodes with the daemon": {"daemons": 2, "nodes": 3},
        "Detectors down": {},
        "Canaries failed": {},
        "Killed": killed,
        "Events lost": {},
        "Limits reached": {"reached": 1},
        "Kills, by detector": killed,
        "Kills, by node": by_node(n1=14, n2=2),
        "Kills, by hub": {"research": 14, "class": 16},
        "Kills, by what gave them away": {"execwhacker.bpf": 11, "psutil.process_iter": 1, "banned-ip": 2, "scan": 1, "RandomX": 1},
        "Kill latency": {"+Inf": 16, "60": 16, "10": 16, **{le: Between(0, 16) for le in BUCKETS}},
        "Kill latency, median and 99th percentile": {
            **{f"{d} p{q}": Between(1e-6, 0.1) for d in ("execwhacker", "tcpflowkiller") for q in (50, 99)},
            **{f"monero p{q}": Between(0.03, 10) for q in (50, 99)}},
        "Detectors, by node": {f"{node} {detector}": 2 for node, detector in RUNNING},
        "Canaries, by node": {f"{node} {detector}": 1 for node, detector in RUNNING},
        "Time since a canary died in time": {f"{node} {detector}": Between(-1, 3 * CANARY_SECONDS) for node, detector in RUNNING},
        "Canaries, by result": {f"{d} success": Between(1, 100) for d in ALL},
        "How long canaries lived": {d: Between(1e-6, 5) for d in ALL},
        "Nodes": {
            **{f"A {n}": 1 for n in ("node-1", "node-2")},
            **{f"B {n.name}": Between(1000 * (n.started - 2), 1000 * (n.started + 2)) for n in (seen.one, seen.two)},
            "C node-1": 3, "C node-2": 2, "D node-1": 3, "D node-2": 2, "E node-1": 5, "E node-2": 1, "F node-1": 1, "F node-2": 1,
            "G node-1": Between(0, 2), "G node-2": Perhaps(0, 2), "H node-1": Between(0, 1), "H node-2": Between(0, 1)},
        "Hit, and not killed": {
            "spared": 3, "protected": 1, "reported": 3, "limited": 1,
            "refused": Between(0, 2)},  # a scan may meet one that is just ending
        "Events lost, by reason": {},
        "Targets that count towards the limit": {"execwhacker": 4, "monero": 1, "tcpflowkiller": 1, "execwhacker reached": 1},
        "Log lines dropped": {},
        "Trees and containers killed after a kill": {"kill-tree": 1, "processes killed with them": seen.with_tree},
        "Webhook": {"sent": 13, "refused": 1, "retries": 1},
        "Questions to container runtimes": {"failed": Own("cryptnono_container_lookups_total", "result", "failed")},
        "Cgroups, by what they are": {kind: Own("cryptnono_cgroups", "kind", kind) for kind in ("container", "pod", "unclassified")},
        "Reloads": {"success": 2},
        "Generation of the rules, by node": by_node(n1=3, n2=1),
        "Rules, by kind": {"execwhacker banned": 1, "execwhacker banned at most": 3, "execwhacker allowed-pattern at most": 1,
                           "tcpflowkiller banned": 1},
        "Age of the configuration in force, by node": by_node(n1=Between(0, age), n2=Between(age, age + 60)),
        "Versions": {next(iter(seen.prometheus.query("cryptnono_build_info")))[0]["version"]: 2},
        "Nodes on which a group reports first": {"node-1-reported": 1},
        "Would have been killed, by group that reports first": {"node-1-reported": 2},
        "Clean time of groups that report first, least": {"node-1-reported": Between(0, age + 60)},
        "Duration of a scan, longest": {"execwhacker": Between(1e-5, 5)},
        "CPU of the daemon, by node": by_node(n1=Between(1e-5, 1), n2=Between(1e-5, 1)),
        "Memory of the daemon, by node": {n: Between(memory[n] * 0.8, memory[n] * 1.2) for n in memory},
        # All of the node counts here, whoever's it is.
        "Time in the kernel in each second, by program": {
            **{p: Perhaps(0, 1e9) for p in PROGRAMS}, **{p: Between(1e3, 1e9) for p in USED}},
        "Time in the kernel for one run, by program": {
            **{p: Perhaps(0, 1e-2) for p in PROGRAMS}, **{p: Between(1e-8, 1e-3) for p in USED}},
        "Checked": {
            "command lines, execwhacker.bpf": Between(0.3, 1e4), "command lines, psutil.process_iter": Between(0.1, 1e4),
            "connects": Between(13 / 60 - 1e-6, 1), "samples of rounding modes": Between(0.1, 1e4)},
        "Open files, by node": {n: Between(files[n] - 20, files[n] + 20) for n in files},
    }


PROGRAMS = ["cgroup_made", "flow_connect6", "flow_sendmsg4", "flow_sendmsg6", "flow_state"]
USED = ["exec_match", "fpu_sample", "flow_connect4"]
BUCKETS = ["1e-06", "2.5e-06", "5e-06", "1e-05", "2.5e-05", "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01",
           "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5", "7.5"]


def exactly(expr, begin):
    """expr with increments counted from that moment, which are whole, instead of extrapolated."""
    expr = re.sub(r"rate\((\w+\{[^{}]*\})\[60s\]\)", rf"((\1 - (\1 @ {begin:.3f})) / 60)", expr)
    return re.sub(r"increase\((\w+\{[^{}]*\})\[60s\]\)", rf"(\1 - (\1 @ {begin:.3f}))", expr)


def results(seen, panel, values, exact):
    """{series as the legend names it: value}; of a table, the letter of the query and the node."""
    found = {}
    for query in panel.queries:
        expr = panels.substitute(query.expr, values)
        for labels, value in seen.prometheus.query(exactly(expr, seen.begin) if exact else expr, seen.at):
            name = query.name(labels) or f"{query.ref} {labels.get(values['node_label'], '')}"
            assert name not in found, f"two series are called {name}"
            found[name] = value
    return found


def compare(seen, found, wanted, slack):
    for name in {*found, *wanted}:
        value, want = found.get(name, 0), wanted.get(name, 0)
        if isinstance(want, Own):
            series, label, kind = want.series
            selector = f'{series}{{{label}="{kind}"}}'
            want = sum(v for _, v in seen.prometheus.query(selector, seen.at))
            if series.endswith("_total"):
                want -= sum(v for _, v in seen.prometheus.query(selector, seen.begin))
            assert want > 0
        if isinstance(want, Between):
            assert name in found or isinstance(want, Perhaps), name
            assert want.low <= value <= want.high * slack, (name, value, want)
        else:
            assert want * 0.999 <= value <= want * 1.001 * slack, (name, value, want)


@pytest.mark.parametrize("exact", [False, True], ids=["as-sent", "exact"])
@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title.replace(" ", "-"))
def test_each_panel_says_what_was_done(seen, panel, exact):
    found = results(seen, panel, panels.variables(interval=WINDOW, span=WINDOW), exact)
    compare(seen, found, seen.wanted[panel.title], 1 if exact else 1.35)


def test_nothing_is_left_out(seen):
    assert seen.wanted.keys() == {panel.title for panel in PANELS}


@pytest.mark.parametrize("label", ["node", "instance"])
def test_nodes_can_be_chosen_by_any_label(seen, label):
    """Kills of node-2 alone, of both, and of none that there is."""
    panel = next(p for p in PANELS if p.title == "Kills, by node")
    address = {node.name: node.name if label == "node" else f"127.0.0.1:{node.port}" for node in (seen.one, seen.two)}
    for chosen, wanted in ((address["node-2"], {"node-2": 2}), (f"({address['node-1']}|{address['node-2']})", {"node-1": 14, "node-2": 2}),
                           (".*", {"node-1": 14, "node-2": 2}), ("elsewhere", {})):
        values = panels.variables(node_label=label, node=chosen, interval=WINDOW)
        assert results(seen, panel, values, True) == pytest.approx({address[name]: kills for name, kills in wanted.items()}), chosen


def test_a_hub_can_be_chosen(seen):
    panel = next(p for p in PANELS if p.title == "Kills, by hub")
    assert results(seen, panel, panels.variables(hub="class", interval=WINDOW), True) == pytest.approx({"class": 16})


def test_variables_find_their_values(seen):
    """As Grafana asks for them: the label of the node is found, and preferred before `instance`."""
    dashboard = {v["name"]: v for v in panels.dashboard()["templating"]["list"]}
    labels = seen.prometheus.get("labels", **{"match[]": "cryptnono_build_info"})
    offered = sorted((name for name in labels if re.search(dashboard["node_label"]["regex"], name)), reverse=True)
    assert offered == ["node", "instance"]
    for name, wanted in (("node", ["node-1", "node-2"]), ("hub", ["class", "research"])):
        query = panels.substitute(dashboard[name]["query"], panels.variables(node_label=offered[0]))
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        assert sorted({labels[label] for labels, _ in seen.prometheus.query(metric)}) == wanted


def test_each_rule_says_what_was_done(seen):
    """Every expression of the rule file as it is, but for the windows of recording rules, which are longer than this test."""
    rules = [rule for group in yaml.safe_load(panels.RULES.read_text())["groups"] for rule in group["rules"]]
    values = {rule.get("alert") or rule["record"]: seen.prometheus.query(rule["expr"], seen.at) for rule in rules}

    def of(name, *labels):
        return {tuple(series.get(label, "") for label in labels): value for series, value in values[name]}
    version = seen.prometheus.query("cryptnono_build_info")[0][0]["version"]
    assert of("node:cryptnono_agent:info", "node", "version") == {("node-1", version): 1, ("node-2", version): 1}
    kills = of("detector:cryptnono_processes_killed:increase1h", "detector")
    assert kills.keys() == {(d,) for d in ALL}
    for detector, count in zip(ALL, (12, 1, 3)):
        assert count <= kills[(detector,)] < count * 1.35
    assert 0.03 < of("detector:cryptnono_kill_latency_seconds:p99_1h", "detector")[("monero",)] < 10
    assert all(1e-6 < value < 1 for value in of("instance:cryptnono_daemon_cpu:rate5m", "node").values())
    assert 1e-6 < of("instance:cryptnono_bpf_cpu:rate5m", "node")[("node-1",)] < 0.5
    alerts = {name: of(name, "node", "detector", "kind", "result") for name in values if name.startswith("Cryptnono")}
    assert {name: found for name, found in alerts.items() if found} == {
        "CryptnonoNodeWithoutAgent": {("node-3", "", "", ""): 1},
        "CryptnonoLimitReached": {("node-1", "execwhacker", "", ""): pytest.approx(1, rel=0.35)},
        "CryptnonoRulesDiffer": {
            ("node-1", "execwhacker", "banned", ""): 3, ("node-2", "execwhacker", "banned", ""): 1,
            ("node-1", "execwhacker", "allowed-pattern", ""): 1, ("node-2", "execwhacker", "allowed-pattern", ""): 0},
        "CryptnonoWebhookGaveUp": {("node-1", "", "", "refused"): pytest.approx(1, rel=0.35)},
    }


def test_alerts_fire_and_end(seen):
    """The rules are those of the file, with shorter times."""
    prometheus, one, two = seen.prometheus, seen.one, seen.two

    def fires(*alert):
        prometheus.wait(lambda: alert in prometheus.firing())

    def ends(*alert):
        prometheus.wait(lambda: alert not in prometheus.firing())

    rules_differ, without_agent = ("CryptnonoRulesDiffer", "execwhacker", "node-2"), ("CryptnonoNodeWithoutAgent", "", "node-3")
    limit = ("CryptnonoLimitReached", "execwhacker", "node-1")
    for alert in (rules_differ, without_agent, limit):
        fires(*alert)

    # A broken file.
    one.reload("bannedCommandStrings: [", action="reload-failed")
    fires("CryptnonoReloadFailed", "", "node-1")
    # Mended, with a higher limit; the other node gets the same rules; Kubernetes forgets the third.
    one.reload(seen.base(limit=20))
    two.reload("\n".join(line for line in (
        f"bannedCommandStrings: [{monitored.B}, {monitored.REPORTED}, {monitored.TREE}]",
        "allowedCommandPatterns: ['^[/a-z]*true .*spare-me$']", 'tcpflowkiller: {enabled: true, bans: ["192.0.2.1"]}')) + "\n")
    seen.kube.text = monitored.kubernetes("node-1", "node-2")
    ends("CryptnonoReloadFailed", "", "node-1")
    for alert in (rules_differ, without_agent, limit):
        ends(*alert)

    # More kills at once than anybody reads of; the daemon does not even answer.
    seen.lose_events()
    fires("CryptnonoKillsBurst", "", "node-1")
    fires("CryptnonoEventsLost", "execwhacker", "node-1")

    # The hook of connects is gone, and the daemon does not know it: its canary does.
    detach_connect_hook(one.daemon)
    fires("CryptnonoCanaryFailed", "tcpflowkiller", "node-1")
    fires("CryptnonoDetectorDown", "tcpflowkiller", "node-1")
    assert {alert for alert in prometheus.firing() if alert[0] in ("CryptnonoCanaryFailed", "CryptnonoDetectorDown")} == {
        (name, "tcpflowkiller", "node-1") for name in ("CryptnonoCanaryFailed", "CryptnonoDetectorDown")}
    for panel in PANELS:
        if panel.title in ("Detectors down", "Canaries failed"):
            assert prometheus.query(panels.substitute(panel.queries[0].expr, panels.variables())) == [({}, 1)]

    # No daemon on one node, then on none.
    two.stop()
    fires("CryptnonoAgentDown", "", "node-2")
    fires("CryptnonoNodeWithoutAgent", "", "node-2")
    one.stop()
    fires("CryptnonoAgentsAbsent", "", "")
    one.start()
    two.start()
    prometheus.wait(lambda: not prometheus.firing(), timeout=40)
