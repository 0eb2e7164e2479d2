"""Whoever attacks the daemon itself, or looks out for it. Names begin with rows of the list of threats.

Of E32, who mines only while nobody looks is in test_randomx.py: E19.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from conftest import B, cgroup1
from network import Network
from test_flow import ACT, BANS, dies
from test_randomx import EMPTY, MINER, death_s, start

BANNED = ["sh", "-c", f"sleep 30; : {B}"]


@contextlib.contextmanager
def starved(pid):
    """As little CPU as a cgroup can be given, and others that want all of it."""
    mount = cgroup1("cpu")
    if not mount:
        pytest.skip("the controller cpu is in no hierarchy of cgroup v1")
    group = mount / f"cryptnono-test-{os.getpid()}-starved"
    group.mkdir()
    hogs = []
    try:
        (group / "cpu.shares").write_text("2")
        with contextlib.suppress(FileNotFoundError):  # with CONFIG_RT_GROUP_SCHED a group has no real-time threads without it
            (group / "cpu.rt_runtime_us").write_text("100000")
        (group / "cgroup.procs").write_text(str(pid))
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * os.cpu_count())]
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
        for thread in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(thread)
        group.rmdir()


def test_E31_a_stopped_daemon_protects(daemon, spawn):
    """The rules are the kernel's: nobody has to run for them. What happened is told afterwards."""
    network = Network()
    try:
        network.listen(80)
        watched = daemon(BANS.replace("bannedCommandStrings: []", f"bannedCommandStrings: [{B}]"))
        watched.process.send_signal(signal.SIGSTOP)
        assert spawn(BANNED) == -9
        network.sniff()
        connect = spawn.start(network.client([ACT, "connect", "192.0.2.1", 80]), stdout=subprocess.PIPE)
        assert dies((connect.wait(timeout=10), connect.stdout.read().decode()))
        assert network.arrived("192.0.2.1") == 0
        watched.process.send_signal(signal.SIGCONT)
        assert B in watched.wait_for(action="killed", detector="execwhacker")["cmdline"]
        watched.wait_for(action="killed", detector="tcpflowkiller")
    finally:
        network.close()


def test_E31_a_starved_daemon_protects(daemon, spawn):
    watched = daemon(f"bannedCommandStrings: [{B}]\n")
    with starved(watched.process.pid):
        assert [spawn(BANNED) for _ in range(20)] == [-9] * 20
        # What user space decides it decides at real-time priority.
        child, begin = start(spawn, [MINER, "20"])
        print(f"RandomX died after {death_s(child, begin):.2f} s")
    watched.wait_for(action="killed", detector="monero")


def test_E31_what_began_while_it_was_dead_dies_at_its_next_start(daemon, spawn):
    """Its hooks go with it, for nothing is pinned; so it must start quickly, and look round."""
    first = daemon(f"bannedCommandStrings: [{B}]\n")
    first.process.kill()
    first.stop(expect=-9)
    survivors = [spawn.start(BANNED), spawn.start([MINER, "20"])]
    time.sleep(0.3)
    assert [child.poll() for child in survivors] == [None, None]
    daemon(f"bannedCommandStrings: [{B}]\n")
    begin = time.monotonic()
    assert [child.wait(timeout=10) for child in survivors] == [-9, -9]
    print(f"both died {time.monotonic() - begin:.2f} s after the start")


# Hashes only as long as it sees none of its enemies: as a miner would that knows the daemon's name.
WARY = r"""
import ctypes, os, pathlib, subprocess, sys, time
def seen():
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if "cryptnono" in comm.read_text() or b"cryptnono" in (comm.parent / "cmdline").read_bytes().split(b"\0")[0]:
                return comm.read_text().strip()
        except OSError:
            pass
name = seen()
if name:
    print("sees", name, flush=True)
    sys.exit(3)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_E32_who_looks_for_the_daemon_from_a_container_does_not_see_it(daemon, spawn):
    watched = daemon(EMPTY)
    miner = [sys.executable, "-c", WARY, MINER, "20"]
    # On the node it is seen, and nothing is mined.
    node = spawn.start(miner, stdout=subprocess.PIPE)
    assert node.wait(timeout=10) == 3 and b"cryptnono" in node.stdout.read()
    # A container has a pid namespace of its own; in there is nothing to be seen of daemon or canaries.
    inside = spawn.start(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *miner], stdout=subprocess.PIPE)
    begin = inside.stdout.readline().split()
    assert begin[:1] == [b"hashing"], begin
    line = watched.wait_for(action="killed", detector="monero")
    assert line["exe"] == MINER
    inside.wait(timeout=10)
