"""Sealed rules in a running daemon, and who can see what it knows: neither its memory, nor a core dump, nor a file has it."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import BINARY, wait_until

WORD = "wxyz-quite-secret-pool"
VICTIM = ["sh", "-c", f"sleep 30; : {WORD}"]
NOBODY = 65534

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("age", "age-keygen"))), reason="needs age and age-keygen")


class Key:
    def __init__(self, path):
        self.path = path
        subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
        self.recipient = subprocess.run(["age-keygen", "-y", path], check=True, capture_output=True, text=True).stdout.strip()

    def seal(self, words):
        rules = "bannedCommandStrings:\n" + "".join(f"  - {word}\n" for word in words)
        return subprocess.run([BINARY, "rules", "seal", "-r", self.recipient, "-"], input=rules.encode(), check=True,
                              capture_output=True).stdout


@pytest.fixture
def key(tmp_path):
    return Key(tmp_path / "key.txt")


@pytest.fixture
def sealed(key, tmp_path):
    path = tmp_path / "rules.age"
    path.write_bytes(key.seal([WORD]))
    return path


def replace(path, content):
    """As an editor does, at once."""
    path.with_name("new").write_bytes(content)
    path.with_name("new").rename(path)


def test_last_good_rules_stay_whatever_happens_to_the_file(daemon, spawn, sealed, key, tmp_path):
    watched = daemon([sealed], arguments=["--identity", str(key.path)])
    good = sealed.read_bytes()
    stranger = Key(tmp_path / "stranger.txt")
    altered = bytearray(good)
    altered[-100] ^= 1
    mac = good.index(b"\n--- ") + 6
    cases = [(good[:-1], "truncated"), (good[:200], "truncated"), (bytes(altered), "altered"),
             (good[:mac] + (b"A" if good[mac:mac + 1] != b"A" else b"B") + good[mac + 1:], "MAC"),
             (stranger.seal(["other-word"]), "no identity opens it")]
    failed = 0
    for content, why in cases:
        replace(sealed, content)
        failed += 1
        wait_until(lambda: watched.count(action="reload-failed") == failed)  # pylint: disable=cell-var-from-loop
        errors = [line for line in watched.lines if line.get("action") == "reload-failed"][-1]["errors"]
        assert len(errors) == 1 and errors[0].startswith(f"{sealed}: ") and why in errors[0], errors
        assert spawn(VICTIM) == -9
    replace(sealed, key.seal([WORD, "wxyz-another-pool"]))
    watched.wait_for(action="reloaded")
    assert spawn(["sh", "-c", "sleep 30; : wxyz-another-pool"]) == -9


def test_a_rotated_identity_reloads(daemon, spawn, sealed, key, tmp_path):
    """As Kubernetes swaps a mounted Secret; the file is sealed for the new key before, and opens with it after."""
    mount = tmp_path / "mount"
    new = Key(tmp_path / "new.txt")
    for name, one in (("..1", key), ("..2", new)):
        (mount / name).mkdir(parents=True)
        shutil.copy(one.path, mount / name / "identity")
    (mount / "..data").symlink_to("..1")
    (mount / "identity").symlink_to("..data/identity")
    watched = daemon([sealed], arguments=["--identity", str(mount)])
    replace(sealed, new.seal([WORD, "wxyz-another-pool"]))
    watched.wait_for(action="reload-failed")
    assert spawn(VICTIM) == -9
    (mount / "..tmp").symlink_to("..2")
    (mount / "..tmp").rename(mount / "..data")
    watched.wait_for(action="reloaded")
    assert spawn(["sh", "-c", "sleep 30; : wxyz-another-pool"]) == -9


def test_an_identity_of_the_environment_leaves_it(daemon, spawn, sealed, key, monkeypatch):
    monkeypatch.setenv("CRYPTNONO_IDENTITY", key.path.read_text())
    watched = daemon([sealed])
    monkeypatch.delenv("CRYPTNONO_IDENTITY")
    assert spawn(VICTIM) == -9
    environ = pathlib.Path(f"/proc/{watched.process.pid}/environ").read_bytes()
    assert b"PATH=" in environ and b"AGE-SECRET" not in environ
    watched.process.send_signal(signal.SIGHUP)
    watched.wait_for(action="reloaded")


# Run by somebody else: prints what it could see of a process.
PROBE = """
import ctypes, json, os, sys
pid, seen = int(sys.argv[1]), []
def attempt(name, function):
    try:
        function()
        seen.append(name)
    except OSError:
        pass
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    function = getattr(libc, name)
    function.restype = ctypes.c_long
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
def read_memory():
    buffer = ctypes.create_string_buffer(16)
    ours, theirs = Piece(ctypes.addressof(buffer), 16), Piece(int(sys.argv[2]), 16)
    call("process_vm_readv", pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
def attach():
    call("ptrace", 0x4206, pid, None, None)  # PTRACE_SEIZE stops nobody
for name in ("mem", "environ", "maps", "smaps", "auxv", "pagemap", "stack", "syscall", "personality"):
    attempt(name, lambda: open(f"/proc/{pid}/{name}", "rb").read(1 if name != "mem" else 0))
for name in ("root", "cwd", "exe"):
    attempt(name, lambda: os.readlink(f"/proc/{pid}/{name}"))
for name in ("fd", "fdinfo", "map_files"):
    attempt(name, lambda: os.listdir(f"/proc/{pid}/{name}"))
attempt("process_vm_readv", read_memory)
attempt("ptrace", attach)
attempt("pidfd_getfd", lambda: call("syscall", 438, os.pidfd_open(pid), 0, 0))
print(json.dumps(seen))
"""


def become(uid):
    def change():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    return change


def seen_by(uid, pid):
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        address = next(int(line.split("-")[0], 16) for line in maps if line.split()[1].startswith("rw"))
    result = subprocess.run(["/usr/bin/python3", "-c", PROBE, str(pid), str(address)], preexec_fn=become(uid),
                            capture_output=True, text=True, check=True, cwd="/", timeout=20)
    return set(json.loads(result.stdout))


@pytest.fixture
def open_directory():
    """pytest's own are closed to others."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="cryptnono-secrets-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_nobody_else_can_see_the_memory(daemon, sealed, key):
    watched = daemon([sealed], arguments=["--identity", str(key.path)])
    assert seen_by(NOBODY, watched.process.pid) == set()
    assert seen_by(1, watched.process.pid) == set()


def test_not_even_the_same_user_can(open_directory):
    """A command of an ordinary user, as it waits for its configuration; `sleep` shows that the probe would see."""
    binary = open_directory / "cryptnono"
    shutil.copy(BINARY, binary)
    fifo = open_directory / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o644)
    command = subprocess.Popen([binary, "check", "-c", fifo], preexec_fn=become(NOBODY), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    plain = subprocess.Popen(["sleep", "60"], preexec_fn=become(NOBODY))
    try:
        with open(fifo, "wb") as out:  # it has opened it, so it runs
            control = seen_by(NOBODY, plain.pid)
            assert {"mem", "environ", "maps", "fd", "root", "cwd", "process_vm_readv"} <= control
            assert seen_by(NOBODY, command.pid) == set()
            out.write(f"bannedCommandStrings: [{WORD}]\n".encode())
        assert command.wait(timeout=10) == 0
    finally:
        for process in (command, plain):
            process.kill()
            process.wait()


@pytest.mark.parametrize("number", (signal.SIGSEGV, signal.SIGABRT))
def test_no_core_dump(daemon, sealed, key, tmp_path, number):
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if not re.fullmatch(r"core[.%\w]*", pattern):
        pytest.skip(f"core dumps go elsewhere: {pattern}")
    directory = tmp_path / "cores"
    directory.mkdir()
    through = ["sh", "-c", f"ulimit -c unlimited && cd {directory} && exec \"$@\"", "sh"]
    control = subprocess.Popen([*through, "sleep", "60"])
    wait_until(lambda: pathlib.Path(f"/proc/{control.pid}/comm").read_text() == "sleep\n")
    control.send_signal(number)
    control.wait(timeout=10)
    cores = list(directory.iterdir())
    if not cores:
        pytest.skip("no program leaves a core dump here")
    for core in cores:
        core.unlink()
    watched = daemon([sealed], arguments=["--identity", str(key.path)], through=through)
    pid = watched.process.pid
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits), limits
    assert int(pathlib.Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
    watched.process.send_signal(number)
    _, status = os.waitpid(pid, 0)
    watched.process.returncode = -number
    assert os.WTERMSIG(status) == number and not os.WCOREDUMP(status)
    assert not list(directory.iterdir())


def test_memory_is_locked(daemon, sealed, key):
    watched = daemon([sealed], arguments=["--identity", str(key.path)])
    status = dict(re.findall(r"(\w+):\s+(\d+)", pathlib.Path(f"/proc/{watched.process.pid}/status").read_text()))
    assert int(status["VmSwap"]) == 0 and int(status["VmLck"]) > 0
    unlocked = []
    mapping = ""
    anonymous = 0
    for line in pathlib.Path(f"/proc/{watched.process.pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            mapping = line
        elif line.startswith("Anonymous:"):
            anonymous = int(line.split()[1])
        elif line.startswith("VmFlags:") and anonymous and not {"lo", "io", "pf"} & set(line.split()):
            unlocked.append((mapping, anonymous, line))
    assert not unlocked


def test_without_the_privilege_it_says_so(daemon, spawn, sealed, key):
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    watched = daemon([sealed], arguments=["--identity", str(key.path)],
                     through=["prlimit", "--memlock=8388608:8388608", "setpriv", "--bounding-set=-ipc_lock"])
    said = [line for line in watched.drain() if "CAP_IPC_LOCK" in json.dumps(line)]
    assert len(said) == 1, watched.lines
    assert spawn(VICTIM) == -9


def test_no_file_that_it_wrote_has_a_rule(daemon, spawn, sealed, key, tmp_path):
    """Every write of the daemon and of its children, from the first, and every file that it opened to write."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    trace = tmp_path / "trace"
    calls = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range,ftruncate,memfd_create"
    watched = daemon([sealed], arguments=["--identity", str(key.path)], metrics=True, canaries=300, reveal=False,
                     through=["strace", "-D", "-f", "--seccomp-bpf", "-y", "-s", "1000000", "-o", str(trace), "-e", f"trace={calls}"])
    assert spawn(VICTIM) == -9
    watched.wait_for(action="killed")
    watched.metrics()
    replace(sealed, key.seal([WORD, "wxyz-another-pool"]))
    watched.wait_for(action="reloaded")
    watched.stop()
    # strace writes pids in a column.
    wait_until(lambda: re.search(rf"^{watched.process.pid} +\+\+\+ exited", trace.read_text(errors="replace"), re.M), timeout=60)
    text = trace.read_text(errors="replace")
    assert re.search(r'write\w*\(1<[^\n]*ready', text)  # it sees what is written
    writes = [line for line in text.splitlines() if "write" in line]
    assert writes
    assert not [line for line in writes if "wxyz-" in line or "AGE-SECRET" in line]
    files = {path for path in re.findall(r'open(?:at)?\([^"]*"([^"]+)", [^)]*O_(?:WRONLY|RDWR|CREAT)', text)}
    for path in files:
        if os.path.isfile(path) and not path.startswith(("/proc/", "/sys/")):
            content = pathlib.Path(path).read_bytes()
            assert b"wxyz-" not in content and b"AGE-SECRET" not in content, path
