"""Canaries: the daemon's own proof that each detector kills; what makes it fail, and that nobody else notices any of it."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from conftest import B, BINARY, cgroup1, cgroup2, held_ids, wait_until

ALL = """bannedCommandStrings: [cryptnono.banned.string1]
tcpflowkiller: {enabled: true, bans: [192.0.2.1]}
"""
# Whatever could keep a detector from killing.
MILDEST = f"""bannedCommandStrings: [cryptnono.banned.string1]
allowedCommandPatterns: ['.*']
dryRun: true
scope: {{processes: containers}}
protect: {{users: [0], executables: ['{os.path.realpath(BINARY)}'], unclassified: report}}
execwhacker: {{action: report, limit: {{maxTargets: 1}}}}
monero: {{action: report, activeSampling: false, limit: {{maxTargets: 1}}, exempt: {{executables: ['{os.path.realpath(BINARY)}']}}}}
tcpflowkiller: {{enabled: true, bans: [192.0.2.1], action: report, limit: {{maxTargets: 1}}}}
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


def bpftool(*arguments):
    return json.loads(subprocess.run(["bpftool", "--json", *arguments], check=True, capture_output=True).stdout or "null")


def detach_connect_hook(watched):
    programs = {program["id"]: program.get("name") for program in bpftool("prog", "show")}
    for link in bpftool("link", "show"):
        if link["id"] in held_ids(watched.process.pid, "link") and programs.get(link["prog_id"]) == "flow_connect4":
            bpftool("link", "detach", "id", str(link["id"]))
            return
    raise AssertionError("no such link")


def take_rules_away(watched):
    """The program finds no tables any more, and lets everybody pass."""
    maps = {each["id"]: each for each in bpftool("map", "show") if each["id"] in held_ids(watched.process.pid, "map")}
    rules = next(number for number, each in maps.items() if each.get("name") == "rules" and each["type"] == "array_of_maps")
    bpftool("map", "delete", "id", str(rules), "key", "0", "0", "0", "0")


@contextlib.contextmanager
def frozen(watched, name):
    """One thread of the daemon stands still; the rest of it believes that all is well."""
    mount = cgroup1("freezer")
    if not mount:
        pytest.skip("a single thread can be frozen only by the freezer of cgroup v1, which is not mounted")
    tasks = pathlib.Path(f"/proc/{watched.process.pid}/task").iterdir()
    tid = next(task.name for task in tasks if (task / "comm").read_text().strip() == name)
    group = mount / f"cryptnono-test-{os.getpid()}-frozen"
    group.mkdir()
    try:
        (group / "tasks").write_text(tid)
        (group / "freezer.state").write_text("FROZEN")
        yield
    finally:
        (group / "freezer.state").write_text("THAWED")
        with contextlib.suppress(ProcessLookupError):
            (group.parent / "tasks").write_text(tid)
        group.rmdir()


@pytest.mark.parametrize("config, arguments", [(ALL, []), (ALL, ["--dry-run"]), (MILDEST, [])], ids=["all", "dry-run", "mildest"])
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
    watched = daemon(f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\n", metrics=True, canaries=300)
    watched.wait_for(action="canary", detector="execwhacker", result="passed")
    metrics = watched.metrics()
    assert of(metrics, "canary_successful", detector="monero") is None
    assert of(metrics, "detector_up", detector="monero") == 0 and of(metrics, "detector_enabled", detector="monero") == 0
    # Switched on by a reload, it is proved at once.
    watched.files[0].write_text("bannedCommandSubstrings: [cryptnono.banned]\n")
    assert watched.wait_for(action="canary", detector="monero")["result"] == "passed"
    # Without rules there is nothing to prove, and an exec is to cost nothing.
    watched.files[0].write_text("bannedCommandStrings: []\n")
    assert watched.wait_for(action="canary", detector="execwhacker", result="unavailable")["reason"].startswith("there are no rules")
    assert of(watched.metrics(), "detector_up", detector="execwhacker") == 1


def test_none_are_run_if_none_are_wanted(daemon):
    watched = daemon(ALL + "canary: {interval: 0}\n", metrics=True, canaries=None)
    metrics = watched.metrics()
    assert of(metrics, "canary_successful", detector="execwhacker") is None
    assert of(metrics, "detector_up", detector="execwhacker") == 1
    assert f"cryptnono-canary-{watched.process.pid}" not in canary_groups()


def fails(watched, detector, result):
    """It is told, and of this detector alone."""
    line = watched.wait_for(timeout=30, action="canary", detector=detector, level="error")
    assert line["result"] == result and line["reason"], line
    metrics = watched.metrics()
    assert of(metrics, "canary_successful", detector=detector) == 0 and of(metrics, "detector_up", detector=detector) == 0
    for other in set(DETECTORS) - {detector}:
        assert of(metrics, "detector_up", detector=other) == 1
    assert of(metrics, "canary_runs_total", detector=detector, result=result) >= 1


def recovers(watched, detector):
    wait_until(lambda: of(watched.metrics(), "detector_up", detector=detector) == 1)
    assert sum(line.get("action") == "canary" and line["detector"] == detector and line["result"] == "passed"
               for line in watched.drain()) == 2  # at the start, and now


def test_lost_rules_are_noticed_and_a_reload_brings_them_back(daemon):
    watched = daemon(ALL, metrics=True, canaries=1)
    results(watched)
    take_rules_away(watched)
    fails(watched, "execwhacker", "survived")
    watched.process.send_signal(signal.SIGHUP)
    recovers(watched, "execwhacker")


def test_a_lost_connect_hook_is_noticed(daemon):
    watched = daemon(ALL, metrics=True, canaries=1)
    results(watched)
    detach_connect_hook(watched)
    fails(watched, "tcpflowkiller", "survived")


@pytest.mark.parametrize("thread, detector, result", [("exec-events", "execwhacker", "untold"), ("fpu-judge", "monero", "survived")])
def test_a_thread_that_hangs_is_noticed(daemon, thread, detector, result):
    watched = daemon(ALL, metrics=True, canaries=1)
    results(watched)
    with frozen(watched, thread):
        fails(watched, detector, result)
    recovers(watched, detector)


def test_an_event_that_comes_when_all_is_over_is_still_a_canarys(daemon):
    watched = daemon(ALL, metrics=True, canaries=1)
    results(watched)
    with frozen(watched, "exec-events"):
        fails(watched, "execwhacker", "untold")
        watched.process.send_signal(signal.SIGTERM)
        wait_until(lambda: f"cryptnono-canary-{watched.process.pid}" not in canary_groups())
    watched.stop()
    assert watched.count(action="killed") == 0


def test_the_bait_is_poison_to_canaries_alone(daemon, spawn):
    """Somebody sees a canary's command line and does as it does: nothing happens to him, and nothing is told."""
    watched = daemon(ALL, metrics=True, canaries=1)
    results(watched)
    take_rules_away(watched)  # so that one lives long enough to be looked at
    seen, end = {}, time.monotonic() + 20
    while len(seen) < 2 and time.monotonic() < end:
        for procs in pathlib.Path(cgroup2()).glob(f"cryptnono-canary-{watched.process.pid}/cgroup.procs"):
            for pid in procs.read_text().split():
                with contextlib.suppress(OSError):
                    argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                    if argv[2:3] == ["exec"] or argv[2:3] == ["connect"]:
                        seen[argv[2]] = argv[3:-1]
        if "connect" not in seen and "exec" in seen:
            with contextlib.suppress(AssertionError):
                detach_connect_hook(watched)
    word, (address, port) = seen["exec"][0], seen["connect"]
    watched.process.send_signal(signal.SIGHUP)
    watched.wait_for(action="reloaded")
    assert re.fullmatch(r"canary[0-9a-f]{32}", word) and re.fullmatch(r"127\.[1-9]\d*\.\d+\.\d+", address)
    assert spawn(["true", word]) == 0
    connect = "import socket, sys; print(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))))"
    child = spawn.start(["python3", "-c", connect, address, port], stdout=subprocess.PIPE)
    assert child.wait(timeout=10) == 0 and child.stdout.read() == b"111\n"  # ECONNREFUSED: nobody listens there
    assert spawn(["true", B]) == -9
    watched.wait_for(action="killed")
    assert watched.count(action="killed") == 1 and watched.count(action="reported") == 0
    assert not any(word in json.dumps(line) for line in watched.lines)


def test_allowed_ranges_do_not_shelter_the_canary(daemon):
    """A configuration that allows loopback wins over bans there: another address is taken, or it says that there is none."""
    half = daemon(ALL.replace("bans: [192.0.2.1]", "bans: [192.0.2.1], allow: [127.0.0.0/9]"), canaries=300)
    assert half.wait_for(action="canary", detector="tcpflowkiller")["result"] == "passed"
    whole = daemon(ALL.replace("bans: [192.0.2.1]", "bans: [192.0.2.1], allow: [127.0.0.0/8]"), metrics=True, canaries=300)
    line = whole.wait_for(action="canary", detector="tcpflowkiller")
    assert line["result"] == "unavailable" and "allowed" in line["reason"]
    assert of(whole.metrics(), "detector_up", detector="tcpflowkiller") == 1


def test_nothing_is_left_behind(daemon):
    first = daemon(ALL, canaries=300)
    results(first)
    group = f"cryptnono-canary-{first.process.pid}"
    assert group in canary_groups()
    first.stop()
    assert group not in canary_groups()
    second = daemon(ALL, canaries=300)
    results(second)
    second.process.kill()
    second.stop(expect=-9)
    left = f"cryptnono-canary-{second.process.pid}"
    assert left in canary_groups()  # nobody was there to remove it
    third = daemon(ALL, canaries=300)
    results(third)
    assert left not in canary_groups()
    # Somebody tidies up too much: it makes itself a new one.
    (pathlib.Path(cgroup2()) / f"cryptnono-canary-{third.process.pid}").rmdir()
    third.process.send_signal(signal.SIGHUP)
    third.wait_for(action="reloaded")
    wait_until(lambda: f"cryptnono-canary-{third.process.pid}" in canary_groups())


def read_only(*options):
    """As in a container: cgroup2 is mounted read-only there."""
    return ["unshare", "--mount", "sh", "-c", f"mount -o remount,bind,ro {cgroup2()} && exec {' '.join(options)} \"$0\" \"$@\""]


def test_without_a_writable_hierarchy_it_mounts_one_for_itself(daemon):
    watched = daemon(ALL, through=read_only(), canaries=300)
    for line in results(watched).values():
        assert line["result"] == "passed", line


def test_where_none_can_be_run_nothing_is_held_against_the_detectors(daemon):
    watched = daemon(ALL, through=read_only("setpriv", "--bounding-set", "-sys_admin"), metrics=True, canaries=300)
    line = watched.wait_for(action="canary", detector="execwhacker")
    assert line["result"] == "unavailable" and line["level"] == "warning" and "Read-only file system" in line["reason"]
    assert of(watched.metrics(), "detector_up", detector="execwhacker") == 1
    assert of(watched.metrics(), "canary_successful", detector="execwhacker") is None


def test_a_canary_that_hangs_is_ended_and_an_end_does_not_wait_for_it(daemon):
    watched = daemon(ALL, canaries=1)
    results(watched)
    group = pathlib.Path(cgroup2()) / f"cryptnono-canary-{watched.process.pid}"
    (group / "cgroup.freeze").write_text("1")
    assert "alive after" in watched.wait_for(timeout=30, action="canary", result="survived")["reason"]
    wait_until(lambda: (group / "cgroup.procs").read_text())  # the next one hangs too
    begin = time.monotonic()
    watched.stop()
    assert time.monotonic() - begin < 0.9 and not group.exists()


def test_it_may_mention_what_it_bans(daemon):
    """F15. Words of the canaries' own command lines and of the daemon's path are banned."""
    watched = daemon(ALL.replace("cryptnono.banned.string1]", "cryptnono, canary, rounding, connect]"), canaries=300)
    for line in results(watched).values():
        assert line["result"] == "passed", line
    assert watched.count(action="killed") == 0
