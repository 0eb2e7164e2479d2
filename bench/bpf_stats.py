"""Time that the kernel counts for BPF programs while kernel.bpf_stats_enabled is on.

It counts by the program, whoever loaded it: one daemon should run at a time. Counting itself costs some tens of nanoseconds a run, which
operating.py measures; so these are times of programs, never part of a time that is measured from outside.
"""
import contextlib
import json
import pathlib
import subprocess

SWITCH = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")


@contextlib.contextmanager
def counting(on=True):
    """Within it the kernel counts, or does not; after it, it does what it did before."""
    before = SWITCH.read_text()
    SWITCH.write_text("1" if on else "0")
    try:
        yield
    finally:
        SWITCH.write_text(before)


def totals(names):
    """{name: (nanoseconds, runs)} so far, summed over all loaded programs of this name."""
    out = dict.fromkeys(names, (0, 0))
    for each in json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True).stdout):
        if (name := each.get("name")) in out:
            out[name] = (out[name][0] + each.get("run_time_ns", 0), out[name][1] + each.get("run_cnt", 0))
    return out


def during(names, work):
    """{name: (nanoseconds, runs)} while work() ran."""
    with counting():
        before = totals(names)
        work()
        after = totals(names)
    return {name: (after[name][0] - before[name][0], after[name][1] - before[name][1]) for name in names}
