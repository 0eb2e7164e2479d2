"""The pod that the chart renders, run by a real containerd: what it does to its neighbours, what it answers, how it reloads and ends."""
import json
import os
import pathlib
import signal
import time

import pytest

from conftest import B, VICTIMS, wait_until
from kubelet import Pod, mounts_of
from rendered import Release
from volumes import data_of

WORD = "cryptnono.banned.string2"
PORT = 12121
KILLED, LIVES = 137, 42  # what /tell ends with, given a word that begins with a "c"
MINER_LIBRARIES = ("/lib/x86_64-linux-gnu", "/lib64", "/usr/lib/x86_64-linux-gnu")


def values(node, **more):
    """What the test adds to the chart's defaults: the scope, without which nothing may run on this machine, and metrics to look at."""
    return {"config": {"scope": {"cgroups": [node.scope]}}, "metrics": {"enabled": True}, **more}


class Agent:
    """The DaemonSet's pod on this node."""

    def __init__(self, node, name, more, directory, change=None, others=()):
        """`others`: objects of the cluster that the chart does not make, by kind and name."""
        self.node = node
        self.release = Release(values(node, **more), directory)
        self.release.objects.update(others)
        assert node.scope in str([data_of(each) for each in self.release.of("Secret")]), "a daemon without a scope could kill anything"
        self.pod = Pod(node, name, self.release.template, self.release.objects, change=change)

    def lines(self, **fields):
        """Those of the log that have these fields."""
        lines = [json.loads(line) for line in self.pod.log()]
        return [line for line in lines if all(line.get(key) == value for key, value in fields.items())]

    def wait_for(self, timeout=20, after=0, **fields):
        return wait_until(lambda: self.lines(**fields)[after:], timeout)[0]

    def ready(self):
        """When startup and readiness probes pass, as the kubelet waits for them."""
        wait_until(lambda: self.pod.probe("startupProbe")[0] is not False and self.pod.probe("readinessProbe")[0], 40)
        return self

    def metrics(self):
        status, text = self.node.get(PORT, "/metrics")
        assert status == 200
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line and not line.startswith("#")}

    def secret(self, name, key, text):
        """Another content, in the cluster and on the node."""
        thing = self.release.objects["Secret", name]
        thing.pop("stringData", None)
        thing["data"] = {**{k: _encoded(v) for k, v in data_of(thing).items()}, key: _encoded(text.encode())}
        self.follow(name)

    def follow(self, name):
        """What the kubelet does when the object of this name has changed."""
        for volume, sources in self.pod.volumes.sources.items():
            if any(name in (each[1].get("secretName"), each[1].get("name")) for each in sources[:-1]):
                self.pod.volumes.update(volume)


def _encoded(data):
    import base64
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def agent(node, tmp_path_factory):
    """One that is ready. Who changes it puts it back."""
    one = Agent(node, "cn-cryptnono-abcde", {}, tmp_path_factory.mktemp("release"))
    one.ready()
    yield one
    if one.pod.running():
        took, code = one.pod.stop()
        assert code == 0 and took < one.pod.grace
    one.pod.remove()


class Neighbour:
    """A user's pod."""

    def __init__(self, node, name, uid=1000):
        def change(config):
            config.linux.security_context.run_as_user.value = uid
            config.linux.security_context.seccomp.profile_type = 1
            config.mounts.extend(node.pb.Mount(container_path=path, host_path=path, readonly=True)
                                 for path in MINER_LIBRARIES if os.path.isdir(path))
            config.mounts.append(node.pb.Mount(container_path="/victims", host_path=str(VICTIMS), readonly=True))
        self.node = node
        self.sandbox = node.pod(name, "hub")
        (node.root / "pods" / f"hub_{name}_{self.sandbox[1].metadata.uid}").mkdir()
        self.container = node.container(self.sandbox, "notebook", ["/pause"], change=change)

    def __call__(self, *command, timeout=20):
        """Its exit code; 137 is a death by SIGKILL."""
        return self.node.exec(self.container, *command, timeout=timeout)[0]


@pytest.fixture(scope="module")
def neighbour(node):
    one = Neighbour(node, "jupyter-someone")
    yield one
    node.remove(one.sandbox)
    node.pods.remove(one.sandbox[0])


def test_nothing_about_it_is_privileged(agent):
    """As the kernel sees it, not as the manifest says."""
    pid = agent.node.pid_of(agent.pod.container)
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    (container,) = agent.release.template["spec"]["containers"]
    numbers = {"KILL": 5, "NET_ADMIN": 12, "IPC_LOCK": 14, "SYS_PTRACE": 19, "SYS_NICE": 23, "PERFMON": 38, "BPF": 39}
    wanted = sum(1 << numbers[name] for name in container["securityContext"]["capabilities"]["add"])
    for which in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[which], 16) == wanted
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    mounts = mounts_of(pid)
    for path in ("/", "/sys", "/host/run", "/var/log/pods", "/etc/cryptnono/execwhacker", "/etc/cryptnono/config"):
        assert "ro" in mounts[path], path
    assert os.stat(f"/proc/{pid}/ns/pid").st_ino == os.stat("/proc/self/ns/pid").st_ino
    assert os.stat(f"/proc/{pid}/ns/cgroup").st_ino != os.stat("/proc/self/ns/cgroup").st_ino
    assert not pathlib.Path(f"/proc/{pid}/root/bin/sh").exists()


def test_probes_and_all_paths_answer(agent):
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert agent.pod.probe(kind)[0], kind
    for path in ("/", "/metrics", "/healthz", "/readyz", "/status.json"):
        status, body = agent.node.get(PORT, path)
        assert status == 200 and body, path
    status, body = agent.node.get(PORT, "/whatever")  # the predecessor answered on every path
    assert status == 200 and "cryptnono_detector_up" in body
    status = json.loads(agent.node.get(PORT, "/status.json")[1])
    assert status["missing"] == [], status["missing"]


def test_canaries_die_without_any_more_rights(agent):
    """In a cgroup of the container's own, made without clone3, which the seccomp profile refuses."""
    wait_until(lambda: all(agent.metrics().get(f'cryptnono_canary_successful{{detector="{each}"}}') == 1 for each in ("execwhacker", "monero")))
    assert all(agent.metrics()[f'cryptnono_detector_up{{detector="{each}"}}'] == 1 for each in ("execwhacker", "monero"))


def test_a_banned_command_in_a_neighbour_dies_and_the_line_names_it(agent, neighbour):
    assert neighbour("/tell", "harmless") == 0
    before = len(agent.lines(action="killed"))
    assert neighbour("/tell", B) == KILLED
    line = agent.wait_for(action="killed", after=before)
    assert (line["pod_name"], line["pod_namespace"], line["container_name"]) == ("jupyter-someone", "hub", "notebook")
    assert line["labels"]["io.kubernetes.pod.name"] == "jupyter-someone" and line["container_type"] == "cri" and line["in_kernel"]
    assert B not in json.dumps(line)


def test_what_changes_its_command_line_dies_by_user_space(agent, neighbour):
    """The process is another user's, in another cgroup namespace than the daemon's."""
    before = len(agent.lines(action="killed"))
    assert neighbour("/victims/rewrite_argv", "x" * 40, B[:-1] + "_", "m", timeout=25) == KILLED
    line = agent.wait_for(action="killed", after=before)
    assert line["source"] == "psutil.process_iter" and line["pod_name"] == "jupyter-someone"


def test_randomx_dies(agent, neighbour):
    before = len(agent.lines(action="killed"))
    assert neighbour("/victims/randomx_miner", "20", timeout=25) == KILLED
    line = agent.wait_for(action="killed", after=before)
    assert line["detector"] == "monero" and line["pod_name"] == "jupyter-someone"


def test_a_secret_that_changes_is_loaded_without_a_restart(agent, neighbour):
    name = f'{agent.release.daemonset["metadata"]["name"]}-execwhacker'
    (key,) = data_of(agent.release.objects["Secret", name])
    good = data_of(agent.release.objects["Secret", name])[key].decode()
    pid = agent.node.pid_of(agent.pod.container)
    assert neighbour("/tell", WORD) == LIVES
    reloaded, failed = len(agent.lines(action="reloaded")), len(agent.lines(action="reload-failed"))

    agent.secret(name, key, json.dumps({"bannedCommandStrings": [B, WORD]}))
    agent.wait_for(action="reloaded", after=reloaded)
    assert neighbour("/tell", WORD) == KILLED

    agent.secret(name, key, '{"bannedCommandStrings": [')
    line = agent.wait_for(action="reload-failed", after=failed)
    assert key in line["errors"][0] and WORD not in json.dumps(line)
    assert neighbour("/tell", WORD) == KILLED and agent.metrics()["cryptnono_config_last_reload_successful"] == 0
    assert agent.pod.probe("livenessProbe")[0] and agent.pod.probe("readinessProbe")[0]

    agent.secret(name, key, good)
    agent.wait_for(action="reloaded", after=reloaded + 1)
    assert neighbour("/tell", WORD) == LIVES and agent.metrics()["cryptnono_config_last_reload_successful"] == 1
    assert agent.node.pid_of(agent.pod.container) == pid and agent.pod.running()


def test_a_restart_of_containerd_does_not_blind_it(agent):
    """Its socket is another file then; the mount is of the directory. A pod that is made afterwards is named."""
    node = agent.node
    node.signal(signal.SIGKILL)
    node.holder.wait(timeout=20)
    node.channel.close()
    node.start()
    newcomer = Neighbour(node, "jupyter-after-restart")
    before = len(agent.lines(action="killed"))
    assert newcomer("/tell", B) == KILLED
    line = agent.wait_for(action="killed", after=before)
    # Name and image come from the runtime alone.
    assert line["pod_name"] == "jupyter-after-restart" and line["container_name"] == "notebook" and line["image"]
    node.remove(newcomer.sandbox)
    node.pods.remove(newcomer.sandbox[0])
    assert agent.pod.running()


def test_what_ends_comes_back_with_its_state_and_leaves_nothing(agent, neighbour):
    """SIGTERM ends it within its grace, and the kubelet starts it anew in the same sandbox."""
    cgroups = lambda: {str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("**/cryptnono-canary-*")}  # noqa: E731
    state = agent.pod.volumes.made["state"][0]
    marker = pathlib.Path(state) / "kept"
    marker.write_text("by the volume")
    assert len(cgroups()) == 1
    took, code = agent.pod.stop()
    assert code == 0 and took < agent.pod.grace
    assert json.loads(agent.pod.log()[-1])["action"] == "stopped" and not cgroups()
    assert neighbour("/tell", B) == LIVES  # nobody looks now
    agent.pod.restart()
    agent.ready()
    assert neighbour("/tell", B) == KILLED
    assert agent.wait_for(action="killed")["pod_name"] == "jupyter-someone"
    assert marker.read_text() == "by the volume"
    # A death without a goodbye leaves a control socket and a cgroup.
    os.kill(agent.node.pid_of(agent.pod.container), signal.SIGKILL)
    wait_until(lambda: not agent.pod.running())
    agent.pod.restart()
    agent.ready()
    assert neighbour("/tell", B) == KILLED and len(cgroups()) == 1
    code, said = agent.node.exec(agent.pod.container, "/usr/bin/cryptnono", "status")
    assert code == 0 and "execwhacker" in said


def run_helm_test(node, release, name):
    """The pod of `helm test`, on the node: its exit code and what it said."""
    (manifest,) = [each for each in release.of("Pod") if "test" in each["metadata"]["annotations"]["helm.sh/hook"]]
    pod = Pod(node, name, manifest, release.objects)
    wait_until(lambda: not pod.running(), 60)
    out = pod.state().exit_code, pod.log()
    pod.remove()
    return out


def test_helm_test_passes_where_the_agent_kills(agent):
    before = len(agent.lines(action="killed"))
    code, said = run_helm_test(agent.node, agent.release, "cn-cryptnono-test")
    assert code == 0, said
    line = agent.wait_for(action="killed", after=before)
    assert line["pod_name"] == "cn-cryptnono-test" and line["container_name"] == "banned-string"


# From here on it is others that run, one after the other: all have the same port.


@pytest.fixture
def alone(agent):
    if agent.pod.running():
        took, code = agent.pod.stop()
        assert code == 0 and took < agent.pod.grace


@pytest.fixture
def other(node, alone, tmp_path):
    """Makes another agent of these values, which must end well."""
    made = []

    def make(name, more, **how):
        made.append(Agent(node, name, more, tmp_path, **how))
        return made[-1]
    yield make
    for one in made:
        took, code = one.pod.stop()
        one.pod.remove()
        assert code == 0 and took < one.pod.grace


def test_helm_test_fails_where_nobody_kills(node, alone, tmp_path):
    """The test as rendered, but for its patience, which is a value too."""
    release = Release(values(node, test={"timeoutSeconds": 1}), tmp_path)
    code, said = run_helm_test(node, release, "cn-nobody-test")
    assert code not in (0, KILLED), said


def test_without_metrics_its_probes_pass_too(node, other):
    """By commands in the container, over the control socket."""
    one = other("cn-quiet", {"metrics": {"enabled": False}}).ready()
    assert one.pod.probe("livenessProbe")[0] and node.get(PORT, "/metrics")[0] == 0


def test_addresses_of_a_config_map_made_elsewhere(node, other, neighbour):
    """Banned at connect; another list is loaded without a restart."""
    more = {"detectors": {"tcpflowkiller": {"enabled": True, "bannedIpv4ConfigMaps": {"pools": "list"}}}}
    lists = {("ConfigMap", "pools"): {"kind": "ConfigMap", "data": {"list": "127.66.0.1\n"}}}
    one = other("cn-flow", more, others=lists).ready()
    assert neighbour("/victims/connect_act", "connect", "127.66.0.1", "9") == KILLED
    assert one.wait_for(action="killed", detector="tcpflowkiller")["pod_name"] == "jupyter-someone"
    assert neighbour("/victims/connect_act", "connect", "127.66.0.2", "9") == 0
    lists["ConfigMap", "pools"]["data"]["list"] = "127.66.0.2\n"
    one.follow("pools")
    one.wait_for(action="reloaded")
    assert neighbour("/victims/connect_act", "connect", "127.66.0.2", "9") == KILLED


@pytest.mark.parametrize("writable", [True, False])
def test_containers_are_killed_whether_cgroups_can_be_written_to_or_not(node, other, writable):
    """A read-only mount of /sys leaves the mounts below it as they are, unless it is recursive (`recursiveReadOnly`)."""
    def cover(config):
        if not writable:
            config.mounts.append(node.pb.Mount(container_path="/sys/fs/cgroup", host_path="/sys/fs/cgroup", readonly=True))
    more = {"config": {"scope": {"cgroups": [node.scope]}, "execwhacker": {"action": "kill-container"}}}
    one = other(f"cn-cgroup-{writable}".lower(), more, change=cover).ready()
    notebook = Neighbour(node, f"jupyter-whole-{writable}".lower())
    assert notebook("/tell", B) == KILLED
    line = one.wait_for(action="responded", response="kill-container")
    assert line["processes_killed"] >= 1 and line["pod_name"] == f"jupyter-whole-{writable}".lower()
    wait_until(lambda: node.status(notebook.container).state == 2)
    node.remove(notebook.sandbox)
    node.pods.remove(notebook.sandbox[0])
    said = node.exec(one.pod.container, "/usr/bin/cryptnono", "doctor")[1]
    assert ("degraded write to cgroups" in said) == (not writable), said
    canary = one.wait_for(action="canary", detector="execwhacker")
    assert canary["result"] == ("passed" if writable else "unavailable")


def test_the_fallback_with_privileges_does_the_same(node, other, neighbour):
    one = other("cn-privileged", {"containerSecurityContext": {"privileged": True}}).ready()
    (container,) = one.release.template["spec"]["containers"]
    assert container["securityContext"]["privileged"] is True
    assert neighbour("/tell", B) == KILLED
    assert one.wait_for(action="killed")["pod_name"] == "jupyter-someone"
    assert neighbour("/victims/randomx_miner", "20", timeout=25) == KILLED
    assert one.wait_for(action="killed", detector="monero")["pod_name"] == "jupyter-someone"


def test_without_any_right_it_says_so_and_stays(node, other):
    """A DaemonSet whose container ends again and again would block whoever waits for its rollout."""
    def take_all(config):
        del config.linux.security_context.capabilities.add_capabilities[:]
    one = other("cn-without", {}, change=take_all)
    line = one.wait_for(event="No detector can run here; nothing is watched")
    assert line["level"] == "error"
    wait_until(lambda: one.pod.probe("livenessProbe")[0])
    ready, why = one.pod.probe("readinessProbe")
    assert not ready and "execwhacker cannot run here" in why
    assert one.metrics()['cryptnono_detector_up{detector="execwhacker"}'] == 0
    missing = {each["what"] for each in json.loads(node.get(PORT, "/status.json")[1])["missing"]}
    assert {"load BPF programs (CAP_BPF)", "trace the kernel by BPF (CAP_PERFMON)"} <= missing
    assert one.pod.running()
