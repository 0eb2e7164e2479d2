"""The tier of BPF LSM: what is banned is refused before it takes effect. One daemon for all of them.

Witness is the kernel's own trace: of a process whose exec was refused there is no sched_process_exec, and its execve returned EPERM.
"""
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

from conftest import B, BINARY, VICTIMS, Cgroup, Daemon, Spawner, storm

TRACING = pathlib.Path("/sys/kernel/tracing")
EVENTS = ["sched/sched_process_exec", "syscalls/sys_exit_execve", "syscalls/sys_exit_execveat"]
TELL = VICTIMS / "tell_argv"
REPORTED = "cryptnono.lsm.reported"
CONFIG = """bannedCommandStrings: [{B}]
allowedCommandPatterns: ['^/bin/echo lsm-allowed']
groups: [{{id: trial, action: report, bannedCommandStrings: [{REPORTED}]}}]
protect: {{executables: ['{protected}']}}
monero: {{enabled: false}}
tcpflowkiller: {{enabled: true, bans: ["192.0.2.1", "2001:db8::1"], scan: {{enabled: false}}}}
"""
_ports = itertools.count(18000 + os.getpid() % 100 * 10)


class Trace:
    """An instance of tracefs that watches execs."""

    def __init__(self):
        self.path = TRACING / f"instances/cryptnono-test-{os.getpid()}"
        self.path.mkdir()
        for event in EVENTS:
            (self.path / "events" / event / "enable").write_text("1")

    def of(self, pid):
        """Whether a new image took effect, and what execve returned."""
        lines = [line for line in (self.path / "trace").read_text().splitlines() if re.search(rf"-{pid}\s+\[", line)]
        codes = [int(line.rsplit("0x", 1)[1], 16) for line in lines if "-> 0x" in line]
        return any("sched_process_exec" in line for line in lines), [code - (1 << 64) if code >> 63 else code for code in codes]

    def forget(self):
        (self.path / "trace").write_text("")

    def remove(self):
        self.path.rmdir()


def why_not():
    said = subprocess.run([BINARY, "doctor"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"^(ok|not here) +execwhacker: refuse execs.*$", said, re.MULTILINE)
    if found[1] != "ok":
        return found[0]
    return None if (TRACING / "instances").is_dir() else "no tracefs"


@pytest.fixture(scope="module")
def lsm(tmp_path_factory):
    if reason := why_not():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("lsm")
    protected = directory / "protected-sh"
    shutil.copy(os.path.realpath("/bin/sh"), protected)
    config = directory / "config.yaml"
    config.write_text(CONFIG.format(B=B, REPORTED=REPORTED, protected=protected))
    cgroup = Cgroup()
    trace = Trace()
    port = next(_ports)
    one = Daemon(cgroup, ["--scope", str(cgroup.path), "--control-socket", str(directory / "control.sock"), "--canary-interval", "0", "--reveal",
                          "--metrics-listen", f"127.0.0.1:{port}", "-c", str(config)])
    one.port, one.trace, one.protected = port, trace, protected
    one.wait_for(action="ready", timeout=120)
    yield one
    one.process.terminate()
    one.process.wait(timeout=60)  # the machine is an emulated one
    one.stop()
    trace.remove()
    cgroup.remove()


@pytest.fixture
def spawn(lsm):
    spawner = Spawner(lsm.sandbox)
    yield spawner
    for child in spawner.running:
        if child.poll() is None:
            child.kill()
        child.wait()


@pytest.fixture
def refused(lsm, spawn):
    """Starts a banned program and proves that it never was one; its line."""
    def check(argv, timeout=60, **options):
        child = spawn.start(argv, **options)
        assert child.wait(timeout=timeout) == -9
        line = lsm.wait_for(action="killed", pid=child.pid, timeout=30)
        assert line["refused"] is True and line["in_kernel"] is True, line
        assert lsm.trace.of(child.pid) == (False, [-1]), "no new image, EPERM"
        return line
    return check


def test_status_and_metrics_say_so(lsm):
    numbers = lsm.metrics()
    assert numbers['cryptnono_lsm_active{detector="execwhacker"}'] == 1
    assert numbers['cryptnono_lsm_active{detector="tcpflowkiller"}'] == 1
    assert lsm.count(action="not-here") == 0


def test_the_line_is_that_of_the_base_tier(refused):
    line = refused(["/bin/echo", "a", B, "b"])
    assert line["cmdline"] == f"/bin/echo a {B} b" and line["exe"] == os.path.realpath("/bin/echo") and line["comm"] == "echo"
    assert line["matched"] == B and line["source"] == "execwhacker.bpf" and line["exec_to_signal_us"] > 0


@pytest.mark.parametrize("argv", [
    [B, "30"], ["sleep", B], ["sleep", "", "", B], ["sleep", *map(str, range(5000)), B], ["sleep", f"x{B} {B}y --a={B}"],
], ids=["argv0", "word", "empty", "many", "decoys"])
def test_wherever_it_stands(refused, argv):
    refused(argv, executable="/bin/sleep")


@pytest.mark.parametrize("size", [4000, 4096, 32768 - len(B), 32768, 128 * 1024 - 1 - len(B)])
def test_behind_many_bytes(refused, spawn, size):
    refused(["/bin/sleep", "x" * (size - 1), B])
    refused(["/bin/sleep", "x" * (size - 2) + " " + B])
    assert spawn(["/bin/true", "x" * (size - 1), "x" + B], timeout=60) == 0


def test_at_the_very_end_of_the_longest_command_line(lsm, refused, spawn):
    arguments = ["y" * 100_000] * ((os.sysconf("SC_ARG_MAX") - 4096) // 100_001 - 1)
    line = refused(["/bin/sleep", *arguments, B], env={})
    assert line["truncated"] and line["cmdline_bytes"] > 1_900_000
    assert spawn(["/bin/true", *arguments, B + "_"], env={}, timeout=60) == 0


def test_across_every_border_of_a_page(refused):
    """The strings end below the environment and the file name: one more byte there moves the word by one."""
    for shift in range(0, len(B) + 4, 3):
        refused(["/bin/sleep", B, "z" * 4060], env={"A": "e" * shift})


def test_a_script_and_its_interpreter(refused, spawn, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nsleep 30\n")
    script.chmod(0o755)
    line = refused([str(script), B])
    assert line["cmdline"].startswith(f"{script} ") and line["exe"] == os.path.realpath("/bin/sh") and line["comm"] == "script"
    named = tmp_path / f"{B}-x"
    shutil.copy(script, named)
    refused([str(named)])
    inner = tmp_path / "inner"
    inner.write_text(f"#!/bin/sh -{B}\n")
    inner.chmod(0o755)
    refused([str(inner)])
    script.write_text("#!/bin/sh\nexit 7\n")
    assert spawn([str(script), "x" + B]) == 7


def test_memfd_by_execveat(lsm):
    before = lsm.metrics()['cryptnono_lsm_refused_total{detector="execwhacker"}']
    counts = storm("-n", 20, "-m", argv=["victim", B], procs=lsm.sandbox.procs)
    assert (counts["killed"], counts["acts"]) == (20, 0)
    assert lsm.metrics()['cryptnono_lsm_refused_total{detector="execwhacker"}'] == before + 20


def test_32_bit_program(lsm):
    victim = VICTIMS / "first_act32"
    if not victim.exists() or subprocess.run([str(victim)], stdin=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("no 32-bit victim, or this kernel runs none")
    before = lsm.metrics()['cryptnono_lsm_refused_total{detector="execwhacker"}']
    assert storm("-n", 5, victim=victim, argv=["victim", B], procs=lsm.sandbox.procs)["killed"] == 5
    assert lsm.metrics()['cryptnono_lsm_refused_total{detector="execwhacker"}'] == before + 5


def test_a_thread_that_executes_takes_its_process_along(lsm, spawn):
    program = "import os, sys, threading, time\n" \
              "threading.Thread(target=lambda: os.execv('/bin/sleep', ['sleep', '30', sys.argv[1][1:]])).start()\ntime.sleep(30)"
    child = spawn.start([sys.executable, "-c", program, "x" + B])
    assert child.wait(timeout=30) == -9
    assert lsm.wait_for(action="killed", pid=child.pid)["refused"] is True


def test_arguments_rewritten_by_another_thread(lsm):
    done = subprocess.run([str(VICTIMS / "race_argv"), str(lsm.sandbox.procs), str(TELL), "x" + B, "400"], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr
    killed, lived, banned_lived = map(int, done.stdout.split())
    assert killed > 0 and lived > 0 and banned_lived == 0, done.stdout


def test_what_user_space_decides_and_what_is_only_reported_or_protected_is_let_through(lsm, spawn):
    assert spawn(["/bin/echo", "lsm-allowed", B]) == 0
    assert lsm.wait_for(action="spared")["allowedby"].startswith("allowed-pattern:")
    child = spawn.start(["/bin/echo", REPORTED])
    assert child.wait(timeout=30) == 0
    assert lsm.count(pid=child.pid) == 1 and lsm.wait_for(pid=child.pid)["action"] == "reported"
    # It is protected as what it becomes, not as what it is.
    child = spawn.start([str(lsm.protected), "-c", f": {B}"])
    assert child.wait(timeout=30) == 0
    child = spawn.start([str(lsm.protected), "-c", f'exec /bin/sleep 30 "$(echo {B})"'])
    assert child.wait(timeout=30) == -9
    assert lsm.wait_for(action="killed", pid=child.pid)["refused"] is True
    # Its line has the allowed pattern's literal: user space looks, and kills.
    child = spawn.start(["/bin/sleep", "30", "/bin/echo lsm-allowed", B])
    assert child.wait(timeout=30) == -9
    assert lsm.wait_for(action="killed", pid=child.pid)["in_kernel"] is False


def test_what_would_have_failed_later_dies_as_well(lsm, spawn, tmp_path):
    """A program of this machine that cannot be loaded: that shows only after the hook. What fails before is left alone."""
    broken = tmp_path / "broken"
    broken.write_bytes(pathlib.Path("/bin/true").read_bytes()[:64])
    broken.chmod(0o755)
    with pytest.raises(OSError):
        subprocess.Popen([str(broken), B])  # out of scope
    program = "import os, sys\ntry: os.execv(sys.argv[1], ['x', sys.argv[2][1:]])\nexcept OSError: sys.exit(7)"
    assert spawn([sys.executable, "-c", program, "/nonexistent", "x" + B]) == 7
    assert spawn([sys.executable, "-c", program, str(broken), "x" + B]) == -9


def test_honest_programs_live_and_each_could_be_read(lsm):
    before = lsm.metrics()
    counts = storm("-n", 200, "-w", 2, argv=["victim", "x" + B, "honest"], procs=lsm.sandbox.procs)
    assert (counts["killed"], counts["acts"]) == (0, 200)
    after = lsm.metrics()
    assert after['cryptnono_lsm_skipped_total{detector="execwhacker"}'] == before['cryptnono_lsm_skipped_total{detector="execwhacker"}']


def test_a_thousand_banned_ones_and_no_new_image(lsm):
    lsm.trace.forget()
    counts = storm("-n", 1000, "-w", 2, argv=["victim", B], procs=lsm.sandbox.procs)
    assert (counts["killed"], counts["acts"]) == (1000, 0)
    trace = (lsm.trace.path / "trace").read_text()
    assert not re.search(r"sched_process_exec:.*first_act", trace)
    assert trace.count("-> 0xffffffffffffffff") == 1000


CONNECT = """import socket, sys
family, kind, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with socket.socket(family, kind) as one:
    one.settimeout(0.3)
    try: one.connect((address, 80))
    except OSError as error: sys.exit(1 if error.errno == 1 else 0)
"""


@pytest.mark.parametrize("family,kind,address", [(2, 1, "192.0.2.1"), (2, 2, "192.0.2.1"), (10, 1, "2001:db8::1"), (10, 1, "::ffff:192.0.2.1")],
                         ids=["tcp", "udp", "tcp6", "mapped"])
def test_a_banned_connect_dies_in_the_kernel_and_is_told_once(lsm, spawn, family, kind, address):
    before = lsm.metrics()
    child = spawn.start([sys.executable, "-c", CONNECT, str(family), str(kind), address])
    assert child.wait(timeout=30) == -9
    line = lsm.wait_for(action="killed", pid=child.pid, detector="tcpflowkiller")
    assert line["in_kernel"] is True and line["refused"] is True and line["reason"] == "banned-ip", line
    assert line["protocol"] == ("udp" if kind == 2 else "tcp") and line["port"] == 80
    assert lsm.count(pid=child.pid) == 1
    after = lsm.metrics()
    for name in ('cryptnono_lsm_refused_total{detector="tcpflowkiller"}', 'cryptnono_processes_killed_total{detector="tcpflowkiller"}'):
        assert after[name] == before[name] + 1
    other = "192.0.2.2" if family == 2 else "2001:db8::2"
    assert spawn([sys.executable, "-c", CONNECT, str(family), str(kind), other], timeout=30) == 0


def test_nothing_was_counted_or_told_twice(lsm):
    time.sleep(0.5)
    lines = [line["pid"] for line in lsm.drain() if line.get("action") == "killed"]
    assert len(lines) == len(set(lines))
    numbers = lsm.metrics()
    assert numbers['cryptnono_processes_killed_total{detector="execwhacker"}'] + numbers[
        'cryptnono_processes_killed_total{detector="tcpflowkiller"}'] == len(lines)
