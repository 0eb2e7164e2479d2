"""The image in real engines: Podman, and containerd with runc, as a node has it: the node's pids, network and /sys, root read-only.

All that they keep is below one temporary directory, their processes are in cgroups below one that is made here, and mounts are in
namespaces of their own. A guard empties and removes these cgroups when the test ends or dies, for neither conmon nor a shim dies with who started it.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import containerd
from conftest import cgroup2, die_with_parent, wait_until

# Reads until whoever started it is gone, then ends everything in the cgroups of that name, and removes them in all hierarchies.
GUARD = r"""
import os, signal, sys, time
sys.stdin.read()
mounts = [line.split()[1] for line in open("/proc/mounts") if line.split()[2] in ("cgroup", "cgroup2")]
for _ in range(300):
    left = [each[0] for mount in mounts for each in os.walk(f"{mount}/{sys.argv[1]}", topdown=False)]
    for directory in left:
        try:
            for pid in open(directory + "/cgroup.procs").read().split():
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass
        try:
            os.rmdir(directory)
        except OSError:
            pass
    if not left:
        break
    time.sleep(0.02)
"""


class Engine:
    """`command(directory)`: what to put before the image's arguments; `directory` is mounted at its own path, to be written to."""

    def __init__(self, archive, reference):
        self.archive, self.reference = archive, reference
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="cn-", dir="/tmp"))  # short: Podman wants that
        self.name = f"cryptnono-test-{os.getpid()}-{self.root.name}"  # of its cgroups, below the root of each hierarchy
        self.guard = subprocess.Popen([sys.executable, "-c", GUARD, self.name], stdin=subprocess.PIPE, start_new_session=True)

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=die_with_parent)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self):
        self.guard.stdin.close()
        assert self.guard.wait(timeout=30) == 0
        shutil.rmtree(self.root)


class Podman(Engine):
    tools = ("podman", "runc")
    # Its cache of blobs has a place that no option moves.
    PRIVATE = ["unshare", "--mount", "sh", "-c", "mkdir -p /var/lib/containers && mount -t tmpfs cryptnono-test /var/lib/containers && exec \"$@\"", "sh"]

    def __init__(self, archive, reference):
        super().__init__(archive, reference)
        self.base = [*self.PRIVATE, "podman", "--root", str(self.root / "storage"), "--runroot", str(self.root / "run"), "--tmpdir", str(self.root / "tmp"),
                     "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        self.run(*self.base, "load", "--quiet", "--input", str(archive))

    def images(self):
        return self.run(*self.base, "images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}").split()

    def command(self, directory):
        # Without CAP_SYS_RESOURCE no limit can be raised to the defaults.
        return [*self.base, "run", "--rm", "--runtime", "runc", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--cgroup-parent", f"/{self.name}",
                "--privileged", "--pid", "host", "--network", "host", "--cgroupns", "host", "--read-only", "--read-only-tmpfs=false",
                "--volume", "/sys:/sys:ro", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "--volume", f"{directory}:{directory}", self.reference]


class _NodesContainerd(containerd.Containerd):
    """Like that of the daemon's tests, but in the node's own pid namespace, as the daemon has to be; without an image of its own."""

    def __init__(self, root, procs):
        containerd.oci_archive, kept = (lambda programs: b""), containerd.oci_archive
        try:
            super().__init__(root, {}, procs)
        finally:
            containerd.oci_archive = kept

    def start(self):
        log = open(self.root / "containerd.log", "ab")

        def prepare():
            die_with_parent()
            pathlib.Path(self.procs).write_text("0")
        program = 'mkdir -p /run/containerd && mount -t tmpfs cryptnono-test /run/containerd && exec containerd -c "$0"'
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", program, str(self.root / "config.toml")], stdout=log, stderr=log,
                                       preexec_fn=prepare)
        self.pid = self.holder.pid
        wait_until(self.socket.exists, timeout=60)  # a channel that is refused waits for longer and longer
        import grpc
        self.channel = grpc.insecure_channel(f"unix://{self.socket}")
        grpc.channel_ready_future(self.channel).result(timeout=60)

    def ctr(self, *arguments):
        return "" if arguments[:2] == ("images", "import") and arguments[2].startswith(str(self.root)) else super().ctr(*arguments)


class Containerd(Engine):
    tools = ("containerd", "runc", "ctr", "protoc")

    def __init__(self, archive, reference):
        super().__init__(archive, reference)
        self.cgroup = pathlib.Path(containerd_cgroup(self.name))
        self.engine = _NodesContainerd(self.root, self.cgroup / "cgroup.procs")
        self.engine.ctr("images", "import", "--snapshotter", "native", str(archive))
        self.number = 0

    def images(self):
        for line in self.engine.ctr("images", "list").splitlines()[1:]:
            yield from line.split()[0:3:2]

    def command(self, directory):
        self.number += 1
        return ["ctr", "-a", str(self.engine.socket), "-n", "k8s.io", "run", "--rm", "--snapshotter", "native", "--fifo-dir", str(self.root / "fifo"), "--cgroup", f"/{self.name}/c{self.number}",
                "--privileged", "--with-ns", f"pid:/proc/{os.getpid()}/ns/pid", "--net-host", "--read-only", "--mount", "type=bind,src=/sys,dst=/sys,options=rbind:ro",
                "--mount", f"type=bind,src={directory},dst={directory},options=rbind:rw", self.reference, f"{self.name}-{self.number}", "/usr/bin/cryptnono"]  # ctr puts arguments in place of the entrypoint

    def close(self):
        self.engine.close()
        super().close()


def containerd_cgroup(name):
    path = pathlib.Path(cgroup2()) / name / "engine"
    path.mkdir(parents=True)
    return path


def container_of(cgroup_name, binary="/usr/bin/cryptnono"):
    """Pid, on the node, of the program that runs below these cgroups."""
    def find():
        for directory, _, _ in os.walk(f"{cgroup2()}/{cgroup_name}"):
            for pid in pathlib.Path(directory, "cgroup.procs").read_text().split():
                if os.path.exists(f"/proc/{pid}/exe") and os.readlink(f"/proc/{pid}/exe") == binary:
                    return int(pid)
        return None
    return wait_until(find)
