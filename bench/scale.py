"""What a cluster of thousands of nodes costs and how fast rules reach it. The figures of docs/scale-out.md. Called by bench.py.

BENCH_NODES=1000: simulated nodes, which one real Prometheus scrapes every BENCH_SCRAPE_INTERVAL=30 seconds for BENCH_SCRAPES=6 times: rules look
back for five minutes, some for an hour. BENCH_SCALE=objects,node,propagation,prometheus: which parts.
"""
import itertools
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/scale"), str(ROOT / "tests/daemon")]

import federation  # noqa: E402
from fleet import Fleet  # noqa: E402
from propagation import PLACE, WORD, Addresses, Strings, made_up_strings, rule_file  # noqa: E402
from volume import in_objects  # noqa: E402

NODES = int(os.environ.get("BENCH_NODES", "1000"))
INTERVAL_S = int(os.environ.get("BENCH_SCRAPE_INTERVAL", "30"))
SCRAPES = int(os.environ.get("BENCH_SCRAPES", "6"))
KILLS = 200
IDLE_S = 30
OBJECT = 2**20  # bytes that a ConfigMap or Secret may have
PORTS = itertools.count(28000 + os.getpid() % 1000 * 4)


class Bench:
    def __init__(self, report, build, inside, make_daemon, resident_mib, work, rounds):
        self.report, self.build, self.inside, self.make_daemon = report, build, inside, make_daemon
        self.resident_mib, self.work, self.rounds = resident_mib, work, rounds

    def run_inside(self, *command):
        def join():
            (self.inside / "cgroup.procs").write_text("0")
        return subprocess.run(list(map(str, command)), preexec_fn=join, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode

    def node(self):
        """One node that has nothing to do, with the rules that the daemon has by itself and with 50,000; and what a kill writes."""
        for name, strings in (("default", 1), ("50k", 50_000)):
            starts = []
            for _ in range(self.rounds):
                daemon = self.make_daemon(self.inside, strings)
                starts.append(daemon.start_ms)
                daemon.stop()
            self.report(f"scale.node.start_ms.{name}", statistics.median(starts), "ms", samples=starts)
            port = next(PORTS)
            daemon = self.make_daemon(self.inside, strings, "", ["--metrics-listen", f"127.0.0.1:{port}"])
            time.sleep(3)  # the scan at the start and the first canaries are over
            cpu, begin = daemon.cpu_seconds(), time.monotonic()
            time.sleep(IDLE_S)
            self.report(f"scale.node.idle_cpu_pct.{name}", (daemon.cpu_seconds() - cpu) / (time.monotonic() - begin) * 100, "%")
            own, tables = self.resident_mib(daemon.process.pid)
            self.report(f"scale.node.rss_mib.{name}", own, "MiB")
            self.report(f"scale.node.tables_mapped_mib.{name}", tables, "MiB")
            self.report(f"scale.node.memlock_mib.{name}", self.kernel_mib(daemon), "MiB")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
            self.report(f"scale.node.scrape_bytes.{name}", len(text.encode()), "B")
            self.report(f"scale.node.series.{name}", sum(1 for line in text.splitlines() if line and line[0] != "#"), "")
            begin = time.monotonic()
            lines = daemon.stop()
            self.report(f"scale.node.stop_ms.{name}", (time.monotonic() - begin) * 1e3, "ms")
            self.report(f"scale.node.log_lines_a_life.{name}", len(lines), "", better="lower")
        daemon = self.make_daemon(self.inside, 1)
        for _ in range(KILLS):
            self.run_inside("/bin/true", "cryptnono.banned.string1")
        lines = [line for line in daemon.stop() if line.get("action") == "killed"]
        sizes = [len(json.dumps(line)) + 1 for line in lines]
        self.report("scale.node.log_lines_a_kill", len(lines) / KILLS, "")
        self.report("scale.node.log_bytes_a_kill", statistics.median(sizes), "B", samples=sizes)

    @staticmethod
    def kernel_mib(daemon):
        """Of all BPF maps that the daemon holds, as the kernel counts them."""
        total = 0
        for fd in pathlib.Path(f"/proc/{daemon.process.pid}/fdinfo").iterdir():
            fields = dict(line.split(":", 1) for line in fd.read_text().splitlines() if ":" in line)
            if "map_id" in fields:
                total += int(fields["memlock"])
        return total / 2**20

    def propagation(self):
        """From the kubelet's swap of a volume to the first death by a new rule."""
        for name, kind, command in (
                ("strings_50k", Strings, ["/bin/true", WORD]),
                ("addresses_1m", Addresses, [self.build / "victims/connect_act", "connect", PLACE, "9"])):
            times = []
            for number in range(max(3, self.rounds // 3)):
                lists = kind(self.work / f"{name}{number}")
                extra = getattr(lists, "config", "").removeprefix("bannedCommandStrings: []\n")
                daemon = self.make_daemon(self.inside, 0, extra, ["-c", str(lists.file)] if kind is Strings else [])
                assert self.run_inside(*command) == 0
                times.append(lists.swap(lambda: self.run_inside(*command) == -9) * 1e3)
                daemon.stop()
                shutil.rmtree(lists.volume.directory)
            self.report(f"scale.in_force_ms.{name}", statistics.median(times), "ms", samples=times)

    def objects(self):
        """How many rules fit into one Secret or ConfigMap, 1 MiB: by trying."""
        strings = made_up_strings(100_000)

        def most(size_of):
            low, high = 1, len(strings)
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if size_of(strings[:middle]) <= OBJECT else (low, middle - 1)
            return low

        def sealed(*options):
            key = self.work / "key"
            if not key.exists():
                subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
            public = next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)

            def size(some):
                done = subprocess.run([str(self.build / "bin/cryptnono"), "rules", "seal", "-r", public, *options, "-"],
                                      input=rule_file(some).encode(), capture_output=True, check=True)
                return len(done.stdout)
            return size
        self.report("scale.object.strings.yaml", most(lambda some: len(rule_file(some))), "", better="higher")
        self.report("scale.object.strings.json", most(lambda some: len(json.dumps({"bannedCommandStrings": some}))), "", better="higher")
        self.report("scale.object.strings.sealed", most(sealed()), "", better="higher")
        self.report("scale.object.strings.sealed_armor", most(sealed("--armor")), "", better="higher")
        self.report("scale.object.strings.sealed_no_padding", most(sealed("--no-padding")), "", better="higher")
        from propagation import made_up_addresses
        addresses = made_up_addresses(1_000_000)
        files = in_objects(addresses, OBJECT)
        self.report("scale.object.addresses", files[0].count("\n"), "", better="higher")
        self.report("scale.objects.addresses_1m", len(files), "")

    def prometheus(self):
        """NODES simulated nodes with the real daemon's exposition under a real Prometheus, and one that federates it."""
        if not shutil.which("prometheus"):
            print("scale.prometheus: skipped, prometheus is not installed")
            return
        port = next(PORTS)
        daemon = self.make_daemon(self.inside, 50_000, "tcpflowkiller: {enabled: true}\n", ["--metrics-listen", f"127.0.0.1:{port}"])
        time.sleep(3)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        daemon.stop()
        fleet = Fleet(text, NODES)
        try:
            self.without_rules(fleet)
            for name, drop in (("all", False), ("dropped", True)):
                self.cluster(name, drop, fleet)
        finally:
            fleet.close()

    def without_rules(self, fleet):
        """What is left of a cluster's CPU time then is the rules'."""
        directory = self.work / "prometheus-no-rules"
        one = federation.scraping(directory, next(PORTS), fleet, range(NODES), f"{INTERVAL_S}s", "a", drop=False, rules=False)
        try:
            one.wait(lambda: one.number("count(up == 1)") == NODES, 3 * INTERVAL_S)
            cpu, begin = self.cpu_of(one), time.monotonic()
            time.sleep(SCRAPES * INTERVAL_S)
            self.report("scale.prometheus.cpu_pct.no_rules", (self.cpu_of(one) - cpu) / (time.monotonic() - begin) * 100, "%")
        finally:
            one.close()
            shutil.rmtree(directory)

    def cluster(self, name, drop, fleet):
        directory = self.work / f"prometheus-{name}"
        directory.mkdir()
        one = federation.scraping(directory / "cluster", next(PORTS), fleet, range(NODES), f"{INTERVAL_S}s", "a", drop)
        above = None
        try:
            above = federation.federating(directory / "above", next(PORTS), [one], f"{INTERVAL_S}s")
            for number in range(0, NODES, 20):
                fleet.kill(number, "execwhacker")
            one.wait(lambda: one.number("count(up == 1)") == NODES, 3 * INTERVAL_S)
            cpu, begin = self.cpu_of(one), time.monotonic()
            time.sleep(SCRAPES * INTERVAL_S)
            self.report(f"scale.prometheus.cpu_pct.{name}", (self.cpu_of(one) - cpu) / (time.monotonic() - begin) * 100, "%")
            heads = one.own("prometheus_tsdb_head_series")["prometheus_tsdb_head_series"]
            self.report(f"scale.prometheus.series.{name}", heads, "")
            self.report(f"scale.prometheus.series_a_node.{name}", one.number("avg(scrape_samples_post_metric_relabeling)"), "")
            self.report(f"scale.prometheus.samples_per_s.{name}", one.number("sum(scrape_samples_post_metric_relabeling)") / INTERVAL_S, "1/s")
            self.report(f"scale.prometheus.rss_mib.{name}", one.resident_mib(), "MiB")
            self.report(f"scale.prometheus.scrape_ms.{name}", one.number("max(scrape_duration_seconds)") * 1e3, "ms")
            self.report(f"scale.prometheus.rules_ms.{name}", one.rule_seconds() * 1e3, "ms")
            answer = one.federate(federation.matches())
            self.report(f"scale.federate.bytes.{name}", len(answer), "B")
            self.report(f"scale.federate.series.{name}", sum(1 for line in answer.splitlines() if line and line[:1] != b"#"), "")
            begin = time.monotonic()
            one.federate(federation.matches())
            self.report(f"scale.federate.ms.{name}", (time.monotonic() - begin) * 1e3, "ms")
            above.wait(lambda: above.number("sum(version:cryptnono_agents:count)") == NODES, 3 * INTERVAL_S)
            self.report(f"scale.above.series.{name}", above.own("prometheus_tsdb_head_series")["prometheus_tsdb_head_series"], "")
            self.report(f"scale.above.rss_mib.{name}", above.resident_mib(), "MiB")
        finally:
            for server in filter(None, (above, one)):
                server.close()
            shutil.rmtree(directory)

    @staticmethod
    def cpu_of(server):
        return server.own("process_cpu_seconds_total")["process_cpu_seconds_total"]


def run(*arguments):
    bench = Bench(*arguments)
    for part in os.environ.get("BENCH_SCALE", "objects,node,propagation,prometheus").split(","):
        getattr(bench, part)()
