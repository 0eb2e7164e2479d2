"""monero on arm64: runs inside of the emulated machine, beside the daemon's tests. FPCR has other bits than MXCSR, and is read elsewhere."""
import platform
import subprocess
import time

import pytest

from conftest import VICTIMS

MINER = str(VICTIMS / "randomx_miner")
MODES = str(VICTIMS / "round_modes")
EMPTY = "bannedCommandStrings: []\n"
START_S = 300  # RandomX fills 256 MiB first, in emulation
DEATH_S = 60   # emulated; a verdict without flush-to-zero takes 5 s at least


@pytest.fixture
def watched(daemon):
    assert platform.machine() == "aarch64"
    return daemon(EMPTY, metrics=True)


def death_s(watched, spawn, argv):
    """Seconds from the first hash to death."""
    child = spawn.start(argv, stdout=subprocess.PIPE)
    words = child.stdout.readline().split()
    assert words[:1] == [b"hashing"], words
    status = child.wait(timeout=START_S)
    took = time.monotonic() - float(words[1])
    known = {name: value for name, value in watched.metrics().items() if name.startswith("cryptnono_monero") and "bucket" not in name}
    assert status == -9, f"{known}\n{watched.drain()}"
    return took


def test_all_four_modes_with_flush_to_zero_die(watched, spawn):
    assert death_s(watched, spawn, [MODES, "imitation", str(DEATH_S)]) < DEATH_S
    line = watched.wait_for(action="killed", detector="monero")
    assert all(mode in line["modes_flush_to_zero"] for mode in ("nearest", "down", "up", "zero")), line["modes_flush_to_zero"]


def test_all_four_modes_in_much_memory_die_later(watched, spawn):
    assert 5 < death_s(watched, spawn, [MODES, "plain", str(DEATH_S)]) < DEATH_S


@pytest.mark.parametrize("options", [[], ["-i"], ["-t", "2"]], ids=["jit", "interpreter", "two-threads"])
def test_randomx_dies(watched, spawn, options, record_property):
    took = death_s(watched, spawn, [MINER, *options, str(DEATH_S)])
    record_property("seconds", took)
    print(f"RandomX {options}: {took:.2f} s from the first hash to death")
    line = watched.wait_for(action="killed", detector="monero")
    assert line["cmdline"].startswith(MINER) and line["resident_bytes"] > 100 << 20


@pytest.mark.parametrize("pattern", ["up", "up-down", "three", "cycle", "flush", "yield", "toggle"])
def test_honest_programs_live(watched, spawn, pattern):
    assert spawn([MODES, pattern, "15"], timeout=60) == 0


def test_out_of_scope_lives(watched, spawn):
    assert spawn([MODES, "imitation", "10"], join=False, timeout=60) == 0


def test_canaries_die(daemon):
    one = daemon(canaries=300)
    for detector in ("execwhacker", "monero"):
        assert one.wait_for(action="canary", detector=detector, timeout=120)["result"] == "passed"
