"""tcpflowkiller: what a connect costs, and what a million bans cost."""
import json
import os
import random
import statistics
import subprocess
import time

import bpf_stats

BANS = int(os.environ.get("BENCH_BANS", "1000000"))
CONNECTS = 10000
PROGRAMS = ("flow_connect4", "flow_state")


class Bench:
    def __init__(self, report, build, inside, outside, make_daemon, resident_mib, work, rounds):
        self.report, self.build, self.inside, self.outside = report, build, inside, outside
        self.make_daemon, self.resident_mib, self.work, self.rounds = make_daemon, resident_mib, work, rounds
        self.list = work / "bans.txt"
        rng = random.Random(BANS)
        # Odd ones: connect_loop connects to even ones, of 127.0.0.0/8, where one of 256 of these is.
        v4 = {rng.getrandbits(32) | 1 for _ in range(BANS)}
        while len(v4) < BANS:
            v4.add(rng.getrandbits(32) | 1)
        self.list.write_text("".join(f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}\n" for n in sorted(v4)))

    def daemon(self, bans):
        files = f"[{self.list}]" if bans else "[]"
        extra = f"monero: {{enabled: false}}\ntcpflowkiller:\n  enabled: true\n  banFiles: {files}\n"
        return self.make_daemon(self.inside, 0, extra)

    def connect_ns(self, where):
        done = subprocess.run([str(self.build / "victims/connect_loop"), "-c", str(where / "cgroup.procs"), str(CONNECTS)],
                              capture_output=True, text=True, check=True)
        return float(done.stdout)

    def cost(self):
        """socket()+connect()+close() on loopback, without anything before and after each of the settings, in turn."""
        plans = [("0", False, self.inside, None), ("1m", True, self.inside, 1), ("out_of_scope", True, self.outside, None)]
        bases, ratios, added = [], {name: [] for name in ("0", "1m", "out_of_scope", "empty_hook")}, []

        def settled(where):
            time.sleep(1)  # what starts or stops a daemon is over
            self.connect_ns(where)
            return self.connect_ns(where)

        def pair(name, where, start, stop):
            before = settled(where)
            running = start()
            within = settled(where)
            stop(running)
            base = (before + settled(where)) / 2
            bases.append(base)
            ratios[name].append((within / base - 1) * 100)
            if name == "1m":
                added.append(within - base)
        for _ in range(self.rounds):
            for name, bans, where, _ in plans:
                pair(name, where, lambda bans=bans: self.daemon(bans), lambda daemon: daemon.stop())
            pair("empty_hook", self.inside, self.empty_hook, lambda hook: hook.communicate())
        self.report("flow.connect_close_ns.without", statistics.median(bases), "ns", samples=bases)
        self.report("flow.added_ns.1m", statistics.median(added), "ns", samples=added)
        for name, target in (("0", None), ("1m", 1), ("out_of_scope", None), ("empty_hook", None)):
            self.report(f"flow.cost_pct.{name}", statistics.median(ratios[name]), "%", target, samples=ratios[name])
        for name, bans, where, _ in plans:
            daemon = self.daemon(bans)
            self.report(f"flow.bpf_ns.{name}", self.bpf_ns(where), "ns")
            daemon.stop()

    def empty_hook(self):
        """What a hook costs that does nothing: the least that refusing a connect can cost."""
        process = subprocess.Popen([str(self.build / "bin/flow_bench"), "hook", str(self.inside.parent)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        return process

    def bpf_ns(self, where):
        """Of all programs, for one connect and close."""
        return sum(took for took, _ in bpf_stats.during(PROGRAMS, lambda: self.connect_ns(where)).values()) / CONNECTS

    def million(self):
        starts, reloads = [], []
        for _ in range(max(3, self.rounds // 3)):
            daemon = self.daemon(True)
            starts.append(daemon.ready["startup_ms"])
            daemon.process.send_signal(1)
            reloads.append(daemon.wait_for("reloaded")["reload_ms"])
            daemon.stop()
        self.report("flow.start_ms.1m", statistics.median(starts), "ms", samples=starts)
        self.report("flow.reload_ms.1m", statistics.median(reloads), "ms", samples=reloads)
        daemon = self.daemon(True)
        time.sleep(1)
        rss, _ = self.resident_mib(daemon.process.pid)
        peak = next(int(l.split()[1]) / 1024 for l in open(f"/proc/{daemon.process.pid}/status") if l.startswith("VmHWM"))
        shown = json.loads(subprocess.run(["bpftool", "-j", "map", "show"], capture_output=True, text=True).stdout)
        tables = max((m["bytes_memlock"] for m in shown if m.get("name") == "cryptnono_rules"), default=0)
        daemon.stop()
        self.report("flow.rss_mib.1m", rss, "MiB")
        self.report("flow.peak_rss_mib.1m", peak, "MiB")
        self.report("flow.tables_mib.1m", tables / 2**20, "MiB")
        done = subprocess.run([str(self.build / "bin/flow_bench"), "trie", str(self.list)], capture_output=True, text=True)
        if done.returncode:
            print("flow.lpm_trie: skipped,", done.stderr.strip())
            return
        trie = json.loads(done.stdout)
        self.report("flow.lpm_trie_load_ms.1m", trie["load_ms"], "ms")
        self.report("flow.lpm_trie_mib.1m", trie["mib"], "MiB")

    def idle(self):
        daemon = self.daemon(True)
        time.sleep(2)
        cpu, begin = daemon.cpu_seconds(), time.monotonic()
        time.sleep(20)
        self.report("flow.idle_cpu_pct", (daemon.cpu_seconds() - cpu) / (time.monotonic() - begin) * 100, "%", 0.05)
        daemon.stop()


def run(*arguments):
    bench = Bench(*arguments)
    bench.million()
    bench.idle()
    bench.cost()
