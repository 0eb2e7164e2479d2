"""Two clusters of simulated nodes, a real Prometheus in each with the project's rules, and a third that federates them."""
import itertools
import os
import re
import shutil
import subprocess
import sys
import urllib.request

import pytest
import yaml

import federation
from conftest import ROOT, Cgroup, Daemon, wait_until
from fleet import Fleet

sys.path.append(str(ROOT / "monitoring"))
import panels  # noqa: E402

NODES = {"a": range(0, 45), "b": range(45, 60)}
INTERVAL = "2s"
DETECTORS = ("execwhacker", "monero", "tcpflowkiller")
PORTS = itertools.count(27000 + os.getpid() % 1000 * 4)
CONFIG = """
bannedCommandStrings: [cryptnono.banned.string1]
groups:
  - id: pools
    reportFirst: {cleanDays: 7}
    bannedCommandStrings: [cryptnono.scale.reported]
tcpflowkiller: {enabled: true}
state: {directory: ""}
"""


def real_exposition(directory):
    """What a daemon says that has nothing to do, its first canaries being over."""
    cgroup, port = Cgroup(), next(PORTS)
    (directory / "config.yaml").write_text(CONFIG)
    try:
        one = Daemon(cgroup, ["--scope", str(cgroup.path), "--control-socket", str(directory / "control.sock"),
                              "-c", str(directory / "config.yaml"), "--metrics-listen", f"127.0.0.1:{port}"])
        one.port = port
        one.wait_for(action="ready")
        wait_until(lambda: sum(value for series, value in one.metrics().items()
                               if series.startswith("cryptnono_canary_runs_total") and 'result="success"' in series) >= len(DETECTORS))
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        one.stop()
        return text
    finally:
        cgroup.remove()


class Clusters:
    def __init__(self, directory):
        for tool in ("prometheus", "promtool"):
            if not shutil.which(tool):
                pytest.fail(f"{tool} is not installed")
        self.fleet = Fleet(real_exposition(directory), sum(map(len, NODES.values())))
        self.servers = {}
        for name, nodes in NODES.items():
            self.servers[name] = federation.scraping(directory / name, next(PORTS), self.fleet, nodes, INTERVAL, name)
        self.all = federation.federating(directory / "all", next(PORTS), self.servers.values(), INTERVAL)
        for name, nodes in NODES.items():  # all nodes of both are seen above
            self.all.wait(lambda: self.all.number(f'sum(version:cryptnono_agents:count{{cluster="{name}"}})') == len(nodes), 25)

    def close(self):
        for one in (self.all, *self.servers.values()):
            one.close()
        self.fleet.close()

    def total(self, series, numbers, how=sum):
        return how(self.fleet.value(number, series) for number in numbers)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    one = Clusters(tmp_path_factory.mktemp("clusters"))
    yield one
    one.close()



def expected(clusters, numbers):
    """{recorded series of a cluster with these nodes: what the nodes say, added up here}"""
    total = clusters.total
    out = {}
    for name in ("detector_enabled", "detector_up", "canary_successful", "limit_reached"):
        for detector in DETECTORS:
            out[f"detector:cryptnono_{name}:sum", detector] = total(f'cryptnono_{name}{{detector="{detector}"}}', numbers)
    rules = 'cryptnono_rules_loaded{detector="execwhacker",kind="banned"}'
    out["detector_kind:cryptnono_rules_loaded:min", "execwhacker banned"] = total(rules, numbers, min)
    out["detector_kind:cryptnono_rules_loaded:max", "execwhacker banned"] = total(rules, numbers, max)
    out["group:cryptnono_group_reports_first:sum", "pools"] = total('cryptnono_group_reports_first{group="pools"}', numbers)
    out["group:cryptnono_group_would_have_killed:sum", "pools"] = total('cryptnono_group_would_have_killed_total{group="pools"}', numbers)
    out["cluster:cryptnono_config_reload_failed:sum", ""] = len(numbers) - total("cryptnono_config_last_reload_successful", numbers)
    out["cluster:cryptnono_daemon_memory_bytes:max", ""] = total("process_resident_memory_bytes", numbers, max)
    version = next(series for series in clusters.fleet.base if series.startswith("cryptnono_build_info"))
    out["version:cryptnono_agents:count", re.search(r'version="(.*?)"', version).group(1)] = total(version, numbers)
    return out


def told(clusters, cluster, wanted):
    """The same, as the federating server has it."""
    out = {}
    for labels, value in clusters.all.query(f'{{__name__=~".+:cryptnono_.+",cluster="{cluster}"}}'):
        place = " ".join(labels[label] for label in ("version", "group", "detector", "kind") if label in labels)
        if (labels["__name__"], place) in wanted:
            out[labels["__name__"], place] = value
    return out


def test_what_the_nodes_say_adds_up_where_it_is_federated(clusters):
    fleet = clusters.fleet
    fleet.freeze()
    kills = {"a": 0, "b": 0}
    for name, nodes in NODES.items():
        for number in list(nodes)[:11]:
            for _ in range(number % 5):
                fleet.kill(number, "execwhacker")
                kills[name] += 1
    fleet.add(3, 'cryptnono_detector_up{detector="monero"}', -1)
    fleet.add(4, 'cryptnono_canary_successful{detector="monero"}', -1)
    fleet.add(50, 'cryptnono_limit_reached{detector="execwhacker"}', 1)
    fleet.add(7, "cryptnono_config_last_reload_successful", -1)
    fleet.add(51, 'cryptnono_rules_loaded{detector="execwhacker",kind="banned"}', 40)
    fleet.add(8, 'cryptnono_group_reports_first{group="pools"}', -1)
    fleet.add(9, 'cryptnono_group_would_have_killed_total{group="pools"}', 17)
    fleet.add(59, "process_resident_memory_bytes", 2**20)
    for name, nodes in NODES.items():
        wanted = expected(clusters, nodes)
        assert len(wanted) == 19
        clusters.all.wait(lambda: told(clusters, name, wanted) == wanted, 25)
    # And kills, of which an increase is recorded: what the federating server has is what the cluster's own says of that moment.
    for name, server in clusters.servers.items():
        selector = f'detector:cryptnono_processes_killed:increase1h{{cluster="{name}",detector="execwhacker"}}'
        clusters.all.wait(lambda: clusters.all.number(selector) >= kills[name])
        (_, samples), = clusters.all.samples(f"{selector}[1m]")
        at, value = samples[-1]
        again = server.query('sum by (detector) (increase(cryptnono_processes_killed_total{detector="execwhacker"}[1h]))', f"{at:.3f}")
        assert again[0][1] == pytest.approx(value) and kills[name] <= value < 1.5 * kills[name]
    # The bucket that 20 us are in; NaN while no rate has a kill.
    latency = 'detector:cryptnono_kill_latency_seconds:p99_1h{cluster="a",detector="execwhacker"}'
    clusters.all.wait(lambda: 1e-5 < clusters.all.number(latency) <= 2.5e-5)


def test_what_is_federated_does_not_grow_with_nodes(clusters):
    """Three times as many nodes, the same series; and no label of a node, a pod or an address."""
    said = int(re.search(r"(\d+) series however many nodes", federation.GUIDE.read_text().replace("\n", " ")).group(1))

    def federated(server):
        return [line for line in server.federate(federation.matches()).decode().splitlines() if line and line[0] != "#"]
    for server in clusters.servers.values():
        wait_until(lambda: len(federated(server)) == said)  # rates need two scrapes
        lines = federated(server)
        assert {label for line in lines for label in re.findall(r'[{,](\w+)="', line)} == {
            "cluster", "instance", "detector", "kind", "group", "version"}
        assert {re.search(r'instance="(.*?)"', line).group(1) for line in lines} == {""}


def test_how_many_series_a_node_has(clusters):
    """As the guide says; this one has tcpflowkiller and one group that reports first."""
    guide = federation.GUIDE.read_text().replace("\n", " ")
    said = int(re.search(r"With tcpflowkiller it is (\d+) series; a group that reports first adds three", guide).group(1))
    assert len(clusters.fleet.base) == said + 3


def test_a_cluster_whose_prometheus_is_down_is_seen_above(clusters):
    """By `up`: its last figures are there for five minutes more, for they come with their times and no end is told."""
    clusters.servers["b"].close()
    address = clusters.servers["b"].url.removeprefix("http://")
    clusters.all.wait(lambda: clusters.all.number(f'up{{instance="{address}"}} == bool 0') == 1)
    assert clusters.all.number("sum(version:cryptnono_agents:count)") == sum(map(len, NODES.values()))


def test_what_the_guide_drops_is_used_by_no_rule(clusters):
    """Nor by a panel that the guide does not name."""
    drop, = federation.snippet("cryptnono")["metric_relabel_configs"]
    names = {re.match(r"\w+", series).group() for series in clusters.fleet.base}
    dropped = {name for name in names if re.fullmatch(drop["regex"], name)}
    assert len(dropped) == 5 and drop["action"] == "drop"
    rules = [rule["expr"] for group in yaml.safe_load(federation.RULES.read_text())["groups"] for rule in group["rules"]]
    assert not [expr for expr in rules for name in dropped if name in expr]
    assert not [panel.title for panel in panels.panels() for query in panel.queries for name in dropped if name in query.expr]


def test_prometheus_reads_what_the_guide_shows(tmp_path):
    """But for the discovery of pods, which Debian's Prometheus is built without."""
    for job in ("cryptnono", "cryptnono-clusters"):
        shown = federation.snippet(job)
        if shown.pop("kubernetes_sd_configs", None):
            shown["static_configs"] = [{"targets": ["127.0.0.1:12121"]}]
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [shown]}))
        done = subprocess.run(["promtool", "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
