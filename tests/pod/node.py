"""A containerd as on a node: cgroup v2 alone at /sys/fs/cgroup, /run, /var/log/pods and a network of its own, and the machine's pid
namespace, so that a pod with hostPID sees what the kernel sees. Its pods share that network, for there is no CNI.

Nothing there ends with the test by itself, as it does in a pid namespace: whoever holds the mounts waits for the test's end, and
then empties the cgroups in which everything runs.
"""
import contextlib
import os
import pathlib
import subprocess
import time

from conftest import cgroup2, die_with_parent
from containerd import Containerd

SOCKET = "/run/containerd/containerd.sock"

# $1: the directory of the test, $2 and $3: the cgroups. Ends when its standard input does.
HOLD = """
set -e
ip link set lo up
umount -R /sys/fs/cgroup
mount -t cgroup2 cryptnono-test /sys/fs/cgroup
mount -t tmpfs -o mode=755 cryptnono-test /run
mount --make-shared /run
mkdir -p /run/containerd /var/log/pods "$1/pods"
mount --bind "$1/pods" /var/log/pods
echo ready
cat >/dev/null
for each in "$2" "$3"; do
  [ ! -d "/sys/fs/cgroup/$each" ] || echo 1 >"/sys/fs/cgroup/$each/cgroup.kill"
done
for each in "$2" "$3"; do
  for try in 1 2 3 4 5 6 7 8 9; do
    find "/sys/fs/cgroup/$each" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 0.1
  done
done
"""

# Where cgroup v1 has the controllers, v2 has none, and runc would fail to set the share of CPU that every sandbox gets.
RUNC = """#!/bin/sh
for each; do
  [ "$before" = --bundle ] && bundle=$each
  before=$each
done
if [ -n "$bundle" ]; then
  jq -c 'del(.linux.resources | .cpu, .memory, .pids, .hugepageLimits, .unified)' "$bundle/config.json" >"$bundle/without" &&
    mv "$bundle/without" "$bundle/config.json"
fi
exec runc "$@"
"""


class Node(Containerd):
    """Pods as Containerd makes them; those that are to see the node's pids say so (pid=2)."""

    def __init__(self, root, programs):
        self.root = pathlib.Path(root)
        self.runtime = f"cryptnono-test-{os.getpid()}-runtime{Containerd.instances + 1}"
        self.mounts = None
        self.socket = None
        self.containers = {}  # id -> its sandbox
        super().__init__(root, programs, f"{cgroup2()}/{self.runtime}/cgroup.procs")

    def write_configuration(self, socket):
        pods = pathlib.Path(cgroup2()) / self.cgroup
        for cgroup in (pods, pathlib.Path(self.procs).parent):
            cgroup.mkdir()
        self.mounts = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", HOLD, "hold", str(self.root), self.runtime, self.cgroup],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.mounts.stdout.readline() == "ready\n"
        self.socket = pathlib.Path(f"/proc/{self.mounts.pid}/root{SOCKET}")
        runc = self.root / "runc"
        runc.write_text(RUNC)
        runc.chmod(0o755)
        super().write_configuration(SOCKET, runc)

    def start(self):
        import grpc
        log = open(self.root / "containerd.log", "ab")

        def prepare():
            die_with_parent()
            pathlib.Path(self.procs).write_text("0")
        self.holder = subprocess.Popen(["nsenter", "-t", str(self.mounts.pid), "-m", "-n", "containerd", "-c", str(self.root / "config.toml")],
                                       stdout=log, stderr=log, preexec_fn=prepare)
        self.channel = grpc.insecure_channel(f"unix://{self.socket}")
        grpc.channel_ready_future(self.channel).result(timeout=30)
        self.pid = self.holder.pid

    @property
    def scope(self):
        """The cgroup of all pods, as the node sees it."""
        return f"/sys/fs/cgroup/{self.cgroup}"

    def exec(self, container, *command, timeout=20):
        """As `kubectl exec` does: exit code and output."""
        done = self.call("ExecSync", self.pb.ExecSyncRequest(container_id=container, cmd=command, timeout=timeout), "ExecSyncResponse")
        return done.exit_code, (done.stdout + done.stderr).decode()

    def get(self, port, path, timeout=5, accept="*/*"):
        """By HTTP from a neighbour in the node's network: status, 0 if there was no answer, and body."""
        done = subprocess.run(["nsenter", "-t", str(self.mounts.pid), "-n", "curl", "-s", "-m", str(timeout), "-H", f"Accept: {accept}", "-w",
                               "\\n%{http_code}", f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def status(self, container):
        return self.call("ContainerStatus", self.pb.ContainerRequest(container_id=container), "ContainerStatusResponse").status

    def stop(self, container, grace):
        """SIGTERM, and after `grace` seconds SIGKILL; for how long it took."""
        begin = time.monotonic()
        self.call("StopContainer", self.pb.StopContainerRequest(container_id=container, timeout=grace))
        return time.monotonic() - begin

    def close(self):
        with contextlib.suppress(Exception):
            super().close()
        self.mounts.stdin.close()
        self.mounts.wait(timeout=20)
