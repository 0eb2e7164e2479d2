"""Runs inside of the emulated machine: cryptnono and the predecessor's recipe in turn, with the same rules and victims.

Usage: measure.py ROUNDS EXECS RANDOMX_SECONDS, beside ./cryptnono, ./victims, ./predecessor, ./rules.json. Writes /run/results/measured.json: for each of
the two a list of latencies of each condition, and so on; "none" is without either. Nothing is attached but what is measured.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

B = "cryptnono.banned.string1"
HERE = pathlib.Path.cwd()
SCOPE = pathlib.Path("/sys/fs/cgroup/victims")
POLL_MS = 150  # how long a victim waits for death while nobody knows whether anything is in force


class Ours:
    name = "ours"

    def __init__(self):
        self.processes = [subprocess.Popen(["./cryptnono", "run", "-c", "rules.json", "--scope", str(SCOPE), "--control-socket", "/run/control.sock"],
                                           stdout=open("/run/results/ours.log", "a"), stderr=subprocess.STDOUT)]

    def wait_for_rounding(self):
        pass  # one daemon, which loads all of its detectors before it says that it is ready

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGINT)
            process.wait()


class Predecessor(Ours):
    name = "predecessor"

    def __init__(self):
        self.rounding_log = pathlib.Path("/run/results/rounding.log")
        self.rounding_log.write_text("")
        self.processes = [subprocess.Popen(["python3", "predecessor/exec.py", "rules.json"], stdout=open("/run/results/exec.log", "a"),
                                           stderr=subprocess.STDOUT),
                          subprocess.Popen(["bpftrace", "--unsafe", "-B", "line", "predecessor/rounding.bt"], stdout=open(self.rounding_log, "a"),
                                           stderr=subprocess.STDOUT)]

    def wait_for_rounding(self):
        while "Attaching" not in self.rounding_log.read_text():
            assert self.processes[1].poll() is None, self.rounding_log.read_text()
            time.sleep(0.2)
        time.sleep(1)


def latencies(runs, *options, victim="work_act", words=("x" + B,)):
    """(begin, us, ending, ran) of each run."""
    command = ["victims/kill_latency", "-n", str(runs), "-c", str(SCOPE / "cgroup.procs"), *options, f"victims/{victim}", "x" + victim, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [(float(begin), float(us), ending, int(ran)) for begin, us, ending, ran in map(str.split, done.stdout.splitlines())]


def memory(processes):
    """KiB of all of them: resident, proportional, and the most that was ever resident; of resident, what are tables in the kernel."""
    sums = {"rss": 0, "pss": 0, "peak": 0, "tables": 0}
    for process in processes:
        name = ""
        for line in open(f"/proc/{process.pid}/smaps"):
            word = line.split()
            if not word[0].endswith(":"):
                name = word[-1]
            elif word[0] in ("Rss:", "Pss:"):
                sums[word[0][:3].lower()] += int(word[1])
                if word[0] == "Rss:" and "bpf-map" in name:
                    sums["tables"] += int(word[1])
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        sums["peak"] += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return sums


def randomx(seconds):
    """From the first hash to death of a miner with two threads, and None if it lived for so long."""
    def join():
        (SCOPE / "cgroup.procs").write_text("0")
    child = subprocess.Popen(["victims/randomx_miner", "-t", "2", str(seconds)], stdout=subprocess.PIPE, preexec_fn=join)
    words = child.stdout.readline().split()
    child.stdout.read()
    status = child.wait()
    assert words, "it died before its first hash"
    return time.monotonic() - float(words[1]) if status == -9 else None


def conditions(own, execs, **victim):
    own["idle"] += latencies(execs, **victim)
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count())]
    own["busy"] += latencies(execs, **victim)
    for process in busy:
        process.kill()
        process.wait()


def say(what):
    """Where who waits for the machine sees it."""
    with open("/dev/console", "w") as console:
        print(f"GUEST {what}", file=console)


def one_round(kind, execs, seconds, results):
    own = results.setdefault(kind.name, {"start_s": [], "idle": [], "busy": [], "memory": [], "randomx_s": []})
    begin = time.monotonic()
    detector = kind()
    try:
        polls = latencies(100_000, "-k", "-l", str(POLL_MS), victim="pause_static")
        own["start_s"].append(polls[-1][0] - begin)
        detector.wait_for_rounding()
        time.sleep(1)
        conditions(own, execs)
        own["memory"].append(memory(detector.processes))
        if seconds:
            own["randomx_s"].append(randomx(seconds))
        assert all(process.poll() is None for process in detector.processes), "it ended by itself"
    finally:
        detector.stop()
    say(f"{kind.name}: enforces after {own['start_s'][-1]:.1f} s; RandomX died after {own['randomx_s'][-1:]} s")


def main():
    rounds, execs, seconds = map(int, sys.argv[1:])
    SCOPE.mkdir()
    results = {"none": {"idle": [], "busy": []}}
    for _ in range(rounds):
        conditions(results["none"], execs, victim="first_act")
        for kind in (Ours, Predecessor):
            one_round(kind, execs, seconds, results)
            pathlib.Path("/run/results/measured.json").write_text(json.dumps(results))


main()
