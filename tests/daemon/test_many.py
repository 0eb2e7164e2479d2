"""A thousand banned execs beside every CPU's worth of other work: none of them runs an instruction. On every kernel that is promised
(tests/kernels); test_storm.py has ten thousand, and what else happens in storms."""
import os

import pytest

from conftest import B, VICTIMS, storm

RUNS = 1000


@pytest.fixture
def load(spawn):
    """Every CPU busy with something else."""
    for _ in range(os.cpu_count()):
        spawn.start(["sh", "-c", "while :; do :; done"], join=False)


@pytest.mark.parametrize("options", [[], ["-m"]], ids=["path", "memfd"])
def test_a_thousand_banned_execs_under_load_run_no_instruction(daemon, sandbox, load, options):
    d = daemon(metrics=True)
    counts = storm("-n", RUNS, "-w", 4, *options, argv=["victim", "%d", B], procs=sandbox.procs)
    assert (counts["spawned"], counts["killed"], counts["acts"]) == (RUNS, RUNS, 0)
    d.drain(1)
    metrics = d.metrics()
    lost = metrics['cryptnono_events_lost_total{detector="execwhacker",reason="events-ring-full"}']
    assert d.count(action="killed") + lost + metrics["cryptnono_log_lines_dropped_total"] == RUNS
    assert metrics['cryptnono_events_lost_total{detector="execwhacker",reason="recursion"}'] == 0


def test_the_same_without_the_word_lives(daemon, sandbox, load):
    """Of as many look-alikes, each runs: the act shows what it is said to show."""
    d = daemon()
    counts = storm("-n", RUNS // 5, "-w", 4, argv=["victim", "%d", "x" + B], procs=sandbox.procs)
    assert (counts["exited"], counts["acts"]) == (RUNS // 5, RUNS // 5)
    assert d.count(action="killed") == 0
