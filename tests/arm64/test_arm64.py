"""cryptnono on Debian's arm64 kernels: an emulated machine runs the cross-built binary, the daemon's tests and those of guest/.

`tests/arm64/run` builds and runs these; by itself this takes the cross build that is there. ARM64_KERNELS: which (6.1).
"""
import os
import pathlib
import shutil
import sys
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CROSS = ROOT / "build/arm64"
RESULTS = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", ROOT / "build/release")) / "results"
sys.path.insert(0, str(ROOT / "tests/kernels"))
import machine  # noqa: E402

KERNELS = os.environ.get("ARM64_KERNELS", "6.1").split()
MEMORY_MIB = 2048
MINUTES = 40
# What runs in the machine: a name, pytest's arguments. Of the daemon's tests those whose victims and tools are there.
SUITES = {
    "matching": ["test_matching.py"],
    "flow": ["test_flow.py", "-k", "who_stays or (less_of_a_kernel and connect) or out_of_scope or reports"],
    "modes": ["test_modes.py"],
}
GUEST = """export CRYPTNONO_BUILD=$PWD CRYPTNONO_BIN=$PWD/cryptnono CRYPTNONO_SLOW=10
./cryptnono doctor >/run/results/doctor 2>&1
echo "$?" >/run/results/doctor.status
cd tests
"""


def payload(directory):
    directory.mkdir()
    shutil.copy(CROSS / "image/cryptnono", directory / "cryptnono")
    shutil.copytree(CROSS / "victims", directory / "victims")
    shutil.copytree(ROOT / "tests/daemon", directory / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for each in (ROOT / "tests/arm64/guest").glob("*.py"):
        shutil.copy(each, directory / "tests")
    script = GUEST
    for name, arguments in SUITES.items():
        words = " ".join(f"'{word}'" for word in arguments)
        script += f"python3 -m pytest -q -rsP -p no:cacheprovider --junitxml /run/results/{name}.xml {words} >/run/results/{name}.log 2>&1\n"
    (directory / "guest").write_text(script)
    return directory


@pytest.fixture(scope="module", params=KERNELS)
def guest(request, tmp_path_factory):
    """A machine that has run everything, and ended."""
    if not (CROSS / "image/cryptnono").exists() or not (CROSS / "victims/round_modes").exists():
        pytest.skip("build/arm64 has not been built (tests/arm64/run)")
    try:
        emulator, kernel, disk = machine.emulator("arm64"), machine.kernel(request.param, "arm64"), machine.root_disk("arm64")
    except machine.NoMirror as error:
        pytest.skip(str(error))
    work = tmp_path_factory.mktemp("arm64")
    result = machine.run(emulator, kernel, disk, payload(work / "payload"), work / "machine", minutes=MINUTES, memory=MEMORY_MIB, arch="arm64")
    assert result.status is not None, f"it never came to its end:\n{result.console[-4000:]}\n{result.output}"
    RESULTS.mkdir(parents=True, exist_ok=True)
    for path in result.files.glob("*.xml"):
        shutil.copy(path, RESULTS / f"arm64-{request.param}-{path.name}")
    return result


def test_doctor_knows_of_no_lack(guest):
    said = (guest.files / "doctor").read_text()
    print(said)
    assert "tp_btf/sched_switch" in said  # where rounding modes are read; x86 has a hook of its own
    assert (guest.files / "doctor.status").read_text().strip() == "0", said


@pytest.mark.parametrize("suite", SUITES)
def test_suite(guest, suite):
    log = (guest.files / f"{suite}.log").read_text()
    print(log[-6000:])
    assert (guest.files / f"{suite}.xml").exists(), log
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for each in xml.etree.ElementTree.parse(guest.files / f"{suite}.xml").getroot().iter("testsuite"):
        for name in counts:
            counts[name] += int(each.get(name, 0))
    assert counts["failures"] == counts["errors"] == 0, log
    assert counts["tests"] > counts["skipped"], "nothing ran"
