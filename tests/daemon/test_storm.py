"""Many execs at once, on a loaded machine: nothing escapes, nobody innocent is hurt, nothing is lost without being counted."""
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from conftest import B, SLOW, VICTIMS, storm

VICTIM = VICTIMS / "first_act"


@pytest.fixture
def load(spawn):
    """Every CPU busy with something else."""
    for _ in range(os.cpu_count()):
        spawn.start(["sh", "-c", "while :; do :; done"], join=False)


def test_10000_banned_execs_under_load_run_no_instruction(daemon, sandbox, load):
    d = daemon(metrics=True)
    counts = storm("-n", 10_000, "-w", 4, argv=["victim", "%d", B], procs=sandbox.procs)
    assert (counts["spawned"], counts["killed"], counts["acts"]) == (10_000, 10_000, 0)
    d.drain(1)
    metrics = d.metrics()
    lost = metrics['cryptnono_events_lost_total{detector="execwhacker",reason="events-ring-full"}']
    dropped = metrics["cryptnono_log_lines_dropped_total"]
    assert d.count(action="killed") + lost + dropped == 10_000
    assert metrics['cryptnono_events_lost_total{detector="execwhacker",reason="recursion"}'] == 0


def test_10000_look_alikes_under_load_live(daemon, sandbox, load):
    d = daemon()
    counts = storm("-n", 10_000, "-w", 4, argv=["victim", "%d", "x" + B, B + "_", B[:-1]], procs=sandbox.procs)
    assert (counts["exited"], counts["acts"]) == (10_000, 10_000)
    assert d.count(action="killed") == 0


def test_1000_reloads_during_an_exec_storm_let_nothing_through(daemon, sandbox):
    rules = ["\n".join(f"- set{which}.word{i}" for i in range(1000)) for which in (0, 1)]
    d = daemon(f"bannedCommandStrings:\n- {B}\n{rules[0]}\n")
    stop = threading.Event()
    totals = {"spawned": 0, "killed": 0, "acts": 0}

    def keep_executing():
        while not stop.is_set():
            counts = storm("-n", 2000, argv=["victim", B], procs=sandbox.procs)
            for key in totals:
                totals[key] += counts[key]
    thread = threading.Thread(target=keep_executing)
    thread.start()
    try:
        for i in range(1000):
            temporary = d.files[0].with_suffix(".new")
            temporary.write_text(f"bannedCommandStrings:\n- {B}\n{rules[i % 2]}\n")
            os.rename(temporary, d.files[0])
            d.process.send_signal(signal.SIGHUP)
            # Every change is a reload; several at once may become one, so wait for it.
            d.wait_for(action="reloaded", timeout=10)
            d.lines.clear()
    finally:
        stop.set()
        thread.join()
    assert totals["spawned"] >= 2000 and totals["killed"] == totals["spawned"] and totals["acts"] == 0


def test_C9_E11_ring_flood_hides_nobody_and_losses_are_counted(daemon, sandbox, spawn):
    d = daemon(metrics=True)
    # Each record is as long as a record can be, and nobody reads while the daemon is stopped: the ring must run full.
    d.process.send_signal(signal.SIGSTOP)
    counts = storm("-n", 2000, "-w", 2, argv=["victim", "y" * 40_000, B], procs=sandbox.procs)
    assert (counts["killed"], counts["acts"]) == (2000, 0)
    d.process.send_signal(signal.SIGCONT)
    assert spawn(["true", B]) == -9
    d.drain(1)
    metrics = d.metrics()
    lost = metrics['cryptnono_events_lost_total{detector="execwhacker",reason="events-ring-full"}']
    assert lost > 0 and d.count(action="killed") + lost + metrics["cryptnono_log_lines_dropped_total"] == 2001


def test_a_full_decision_ring_is_made_up_for_by_a_scan(daemon, sandbox, spawn):
    d = daemon(f"bannedCommandStrings: [{B}]\nallowedCommandPatterns: ['^never-given']\n", ["--scan-interval", "0"], metrics=True)
    d.process.send_signal(signal.SIGSTOP)
    storm("-n", 300, argv=["victim", "y" * 40_000, B, "never-given"], procs=sandbox.procs)
    late = spawn.start(["sh", "-c", "sleep 30", "y" * 40_000, B, "never-given"])
    time.sleep(0.3)
    assert late.poll() is None
    d.process.send_signal(signal.SIGCONT)
    assert late.wait(timeout=10 * SLOW) == -9
    assert d.metrics()['cryptnono_events_lost_total{detector="execwhacker",reason="decisions-ring-full"}'] > 0


def test_C11_C12_E24_a_reused_pid_is_judged_anew(daemon, sandbox):
    daemon()
    # 40,000 execs run through all of pid_max on a default machine; each is judged as itself.
    counts = storm("-n", 20_000, "-w", 2, argv=["victim", "innocent"], procs=sandbox.procs)
    assert counts["exited"] == 20_000
    counts = storm("-n", 20_000, "-w", 2, argv=["victim", B], procs=sandbox.procs)
    assert (counts["killed"], counts["acts"]) == (20_000, 0)
