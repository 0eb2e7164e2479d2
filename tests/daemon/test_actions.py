"""What a kill does beyond the process itself: trees, containers, namespaces, escalation. With real processes, and a real containerd."""
import os
import pathlib
import subprocess
import time

import pytest

from conftest import B, cgroup2, wait_until
from test_protection import run_in

SHELL = "while :; do sleep 0.05; done"


def ended(process, seconds=5):
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def config(more):
    return f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\n{more}\n"


def test_kill_ends_the_process_alone(daemon, spawn):
    watched = daemon(config(""))
    beside = spawn.start(["sh", "-c", SHELL])
    assert spawn(["true", B]) == -9 and beside.poll() is None
    assert "response" not in watched.wait_for(action="killed")


def test_kill_tree_ends_who_would_start_it_again(daemon, spawn, tmp_path):
    """The shell's own command line is innocent; what it starts is not. A neighbour in the same cgroup lives."""
    word = tmp_path / "word"
    word.write_text(B)
    watched = daemon(config("execwhacker: {action: kill-tree}"))
    neighbour = spawn.start(["sleep", "30"])
    script = f"sleep 30 & while :; do /bin/true $(cat {word}); sleep 0.1; done"
    shell = spawn.start(["setsid", "sh", "-c", script])
    assert ended(shell) == -9
    assert watched.wait_for(action="killed")["response"] == "kill-tree"
    line = watched.wait_for(action="responded", response="kill-tree")
    assert line["processes_killed"] >= 2 and line["detector"] == "execwhacker"
    assert neighbour.poll() is None


@pytest.fixture
def start(daemon, containerd, tmp_path):
    def run(more, **options):
        return daemon(config(more + f"\ncontainers: {{endpoints: [{containerd.socket}], podLogs: {tmp_path}}}"),
                      scope=f"{cgroup2()}/{containerd.cgroup}", **options)
    return run


def gone(pid, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if " Z " in pathlib.Path(f"/proc/{pid}/stat").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def pair(containerd, name, namespace):
    """Two containers of one pod: the pids of their first processes."""
    pod = containerd.pod(name, namespace)
    pids = [containerd.pid_of(containerd.container(pod, each, ["/pause"])) for each in ("notebook", "sidecar")]
    time.sleep(0.5)
    return pids


def test_kill_container_ends_all_of_it_and_nothing_beside_it(start, containerd):
    notebook, sidecar = pair(containerd, "whole", "hub")
    watched = start("execwhacker: {action: kill-container}", metrics=True)
    assert run_in(notebook, ["/tell", B]) == -9
    line = watched.wait_for(action="responded", response="kill-container")
    assert gone(notebook) and not gone(sidecar, 0.3)
    assert line["pod_name"] == "whole" and line["container_name"] == "notebook" and line["processes_killed"] >= 1
    assert watched.metrics()['cryptnono_responses_total{response="kill-container"}'] == 1


def test_a_namespace_has_the_last_word(start, containerd):
    staging, _ = pair(containerd, "s", "staging")
    strict, _ = pair(containerd, "t", "strict")
    hub, _ = pair(containerd, "u", "hub")
    watched = start("execwhacker: {action: report}\nnamespaces: {staging: {action: report}, strict: {action: kill-container}}")
    assert run_in(staging, ["/tell", B]) == 42
    assert run_in(hub, ["/tell", B]) == 42
    assert run_in(strict, ["/tell", B]) == -9 and gone(strict)
    watched.wait_for(action="responded", pod_namespace="strict")
    assert {line["pod_namespace"] for line in watched.lines if line.get("action") == "reported"} == {"staging", "hub"}


def test_a_dry_run_is_one_also_where_a_namespace_kills(start, containerd):
    strict, _ = pair(containerd, "v", "strict")
    watched = start("dryRun: true\nnamespaces: {strict: {action: kill-container}}")
    assert run_in(strict, ["/tell", B]) == 42
    watched.wait_for(action="reported", dry_run=True)


def test_escalation_takes_the_container_at_the_third_kill(start, containerd):
    notebook, sidecar = pair(containerd, "again", "hub")
    watched = start("escalation: {after: 3, window: 60, action: kill-container}")
    for _ in range(2):
        assert run_in(notebook, ["/tell", B]) == -9
    assert not gone(notebook, 0.5)
    assert run_in(sidecar, ["/tell", B]) == -9  # another container: counted by itself
    assert run_in(notebook, ["/tell", B]) == -9
    assert gone(notebook) and not gone(sidecar, 0.3)
    assert watched.count(action="responded") == 1


def test_a_protected_process_in_the_container_keeps_it(start, containerd):
    """The first process of the container is a protected executable: the container is refused whole, and says so."""
    pod = containerd.pod("kept", "hub")
    pid = containerd.pid_of(containerd.container(pod, "notebook", ["/pause"]))
    # The runtime has only let it go: for a moment more it is the runtime's own program.
    path = wait_until(lambda: next((p for p in pathlib.Path(containerd.root).rglob("pause")
                                    if p.is_file() and os.stat(p).st_ino == os.stat(f"/proc/{pid}/exe").st_ino), None))
    watched = start(f"execwhacker: {{action: kill-container}}\nprotect: {{executables: [{path}]}}")
    assert run_in(pid, ["/tell", B]) == -9
    line = watched.wait_for(action="killed")
    assert line["response"] == "kill-container"
    for _ in range(50):
        lines = [each for each in watched.drain(0.1) if each.get("action") in ("responded", "response-failed")]
        if lines:
            break
    assert "protected" in lines[0]["reason"] and not gone(pid, 0.3)
