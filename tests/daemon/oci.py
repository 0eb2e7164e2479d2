"""Podman, and runc and crun by themselves, each in namespaces of the test's own: when the test dies, so do the containers."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from conftest import cgroup2, die_with_parent

# Without CAP_SYS_RESOURCE no limit can be raised to the defaults.
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]


class Engine:
    """`programs`: name in every container -> path of a static program; one is "pause", which waits for ever."""

    def __init__(self, programs, only_v2=False):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="cn-", dir="/tmp"))  # short: Podman wants that
        self.rootfs = self.root / "rootfs"
        for directory in ("proc", "sys", "dev", "etc", "run", "tmp"):
            (self.rootfs / directory).mkdir(parents=True)
        for name, path in programs.items():
            shutil.copy(path, self.rootfs / name)
        self.name = f"cryptnono-test-{os.getpid()}-{self.root.name}"  # of its cgroup, below the root of each hierarchy
        self.scope = pathlib.Path(cgroup2()) / self.name
        self.scope.mkdir()
        self.holder = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "infinity"],
                                       preexec_fn=die_with_parent, stderr=subprocess.DEVNULL)
        children = pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children")
        deadline = time.monotonic() + 10
        while not children.read_text() or os.readlink(f"/proc/{children.read_text().split()[0]}/exe").endswith("unshare"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.pid = int(children.read_text())
        if only_v2:  # as on a node without v1
            self.run("mount", "--bind", cgroup2(), "/sys/fs/cgroup").check_returncode()

    def run(self, *command, cgroup=None):
        """In its namespaces, and in this cgroup of v2."""
        def join():
            die_with_parent()
            if cgroup:
                (pathlib.Path(cgroup) / "cgroup.procs").write_text("0")
        return subprocess.run(["nsenter", "-t", str(self.pid), "-m", "-p", *command], preexec_fn=join, capture_output=True, text=True,
                              timeout=30)

    def podman(self, *arguments, cgroup=None):
        return self.run("podman", "--root", str(self.root / "storage"), "--runroot", str(self.root / "run"), "--tmpdir",
                        str(self.root / "tmp"), "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file",
                        *arguments, cgroup=cgroup)

    def start(self, *options, runtime="runc"):
        """A container of podman that waits; its id."""
        done = self.podman("run", "-d", "--runtime", runtime, *LIMITS, "--cgroup-parent", f"/{self.name}", *options, "--rootfs",
                           str(self.rootfs), "/pause")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def bundle(self, name, arguments, namespaces=("pid", "mount", "network", "ipc"), cgroup=None):
        """A bundle for runc or crun; its directory."""
        directory = self.root / name
        directory.mkdir()
        linux = {"namespaces": [{"type": kind} for kind in namespaces]}
        if cgroup:
            linux["cgroupsPath"] = cgroup
        (directory / "config.json").write_text(json.dumps({
            "ociVersion": "1.0.0", "root": {"path": str(self.rootfs)}, "linux": linux,
            "process": {"args": list(arguments), "cwd": "/", "user": {"uid": 0, "gid": 0}},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}]}))
        return str(directory)

    def cgroup_of(self, container):
        """Of v2, of a container that podman started."""
        return next(pathlib.Path(directory) for directory, _, _ in os.walk(self.scope) if container in os.path.basename(directory))

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        self.holder.wait(timeout=20)
        mounts = [line.split() for line in open("/proc/mounts")]
        for mount in (m[1] for m in mounts if m[2] in ("cgroup", "cgroup2")):
            for directory, _, _ in os.walk(f"{mount}/{self.name}", topdown=False):
                for _ in range(200):
                    try:
                        os.rmdir(directory)
                        break
                    except OSError:
                        time.sleep(0.02)
        shutil.rmtree(self.root, ignore_errors=True)
