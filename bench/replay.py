"""`replay` on a log without hits, beside grep and ripgrep with the same strings: processor time, less what a log of one line takes."""
import json
import os
import random
import resource
import shlex
import shutil
import statistics
import subprocess

BYTES = 200_000_000
WORDS = ("python3 -m ipykernel_launcher -f /home/jovyan/.local/share/jupyter/runtime/kernel.json --debug=false 42 data.csv train.py "
         "--epochs 10 --lr 0.001 node npm run build git status ls -la /opt/conda/bin/python grep -rn pattern src/").split()


def write_log(path, size):
    rng = random.Random(3)
    lines = []
    for i in range(20_000):
        arguments = [rng.choice(WORDS) for _ in range(rng.randint(2, 14))]
        if rng.random() < 0.15:
            arguments = ["/bin/sh", "-c", " ".join(arguments)]
        lines.append(json.dumps({"pid": rng.randint(1000, 99999), "cmdline": shlex.join(arguments), "duration": f"0.{i:09}s",
                                 "action": "observed", "event": "New process", "level": "debug",
                                 "timestamp": f"2026-11-26T21:00:00.{i:06}Z"}) + "\n")
    text = "".join(lines)
    with open(path, "w") as out:
        for _ in range(max(1, size // len(text))) if size else ():
            out.write(text)
        if not size:
            out.write(lines[0])


def cpu_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode in (0, 1), command
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(report, build, work, rules, config, rounds):
    log, one, strings = work / "replay.log", work / "replay.one", work / "replay.strings"
    write_log(log, BYTES)
    write_log(one, 0)
    strings.write_text("\n".join(rules) + "\n")
    commands = {"replay.gb_per_s.50k": [str(build / "bin/cryptnono"), "replay", "-c", str(config), "--format", "upstream"],
                "replay.grep_gb_per_s.50k": ["grep", "-c", "-F", "-f", str(strings)]}
    if shutil.which("rg"):
        commands["replay.ripgrep_gb_per_s.50k"] = ["rg", "-c", "-j1", "-F", "-f", str(strings)]
    else:
        print("replay.ripgrep: skipped, ripgrep is not installed")
    rates = {name: [] for name in commands}
    for _ in range(min(rounds, 7)):
        for name, command in commands.items():
            seconds = cpu_seconds([*command, str(log)]) - cpu_seconds([*command, str(one)])
            rates[name].append(log.stat().st_size / 1e9 / max(seconds, 1e-3))
    limits = json.loads(subprocess.run([str(build / "bin/replay_limits"), str(strings), str(log)], capture_output=True, check=True).stdout)
    report("replay.memory_read_gb_per_s", limits["memory_gb_per_s"], "GB/s", None, "higher")
    if "hyperscan_gb_per_s" in limits:
        report("replay.hyperscan_gb_per_s.50k", limits["hyperscan_gb_per_s"], "GB/s", None, "higher")
    else:
        print("replay.hyperscan: skipped, libhyperscan-dev is not installed")
    for name, values in rates.items():
        report(name, statistics.median(values), "GB/s", 1 if name == "replay.gb_per_s.50k" else None, "higher", values)
