"""Who is never touched: pods of protected namespaces, with protected labels or names, users, executables, the node's own. With a
real containerd and runc."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from conftest import B, Cgroup, cgroup2, die_with_parent, own_containerd

TOLD = 42  # how /tell exits
NOWHERE = "/run/cryptnono-no-such.sock"


@pytest.fixture
def start(daemon, containerd, tmp_path):
    """A daemon scoped to all pods; `logs`: what the kubelet would have made, "namespace_name_uid"."""
    def run(protect="", endpoint=None, logs=(), words=(B,), more="", arguments=(), **options):
        for name in logs:
            os.makedirs(tmp_path / "pods" / name)
        text = (f"bannedCommandStrings: [{', '.join(words)}]\nmonero: {{enabled: false}}\n"
                f"containers:\n  endpoints: [{endpoint or containerd.socket}]\n  podLogs: {tmp_path / 'pods'}\n")
        if protect:
            text += f"protect: {{{protect}}}\n"
        return daemon(text + more, arguments, scope=f"{cgroup2()}/{containerd.cgroup}", **options)
    return run


def next_uid(containerd, ahead=0):
    return f"{len(containerd.pods) + ahead:08x}-0000-4000-8000-{os.getpid():012x}"


def lives(watched, why, pod=None):
    line = watched.wait_for(action="spared", allowedby=f"protected:{why}", **({"pod_name": pod} if pod else {}))
    assert watched.count(action="killed", container_id=line["container_id"]) == 0
    return line


def alive(containerd, container):
    with contextlib.suppress(ValueError):
        return B in pathlib.Path(f"/proc/{containerd.pid_of(container)}/cmdline").read_text()
    return False


@pytest.mark.parametrize("source", ["runtime", "kubelet"])
def test_the_very_first_command_of_a_pod_in_kube_system_lives_and_one_beside_it_dies(start, containerd, source):
    """By the kubelet's directories alone; and by the runtime alone, which tells of a pod only when its sandbox runs."""
    uid = next_uid(containerd)
    logs = [f"kube-system_proxy_{uid}"] if source == "kubelet" else []
    watched = start(endpoint=NOWHERE if source == "kubelet" else None, logs=logs)
    pod = containerd.pod("proxy", "kube-system")
    if source == "runtime":
        time.sleep(0.5)
    container = containerd.container(pod, "kube-proxy", ["/pause", B])
    line = lives(watched, "namespace", "proxy" if source == "kubelet" else None)
    assert line["pod_namespace"] == "kube-system" and alive(containerd, container)
    other = containerd.container(containerd.pod("jupyter-user", "hub"), "notebook", ["/pause", B])
    watched.wait_for(action="killed", container_id=other)


def test_a_hung_runtime_changes_nothing_for_pods_that_are_known(start, containerd):
    system = containerd.pid_of(containerd.container(containerd.pod("dns", "kube-system"), "dns", ["/pause"]))
    hub = containerd.pid_of(containerd.container(containerd.pod("jupyter-hung", "hub"), "notebook", ["/pause"]))
    watched = start()
    containerd.signal(signal.SIGSTOP)
    try:
        assert run_in(system, ["/tell", B]) == TOLD
        assert run_in(hub, ["/tell", B]) == -9
        lives_line = watched.wait_for(action="spared", allowedby="protected:namespace")
        assert lives_line["pod_namespace"] == "kube-system"
        watched.wait_for(action="killed", pod_name="jupyter-hung")
    finally:
        containerd.signal(signal.SIGCONT)


def run_in(pid, argv):
    """Runs a command of the image in the container of this process."""
    cgroup = next(line.strip()[3:] for line in open(f"/proc/{pid}/cgroup") if line.startswith("0::"))

    def join():
        die_with_parent()
        pathlib.Path(f"{cgroup2()}{cgroup}/cgroup.procs").write_text("0")
    return subprocess.run(["nsenter", "-t", str(pid), "-m", *argv], preexec_fn=join, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=10).returncode


@pytest.mark.parametrize("unclassified,code", [("kill", -9), ("report", TOLD)])
def test_what_nobody_has_classified_is_handled_as_configured(start, containerd, unclassified, code):
    pid = containerd.pid_of(containerd.container(containerd.pod("unknown", "hub"), "notebook", ["/pause"]))
    watched = start(f"unclassified: {unclassified}", endpoint=NOWHERE, metrics=True)
    assert watched.metrics()['cryptnono_cgroups{kind="unclassified"}'] > 0
    assert run_in(pid, ["/tell", B]) == code
    watched.wait_for(action="killed" if code < 0 else "reported")


def test_a_pod_label_and_a_container_name_protect(start, containerd):
    watched = start('podLabels: ["tier=infra"], containerNames: [sidecar]')
    pod = containerd.pod("labelled", "hub", {"tier": "infra"})
    time.sleep(0.5)  # its labels are the runtime's to tell, once the sandbox runs
    containerd.container(pod, "notebook", ["/pause", B])
    lives(watched, "pod-label", "labelled")
    pod = containerd.pod("plain", "hub", {"tier": "user"})
    pids = [containerd.pid_of(containerd.container(pod, name, ["/pause"])) for name in ("sidecar", "notebook")]
    deadline = time.monotonic() + 5  # the runtime is asked for the name
    while run_in(pids[0], ["/tell", B]) != TOLD and time.monotonic() < deadline:
        time.sleep(0.2)
    assert run_in(pids[0], ["/tell", B]) == TOLD and run_in(pids[1], ["/tell", B]) == -9
    watched.wait_for(action="spared", allowedby="protected:container-name")


def test_a_user_and_an_executable_protect(sandbox, spawn, daemon, tmp_path):
    copy = tmp_path / "honest"
    shutil.copy("/bin/sleep", copy)
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:3]:
        os.chmod(parent, os.stat(parent).st_mode | 0o011)
    watched = daemon(f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\nprotect: {{users: [65533], executables: [{copy}]}}\n")
    assert spawn(["sleep", "0.1", B]) == -9
    assert spawn(["sh", "-c", f"true {B}"], uid=65533) == 0
    assert spawn([str(copy), "--help", B]) != -9
    link = tmp_path / "link"  # the file counts, not what it is called
    os.link(copy, link)
    assert spawn([str(link), "--help", B]) != -9
    assert spawn([B, "0.1"], executable="/bin/sleep") == -9
    for why in ("user", "executable"):
        watched.wait_for(action="spared", allowedby=f"protected:{why}")


def test_a_reload_changes_who_is_protected(start, containerd):
    pid = containerd.pid_of(containerd.container(containerd.pod("reloaded", "staging"), "notebook", ["/pause"]))
    watched = start("namespaces: [staging]")
    assert run_in(pid, ["/tell", B]) == TOLD
    path = watched.files[0]
    path.write_text(path.read_text().replace("[staging]", "[kube-system]"))
    watched.wait_for(action="reloaded")
    assert run_in(pid, ["/tell", B]) == -9


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A containerd whose own processes are in a cgroup of the test's, which is in scope."""
    cgroup = Cgroup()
    for one in own_containerd(tmp_path_factory.mktemp("node"), str(cgroup.procs)):
        yield one, cgroup
    cgroup.remove()


def test_banning_runc_and_its_shim_kills_nothing_of_the_nodes_own(daemon, node, tmp_path):
    """F16: what took a cluster down once. Pods start and stop while the words that the node's own commands are made of are banned."""
    containerd, cgroup = node
    for i in range(5):
        os.makedirs(tmp_path / "pods" / f"kube-system_system-{i}_{next_uid(containerd, i)}")
    words = f"runc, containerd-shim, containerd-shim-runc-v2, init, pause, {B}"
    watched = daemon(f"bannedCommandStrings: [{words}]\nmonero: {{enabled: false}}\nscope: {{processes: containers}}\n"
                     f"containers:\n  endpoints: [{containerd.socket}]\n  podLogs: {tmp_path / 'pods'}\n",
                     ["--scope", str(cgroup.path)], scope=f"{cgroup2()}/{containerd.cgroup}")
    for i in range(5):
        pod = containerd.pod(f"system-{i}", "kube-system")  # its "pause" is banned too, and protected
        containerd.container(pod, "notebook", ["/pause", "quiet"])
    watched.drain(1)
    assert [line for line in watched.lines if line.get("action") == "killed"] == []
    assert watched.count(action="spared", allowedby="protected:node") > 0
    containerd.container(pod, "another", ["/tell", "quiet"])
    own = subprocess.run(["sh", "-c", f"true {B}"], preexec_fn=lambda: cgroup.procs.write_text("0"), timeout=10)
    assert own.returncode == 0, "a process of the node that is in scope, but in no container"
