"""cryptnono and the predecessor's recipe (bench/predecessor) in one emulated machine with Debian's 6.1. Called by bench.py.

The machine is qemu's software emulation: all times are about ten times those of a node, of both alike. What counts are ratios.
COMPARE_ROUNDS: how often each is started and measured, in turn (4). COMPARE_EXECS: banned execs in each condition of each round (60).
COMPARE_RANDOMX_S: how long a miner may live, once a round; 0 leaves RandomX out (60).
"""
import json
import os
import pathlib
import shutil
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNEL = "6.1"
MEMORY_MIB = 3072
TIMEOUT_MINUTES = 60
sys.path.insert(0, str(ROOT / "tests/kernels"))
import machine  # noqa: E402


def settings():
    return {name: int(os.environ.get(f"COMPARE_{name}", default)) for name, default in (("ROUNDS", 4), ("EXECS", 60), ("RANDOMX_S", 60))}


def measured(build, work, rules):
    """What predecessor/measure.py wrote; or the reason why there is nothing."""
    try:
        emulator, kernel = machine.emulator(), machine.kernel(KERNEL)
        headers = f"linux-headers-{(kernel / 'release').read_text().strip()}"
        disk = machine.root_disk(name="predecessor", packages=["python3-bpfcc", "python3-ahocorasick", "bpftrace", headers])
    except machine.NoMirror as error:
        return str(error)
    payload = work / "payload"
    payload.mkdir()
    machine.fill_payload(payload, build, tests=False)
    shutil.copytree(ROOT / "bench/predecessor", payload / "predecessor", ignore=shutil.ignore_patterns("__pycache__"))
    (payload / "rules.json").write_text(json.dumps({"bannedCommandStrings": rules}))
    chosen = settings()
    (payload / "guest").write_text(f"exec python3 predecessor/measure.py {chosen['ROUNDS']} {chosen['EXECS']} {chosen['RANDOMX_S']}\n")
    result = machine.run(emulator, kernel, disk, payload, work / "machine", minutes=TIMEOUT_MINUTES, memory=MEMORY_MIB)
    if result.status != 0:
        logs = "".join(f"\n--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in result.files.glob("*.log"))
        raise SystemExit(f"compare: {result.console[-2000:]}\n{result.output}{logs}")
    return json.loads((result.files / "measured.json").read_text())


def report_one(report, name, got):
    for condition in ("idle", "busy"):
        runs = got[condition]
        killed = [us / 1e3 for _, us, ending, _ in runs if ending == "killed"]
        report(f"compare.{name}.death_ms.{condition}", statistics.median(killed), "ms", samples=killed)
        report(f"compare.{name}.ran_pct.{condition}", sum(ran for *_, ran in runs) / len(runs) * 100, "%")
        report(f"compare.{name}.lived.{condition}", len(runs) - len(killed), "execs")
    report(f"compare.{name}.start_s", statistics.median(got["start_s"]), "s", samples=got["start_s"])
    for kind in ("rss", "pss", "peak", "tables"):
        sizes = [each[kind] / 1024 for each in got["memory"]]
        report(f"compare.{name}.memory_mib.{kind}", statistics.median(sizes), "MiB", samples=sizes)
    died = [seconds for seconds in got["randomx_s"] if seconds is not None]
    if died:
        report(f"compare.{name}.randomx_s.2t", statistics.median(died), "s", samples=died)
    if got["randomx_s"]:
        report(f"compare.{name}.randomx_lived", len(got["randomx_s"]) - len(died), "miners")


def ratio(report, name, got, values):
    """Of the medians: how many times ours the predecessor's is."""
    ours, theirs = values(got["ours"]), values(got["predecessor"])
    if ours and theirs:
        report(f"compare.times.{name}", statistics.median(theirs) / statistics.median(ours), "x", better="higher")


def run(report, build, work, rules):
    work = work / "compare"
    work.mkdir()
    got = measured(build, work, rules)
    if isinstance(got, str):
        print(f"compare: skipped, {got}")
        return
    # What an exec takes by itself: of a program that ends at once, with nothing attached.
    for condition, runs in got["none"].items():
        alone = [us / 1e3 for _, us, *_ in runs]
        report(f"compare.none.exec_and_exit_ms.{condition}", statistics.median(alone), "ms", samples=alone)
    for name in ("ours", "predecessor"):
        report_one(report, name, got[name])
    ratio(report, "death_idle", got, lambda own: [us for _, us, ending, _ in own["idle"] if ending == "killed"])
    ratio(report, "death_busy", got, lambda own: [us for _, us, ending, _ in own["busy"] if ending == "killed"])
    ratio(report, "start", got, lambda own: own["start_s"])
    ratio(report, "pss", got, lambda own: [each["pss"] for each in own["memory"]])
    ratio(report, "randomx", got, lambda own: [seconds for seconds in own["randomx_s"] if seconds is not None])
