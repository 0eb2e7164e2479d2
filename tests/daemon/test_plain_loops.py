"""The objects for kernels before 5.17, on this kernel: a preloaded library refuses the others, as those kernels do. For all tests:
CRYPTNONO_BIN set to a script that starts the daemon with LD_PRELOAD."""
import subprocess

import pytest

from conftest import BINARY, VICTIMS

B = "cryptnono.banned.string1"
REFUSER = VICTIMS / "libcallback_refuser.so"
OLD = ["env", f"LD_PRELOAD={REFUSER}"]


@pytest.fixture(autouse=True)
def needs_refuser():
    if not REFUSER.exists():
        pytest.skip("libcallback_refuser.so is not built")


def test_doctor_loads_them():
    told = subprocess.run([*OLD, BINARY, "doctor"], capture_output=True, text=True, check=False).stdout
    loads = [line for line in told.splitlines() if ": load the program" in line]
    # The connect hooks are for kernels that need this object: the verifier of newer ones may find them too large.
    needed = [line for line in loads if "tcpflowkiller" not in line]
    assert len(needed) == 2 and all(line.startswith("ok") and "(written-out loops)" in line for line in needed), told


@pytest.mark.parametrize("line", [
    ["true", B],
    ["true", "x" * 100_000, B],
    ["true", *["y" * 130_000] * 7, B, *["z" * 130_000] * 7],
    ["true", B.upper() + ".", "-" + B + "-"],
], ids=["short", "behind 100 KB", "amid 1.8 MB", "twice"])
def test_dies_as_by_the_others(daemon, spawn, line):
    daemon(through=OLD)
    assert spawn(line, executable="/bin/true") == -9


def test_words_that_only_hold_it_live(daemon, spawn):
    daemon(through=OLD)
    assert spawn(["true", B + "x", "x" + B, "a" * 100_000], executable="/bin/true") == 0
