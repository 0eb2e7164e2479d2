"""The guard: what somebody with root in a container is kept from. Containers are a process of the sandbox with a mount namespace of its own."""
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

import pins
from conftest import B, BINARY, held_ids, wait_until
from test_pins import directory  # noqa: F401 (a fixture)

CONFIG = f"""bannedCommandStrings: [{B}]
monero: {{enabled: false}}
tcpflowkiller: {{enabled: true, bans: ["192.0.2.1"], scan: {{enabled: false}}}}
"""
BPF_IDS = {"map": 14, "prog": 13, "link": 30}  # BPF_MAP_GET_FD_BY_ID and so on
# Acts, one a line of what it reads, and says what came of each: "ok" or the error's number.
HANDS = """
import ctypes, fcntl, os, resource, signal, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result < 0: raise OSError(ctypes.get_errno(), "")
    return result
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\\0"), 128)
    return call(libc.syscall({bpf}, command, buffer, 128))
def attach(pid):
    call(libc.ptrace(16, pid, 0, 0))
    os.waitpid(pid, 0)
    call(libc.ptrace(17, pid, 0, 0))
def by_descriptor(pid):
    "A pipe that is written to sends the signal."
    out, into = os.pipe()
    fcntl.fcntl(out, fcntl.F_SETOWN, pid)
    fcntl.fcntl(out, 10, signal.SIGTERM)  # F_SETSIG
    fcntl.fcntl(out, fcntl.F_SETFL, fcntl.fcntl(out, fcntl.F_GETFL) | os.O_ASYNC)
    os.write(into, b"x")
def pin(fd, path):
    text = ctypes.create_string_buffer(path.encode())
    bpf(6, struct.pack("=QII", ctypes.addressof(text), fd, 0))
def get(path):
    text = ctypes.create_string_buffer(path.encode())
    return bpf(7, struct.pack("=QII", ctypes.addressof(text), 0, 0))
def detach(path):
    bpf(34, struct.pack("=I", get(path)))  # BPF_LINK_DETACH
def array():
    return bpf(0, struct.pack("=IIII", 2, 4, 8, 1))
print("here", flush=True)
for line in sys.stdin:
    try:
        eval(line)
        print("ok", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


def why_not():
    said = subprocess.run([BINARY, "doctor"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"^(ok|not here) +guard: .*$", said, re.MULTILINE)
    return None if found[1] == "ok" else found[0]


@pytest.fixture(scope="module", autouse=True)
def lsm():
    if reason := why_not():
        pytest.skip(reason)
    # Until 5.10 maps count as locked memory, those of all of root's processes together.
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    yield
    resource.setrlimit(resource.RLIMIT_MEMLOCK, before)


@pytest.fixture
def guarded(directory, daemon):  # noqa: F811
    def start(enabled="true", more="", **options):
        text = f"{CONFIG}pins: {{directory: {directory}{more}}}\nguard: {{enabled: {enabled}}}\n"
        return daemon(text, metrics=True, **options)
    return start


class Hands:
    def __init__(self, spawn, mounts=True, join=True):
        argv = [sys.executable, "-u", "-c", HANDS.format(bpf=pins.BPF)]
        self.process = spawn.start(["unshare", "-m", *argv] if mounts else argv, join=join, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "here\n"

    def __call__(self, act):
        self.process.stdin.write(act + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().strip()
        return said if said == "ok" else int(said)


@pytest.fixture
def hands(spawn):
    return Hands(spawn)


def count(daemon, target):
    return daemon.metrics()[f'cryptnono_guard_refused_total{{target="{target}"}}']


def lives(daemon):
    time.sleep(0.2)
    return daemon.process.poll() is None


def test_its_process(guarded, hands):
    d = guarded()
    pid = d.process.pid
    assert d.metrics()["cryptnono_guard_active"] == 1
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGHUP):
        assert hands(f"os.kill({pid}, {number})") == 1
    assert hands(f"os.kill({pid}, 0)") == "ok"
    assert hands(f"signal.pidfd_send_signal(os.pidfd_open({pid}), 9)") == 1
    assert hands(f"attach({pid})") == 1
    assert hands(f"open('/proc/{pid}/mem', 'r+b')") in (1, 13)
    assert hands(f"resource.prlimit({pid}, resource.RLIMIT_CPU, (1, 1))") == 1
    assert hands(f"os.sched_setaffinity({pid}, [0])") == 1
    assert hands(f"open('/proc/{pid}/status').read()") == "ok"
    assert lives(d)
    assert count(d, "process") >= 8
    # Nobody hears of it: the write succeeds.
    before = count(d, "process")
    assert hands(f"by_descriptor({pid})") == "ok"
    assert lives(d) and count(d, "process") == before + 1


def test_another_process_is_no_business_of_its(guarded, hands, spawn):
    guarded()
    other = spawn.start(["sleep", "60"])
    assert hands(f"attach({other.pid})") == "ok"
    assert hands(f"os.kill({other.pid}, 9)") == "ok"
    assert other.wait(timeout=10) == -9


def test_its_objects_and_nobody_elses(guarded, hands, directory):  # noqa: F811
    d = guarded()
    for kind, command in BPF_IDS.items():
        ids = held_ids(d.process.pid, kind)
        assert len(ids) > 3
        for each in ids:
            assert hands(f"bpf({command}, struct.pack('=I', {each}))") == 1, (kind, each)
    assert count(d, "object") >= 10
    [epoch] = pins.epochs(directory)
    assert hands(f"get('{epoch}/about')") == 1
    assert hands(f"get('{directory}/active')") == 1
    # A link of a tracepoint cannot be detached at all, and that of a cgroup is.
    links = [name for name in pins.links(directory) if "connect" in name]
    if links:  # where cgroup v2 is
        assert hands(f"detach('{epoch}/{links[0]}')") == 1
    assert hands("array()") == "ok"
    path = directory.parent / "foreign"
    pins.array(path, 8)
    assert hands(f"get('{path}')") == "ok"


def test_with_its_usual_tool(guarded, spawn, directory, sandbox):  # noqa: F811
    if not shutil.which("bpftool"):
        pytest.skip("no bpftool")
    d = guarded()
    path = directory.parent / "foreign"
    pins.array(path, 8)

    def bpftool(*arguments):
        return spawn(["unshare", "-m", "bpftool", *map(str, arguments)], timeout=30)
    assert bpftool("map", "dump", "pinned", path) == 0
    for each in held_ids(d.process.pid, "map"):
        assert bpftool("map", "dump", "id", each) != 0
    for each in held_ids(d.process.pid, "prog"):
        assert bpftool("prog", "dump", "xlated", "id", each) != 0
    for each in held_ids(d.process.pid, "link"):
        assert bpftool("link", "detach", "id", each) != 0


def test_rules_of_a_reload_are_its_own_too(guarded, hands):
    d = guarded()
    before = held_ids(d.process.pid, "map")
    path = d.files[0]
    path.write_text(path.read_text().replace("192.0.2.1", "192.0.2.2").replace(B, B + ", another.banned.string"))
    d.wait_for(action="reloaded", timeout=30)
    new = held_ids(d.process.pid, "map") - before
    assert new
    for each in new:
        assert hands(f"bpf(14, struct.pack('=I', {each}))") == 1


def test_its_pins(guarded, hands, directory):  # noqa: F811
    d = guarded()
    [epoch] = pins.epochs(directory)
    link = epoch / pins.links(directory)[0]
    assert any("guard" in name for name in pins.links(directory))
    for act in (f"os.unlink('{link}')", f"os.unlink('{directory}/active')", f"os.rename('{link}', '{link}x')", f"os.rename('{directory}', '{directory}x')",
                f"os.rename('{epoch}', '{directory.parent}/x')", f"os.mkdir('{directory}/x')", f"os.symlink('x', '{directory}/x')",
                f"pin(array(), '{directory}/x')", f"pin(array(), '{epoch}/map-x')"):
        assert hands(act) == 1, act
    assert count(d, "pin") >= 9
    assert link.exists() and len(pins.epochs(directory)) == 1
    assert hands(f"os.mkdir('{directory.parent}/other')") == "ok"
    assert hands(f"os.rmdir('{directory.parent}/other')") == "ok"


def test_pins_are_guarded_while_nobody_is_there_and_a_successor_takes_over(guarded, hands, directory):  # noqa: F811
    d = guarded()
    pid = d.process.pid
    ids = held_ids(pid, "map")
    d.process.kill()
    d.process.wait(timeout=10)
    [epoch] = pins.epochs(directory)
    links = len(pins.links(directory))
    assert hands(f"os.unlink('{epoch}/{pins.links(directory)[0]}')") == 1
    said = [hands(f"bpf(14, struct.pack('=I', {each}))") for each in ids]
    assert set(said) <= {1, 2} and said.count(1) > 3, said  # 2: it is gone, a moment after the process
    second = guarded()
    assert second.wait_for(action="taken-over")["links"] == links
    assert hands(f"os.kill({second.process.pid}, 9)") == 1
    assert lives(second)


@pytest.mark.parametrize("mounts,join", [(False, True), (True, False)], ids=["node's mounts", "out of scope"])
def test_the_node_may(guarded, spawn, directory, mounts, join):  # noqa: F811
    d = guarded()
    hands = Hands(spawn, mounts, join)
    some = min(held_ids(d.process.pid, "map"))
    assert hands(f"bpf(14, struct.pack('=I', {some}))") == "ok"
    assert hands(f"os.mkdir('{directory}/x')") == "ok"
    assert hands(f"os.rmdir('{directory}/x')") == "ok"
    assert hands(f"attach({d.process.pid})") == "ok"
    assert hands(f"os.kill({d.process.pid}, 9)") == "ok"
    assert d.process.wait(timeout=10) == -9


def test_a_daemon_that_is_in_its_own_scope_is_guarded_from_known_containers_only(guarded, hands, sandbox):
    """As a service of systemd is, of which a successor has a mount namespace of its own too."""
    def through(wrapper):
        return ["sh", "-c", f'echo $$ >{sandbox.procs}; exec {wrapper} "$@"', "sh"]
    d = guarded(through=through(""))
    assert d.metrics()["cryptnono_guard_active"] == 1
    assert hands(f"os.kill({d.process.pid}, 9)") == "ok"
    d.process.wait(timeout=10)
    second = guarded(through=through("unshare -m"))
    second.wait_for(action="taken-over")
    assert second.metrics()["cryptnono_pinned"] == 1


def test_without_pins(daemon, hands):
    d = daemon(CONFIG + "guard: {enabled: true}\n", metrics=True)
    assert hands(f"os.kill({d.process.pid}, 9)") == 1
    for each in held_ids(d.process.pid, "map"):
        assert hands(f"bpf(14, struct.pack('=I', {each}))") == 1
    assert lives(d)


def test_off_is_the_default(daemon, hands):
    d = daemon(CONFIG, metrics=True)
    assert d.metrics()["cryptnono_guard_active"] == 0
    some = min(held_ids(d.process.pid, "map"))
    assert hands(f"bpf(14, struct.pack('=I', {some}))") == "ok"
    assert hands(f"os.kill({d.process.pid}, 9)") == "ok"
    assert d.process.wait(timeout=10) == -9


def test_an_orderly_stop_leaves_nothing(guarded, directory):  # noqa: F811
    guarded().stop()
    wait_until(lambda: not directory.exists())
