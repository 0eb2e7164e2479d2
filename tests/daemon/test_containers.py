"""Log lines that say in which pod and container it happened, with a real containerd and runc."""
import json
import os
import signal
import subprocess
import time

import pytest

from conftest import B, BINARY, BUILD, cgroup2
from image import IMAGE

BINDER = {"BINDER_REF_URL": "https://example.org/repository", "BINDER_CLIENT_IP": "203.0.113.7", "SECRET": "not to be told"}
ENVIRONMENT = "[BINDER_REF_URL, BINDER_CLIENT_IP]"


@pytest.fixture
def pods_scope(containerd):
    """The cgroup of all its pods."""
    return f"{cgroup2()}/{containerd.cgroup}"


def start(daemon, containerd, scope, more=""):
    return daemon(f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\ncontainers:\n  endpoints: [{containerd.socket}]\n"
                  f"  environment: {ENVIRONMENT}\n{more}", scope=scope)


def check(line, name, namespace="hub"):
    assert line["container_type"] == "cri" and line["image"] == IMAGE
    assert line["labels"]["io.kubernetes.pod.name"] == name and line["labels"]["io.kubernetes.pod.namespace"] == namespace
    assert line["labels"]["io.kubernetes.container.name"] == "notebook" and line["labels"]["component"] == "singleuser-server"
    assert (line["pod_name"], line["pod_namespace"], line["container_name"]) == (name, namespace, "notebook")
    assert line["env"] == {k: BINDER[k] for k in ("BINDER_REF_URL", "BINDER_CLIENT_IP")}


def notebook(containerd, name, command):
    pod = containerd.pod(name, "hub")
    return containerd.container(pod, "notebook", command, BINDER, {"component": "singleuser-server"})


def test_a_kill_names_its_pod(daemon, containerd, pods_scope):
    """The container's own command is banned: it dies at once, and its cgroup with it."""
    watched = start(daemon, containerd, pods_scope)
    container = notebook(containerd, "jupyter-at-once", ["/pause", B])
    line = watched.wait_for(action="killed")
    check(line, "jupyter-at-once")
    assert line["container_id"] == container
    done = subprocess.run([BINARY, "status", "--socket", watched.socket, "--json"], capture_output=True, timeout=10)
    who = json.loads(done.stdout)["kills"][0]["details"]
    assert (who["namespace"], who["pod"], who["container"], who["image"]) == ("hub", "jupyter-at-once", "notebook", IMAGE)


def test_what_ran_before_is_named_too(daemon, containerd, pods_scope):
    notebook(containerd, "jupyter-before", ["/pause", B])
    watched = start(daemon, containerd, pods_scope)
    line = watched.wait_for(action="killed", source="psutil.process_iter")
    check(line, "jupyter-before")


def kill_in(pid):
    """Runs a banned command in the container of this process; must die."""
    command = ["nsenter", "-t", str(pid), "-m", "/tell", B]
    child = os.fork()
    if child == 0:
        with open(f"{cgroup2()}{cgroup_of(pid)}/cgroup.procs", "w") as procs:
            procs.write("0")
        os.execvp(command[0], command)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def killed_lines(watched, count):
    for _ in range(50):
        if watched.count(action="killed") >= count:
            break
        time.sleep(0.1)
    return [line for line in watched.lines if line.get("action") == "killed"]


@pytest.mark.parametrize("warm", [True, False])
def test_a_stopped_runtime_holds_up_no_kill(daemon, containerd, pods_scope, warm):
    """What was seen before is named even so. Of what was not, not even the log waits for more than a time-out; the kubelet's
    directories are not there in this test, so all that is left is the cgroup."""
    if warm:
        watched = start(daemon, containerd, pods_scope)
    pod = containerd.pod("jupyter-stopped", "hub")
    pids = [containerd.pid_of(notebook(containerd, f"jupyter-stopped-{i}", ["/pause"])) for i in range(3)]
    pids.append(containerd.pid_of(containerd.container(pod, "other", ["/pause"])))
    time.sleep(0.5)
    containerd.signal(signal.SIGSTOP)
    try:
        if not warm:
            watched = start(daemon, containerd, pods_scope)
        begin = time.monotonic()
        for pid in pids:
            kill_in(pid)
        assert time.monotonic() - begin < 1
        lines = killed_lines(watched, 4)
        assert len(lines) == 4 and time.monotonic() - begin < 5
        if warm:
            for i in range(3):
                check(lines[i], f"jupyter-stopped-{i}")
        else:
            assert all("labels" not in line and "/kubepods/burstable/pod" in line["cgroupline"] and line["pod_uid"] for line in lines)
    finally:
        containerd.signal(signal.SIGCONT)


def test_pods_and_containers_are_listed(containerd):
    """By the client that the daemon has, run from its unit test."""
    pod = containerd.pod("jupyter-listed", "hub", {"component": "singleuser-server"})
    container = containerd.container(pod, "notebook", ["/pause"])
    sandbox, uid = pod[0], pod[1].metadata.uid
    told = subprocess.run([BUILD / "bin/runtime_test", "--gtest_filter=CriClient.ListsWhatARealRuntimeHas"], check=True, capture_output=True,
                          text=True, env={**os.environ, "CRYPTNONO_TEST_CRI_SOCKET": str(containerd.socket)}).stdout.splitlines()
    assert f"pod {uid} jupyter-listed hub {sandbox} 4" in told
    assert f"container {container} notebook {sandbox} {uid} 4" in told


def cgroup_of(pid):
    """Its path in cgroup v2."""
    return next(line.strip()[3:] for line in open(f"/proc/{pid}/cgroup") if line.startswith("0::"))
