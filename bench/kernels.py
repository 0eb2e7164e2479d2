"""What the parts cost that not every kernel or configuration has: written-out loops, pins, BPF LSM. Called by bench.py.

Of the programs' own time, by the kernel's count (kernel.bpf_stats_enabled), over honest execs of a static program, and paired:
each round starts both. BPF LSM is measured in an emulated machine, where only the ratio to the other program's time means anything.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import bpf_stats

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXECS = 2000
LINE = "--output /home/jovyan/work/notebook.ipynb -m ipykernel_launcher --debug=false " * 3


def ns_per_exec(names, storm):
    """{name: ns that its programs took per exec of this storm}. The machine has one daemon then."""
    return {name: took / EXECS for name, (took, _) in bpf_stats.during(names, storm).items()}


def storm(build, procs):
    """Honest execs in the cgroup; microseconds of the median fork+exec+exit."""
    done = subprocess.run([str(build / "victims/exec_storm"), "-x", "-n", str(EXECS), "-f", "-c", str(procs), str(build / "victims/first_act"),
                           "xvictim", "x" + LINE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["us_p50"]


def run(report, build, inside, daemon, rounds):
    """`daemon(scope, rules, extra, arguments, environment)` starts one."""
    procs = inside / "cgroup.procs"
    plain = {"LD_PRELOAD": str(build / "victims/libcallback_refuser.so")}
    loops, written, ratios, owner, share = [], [], [], [], []
    base = statistics.median(storm(build, procs) for _ in range(rounds))
    mount = pathlib.Path(tempfile.mkdtemp(prefix="cryptnono-bench-bpf-"))
    subprocess.run(["mount", "-t", "bpf", "-o", "mode=0700", "bpf", mount], check=True)
    try:
        for _ in range(rounds):
            ns = {}
            for name, environment in (("loops", None), ("written", plain)):
                one = daemon(inside, 50_000, "monero: {enabled: false}\n", (), environment)
                ns[name] = ns_per_exec(["exec_match"], lambda: storm(build, procs))["exec_match"]
                one.stop()
            loops.append(ns["loops"])
            written.append(ns["written"])
            ratios.append(ns["written"] / ns["loops"])
            one = daemon(inside, 50_000, f"monero: {{enabled: false}}\npins: {{directory: {mount}/pins}}\n")
            owner.append(ns_per_exec(["owner_exit"], lambda: storm(build, procs))["owner_exit"])
            share.append(owner[-1] / 10 / base)
            one.stop()
    finally:
        subprocess.run(["umount", mount], check=True)
        mount.rmdir()
    report("kernels.exec_ns.bpf_loop", statistics.median(loops), "ns", samples=loops)
    report("kernels.exec_ns.written_out", statistics.median(written), "ns", samples=written)
    report("kernels.written_out_ratio", statistics.median(ratios), "x", samples=ratios)
    report("kernels.owner_exit_ns", statistics.median(owner), "ns", samples=owner)
    report("kernels.owner_exit_pct", statistics.median(share), "%", 0.1, samples=share)
    lsm(report, build, rounds)


def lsm(report, build, rounds):
    sys.path.insert(0, str(ROOT / "tests/kernels"))
    import machine
    try:
        made_of = machine.emulator(), machine.kernel("6.1"), machine.root_disk()
    except machine.NoMirror as error:
        print(f"kernels.lsm: skipped, {error}")
        return
    with tempfile.TemporaryDirectory(prefix="cryptnono-bench-lsm-") as directory:
        payload = pathlib.Path(directory) / "payload"
        payload.mkdir()
        machine.fill_payload(payload, build, tests=False)
        for each in (__file__, bpf_stats.__file__):
            shutil.copy(each, payload)
        (payload / "guest").write_text(f"exec python3 kernels.py {rounds}\n")
        result = machine.run(*made_of, payload, pathlib.Path(directory) / "machine", "lsm=lockdown,capability,yama,bpf", 15)
        if result.status != 0:
            raise SystemExit(f"kernels.lsm: {result.console[-2000:]}\n{result.output}")
        measured = json.loads((result.files / "measured.json").read_text())
    refuse, match, base = measured["exec_refuse"], measured["exec_match"], measured["exec_us"]
    report("kernels.lsm.ratio_to_exec_match", statistics.median(refuse) / statistics.median(match), "x",
           samples=[one / other for one, other in zip(refuse, match)])
    report("kernels.lsm.share_of_exec_pct", statistics.median(refuse) / 10 / statistics.median(base), "%",
           samples=[one / 10 / statistics.median(base) for one in refuse])


def in_machine(rounds):
    """As root of the emulated machine, beside the binary and the victims."""
    here = pathlib.Path.cwd()
    scope = pathlib.Path("/sys/fs/cgroup/bench")
    scope.mkdir()
    out = {"exec_refuse": [], "exec_match": [], "exec_us": [storm(here, scope / "cgroup.procs") for _ in range(rounds)]}
    (here / "config.yaml").write_text("bannedCommandStrings:\n- cryptnono.banned.string1\n" +
                                      "".join(f"- pool{number}.example.org:{number}\n" for number in range(50_000)))
    one = subprocess.Popen([here / "cryptnono", "run", "-c", here / "config.yaml", "--scope", scope, "--control-socket", ""],
                           stdout=subprocess.PIPE, text=True)
    next(line for line in one.stdout if '"action":"ready"' in line.replace(" ", ""))
    for _ in range(rounds):
        for name, ns in ns_per_exec(["exec_refuse", "exec_match"], lambda: storm(here, scope / "cgroup.procs")).items():
            out[name].append(ns)
    one.terminate()
    one.communicate()
    pathlib.Path("/run/results/measured.json").write_text(json.dumps(out))


if __name__ == "__main__":
    in_machine(int(sys.argv[1]))
