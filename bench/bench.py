"""Measures what the project claims. Prints a table and writes build/bench.json.

Ratios are of paired runs: without a daemon, with one and out of its scope, with one and in its scope, in turn, many short
rounds, and the median of the rounds' ratios; p50 and p99 in the table are of the rounds. Everything runs in cgroups made here.
"""
import importlib.util
import json
import os
import pathlib
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import bpf_stats

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(sys.argv[1]).resolve()
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))
RELOADS_IN_A_STORM = 50  # of 50,000 strings; `make test` does 1,000 with a thousand
B = "cryptnono.banned.string1"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="cryptnono-bench-"))
results = []


def report(name, value, unit, target=None, better="lower", samples=()):
    samples = sorted(samples) or [value]
    row = {"name": name, "value": round(value, 4), "unit": unit, "target": target, "better": better,
           "p50": round(samples[len(samples) // 2], 4), "p99": round(samples[min(len(samples) - 1, len(samples) * 99 // 100)], 4),
           "n": len(samples)}
    results.append(row)
    met = "" if target is None else ("ok" if (value <= target if better == "lower" else value >= target) else "MISSED")
    print(f"{name:<38} {value:>12.3f} {unit:<6} p50 {row['p50']:>10.3f}  p99 {row['p99']:>10.3f}  n {row['n']:<6}"
          f" {'' if target is None else f'target {target:g}':<14} {met}", flush=True)


def cgroup(name):
    mount = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2")
    path = pathlib.Path(mount) / f"cryptnono-bench-{os.getpid()}-{name}"
    path.mkdir()
    return path


def rules(count):
    """Made-up strings in the shapes of real lists: hosts, host:port, options, URLs. The banned test string comes first."""
    rng = random.Random(count)
    letters = "abcdefghijklmnopqrstuvwxyz"
    word = lambda: "".join(rng.choice(letters) for _ in range(rng.randint(4, 10)))
    shapes = [lambda: f"{word()}.{word()}.{rng.choice(['com', 'org', 'io'])}", lambda: f"{word()}.{word()}:{rng.randint(1024, 65535)}",
              lambda: f"--{word()}-{word()}", lambda: f"stratum+tcp://{word()}.{word()}", lambda: word() + word()]
    out = [B]
    while len(out) < count:
        out.append(rng.choice(shapes)())
    return out[:count]


def config(count, extra=""):
    path = WORK / f"rules{count}{len(extra)}.yaml"
    body = "".join(f"- {json.dumps(rule)}\n" for rule in rules(count))
    path.write_text(("bannedCommandStrings:\n" + body if count else "bannedCommandStrings: []\n") + extra)
    return path


class Daemon:
    def __init__(self, scope, count, extra="", arguments=(), environment=None):
        self.path = config(count, extra)
        self.begin = time.monotonic()
        self.process = subprocess.Popen([str(BUILD / "bin/cryptnono"), "run", "-c", str(self.path), "--scope", str(scope),
                                         "--control-socket", str(WORK / "control.sock"), *arguments],
                                        stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        self.ready = self.wait_for("ready")
        self.start_ms = (time.monotonic() - self.begin) * 1e3

    def wait_for(self, action):
        for line in self.process.stdout:
            record = json.loads(line)
            if record.get("action") == action:
                return record
        raise SystemExit("the daemon ended")

    def cpu_seconds(self):
        """Of all threads, in nanoseconds' resolution."""
        return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")) / 1e9

    def stop(self):
        self.process.terminate()
        lines = [json.loads(line) for line in self.process.stdout]
        self.process.wait()
        return lines


def command_line(size):
    """An ordinary command line of that many bytes: options, paths, numbers."""
    rng = random.Random(size)
    words = ["--output", "/home/jovyan/work/notebook.ipynb", "python3", "-m", "ipykernel_launcher", "--debug=false", "42", "data.csv"]
    text = ""
    while len(text) < size:
        text += rng.choice(words) + " "
    return text[:size]


def storm(runs, victim, arguments, procs=None, options=()):
    command = [str(BUILD / "victims/exec_storm"), "-x", "-n", str(runs), *options]
    if procs:
        command += ["-c", str(procs / "cgroup.procs")]
    # One argument is at most 128 KiB.
    done = subprocess.run([*command, str(victim), "xvictim", *["x" + a for a in arguments]], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def per_exec_us(runs, victim, arguments, procs):
    return storm(runs, victim, arguments, procs, ["-f"])["us_p50"]


def bpf_ns(runs, victim, arguments, procs):
    took, times = bpf_stats.during(["exec_match"], lambda: storm(runs, victim, arguments, procs))["exec_match"]
    return took / max(1, times)


def exec_cost(inside, outside):
    """fork+exec+exit of /bin/true, and of a static program of eight instructions, which is the worst case of a ratio."""
    tiny = BUILD / "victims/first_act"
    plans = [("50k.256B", 50_000, 256, "/bin/true", 1), ("50k.256B.static", 50_000, 256, tiny, None),
             ("50k.64B", 50_000, 64, "/bin/true", None), ("50k.4KB", 50_000, 4096, "/bin/true", None),
             ("50k.100KB", 50_000, 100_000, "/bin/true", None), ("10k.256B", 10_000, 256, "/bin/true", None),
             ("100.256B", 100, 256, "/bin/true", None), ("0.256B", 0, 256, "/bin/true", None)]
    for name, count, size, victim, target in plans:
        line = [command_line(size)]
        runs = 1500 if victim == tiny else 300
        bases, scope_in, scope_out = [], [], []
        for _ in range(ROUNDS):
            base = per_exec_us(runs, victim, line, inside)
            daemon = Daemon(inside, count)
            time.sleep(0.3)  # the scan at the start is over
            within = per_exec_us(runs, victim, line, inside)
            without = per_exec_us(runs, victim, line, outside)
            daemon.stop()
            after = per_exec_us(runs, victim, line, inside)
            base = (base + after) / 2
            bases.append(base)
            scope_in.append((within / base - 1) * 100)
            scope_out.append((without / base - 1) * 100)
        report(f"exec.cost_pct.{name}", statistics.median(scope_in), "%", target, samples=scope_in)
        if name.startswith("50k.256B"):
            suffix = name.removeprefix("50k.256B")
            report(f"exec.cost_pct.out_of_scope{suffix}", statistics.median(scope_out), "%", 0.1 if not suffix else None, samples=scope_out)
        daemon = Daemon(inside, count)
        ns = bpf_ns(1000, tiny, line, inside)
        report(f"exec.bpf_ns.{name}", ns, "ns")
        # The same question with less noise: the program's own time, by the kernel's count, over that of an exec without it.
        report(f"exec.bpf_share_pct.{name}", ns / 10 / statistics.median(bases), "%", target)
        if name == "50k.256B":
            report("exec.bpf_ns.out_of_scope", bpf_ns(1000, tiny, line, outside), "ns")
        daemon.stop()


def escapes(inside):
    daemon = Daemon(inside, 50_000)
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count())]
    counts = storm(10_000, BUILD / "victims/first_act", [B], inside, ["-w", "4"])
    for process in busy:
        process.kill()
        process.wait()
    daemon.stop()
    report("exec.escapes", counts["acts"] + counts["exited"], "execs", 0)
    report("flood.exec_per_s", counts["spawned"] / counts["seconds"], "1/s", better="higher")
    report("flood.kills_lost", counts["spawned"] - counts["killed"], "execs", 0)


def decisions(inside):
    extra = "allowedCommandPatterns: ['^never-matching-literal']\n"
    for name, load, target in (("idle", 0, None), ("busy", os.cpu_count(), 1000)):
        daemon = Daemon(inside, 50_000, extra)
        busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(load)]
        storm(3000, "/bin/sleep", [B, "never-matching-literal", "5"], inside)
        for process in busy:
            process.kill()
            process.wait()
        times = [line["exec_to_signal_us"] for line in daemon.stop() if line.get("action") == "killed"]
        times.sort()
        report(f"exec.allow_decision_us.{name}" if load == 0 else "exec.allow_decision_us", times[len(times) * 99 // 100], "us", target,
               samples=times)


def resident_mib(pid):
    """Resident memory of a process without BPF maps, and that of BPF maps, which is the kernel's."""
    own = tables = 0
    name = ""
    for line in open(f"/proc/{pid}/smaps"):
        if re.match(r"^[0-9a-f]+-", line):
            name = line.split()[-1]
        elif line.startswith("Rss:"):
            if "bpf" in name:
                tables += int(line.split()[1])
            else:
                own += int(line.split()[1])
    return own / 1024, tables / 1024


def life(inside):
    starts, steady = [], []
    for _ in range(ROUNDS):
        daemon = Daemon(inside, 50_000)
        starts.append(daemon.start_ms)
        daemon.stop()
    report("daemon.start_ms.50k", statistics.median(starts), "ms", 300, samples=starts)

    daemon = Daemon(inside, 50_000)
    time.sleep(2)  # the scan at the start is over
    before, begin = daemon.cpu_seconds(), time.monotonic()
    time.sleep(30)
    report("daemon.idle_cpu_pct", (daemon.cpu_seconds() - before) / (time.monotonic() - begin) * 100, "%", 0.05)
    reloads = []
    escaped, spawned = [0], [0]
    over = threading.Event()

    def keep_executing():
        while not over.is_set():
            counts = storm(500, BUILD / "victims/first_act", [B], inside)
            escaped[0] += counts["acts"] + counts["exited"]
            spawned[0] += counts["spawned"]
    for _ in range(ROUNDS):
        daemon.process.send_signal(1)
        reloads.append(daemon.wait_for("reloaded")["reload_ms"])
    thread = threading.Thread(target=keep_executing)
    thread.start()
    for _ in range(RELOADS_IN_A_STORM):
        daemon.process.send_signal(1)
        daemon.wait_for("reloaded")
    over.set()
    thread.join()
    report("daemon.reload_escapes", escaped[0], "execs", 0)
    report("daemon.reload_escapes.execs", spawned[0], "execs", better="higher")
    report("daemon.reload_ms.50k", statistics.median(reloads), "ms", 200, samples=reloads)
    time.sleep(2)
    rss, tables = resident_mib(daemon.process.pid)
    report("daemon.rss_mib.50k", rss, "MiB", 25)
    report("daemon.tables_mapped_mib.50k", tables, "MiB")
    daemon.stop()

    crowd = [subprocess.Popen([str(BUILD / "victims/pause_static"), command_line(200)]) for _ in range(2000)]
    port = 20000 + os.getpid() % 10000
    daemon = Daemon(inside, 50_000, "", ["--scan-interval", "1", "--metrics-listen", f"127.0.0.1:{port}"])
    for _ in range(10):
        time.sleep(1.05)
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        steady.append(float(re.search(r"^cryptnono_scan_duration_seconds\S* (\S+)", text, re.M).group(1)))
    report("daemon.scan_pct.2000", statistics.median(steady) / 10 * 100, "%", 0.1, samples=[s * 10 for s in steady])
    daemon.stop()
    for process in crowd:
        process.kill()
        process.wait()


def matcher():
    (WORK / "rules.txt").write_text("\n".join(rules(50_000)[1:]) + "\n")
    rng = random.Random(5)
    lines = [command_line(rng.randint(20, 600)) for _ in range(2000)]
    (WORK / "lines.txt").write_text("\n".join(lines) + "\n")
    done = subprocess.run([str(BUILD / "bin/match_bench"), str(WORK / "rules.txt"), str(WORK / "lines.txt")],
                          capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    report("match.ours_mb_s.50k", measured["ours_mb_s"], "MB/s", better="higher")
    report("match.tables_mib.50k", measured["tables_mib"], "MiB")
    report("match.build_ms.50k", measured["ours_build_ms"], "ms")
    if "hyperscan_mb_s" in measured:
        report("match.hyperscan_mb_s.50k", measured["hyperscan_mb_s"], "MB/s", better="higher")
        report("match.hyperscan_build_ms.50k", measured["hyperscan_build_ms"], "ms")
    else:
        print("match.hyperscan: skipped, libhyperscan-dev is not installed")
    try:
        import ahocorasick
    except ImportError:
        print("match.pyahocorasick: skipped, python3-ahocorasick is not installed")
        return
    automaton = ahocorasick.Automaton()
    for rule in rules(50_000)[1:]:
        automaton.add_word(rule.lower(), rule)
    automaton.make_automaton()
    begin, rounds = time.perf_counter(), 0
    while time.perf_counter() - begin < 1:
        for line in lines:
            for _ in automaton.iter(line.lower()):
                break
        rounds += 1
    rate = sum(map(len, lines)) * rounds / 1e6 / (time.perf_counter() - begin)
    report("match.pyahocorasick_mb_s.50k", rate, "MB/s", better="higher")


def monero(inside):
    sys.path.insert(0, str(ROOT / "tests/daemon"))
    from honest import honest_commands
    import randomx
    randomx.run(report, BUILD, inside, Daemon, ROUNDS, honest_commands)


def flow(inside, outside):
    import flow as part
    part.run(report, BUILD, inside, outside, Daemon, resident_mib, WORK, ROUNDS)


def containers():
    import containers as part
    part.run(report, BUILD, Daemon, resident_mib)


def replay():
    import replay as part
    part.run(report, BUILD, WORK, rules(50_000), config(50_000), ROUNDS)


def image():
    # By its path: tests/daemon, which other parts put in front, has a module of this name too.
    spec = importlib.util.spec_from_file_location("bench_image", ROOT / "bench/image.py")
    part = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(part)
    part.run(report)


def operator(inside):
    import operating as part
    part.run(report, inside, Daemon, ROUNDS)


def kernels(inside):
    import kernels as part
    part.run(report, BUILD, inside, Daemon, ROUNDS)


def compare():
    import compare as part
    part.run(report, BUILD, WORK, rules(50_000))


def scale(inside):
    import scale as part
    part.run(report, BUILD, inside, Daemon, resident_mib, WORK, ROUNDS)


def main():
    inside, outside = cgroup("in"), cgroup("out")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    machine = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    about = {"machine": f"{machine}, {os.cpu_count()} CPUs", "kernel": platform.release(), "commit": commit, "rounds": ROUNDS}
    print(json.dumps(about))
    try:
        for part in (matcher, replay, escapes, decisions, life, exec_cost, flow, containers, operator, image, monero, scale, kernels, compare):
            wanted = os.environ.get("BENCH_ONLY")
            if wanted and part.__name__ not in wanted.split(","):
                continue
            part(*([inside, outside] if part in (exec_cost, flow) else [] if part in (matcher, replay, containers, image, compare) else [inside]))
    finally:
        shutil.rmtree(WORK)
        for path in (inside, outside):
            for _ in range(100):
                try:
                    path.rmdir()
                    break
                except OSError:
                    time.sleep(0.05)
    (ROOT / "build/bench.json").write_text(json.dumps({**about, "results": results}, indent=1) + "\n")


main()
