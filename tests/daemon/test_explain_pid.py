"""`explain --pid` says of a running process what the daemon then does: in a sandbox cgroup, and in pods of a real containerd."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import B, BINARY, cgroup2
from image import IMAGE

NOWHERE = "/run/cryptnono-no-such.sock"
RULES = f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\n"
WAITS = ["sh", "-c", "read x", B]


def explain(pid, *files, more=()):
    """Exit code, and what it says as key -> text."""
    command = [BINARY, "explain", "--reveal", "--pid", str(pid), *more]
    for path in files:
        command += ["-c", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done.returncode, dict(line.split(": ", 1) for line in done.stdout.splitlines()), done.stderr


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "explained.yaml"
        path.write_text(text)
        return path
    return write


def waiting(spawn, **options):
    child = spawn.start(WAITS, stdin=subprocess.PIPE, **options)
    for _ in range(200):
        if "read x" in pathlib.Path(f"/proc/{child.pid}/cmdline").read_text():
            return child
        time.sleep(0.01)
    raise AssertionError("it did not start")


def test_it_agrees_with_the_daemon_about_the_scope(daemon, sandbox, spawn, config):
    path = config(RULES + f"scope: {{cgroups: [{sandbox.path}]}}\n")
    inside, outside = waiting(spawn), waiting(spawn, join=False)
    code, said, _ = explain(inside.pid, path)
    assert code == 10 and said["scope"] == "in scope" and said["verdict"].startswith("killed: execwhacker: "), said
    assert said["cgroup v2"] == f"/{sandbox.path.name}" and f"explained, {path}:1:" in said["execwhacker"]
    assert said["command line"] == f"sh -c 'read x' {B}"
    code, said, _ = explain(outside.pid, path)
    assert (code, said["verdict"]) == (0, "spared: out of scope: in no cgroup of scope.cgroups")
    watched = daemon([path])
    assert inside.wait(timeout=10) == -signal.SIGKILL
    assert watched.wait_for(action="killed")["pid"] == inside.pid and outside.poll() is None
    excluded = config(RULES + f"scope: {{exclude: [{sandbox.path}]}}\n")
    inside = spawn.start(["sleep", "60"])
    assert explain(inside.pid, excluded)[1]["verdict"] == "spared: out of scope: in a cgroup of scope.exclude"


def test_the_daemon_and_its_ancestors_are_never_touched(daemon, config):
    watched = daemon(RULES)
    for pid in (watched.process.pid, os.getpid()):
        code, said, _ = explain(pid, config("bannedCommandStrings: [cryptnono, python3, pytest, run]\n"))
        assert (code, said["verdict"]) == (0, "spared: never touched: the daemon, or an ancestor of it"), said
        assert said["execwhacker"].startswith("banned string ")


def test_a_process_of_the_node_is_spared_when_only_containers_are_in_scope(daemon, sandbox, spawn, config):
    path = config(RULES + f"scope: {{processes: containers, cgroups: [{sandbox.path}]}}\n"
                  f"containers: {{endpoints: [{NOWHERE}]}}\n")
    child = waiting(spawn)
    code, said, _ = explain(child.pid, path)
    assert code == 0 and said["verdict"] == "spared: protected:node (scope.processes: in no container)", said
    assert said["container"] == "none"
    watched = daemon([path])
    watched.wait_for(action="spared", allowedby="protected:node", pid=child.pid)


@pytest.mark.parametrize("arguments,code", [(["--pid", "0"], 2), (["--pid", "x"], 2), (["--pid", "1", "--", "sh"], 2),
                                            (["--pid", "1", "--connect", "192.0.2.1:1"], 2), (["--pid", "4194304"], 1),
                                            (["--pid", "1", "-c", "/no/such/file"], 3), (["--pid", "1"], 0)])
def test_exit_codes(arguments, code):
    done = subprocess.run([BINARY, "explain", *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert (done.stdout == "") == (code != 0)


@pytest.fixture
def pods(containerd, config, tmp_path):
    """Writes a configuration in whose scope all pods are, and no other process."""
    def write(more="", endpoint=None, logs=()):
        for name in logs:
            os.makedirs(tmp_path / "pods" / name)
        return config(RULES + f"scope: {{processes: containers, cgroups: [{cgroup2()}/{containerd.cgroup}]}}\n"
                      f"containers:\n  endpoints: [{endpoint or containerd.socket}]\n  podLogs: {tmp_path / 'pods'}\n{more}")
    return write


def started(containerd, name, namespace, command=("/pause", B), labels=None):
    pod = containerd.pod(name, namespace, labels)
    container = containerd.container(pod, "notebook", list(command), {}, {"component": "singleuser-server"})
    return containerd.pid_of(container), container, pod[1].metadata.uid


def test_a_pod_is_named_and_would_die(daemon, containerd, pods):
    pid, container, uid = started(containerd, "jupyter-a", "hub", labels={"tier": "user"})
    path = pods()
    code, said, _ = explain(pid, path)
    assert code == 10 and said["verdict"].startswith("killed: execwhacker: "), said
    assert (said["container id"], said["container"], said["image"]) == (container, "notebook", IMAGE)
    assert (said["pod"], said["namespace"], said["pod uid"]) == ("jupyter-a (by the runtime)", "hub (by the runtime)", uid)
    assert "component=singleuser-server" in said["labels"] and "tier=user" in said["pod labels"]
    watched = daemon([path], scope=f"{cgroup2()}/{containerd.cgroup}")
    assert watched.wait_for(action="killed")["container_id"] == container


@pytest.mark.parametrize("source", ["runtime", "kubelet"])
def test_a_pod_of_kube_system_is_protected(daemon, containerd, pods, source, tmp_path):
    pid, container, uid = started(containerd, "proxy", "kube-system")
    path = pods(logs=[f"kube-system_proxy_{uid}"] if source == "kubelet" else [], endpoint=NOWHERE if source == "kubelet" else None)
    code, said, _ = explain(pid, path)
    assert (code, said["verdict"]) == (0, "spared: protected:namespace (protect.namespaces)"), said
    by = "the runtime" if source == "runtime" else str(tmp_path / "pods")
    assert (said["pod"], said["namespace"]) == (f"proxy (by {by})", f"kube-system (by {by})")
    watched = daemon([path], scope=f"{cgroup2()}/{containerd.cgroup}")
    assert watched.wait_for(action="spared", allowedby="protected:namespace")["container_id"] == container
    assert watched.count(action="killed", container_id=container) == 0


def test_a_hung_runtime_is_not_waited_for(containerd, pods):
    pid, _, uid = started(containerd, "jupyter-hung", "hub", ["/pause", "quiet"])
    path = pods(logs=[f"hub_jupyter-hung_{uid}"])
    containerd.signal(signal.SIGSTOP)
    try:
        begin = time.monotonic()
        code, said, _ = explain(pid, path)
        assert time.monotonic() - begin < 3
    finally:
        containerd.signal(signal.SIGCONT)
    assert code == 0 and said["pod"].startswith("jupyter-hung (by /") and said["image"] == "not known: a runtime does not answer", said


@pytest.mark.parametrize("unclassified,code,verdict", [("kill", 10, "killed: "), ("report", 0, "only reported: protect.unclassified is report")])
def test_who_is_not_classified_is_told_so(containerd, pods, unclassified, code, verdict):
    pid, _, _ = started(containerd, f"unknown-{unclassified}", "hub")
    got, said, _ = explain(pid, pods(f"protect: {{unclassified: {unclassified}}}\n", endpoint=NOWHERE))
    assert got == code and said["verdict"].startswith(verdict), said
    assert said["unclassified"].endswith(f"protect.unclassified is {unclassified}") and said["pod"].startswith("not known")
