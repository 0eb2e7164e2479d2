"""Nobody passes for one who is protected, and the daemon ends neither itself nor what it asks: with a real containerd and runc."""
import os
import pathlib
import subprocess
import time

import pytest

from conftest import B, cgroup2, die_with_parent

TOLD = 42  # how /tell exits


def start(daemon, containerd, tmp_path, protect="", words=(B,), **options):
    (tmp_path / "pods").mkdir(exist_ok=True)
    return daemon(f"bannedCommandStrings: [{', '.join(words)}]\nmonero: {{enabled: false}}\nprotect: {{{protect}}}\n"
                  f"containers:\n  endpoints: [{containerd.socket}]\n  podLogs: {tmp_path / 'pods'}\n",
                  scope=f"{cgroup2()}/{containerd.cgroup}", **options)


def cgroup_of(pid):
    """Of v2."""
    return next(line.strip()[3:] for line in open(f"/proc/{pid}/cgroup") if line.startswith("0::"))


def run_in(pid, argv, below=""):
    """A command of the image in the container of this process, in a cgroup that it made below its own."""
    cgroup = pathlib.Path(f"{cgroup2()}{cgroup_of(pid)}{below}")
    cgroup.mkdir(parents=True, exist_ok=True)

    def join():
        die_with_parent()
        (cgroup / "cgroup.procs").write_text("0")
    return subprocess.run(["nsenter", "-t", str(pid), "-m", *argv], preexec_fn=join, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=10).returncode


def until(what, wanted, timeout=5):
    """What is protected by name is so when the runtime has answered."""
    deadline = time.monotonic() + timeout
    while what() != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("form", ["pod{uid}", "pod{uid}/{id}", "kubepods/burstable/pod{uid}/{id}", "{id}", "cri-containerd-{id}.scope",
                                  "docker/{id}", "kubepods-burstable-pod{uid}.slice:cri-containerd:{id}"])
def test_nobody_passes_for_a_protected_pod_by_the_name_of_a_cgroup(daemon, containerd, tmp_path, form):
    watched = start(daemon, containerd, tmp_path, "containerNames: [agent]")
    system = containerd.pod("system", "kube-system")
    system_id = containerd.container(system, "agent", ["/pause"])
    system_pid = containerd.pid_of(system_id)
    hub_id = containerd.container(containerd.pod("jupyter-liar", "hub"), "notebook", ["/pause"])
    hub_pid = containerd.pid_of(hub_id)
    until(lambda: run_in(system_pid, ["/tell", B]), TOLD)
    below = "/" + form.format(uid=system[1].metadata.uid, id=system_id)
    for _ in range(5):
        assert run_in(hub_pid, ["/tell", B], below) == -9
        time.sleep(0.1)
    line = watched.wait_for(action="killed")
    assert f"{hub_id}{below}" in line["cgroup"]


def test_a_child_of_a_protected_container_is_protected_too(daemon, containerd, tmp_path):
    watched = start(daemon, containerd, tmp_path)
    pid = containerd.pid_of(containerd.container(containerd.pod("dns", "kube-system"), "dns", ["/pause"]))
    until(lambda: run_in(pid, ["/tell", B]), TOLD)
    before = watched.count(action="killed")  # while it was not known yet
    for below in ("/init.scope", "/a/b"):
        assert run_in(pid, ["/tell", B], below) == TOLD
    assert watched.count(action="killed") == before
    watched.wait_for(action="spared", allowedby="protected:namespace")


def test_the_daemon_is_never_its_own_victim(daemon, sandbox, spawn):
    """F15. It and its parent are in scope, with the banned word in their command lines, before its first scan and after."""
    watched = daemon(f"bannedCommandStrings: [{B}, cryptnono, scope]\nmonero: {{enabled: false}}\nexecwhacker: {{scanInterval: 1}}\n",
                     through=["sh", "-c", f'echo 0 > {sandbox.procs}; "$@" & wait $!; : {B}', "-"])
    time.sleep(2.5)
    assert watched.process.poll() is None
    assert spawn(["sleep", "5", B]) == -9
    killed = [line for line in watched.drain() if line.get("action") == "killed"]
    assert len(killed) == 1 and killed[0]["pid"] == spawn.running[-1].pid
    child = pathlib.Path(f"/proc/{watched.process.pid}/task/{watched.process.pid}/children").read_text().split()
    os.kill(int(child[0]), 15)
    assert watched.process.wait(timeout=10) == 0
