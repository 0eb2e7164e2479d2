"""Names in storms: containers that start and end while banned commands run in them, a runtime that dies, pids that come again."""
import concurrent.futures
import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from conftest import B, cgroup2, die_with_parent, own_containerd, wait_until
from pids import run_as, unused_pid

BINDER = {"BINDER_REF_URL": "https://example.org/repository"}


@pytest.fixture
def containerd(tmp_path_factory):
    """One for each test: they leave it full."""
    yield from own_containerd(tmp_path_factory.mktemp("containerd"))


def start(daemon, containerd, more="", **options):
    return daemon(f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\nexecwhacker: {{limit: {{maxTargets: 64}}}}\n"
                  f"containers: {{endpoints: [{containerd.socket}], environment: [BINDER_REF_URL]}}\n{more}",
                  scope=f"{cgroup2()}/{containerd.cgroup}", **options)


def cgroup_of(pid):
    """Of v2."""
    return next(line.strip()[3:] for line in open(f"/proc/{pid}/cgroup") if line.startswith("0::"))


def run_in(pid, argv):
    """Runs a command of the image in the container of this process."""
    def join():
        die_with_parent()
        pathlib.Path(f"{cgroup2()}{cgroup_of(pid)}/cgroup.procs").write_text("0")
    return subprocess.run(["nsenter", "-t", str(pid), "-m", *argv], preexec_fn=join, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=10).returncode


def kills(watched, count, timeout=60):
    deadline = time.monotonic() + timeout
    while watched.count(action="killed") < count and time.monotonic() < deadline:
        pass
    return [line for line in watched.lines if line.get("action") == "killed"]


def test_a_storm_of_containers_every_kill_names_its_own(daemon, containerd):
    """C16. 30 pods; a container's own command or some in it are banned, and it all goes away at once, so that what is told of a
    container is often about one that is no more. Half of the pods have two containers."""
    watched = start(daemon, containerd)
    expected = {}
    lock = threading.Lock()

    def one(i):
        with lock:  # Containerd.pod numbers them
            pod = containerd.pod(f"jupyter-{i}", "hub")
        done = 0
        for name in ("notebook", "sidecar")[:1 + i % 2]:
            word = f"of-{i}-{name}"
            own = (i // 2) % 2
            container = containerd.container(pod, name, ["/pause", *([B, word] if own else [])], BINDER)
            expected[word] = (container, f"jupyter-{i}", name)
            done += own
            # Started is not executed yet: who removes it at once may be sooner than its command.
            wait_until(lambda container=container: not own or not containerd.runs(container))
            for _ in range(0 if own else 3):
                assert run_in(containerd.pid_of(container), ["/tell", B, word]) == -9
                done += 1
        containerd.remove(pod)
        return done
    with concurrent.futures.ThreadPoolExecutor(4) as workers:
        total = sum(workers.map(one, range(30)))
    lines = kills(watched, total)
    assert len(lines) == total
    named = 0
    for line in lines:
        container, pod, name = expected[next(word for word in expected if word in line["cmdline"].split())]
        assert line["container_id"] == container and container in line["cgroup"], line
        if "pod_name" in line:
            named += 1
            assert (line["pod_name"], line["pod_namespace"], line["container_name"]) == (pod, "hub", name), line
            assert line["env"] == BINDER
    print(f"{len(lines)} of {total} kills with the right container, {named} of them with labels")
    assert named == total


def run_at(cgroup, argv):
    """In a cgroup of v2, by its path."""
    def join():
        die_with_parent()
        pathlib.Path(f"{cgroup2()}{cgroup}/cgroup.procs").write_text("0")
    return subprocess.run(argv, preexec_fn=join, timeout=10).returncode


def test_names_come_back_with_a_restarted_runtime(daemon, containerd):
    """It is killed, and with it all processes of its containers: pid 1 of their namespace. Their cgroups stay."""
    watched = start(daemon, containerd)
    first = containerd.container(containerd.pod("jupyter-first", "hub"), "notebook", ["/pause"], BINDER)
    cgroup = cgroup_of(containerd.pid_of(first))
    assert run_at(cgroup, ["sleep", "5", B]) == -9
    assert watched.wait_for(action="killed", container_id=first)["pod_name"] == "jupyter-first"
    containerd.channel.close()
    containerd.signal(signal.SIGKILL)
    containerd.holder.wait(timeout=20)
    begin = time.monotonic()
    assert run_at(cgroup, ["sleep", "5", B, "without"]) == -9
    assert time.monotonic() - begin < 2
    line = kills(watched, 2)[-1]
    assert line["container_id"] == first and line["pod_name"] == "jupyter-first", "what was known is remembered"

    with contextlib.suppress(FileNotFoundError):
        os.unlink(containerd.socket)
    containerd.start()
    deadline = time.monotonic() + 20
    for i in range(100):
        pod = containerd.pod(f"jupyter-after-{i}", "hub")
        container = containerd.container(pod, "notebook", ["/pause", B], BINDER)
        line = watched.wait_for(action="killed", container_id=container)
        if "env" in line or time.monotonic() > deadline:
            break
    assert line["pod_name"] == f"jupyter-after-{i}" and line["env"] == BINDER


def test_a_pid_that_comes_again_in_another_container_is_named_for_that(daemon, containerd):
    """E24, C12, C14, C16: nothing is remembered by pid. The same pid is killed by turns in two containers."""
    watched = start(daemon, containerd)
    cgroups, ids = [], []
    for i in range(2):
        ids.append(containerd.container(containerd.pod(f"jupyter-{i}", "hub"), "notebook", ["/pause"], BINDER))
        cgroups.append(f"{cgroup2()}{cgroup_of(containerd.pid_of(ids[i]))}/cgroup.procs")
    pid = unused_pid()
    for turn in range(20):
        assert run_as(pid, cgroups[turn % 2], "/bin/sleep", ["sleep", "5", B, f"turn-{turn}-{turn % 2}-"]) == -9
    lines = kills(watched, 20)
    assert len(lines) == 20
    for line in lines:
        which = int(line["cmdline"].split("turn-")[1].split("-")[1])
        assert line["pid"] == pid and line["container_id"] == ids[which] and line["pod_name"] == f"jupyter-{which}", line


def test_a_pid_that_was_killed_is_no_shelter_and_no_sentence(daemon, containerd):
    """C14: the second process with the pid dies too. And one that does nothing bad lives."""
    watched = start(daemon, containerd)
    pid = containerd.pid_of(containerd.container(containerd.pod("jupyter-again", "hub"), "notebook", ["/pause"], BINDER))
    procs = f"{cgroup2()}{cgroup_of(pid)}/cgroup.procs"
    wanted = unused_pid()
    codes = [run_as(wanted, procs, "/bin/true", ["true", word]) for word in [B, "fine"] * 5]
    assert codes == [-9, 0] * 5
    assert all(line["pod_name"] == "jupyter-again" for line in kills(watched, 5))
