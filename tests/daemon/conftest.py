"""Fixtures of the daemon's tests: a sandbox cgroup, the real daemon scoped to it, and children that run in it.

Nothing here can start a daemon without a scope.
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time
import urllib.request

import pytest

BUILD = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", "build/release"))
BINARY = os.environ.get("CRYPTNONO_BIN", str(BUILD / "bin" / "cryptnono"))
VICTIMS = BUILD / "victims"
B = "cryptnono.banned.string1"  # the embedded default's test string
# How much slower than a machine of today this one is, such as an emulated one (tests/kernels): all time-outs grow by it.
SLOW = float(os.environ.get("CRYPTNONO_SLOW", "1"))

_numbers = itertools.count()
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])  # of those that share the tests, see CMakeLists.txt
_ports = itertools.count(15000 + WORKER * 2000 + os.getpid() % 100 * 20)


# Modules whose tests share what takes long to set up. Those of the others go to whichever worker is free.
TOGETHER = {"test_docker", "test_engines", "test_metrics", "test_monitoring", "test_page", "test_protection"}


def pytest_sessionstart():
    """What tests that were killed have left: their cgroups, named after their pids. The kernel removes only empty ones."""
    for path in pathlib.Path("/sys/fs/cgroup").glob("*/cryptnono-test-*"):
        if not os.path.exists(f"/proc/{path.name.split('-')[2]}"):
            for directory, _, _ in os.walk(path, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.module.__name__ in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
    reason = None
    if os.geteuid() != 0:
        reason = "needs root to load BPF programs"
    elif not os.path.exists("/sys/kernel/btf/vmlinux"):
        reason = "the kernel has no BTF"
    elif not cgroup_root():
        reason = "no cgroups are mounted"
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """The last lines of its daemons, beside why a test failed."""
    report = (yield).get_result()
    start = getattr(item, "funcargs", {}).get("daemon")
    if report.failed and start is not None:
        for one in start.running:
            report.sections.append(("Captured stdout: the daemon's last lines", "\n".join(map(json.dumps, one.lines[-20:])) + "\n"))


def cgroup2():
    with open("/proc/mounts") as mounts:
        return next((line.split()[1] for line in mounts if line.split()[2] == "cgroup2"), None)


def cgroup_root():
    """Of the hierarchy in which tests make their cgroups: v2, or where there is none, a hierarchy of v1. None: there is neither."""
    return cgroup2() or cgroup1("pids") or cgroup1("freezer")


def cgroup1(controller):
    """Where the hierarchy of this controller is mounted; None if it is in none of v1."""
    with open("/proc/mounts") as mounts:
        return next((pathlib.Path(line.split()[1]) for line in mounts
                     if line.split()[2] == "cgroup" and controller in line.split()[3].split(",")), None)


def wait_until(condition, timeout=15):
    """The first true value of it."""
    deadline = time.monotonic() + timeout * SLOW
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Cgroup:
    """A cgroup directory; everything in it is killed and it is removed at the end."""

    def __init__(self):
        self.path = pathlib.Path(cgroup_root()) / f"cryptnono-test-{os.getpid()}-{next(_numbers)}"
        self.path.mkdir()
        self.procs = self.path / "cgroup.procs"

    def pids(self):
        return [int(pid) for pid in self.procs.read_text().split()]

    def remove(self):
        for _ in range(200):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.02)
        raise AssertionError(f"cannot remove {self.path}")


def held_ids(pid, kind):
    """Ids of the BPF programs ("prog"), maps ("map") or links ("link") that a process holds."""
    held = set()
    for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            held.update(int(n) for n in re.findall(rf"^{kind}_id:\s*(\d+)", path.read_text(), re.M))
    return held


class Daemon:
    def __init__(self, sandbox, arguments, stdout=subprocess.PIPE, through=()):
        assert any(a == "--scope" for a in arguments), "a daemon without a scope could kill anything"
        self.process = subprocess.Popen([*through, BINARY, "run", *arguments], stdout=stdout, stderr=subprocess.PIPE,
                                        text=True, preexec_fn=die_with_parent)
        self.sandbox = sandbox
        self.lines = []
        self._queue = queue.Queue()
        self.port = None
        if stdout == subprocess.PIPE:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def wait_for(self, timeout=10, **fields):
        """The first line, old or new, with these fields."""
        deadline = time.monotonic() + timeout * SLOW
        seen = 0
        while True:
            for line in self.lines[seen:]:
                if all(line.get(k) == v for k, v in fields.items()):
                    return line
            seen = len(self.lines)
            left = deadline - time.monotonic()
            try:
                line = self._queue.get(timeout=max(left, 0.01))
            except queue.Empty:
                line = False
            if not line:
                stderr = self.process.stderr.read() if self.process.poll() is not None else ""
                raise AssertionError(f"no line with {fields} in {self.lines[-5:]} {stderr}")
            self.lines.append(line)

    def drain(self, seconds=0.6):
        """Everything logged until nothing comes for a while."""
        while True:
            try:
                line = self._queue.get(timeout=seconds * SLOW ** 0.5)  # a silence, which is always waited for
            except queue.Empty:
                return self.lines
            if line is None:
                return self.lines
            self.lines.append(line)

    def count(self, **fields):
        return sum(all(line.get(k) == v for k, v in fields.items()) for line in self.drain())

    def metrics(self):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5 * SLOW).read().decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in text.splitlines() if line and not line.startswith("#")}

    def wait_until_up(self, timeout=20):
        """For who does not read its log."""
        deadline = time.monotonic() + timeout * SLOW
        while True:
            with contextlib.suppress(OSError):
                if self.metrics()['cryptnono_detector_up{detector="execwhacker"}'] == 1:
                    return
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return {k: int(v.split()[0]) for k, v in (line.split(":") for line in status.splitlines() if line.startswith("Rss"))}

    def stop(self, expect=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=10 * SLOW)
        stderr = self.process.stderr.read()
        assert expect is None or code == expect, stderr
        assert "Sanitizer" not in stderr, stderr
        return code


@pytest.fixture
def sandbox():
    cgroup = Cgroup()
    yield cgroup
    cgroup.remove()


@pytest.fixture
def daemon(sandbox, tmp_path):
    """Starts a daemon scoped to the sandbox. config: YAML text, a list of files, or nothing for the embedded default.
    `canaries`: seconds between them, 0 for none, None for what the configuration says. `reveal`: its lines show what was
    banned, and not only the rules' ids, unless this is False."""
    running = []

    def start(config=None, arguments=(), scope=None, ready=True, stdout=subprocess.PIPE, metrics=False, through=(),
              socket=None, canaries=0, reveal=True):
        files = []
        if isinstance(config, str):
            path = tmp_path / f"config{len(running)}.yaml"
            path.write_text(config)
            files = [str(path)]
        elif config:
            files = [str(path) for path in config]
        if socket is None:  # several daemons run at once
            socket = tmp_path / f"control{len(running)}.sock"
        command = ["--scope", str(scope or sandbox.path), "--control-socket", str(socket), *arguments]
        if reveal:
            command += ["--reveal"]
        if canaries is not None:
            command += ["--canary-interval", str(canaries)]
        port = next(_ports) if metrics else None
        if metrics:
            command += ["--metrics-listen", f"127.0.0.1:{port}"]
        for path in files:
            command += ["-c", path]
        one = Daemon(sandbox, command, stdout, through)
        one.port = port
        one.socket = socket
        one.files = [pathlib.Path(path) for path in files]
        running.append(one)
        if ready:
            one.wait_for(action="ready", timeout=60)
        return one

    start.running = running
    yield start
    for one in running:
        one.stop(expect=0 if one.process.returncode is None else None)


def own_containerd(directory, procs=None):
    """A containerd with its image and the cgroup of its pods; its own processes are in that of `procs`. A generator, for fixtures."""
    import containerd as runtime  # which uses this file
    if reason := runtime.missing():
        pytest.skip(reason)
    one = runtime.Containerd(directory, {"pause": VICTIMS / "pause_static", "tell": VICTIMS / "tell_argv"}, procs)
    os.makedirs(f"{cgroup2()}/{one.cgroup}", exist_ok=True)
    yield one
    one.close()


@pytest.fixture(scope="module")
def containerd(tmp_path_factory):
    yield from own_containerd(tmp_path_factory.mktemp("containerd"))


class Spawner:
    """Runs commands in the sandbox. The child joins the cgroup before it executes anything."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.running = []

    def start(self, argv, executable=None, uid=None, join=True, **options):
        def prepare():
            die_with_parent()
            if join:
                fd = os.open(str(self.sandbox.procs), os.O_WRONLY)
                os.write(fd, b"0")
                os.close(fd)
            if uid is not None:
                os.setgid(uid)
                os.setuid(uid)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        child = subprocess.Popen(argv, executable=executable, preexec_fn=prepare, **options)
        self.running.append(child)
        return child

    def __call__(self, argv, timeout=10, **options):
        """Runs to the end; the return code, -9 if it was killed."""
        return self.start(argv, **options).wait(timeout=timeout * SLOW)


@pytest.fixture
def spawn(sandbox):
    spawner = Spawner(sandbox)
    yield spawner
    for child in spawner.running:
        if child.poll() is None:
            child.kill()
        child.wait()


def storm(*arguments, victim=VICTIMS / "first_act", argv=("victim",), procs=None):
    """Runs exec_storm with options, the victim and its argv; its counts. Its own command line is innocent: see -x there."""
    command = [str(VICTIMS / "exec_storm"), "-x"]
    if procs:
        command += ["-c", str(procs)]
    command += [str(a) for a in arguments] + [str(victim)] + ["x" + str(a) for a in argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300 * SLOW)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return json.loads(done.stdout)
