"""Who is in which pod, by cgroups such as the kubelet and a runtime make them, in every hierarchy that is mounted: v2, v1, or both.

Without a runtime, so that it runs in the smallest machine; test_protection.py has the same with a real one.
"""
import os
import pathlib
import signal

import pytest

from conftest import B, VICTIMS, Cgroup, cgroup_root, die_with_parent, wait_until

TOLD = 42  # how tell_argv exits if it was given a banned word, and ran; else 0
NOWHERE = "/run/cryptnono-no-such.sock"


def hierarchies():
    """Where each is mounted."""
    with open("/proc/mounts") as mounts:
        # A cpuset of v1 takes nobody until it has CPUs.
        return [pathlib.Path(line.split()[1]) for line in mounts
                if line.split()[2] in ("cgroup", "cgroup2") and "cpuset" not in line.split()[3].split(",")]


class Pods:
    """Pods below a cgroup of the test's, with the kubelet's directories for logs, from which the daemon knows their names."""

    def __init__(self, base, logs):
        self.base, self.logs, self.made = base.relative_to(cgroup_root()), logs, []
        logs.mkdir()

    def add(self, namespace, name):
        """A pod with one container; the container's path below each hierarchy."""
        uid = f"{len(self.made):08x}-0000-4000-8000-{os.getpid():012x}"
        (self.logs / f"{namespace}_{name}_{uid}").mkdir()
        container = self.base / "kubepods" / "besteffort" / f"pod{uid}" / f"{len(self.made):064x}"
        for root in hierarchies():
            (root / container).mkdir(parents=True)
        self.made.append(container)
        return container

    def run(self, container, *argv):
        """As the first process of a container would: it joins, then executes."""
        child = os.fork()
        if child == 0:
            try:
                die_with_parent()
                for root in hierarchies():
                    (root / container / "cgroup.procs").write_text("0")
                os.execv(VICTIMS / "tell_argv", argv)
            except OSError as error:
                print(error, flush=True)
            os._exit(99)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def remove(self):
        for root in hierarchies():
            for directory, _, _ in os.walk(root / self.base, topdown=False):
                if pathlib.Path(directory) != cgroup_root() / self.base:
                    wait_until(lambda: removed(directory))


def removed(directory):
    """A cgroup is busy until the last of its processes is gone entirely."""
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture
def pods(sandbox, tmp_path):
    assert isinstance(sandbox, Cgroup)
    made = Pods(sandbox.path, tmp_path / "pods")
    yield made
    made.remove()


def start(daemon, pods):
    return daemon(f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\ncontainers:\n  endpoints: [{NOWHERE}]\n  podLogs: {pods.logs}\n")


def test_a_pod_of_kube_system_lives_and_one_beside_it_dies(daemon, pods):
    watched = start(daemon, pods)
    proxy, notebook = pods.add("kube-system", "proxy"), pods.add("hub", "notebook")
    assert pods.run(notebook, "tell", B) == -signal.SIGKILL
    assert watched.wait_for(action="killed")["pod_name"] == "notebook"
    wait_until(lambda: pods.run(proxy, "tell", B) == TOLD)  # its directory is looked at by another thread
    line = watched.wait_for(action="spared", allowedby="protected:namespace")
    assert (line["pod_name"], line["pod_namespace"]) == ("proxy", "kube-system")
    assert pods.run(notebook, "tell", "x" + B) == 0


def test_pods_that_are_there_before_the_daemon_are_known(daemon, pods):
    proxy, notebook = pods.add("kube-system", "proxy"), pods.add("hub", "notebook")
    watched = start(daemon, pods)
    assert pods.run(proxy, "tell", B) == TOLD
    assert pods.run(notebook, "tell", B) == -signal.SIGKILL
    assert watched.wait_for(action="killed")["pod_namespace"] == "hub"
