"""Log lines that say in which container of Docker it happened, with a real dockerd, containerd and runc."""
import os
import signal
import time

import pytest

import dockerd as engine
from conftest import B, VICTIMS, cgroup2, wait_until

BINDER = {"BINDER_REF_URL": "https://example.org/repository?a=b", "BINDER_CLIENT_IP": "203.0.113.7", "SECRET": "not to be told"}
LABELS = {"repo2docker.ref": "HEAD", "repo2docker.repo": "https://example.org/repository"}


@pytest.fixture(scope="module")
def dockerd(tmp_path_factory):
    reason = engine.missing()
    if reason:
        pytest.skip(reason)
    try:
        one = engine.Dockerd(tmp_path_factory.mktemp("dockerd"), {"pause": VICTIMS / "pause_static", "tell": VICTIMS / "tell_argv"})
    except RuntimeError as error:
        pytest.skip(str(error))
    yield one
    one.close()


@pytest.fixture
def scope(dockerd):
    """The cgroup of all its containers."""
    path = f"{cgroup2()}/{dockerd.cgroup}"
    os.makedirs(path, exist_ok=True)
    return path


def start(daemon, dockerd, scope, more=""):
    return daemon(f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\ncontainers:\n  endpoints: [/nonexistent]\n"
                  f"  dockerEndpoints: [{dockerd.socket}]\n  environment: [BINDER_REF_URL, BINDER_CLIENT_IP]\n{more}", scope=scope)


def check(line, dockerd, name, container):
    assert line["container_type"] == "docker" and line["container_id"] == container
    assert line["image"] == dockerd.image_id() and line["image"].startswith("sha256:")
    assert line["labels"] == LABELS and line["container_name"] == name
    assert line["env"] == {k: BINDER[k] for k in ("BINDER_REF_URL", "BINDER_CLIENT_IP")}
    assert "pod_name" not in line


def test_a_kill_names_its_container(daemon, dockerd, scope):
    """The container's own command is banned: it dies at once, and its cgroup with it."""
    watched = start(daemon, dockerd, scope)
    container = dockerd.container("at-once", ["/pause", B], BINDER, LABELS)
    check(watched.wait_for(action="killed"), dockerd, "at-once", container)
    wait_until(lambda: dockerd.docker("inspect", "--format={{.State.Status}} {{.State.ExitCode}}", container) == "exited 137")


def test_a_command_inside_is_named(daemon, dockerd, scope):
    watched = start(daemon, dockerd, scope)
    container = dockerd.container("inside", ["/pause"], BINDER, LABELS)
    dockerd.docker("exec", "--detach", container, "/tell", B)
    check(watched.wait_for(action="killed"), dockerd, "inside", container)
    assert dockerd.docker("inspect", "--format={{.State.Status}}", container) == "running"


def test_a_stopped_engine_costs_the_labels_alone(daemon, dockerd, scope):
    container = dockerd.container("stopped", ["/pause", B], BINDER, LABELS)
    dockerd.signal(signal.SIGSTOP)
    try:
        begin = time.monotonic()
        watched = start(daemon, dockerd, scope)
        line = watched.wait_for(action="killed")
        assert time.monotonic() - begin < 5
        assert line["container_id"] == container and "labels" not in line and container in line["cgroupline"]
    finally:
        dockerd.signal(signal.SIGCONT)


@pytest.mark.parametrize("asked", [True, False])
def test_the_environment_may_name_the_socket(daemon, dockerd, scope, monkeypatch, asked):
    monkeypatch.setenv("CONTAINER_RUNTIME_ENDPOINT", "")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{dockerd.socket}" if asked else "")
    container = dockerd.container(f"by-environment-{asked}", ["/pause", B], labels=LABELS)
    line = daemon(f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\n", scope=scope).wait_for(action="killed", container_id=container)
    assert line.get("labels") == (LABELS if asked else None) and line.get("container_type") == ("docker" if asked else None)


def test_a_builder_is_named_and_nobody_asked(daemon, dockerd, scope):
    """A cgroup called as BuildKit calls them."""
    builder = "m9zt0q2j4bslw8p3x7c1k5v6n"
    path = f"{scope}/buildkit/{builder}"
    os.makedirs(path)
    try:
        watched = start(daemon, dockerd, scope)
        child = os.fork()
        if child == 0:
            with open(f"{path}/cgroup.procs", "w") as procs:
                procs.write("0")
            os.execv(VICTIMS / "pause_static", ["pause", B])
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        line = watched.wait_for(action="killed")
        assert line["container_type"] == "buildkit" and line["builder_id"] == builder
        assert "container_id" not in line and "labels" not in line
    finally:
        os.rmdir(path)
        os.rmdir(os.path.dirname(path))
