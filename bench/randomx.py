"""The monero detector: from the first hash to death, honest programs, and costs. Called by bench.py.

BENCH_RANDOMX_RUNS: runs of each kind (50). BENCH_HONEST_SECONDS: how long each honest program runs (600).
"""
import os
import pathlib
import shutil
import statistics
import subprocess
import threading
import time
import urllib.request

import bpf_stats
from honest import missing_tools

RUNS = int(os.environ.get("BENCH_RANDOMX_RUNS", "50"))
HONEST_SECONDS = float(os.environ.get("BENCH_HONEST_SECONDS", "600"))

# The predecessor's rule from its description: 65 samples whose mode is not nearest, of one process, ever.
PREDECESSOR = """tracepoint:x86_fpu:x86_fpu_regs_deactivated {
  $fpu = (struct fpu *)args->fpu;
  if (($fpu->fpstate->regs.fxsave.mxcsr & 0x6000) != 0) {
    @hits[pid]++;
    if (@hits[pid] == 65) { printf("fires %d\\n", pid); }
  }
}"""


class Bench:
    def __init__(self, report, build, inside, make_daemon):
        self.report, self.build, self.inside, self.make_daemon = report, build, inside, make_daemon
        self.miner, self.modes = str(build / "victims/randomx_miner"), str(build / "victims/round_modes")

    def start(self, argv):
        def join():
            (self.inside / "cgroup.procs").write_text("0")
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=join)

    def kill_s(self, argv, limit=60):
        """From the first hash to death; the limit if it lives."""
        child = self.start(argv)
        words = child.stdout.readline().split()
        begin = float(words[1])
        child.stdout.read()  # returns at its death
        if child.wait() != -9:
            return limit
        return time.monotonic() - begin

    def series(self, name, argv, target=None, runs=RUNS, hogs=0):
        busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(hogs)]
        try:
            times = sorted(self.kill_s(argv) for _ in range(runs))
        finally:
            for hog in busy:
                hog.kill()
                hog.wait()
        self.report(f"randomx.kill_s.{name}", statistics.median(times), "s", target, samples=times)
        if target:
            self.report(f"randomx.kill_s.{name}.p99", times[min(len(times) - 1, len(times) * 99 // 100)], "s", 1.0)

    def kills(self):
        miner = self.miner
        library = (f"import ctypes\nclass H(ctypes.Structure):\n _fields_=[(n,ctypes.c_int) for n in ('t','i','f')]+[('s',ctypes.c_double)]"
                   f"+[(n,ctypes.c_int) for n in ('b','p')]\n"
                   f"ctypes.CDLL({str(self.build / 'victims/hashing.so')!r}).hash_randomx(ctypes.byref(H(1,0,0,60.0,0,0)))")
        self.series("idle.1t", [miner, "60"], 0.5)
        self.series("idle.2t", [miner, "-t", "2", "60"], 0.5)
        self.series("interpreter.1t", [miner, "-i", "60"], 0.5)
        self.series("interpreter.2t", [miner, "-i", "-t", "2", "60"], 0.5)
        self.series("busy.2hogs", [miner, "60"], 0.5, hogs=2)
        self.series("busy.8hogs", [miner, "60"], hogs=8, runs=max(3, RUNS // 2))
        self.series("nice19", ["nice", "-n", "19", miner, "60"], 0.5)
        self.series("pinned", ["taskset", "-c", "0", miner, "60"], 0.5)
        self.series("fifo", ["chrt", "-f", "10", "taskset", "-c", "0", miner, "60"], 0.5)
        self.series("python", ["/usr/bin/python3", "-c", library], 0.5)
        self.series("duty10", [miner, "-d", "200:1800", "60"], runs=max(3, RUNS // 2))
        self.series("v2_imitation", [self.modes, "v2", "60"], 0.5)
        self.series("fast.2t", [miner, "-f", "-t", "2", "60"], runs=max(2, RUNS // 10))

    def restarts(self, runs):
        """Hashes for 100 ms, starts anew. Seconds of hashing until death: each child hashes 0.1 s."""
        children = []
        for _ in range(runs):
            parent = self.start([self.miner, "-r", "100", "0.1"])
            out = parent.communicate()[0].splitlines()
            children.append((len([l for l in out if l.startswith(b"hashing")])) * 0.1 if out[-1] == b"child killed" else 10)
        self.report("randomx.hashing_s.restarts", statistics.median(children), "s", samples=children)

    def predecessor(self, name, options, seconds):
        if not shutil.which("bpftrace"):
            print("randomx.predecessor_s: skipped, bpftrace is not installed")
            return
        tracefs = pathlib.Path("/sys/kernel/tracing")
        mounted = not any(tracefs.iterdir())
        if mounted:
            subprocess.run(["mount", "-t", "tracefs", "nodev", str(tracefs)], check=True)
        try:
            self.time_predecessor(name, options, seconds)
        finally:
            if mounted:
                subprocess.run(["umount", str(tracefs)], check=True)

    def time_predecessor(self, name, options, seconds):
        trace = subprocess.Popen(["bpftrace", "-B", "none", "-e", PREDECESSOR], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        time.sleep(4)
        child = self.start([self.miner, *options, str(seconds)])
        begin = float(child.stdout.readline().split()[1])
        fired = []
        reader = threading.Thread(target=lambda: [fired.append(time.monotonic()) for line in trace.stdout if line.split()[1:] == [str(child.pid)]])
        reader.start()
        while child.poll() is None and not fired:
            time.sleep(0.05)
        child.kill()
        child.wait()
        trace.terminate()
        reader.join()
        trace.wait()
        self.report(f"randomx.predecessor_s.{name}", fired[0] - begin if fired else seconds, "s")

    def honest(self, make_commands):
        work = pathlib.Path(self.build) / "bench-honest"
        work.mkdir(exist_ok=True)
        daemon, port = self.daemon()
        ran = 0
        commands = {n: c for n, c in make_commands(work, self.build / "victims", HONEST_SECONDS).items() if n != "java" and not missing_tools({n: c}, [n])}
        names = sorted(commands)
        for at in range(0, len(names), 4):
            children = [self.start(commands[name]) for name in names[at:at + 4]]
            for child in children:
                child.communicate()
                ran += 1
        shown = self.metrics(port)
        lines = daemon.stop()
        print("honest programs:", ", ".join(names), f"({HONEST_SECONDS:.0f} s each, 4 at a time)")
        for line in lines:
            if line.get("action") == "spared":
                print(f"  spared: {line['cmdline'][:60]}: {line['reason']}; score {line['evidence_score']:.1f}; {line['modes']}")
        self.report("randomx.honest_kills", shown["cryptnono_monero_processes_killed_total"], "kills", 0)
        self.report("randomx.honest_highest_score", shown["cryptnono_monero_highest_spared_score"], "")
        self.report("randomx.honest_programs", ran, "", better="higher")
        shutil.rmtree(work)

    def daemon(self, extra=""):
        port = 21000 + os.getpid() % 10000
        return self.make_daemon(self.inside, 0, extra, ["--metrics-listen", f"127.0.0.1:{port}", "--scan-interval", "0"]), port

    @staticmethod
    def metrics(port):
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        return {l.rsplit(" ", 1)[0]: float(l.rsplit(" ", 1)[1]) for l in text.splitlines() if l and l[0] != "#"}

    def sampling(self):
        """What it takes to sample a suspect that stays one for five seconds, and what comes without."""
        for name, extra in (("active", ""), ("natural", "monero: {activeSampling: false}\n")):
            daemon, port = self.daemon(extra)
            child = self.start([self.modes, "plain", "4.5"])
            child.stdout.readline()
            time.sleep(1)
            before, cpu, begin = self.metrics(port), daemon.cpu_seconds(), time.monotonic()
            time.sleep(3)
            used, elapsed = daemon.cpu_seconds() - cpu, time.monotonic() - begin
            samples = self.metrics(port)["cryptnono_monero_samples_total"] - before["cryptnono_monero_samples_total"]
            child.communicate()
            daemon.stop()
            self.report(f"randomx.samples_per_s.{name}", samples / elapsed, "1/s", better="higher")
            self.report(f"randomx.sampling_cpu_pct.{name}", used / elapsed * 100, "%", 0.5 if name == "active" else None)
        daemon, port = self.daemon()
        time.sleep(2)
        cpu, begin = daemon.cpu_seconds(), time.monotonic()
        time.sleep(20)
        self.report("randomx.idle_cpu_pct", (daemon.cpu_seconds() - cpu) / (time.monotonic() - begin) * 100, "%", 0.05)
        daemon.stop()

    def switches(self, rounds):
        """A pipe between two processes on one CPU, without and with the detector, in turn."""
        def measure():
            return float(subprocess.run([str(self.build / "victims/ping_pong"), "100000"], capture_output=True, text=True, check=True).stdout)
        bare, ratios = [], []
        for _ in range(rounds):
            before = measure()
            daemon, _ = self.daemon()
            time.sleep(0.3)
            within = measure()
            daemon.stop()
            base = (before + measure()) / 2
            bare.append(base)
            ratios.append((within / base - 1) * 100)
        self.report("randomx.switch_ns.without", statistics.median(bare), "ns", samples=bare)
        self.report("randomx.switch_cost_pct", statistics.median(ratios), "%", samples=ratios)
        daemon, _ = self.daemon()
        took, times = bpf_stats.during(["fpu_sample"], measure)["fpu_sample"]
        self.report("randomx.bpf_ns", took / max(1, times), "ns")
        daemon.stop()


def run(report, build, inside, make_daemon, rounds, make_commands):
    bench = Bench(report, build, inside, make_daemon)
    bench.sampling()
    bench.switches(rounds)
    daemon, _ = bench.daemon()
    bench.kills()
    bench.restarts(max(2, RUNS // 10))
    daemon.stop()
    bench.predecessor("1t", [], 120)
    bench.predecessor("2t", ["-t", "2"], 120)
    bench.honest(make_commands)
