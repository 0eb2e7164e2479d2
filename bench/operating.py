"""What it costs an operator to look: scrapes in both formats, and the kernel's statistics. Called by bench.py.

Not called operator.py: that would be found instead of Python's own module.
"""
import contextlib
import os
import pathlib
import socket
import statistics
import subprocess
import time
import urllib.request

import bpf_stats

SCRAPES = 500
WATCHED_S = 20
CALLS = 500
DEFAULT_INTERVAL_S = 300  # of canaries
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class Bench:
    def __init__(self, report, inside, make_daemon, rounds):
        self.report, self.inside, self.rounds, self.make_daemon = report, inside, rounds, make_daemon
        self.port = 20000 + os.getpid() % 10000

    @contextlib.contextmanager
    def daemon(self, strings=50_000, more="", measured=False):
        extra = f"tcpflowkiller: {{enabled: true}}\nmetrics: {{bpfStatistics: {str(measured).lower()}}}\n{more}"
        daemon = self.make_daemon(self.inside, strings, extra, ["--metrics-listen", f"127.0.0.1:{self.port}"])
        time.sleep(2)  # the scan at the start is over
        try:
            yield daemon
        finally:
            daemon.stop()

    def scrape(self, accept="text/plain"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers={"Accept": accept})
        begin = time.perf_counter()
        with urllib.request.urlopen(request, timeout=5) as answer:
            body = answer.read()
            return (time.perf_counter() - begin) * 1e3, len(body), answer.headers["Content-Type"]

    def scrapes(self):
        with self.daemon() as daemon:
            for name, accept in (("text", "text/plain"), ("open_metrics", OPEN_METRICS)):
                kind = self.scrape(accept)[2]
                if (name == "open_metrics") != kind.startswith("application/openmetrics-text"):
                    print(f"operator.scrape_ms.{name}: skipped, the server answers {kind}")
                    continue
                cpu = daemon.cpu_seconds()
                done = [self.scrape(accept) for _ in range(SCRAPES)]
                self.report(f"operator.scrape_cpu_ms.{name}", (daemon.cpu_seconds() - cpu) / SCRAPES * 1e3, "ms")
                times = [each[0] for each in done]
                self.report(f"operator.scrape_ms.{name}", statistics.median(times), "ms", samples=times)
                self.report(f"operator.scrape_bytes.{name}", done[-1][1], "B")

    def watched(self):
        """The daemon's CPU time while nothing happens, with a scrape every second and without, in turn."""
        shares = {"scraped": [], "alone": []}
        with self.daemon() as daemon:
            for _ in range(3):
                for name, values in shares.items():
                    cpu, begin = daemon.cpu_seconds(), time.monotonic()
                    while time.monotonic() < begin + WATCHED_S:
                        if name == "scraped":
                            self.scrape()
                        time.sleep(1)
                    values.append((daemon.cpu_seconds() - cpu) / (time.monotonic() - begin) * 100)
        for name, values in shares.items():
            self.report(f"operator.cpu_pct.{name}", statistics.median(values), "%", samples=values)

    def canaries(self):
        """CPU time of one round, of the daemon and of the canaries themselves: with one a second, less the same daemon without."""
        spent, rounds = {}, 0
        for interval in (0, 1):
            arguments = ["--canary-interval", str(interval), "--metrics-listen", f"127.0.0.1:{self.port}"]
            daemon = self.make_daemon(self.inside, 1, "tcpflowkiller: {enabled: true}\nmetrics: {bpfStatistics: false}\n", arguments)
            try:
                time.sleep(2)
                before = daemon.cpu_seconds() + self.children_seconds(daemon), self.canaries_run()
                time.sleep(3 * WATCHED_S)
                spent[interval] = daemon.cpu_seconds() + self.children_seconds(daemon) - before[0]
                rounds = (self.canaries_run() - before[1]) / 3  # one of each detector
            finally:
                daemon.stop()
        cost = (spent[1] - spent[0]) / rounds
        self.report("canary.round_cpu_ms", cost * 1e3, "ms")
        self.report("canary.cpu_pct", cost / DEFAULT_INTERVAL_S * 100, "%")

    @staticmethod
    def children_seconds(daemon):
        fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime, cstime

    def canaries_run(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        runs = [line for line in lines if line.startswith("cryptnono_canary_runs_total{")]
        assert not any(float(line.split()[-1]) for line in runs if "success" not in line), runs
        return sum(float(line.split()[-1]) for line in runs)

    def kernel_statistics(self):
        """While they are on: what a run of a program costs more. The daemon's are on for a second in a minute.

        Tens of nanoseconds: so it is the shortest call in which a program runs once (connect() of a UDP socket; a switch to another
        process), thousands of times each with and without, in turn, and the fastest tenth of these turns."""
        with self.daemon(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, self.neighbour():
            calls = {"connect": lambda: udp.connect(("127.0.0.2", 9)), "switch": os.sched_yield}
            for name, call in calls.items():
                times = {False: [], True: []}
                for _ in range(self.rounds * 20):
                    for on, values in times.items():
                        with bpf_stats.counting(on):
                            begin = time.perf_counter_ns()
                            for _ in range(CALLS):
                                call()
                            values.append((time.perf_counter_ns() - begin) / CALLS)
                without, within = (statistics.quantiles(times[on], n=10)[0] for on in (False, True))
                self.report(f"operator.statistics.added_ns.{name}", within - without, "ns")

    @contextlib.contextmanager
    def neighbour(self):
        """This process is in scope meanwhile, on one CPU, and another one there yields whenever it runs."""
        home = next(line.strip()[3:] for line in open("/proc/self/cgroup") if line.startswith("0::"))
        cpus = os.sched_getaffinity(0)
        (self.inside / "cgroup.procs").write_text("0")
        os.sched_setaffinity(0, {max(cpus)})
        other = subprocess.Popen(["/usr/bin/python3", "-c", "import os\nwhile True: os.sched_yield()"])
        try:
            yield
        finally:
            other.kill()
            other.wait()
            os.sched_setaffinity(0, cpus)
            (self.inside.parent / home.lstrip("/") / "cgroup.procs").write_text("0")


def run(*arguments):
    bench = Bench(*arguments)
    bench.scrapes()
    bench.watched()
    bench.canaries()
    bench.kernel_statistics()
