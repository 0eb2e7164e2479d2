"""The table of guests (guests.yaml), their machines, and what came of them.

A guest has
  name      of its tests and of its directory below build/kernels/results
  kernel    of machine.SUITES
  cgroups   v2, v1 or hybrid: what is mounted
  append    for the kernel's command line
  btf       false: boots the kernel as an ELF without BTF (without_btf)
  tests     names of `sets`, which are lists of pytest's names of tests
  more      the same, with CRYPTNONO_MORE=1 alone
  doctor    {status: what `doctor` exits with, says: [texts that it must have], reason: why that is right}; status 0 if it is not there
  run       the same of `run`, which is then tried without tests; the daemon must have ended by itself
  demo      the same of `demo`, without the miners, whose start takes long there; test_randomx.py has them
  minutes   after which the machine is ended
CRYPTNONO_GUESTS=NAME,NAME runs these alone, which is told. CRYPTNONO_SLOW=N: how much slower than a machine of today the emulated one is.
"""
import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET

import machine
import yaml

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", machine.ROOT / "build/release")).resolve()
RESULTS = machine.STORE / "results"
SLOW = os.environ.get("CRYPTNONO_SLOW", "10")
AT_ONCE = 2
MORE = os.environ.get("CRYPTNONO_MORE") == "1"
KEYS = {"name", "kernel", "cgroups", "append", "btf", "tests", "more", "doctor", "run", "demo", "minutes"}


@dataclasses.dataclass
class Guest:
    name: str
    kernel: str
    cgroups: str = "v2"
    append: str = ""
    btf: bool = True
    tests: list = dataclasses.field(default_factory=list)  # pytest's names
    absent: list = dataclasses.field(default_factory=list)  # modules that are in the table, and not there
    doctor: dict = dataclasses.field(default_factory=dict)
    run: dict | None = None
    demo: dict | None = None
    minutes: float = 60 if MORE else 35

    @property
    def files(self):
        return RESULTS / self.name / "results"

    def said(self, name):
        """A file that it left; empty if it did not."""
        path = self.files / name
        return path.read_text(errors="replace") if path.exists() else ""

    def status(self, name):
        text = self.said(f"{name}.status").strip()
        return int(text) if text else None

    @property
    def console(self):
        path = RESULTS / self.name / "console"
        return path.read_text(errors="replace") if path.exists() else "it was never started"

    @property
    def series(self):
        """Such as 6.1; what the comparisons with recorded figures go by. Empty if it never came so far."""
        return ".".join(self.said("release").split("-")[0].split(".")[:2])

    def cases(self):
        """{name: (outcome, words)} of the tests that ran; outcome is passed, failed or skipped."""
        text = self.said("junit.xml")
        out = {}
        for case in ET.fromstring(text).iter("testcase") if text else ():
            if not case.get("classname"):
                continue  # where the tests were ended: not done in time
            name = f"{case.get('classname').replace('.', '/')}.py::{case.get('name')}"
            outcome, words = "passed", ""
            for kind in ("failure", "error", "skipped"):
                if (found := case.find(kind)) is not None and outcome != "failed":
                    outcome = "skipped" if kind == "skipped" else "failed"
                    words = (found.text or found.get("message") or "") if outcome == "failed" else (found.get("message") or "")
            words += "".join(each.text or "" for each in case.iter("system-out"))
            # A test that fails both in itself and in its teardown is two cases of one name.
            if out.get(name, ("passed",))[0] != "failed":
                out[name] = (outcome, words)
        return out


def table(path=HERE / "guests.yaml"):
    """All guests. ValueError: the table is wrong."""
    data = yaml.safe_load(path.read_text())
    guests = []
    for entry in data["guests"]:
        if unknown := set(entry) - KEYS:
            raise ValueError(f"{entry.get('name')}: unknown keys {sorted(unknown)}")
        more = entry.pop("more", [])
        guest = Guest(**entry)
        if guest.kernel not in machine.SUITES or guest.cgroups not in ("v2", "v1", "hybrid"):
            raise ValueError(f"{guest.name}: no such kernel or cgroups")
        wanted = list(dict.fromkeys(test for name in guest.tests + (more if MORE else []) for test in data["sets"][name]))
        there = {test: (machine.ROOT / "tests/daemon" / test.split("::")[0]).exists() for test in wanted}
        guest.tests = [test for test in wanted if there[test]]
        guest.absent = sorted({test.split("::")[0] for test in wanted if not there[test]})
        guests.append(guest)
    if len({guest.name for guest in guests}) != len(guests):
        raise ValueError("two guests of one name")
    return guests


def chosen():
    """Those that are to run; all, unless somebody asked for less."""
    guests = table()
    names = [name for name in os.environ.get("CRYPTNONO_GUESTS", "").replace(",", " ").split() if name]
    if unknown := set(names) - {guest.name for guest in guests}:
        raise ValueError(f"CRYPTNONO_GUESTS: no such guests: {sorted(unknown)}")
    return [guest for guest in guests if not names or guest.name in names]


def settings(guest):
    return (f"BTF={'yes' if guest.btf else 'no'}\nRUN={'yes' if guest.run else 'no'}\nDEMO={'yes' if guest.demo else 'no'}\nSLOW={SLOW}\n"
            f"LIMIT={int(guest.minutes * 60 * 0.8)}\n")


def start(guest, emulator, kernel, disk, payload):
    """Runs its machine to the end; what it left is in guest.files."""
    work = RESULTS / guest.name
    with tempfile.TemporaryDirectory(prefix="guest-", dir=machine.STORE) as directory:
        own = pathlib.Path(directory) / "payload"
        shutil.copytree(payload, own, symlinks=True)
        (own / "settings").write_text(settings(guest))
        (own / "selection").write_text("".join(f"{test}\n" for test in guest.tests))
        image = None
        if not guest.btf:
            image = pathlib.Path(directory) / "vmlinux"
            subprocess.run([HERE / "without_btf", kernel / "vmlinuz", image], check=True)
        return machine.run(emulator, kernel, disk, own, work, f"cgroups={guest.cgroups} {guest.append}", guest.minutes, image=image)


def fetch(guests):
    """(the emulator, {name: directory} of the guests' kernels, their root disk). Errors: those of machine.fetch."""
    names = list(dict.fromkeys(guest.kernel for guest in guests))
    with concurrent.futures.ThreadPoolExecutor() as pool:  # each has a directory, and an apt, of its own
        disk, emulator = pool.submit(machine.root_disk), pool.submit(machine.emulator)
        return emulator.result(), dict(zip(names, pool.map(machine.kernel, names))), disk.result()


def run(guests, emulator, kernels, disk):
    """Runs the guests, some at a time, and tells on stderr how it goes. OSError or CalledProcessError: a machine cannot be made."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    lock = threading.Lock()
    begin = time.monotonic()

    def say(guest, words):
        with lock:
            print(f"[{time.monotonic() - begin:4.0f} s] {guest.name}: {words}", file=sys.stderr, flush=True)

    def one(guest):
        say(guest, "starts")
        since = time.monotonic()
        try:
            result = start(guest, emulator, kernels[guest.kernel], disk, payload)
            if result.status is None and "GUEST" not in result.console:
                # A kernel that panics over a timer of the emulated machine, on a busy one: nothing of ours has run yet.
                say(guest, "did not come up, starts again: " + " ".join(result.console.split()[-30:]))
                result = start(guest, emulator, kernels[guest.kernel], disk, payload)
        except (OSError, subprocess.CalledProcessError) as error:  # costs this guest alone, which then fails
            say(guest, f"could not be started: {error}")
            return
        took = time.monotonic() - since
        (RESULTS / guest.name / "seconds").write_text(f"{took:.0f}\n")
        outcomes = [outcome for outcome, _ in guest.cases().values()]
        counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in ("passed", "failed", "skipped"))
        say(guest, ("did not come to its end" if result.status is None else counts) + f", {took:.0f} s")

    with tempfile.TemporaryDirectory(prefix="guests-", dir=machine.STORE) as directory:
        payload = pathlib.Path(directory)
        machine.fill_payload(payload, BUILD)
        shutil.copy(HERE / "guest", payload)
        # An object that old kernels must refuse, see there.
        subprocess.run(["clang", "--target=bpf", "-O2", "-g", "-I", f"/usr/include/{os.uname().machine}-linux-gnu", "-c", HERE / "newer_field.bpf.c",
                        "-o", payload / "newer_field.bpf.o"], check=True)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(one, guest) for guest in guests]:
                done.result()
