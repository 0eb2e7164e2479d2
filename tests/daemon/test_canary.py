"""Canaries: the daemon's own proof that each detector kills; what makes it fail, and that nobody else notices any of it."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import B, cgroup2

ALL = """bannedCommandStrings: [cryptnono.banned.string1]
tcpflowkiller: {enabled: true, bans: [192.0.2.1]}
"""
DETECTORS = ["execwhacker", "monero", "tcpflowkiller"]


def canary_groups():
    return sorted(path.name for path in pathlib.Path(cgroup2()).glob("cryptnono-canary-*"))


def results(watched):
    """Of the first run of each detector's canary."""
    return {d: watched.wait_for(action="canary", detector=d) for d in DETECTORS}


def of(metrics, name, **labels):
    inside = ",".join(f'{k}="{v}"' for k, v in labels.items())
    return metrics.get(f"cryptnono_{name}{{{inside}}}")


def wait_until(condition, timeout=15):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def links_of(watched, program):
    """Ids of the BPF links of this daemon's own program of that name: there may be other daemons."""
    out = json.loads(subprocess.run(["bpftool", "--json", "link", "show"], check=True, capture_output=True).stdout)
    programs = json.loads(subprocess.run(["bpftool", "--json", "prog", "show"], check=True, capture_output=True).stdout)
    names = {p["id"]: p.get("name") for p in programs}
    own = set()
    for fd in pathlib.Path(f"/proc/{watched.process.pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            own.update(int(n) for n in re.findall(r"link_id:\s*(\d+)", fd.read_text()))
    return [link["id"] for link in out if link["id"] in own and names.get(link["prog_id"]) == program]


@pytest.mark.parametrize("config, arguments", [(ALL, []), (ALL, ["--dry-run"]), (ALL + "scope: {processes: containers}\n", []),
                                               (ALL + "execwhacker: {limit: {maxTargets: 1}}\nmonero: {action: report}\n", [])],
                         ids=["all", "dry-run", "containers-only", "report-and-limit"])
def test_all_die_and_nothing_is_counted(daemon, config, arguments):
    watched = daemon(config, arguments, metrics=True, canaries=300)
    for detector, line in results(watched).items():
        assert line["result"] == "passed" and line["level"] == "info" and 0 < line["lived_s"] < 5, line
    print({d: round(line["lived_s"] * 1e3, 1) for d, line in results(watched).items()}, "ms")
    metrics = watched.metrics()
    for detector in DETECTORS:
        assert of(metrics, "canary_successful", detector=detector) == 1
        assert of(metrics, "detector_up", detector=detector) == 1
        assert of(metrics, "canary_runs_total", detector=detector, result="success") == 1
        assert time.time() - of(metrics, "canary_last_success_timestamp_seconds", detector=detector) < 10
        for counter in ("killed", "reported", "missed", "spared", "protected"):
            assert of(metrics, f"processes_{counter}_total", detector=detector) == 0, counter
        assert of(metrics, "limit_targets", detector=detector) == 0
    assert metrics['cryptnono_rules_loaded{detector="execwhacker",kind="banned"}'] == 1
    assert metrics['cryptnono_rules_loaded{detector="tcpflowkiller",kind="banned"}'] == 1
    actions = {line.get("action") for line in watched.drain()}
    assert not actions & {"killed", "reported", "spared", "missed-kill", "limited"}, actions


@pytest.mark.parametrize("hooks", ["refuse", "observe"])
def test_with_less_of_a_kernel(daemon, hooks):
    watched = daemon(ALL.replace("enabled: true,", f"enabled: true, hooks: {hooks},"), canaries=300)
    assert watched.wait_for(action="canary", detector="tcpflowkiller")["result"] == "passed"


def test_detectors_that_are_off_have_none(daemon):
    watched = daemon("bannedCommandStrings: []\nmonero: {enabled: false}\n", metrics=True, canaries=300)
    watched.wait_for(action="canary", detector="execwhacker", result="passed")
    metrics = watched.metrics()
    assert of(metrics, "canary_successful", detector="monero") is None
    assert of(metrics, "detector_up", detector="monero") == 0 and of(metrics, "detector_enabled", detector="monero") == 0
    # Switched on by a reload, it is proved at once.
    watched.files[0].write_text("bannedCommandStrings: []\n")
    assert watched.wait_for(action="canary", detector="monero")["result"] == "passed"


def test_none_are_run_if_none_are_wanted(daemon):
    before = canary_groups()
    watched = daemon(ALL + "canary: {interval: 0}\n", metrics=True, canaries=None)
    metrics = watched.metrics()
    assert of(metrics, "canary_successful", detector="execwhacker") is None
    assert of(metrics, "detector_up", detector="execwhacker") == 1
    assert canary_groups() == before


@pytest.mark.parametrize("detector, program", [("execwhacker", "exec_match"), ("monero", "fpu_sample"), ("tcpflowkiller", "flow_connect4")])
def test_a_hook_that_is_gone_is_noticed(daemon, detector, program):
    """Taken away from outside. Nothing else tells: the daemon's own descriptors are all there."""
    watched = daemon(ALL, metrics=True, canaries=1)
    results(watched)
    links = links_of(watched, program)
    assert links
    for link in links:
        subprocess.run(["bpftool", "link", "detach", "id", str(link)], check=True, capture_output=True) \
            if detector == "tcpflowkiller" else detach(watched, link)
    line = watched.wait_for(timeout=30, action="canary", detector=detector, level="error")
    assert line["result"] == "survived"
    metrics = watched.metrics()
    assert of(metrics, "canary_successful", detector=detector) == 0 and of(metrics, "detector_up", detector=detector) == 0
    for other in set(DETECTORS) - {detector}:
        assert of(metrics, "detector_up", detector=other) == 1
    assert of(metrics, "canary_runs_total", detector=detector, result="survived") >= 1


def detach(watched, link):
    """Tracing links cannot be detached; the daemon is made to close their descriptors, by gdb's means."""
    pytest.skip("this link can be taken away only by closing it in the daemon")
