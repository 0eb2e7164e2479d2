"""Every kill names its container: Podman's, those of runc and crun alone, nested ones, children of their cgroups, and whatever
cgroup namespace they are in."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import oci
from conftest import B, VICTIMS, die_with_parent

CONFIG = f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\ncontainers: {{endpoints: [/run/cryptnono-no-such.sock]}}\n"
POD = "pod0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d"
OUTER, INNER = "a" * 64, "b" * 64


@pytest.fixture
def engine():
    for tool in ("podman", "runc", "nsenter"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    started = []

    def start(**options):
        started.append(oci.Engine({"pause": VICTIMS / "pause_static", "tell": VICTIMS / "tell_argv"}, **options))
        return started[-1]
    yield start
    for one in started:
        one.close()


def run_at(cgroup, argv, **options):
    """In a cgroup that may have to be made. Its return code."""
    os.makedirs(cgroup, exist_ok=True)

    def join():
        die_with_parent()
        (pathlib.Path(cgroup) / "cgroup.procs").write_text("0")
    return subprocess.run(argv, preexec_fn=join, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10, **options).returncode


def check(watched, container, cgroup, number=1):
    """All kills so far are of this container."""
    watched.wait_for(action="killed", container_id=container)
    lines = [line for line in watched.drain() if line.get("action") == "killed"]
    assert len(lines) == number and {line["container_id"] for line in lines} == {container}
    assert lines[-1]["cgroup"] == cgroup and lines[-1]["cgroupline"] == f"0::{cgroup}"
    assert all("labels" not in line and "pod_name" not in line for line in lines)


@pytest.mark.parametrize("options", [("--network", "none"), ("--network", "host"), ("--network", "none", "--cgroupns", "private"),
                                     ("--network", "none", "--cgroupns", "host", "--pid", "host"), ("--network", "none", "--privileged")],
                         ids=" ".join)
def test_a_kill_names_a_container_of_podman(daemon, engine, options):
    one = engine()
    watched = daemon(CONFIG, scope=one.scope)
    container = one.start(*options)
    done = one.podman("exec", container, "/tell", "clean")
    assert done.returncode == 42, done.stderr
    assert one.podman("exec", container, "/tell", B).returncode not in (0, 42)
    check(watched, container, f"/{one.name}/libpod-{container}")


def test_a_container_of_podman_whose_own_command_is_banned(daemon, engine):
    one = engine()
    watched = daemon(CONFIG, scope=one.scope)
    done = one.podman("run", "--cidfile", str(one.root / "id"), "--runtime", "runc", *oci.LIMITS, "--network", "none", "--cgroup-parent",
                      f"/{one.name}", "--rootfs", str(one.rootfs), "/tell", B)
    assert done.returncode not in (0, 42)
    container = (one.root / "id").read_text()
    check(watched, container, f"/{one.name}/libpod-{container}")


def test_two_containers_at_once_are_told_apart(daemon, engine):
    one = engine()
    watched = daemon(CONFIG, scope=one.scope)
    containers = [one.start("--network", "none") for _ in range(3)]
    words = [f"{B} of-{i}" for i in range(3)]
    for _ in range(5):
        for container, word in zip(containers, words):
            assert one.podman("exec", container, "/tell", word).returncode not in (0, 42)
    lines = [line for line in watched.drain() if line.get("action") == "killed"]
    assert len(lines) == 15
    for container, word in zip(containers, words):
        assert {line["container_id"] for line in lines if word in line["cmdline"]} == {container}


@pytest.mark.parametrize("below", ["init.scope", "a/b/c", "container", "user.slice/user-0.slice/session-1.scope",
                                   f"crio-conmon-{INNER}.scope"])
def test_what_a_container_makes_below_its_cgroup_belongs_to_it(daemon, engine, below):
    one = engine()
    watched = daemon(CONFIG, scope=one.scope)
    container = one.start("--network", "none")
    cgroup = one.cgroup_of(container) / below
    assert run_at(cgroup, ["sleep", "5", B]) == -9
    check(watched, container, f"/{one.name}/libpod-{container}/{below}")


@pytest.mark.parametrize("below", [f"docker/{INNER}", f"{INNER}", f"libpod-{INNER}.scope/container",
                                   f"kubepods/{POD}/crio-{INNER}/container"])
def test_the_deepest_of_nested_containers_is_named(daemon, engine, below):
    """E25. A real container of runc, in the cgroup of a container of podman."""
    one = engine()
    watched = daemon(CONFIG, scope=one.scope)
    container = one.start("--network", "none", "--privileged")
    cgroup = f"/{one.name}/libpod-{container}/{below}"
    bundle = one.bundle("inner", ["/tell", B], cgroup=cgroup)
    done = one.run("runc", "--root", str(one.root / "runc"), "run", "-b", bundle, "inner")
    assert done.returncode not in (0, 42), done.stderr
    check(watched, INNER, cgroup)


@pytest.mark.parametrize("form", [f"kubepods/burstable/{POD}/{OUTER}", f"kubepods/{POD}/crio-{OUTER}/container",
                                  f"kubepods.slice/kubepods-{POD.replace('-', '_')}.slice/cri-containerd-{OUTER}.scope",
                                  f"kubepods-burstable-{POD.replace('-', '_')}.slice:cri-containerd:{OUTER}",
                                  f"system.slice/docker-{OUTER}.scope", f"docker/{OUTER}", f"libpod_parent/libpod-{OUTER}",
                                  f"system.slice/nerdctl-{OUTER}.scope", f"default/{OUTER}"])
def test_every_layout_of_cgroups_names_its_container(daemon, engine, form):
    """C18. In a private cgroup namespace as well: the path is that of the node."""
    one = engine()
    watched = daemon(CONFIG, scope=one.scope)
    assert run_at(one.scope / form, ["sleep", "5", B]) == -9
    command = f'import os; os.execv("/bin/sleep", ["sleep", "5", "{B[:5]}" + "{B[5:]}"])'
    assert run_at(one.scope / form, ["unshare", "--cgroup", "--mount", "python3", "-c", command]) == -9
    check(watched, OUTER, f"/{one.name}/{form}", number=2)


def test_containers_of_crun_are_named(daemon, engine):
    """As newer crun places them, one level below their own cgroup. It does not run beside v1."""
    if not shutil.which("crun"):
        pytest.skip("crun is not installed")
    one = engine(only_v2=True)
    watched = daemon(CONFIG, scope=one.scope)
    form = f"kubepods/burstable/{POD}/crio-{OUTER}/container"
    os.makedirs(one.scope / form)
    for name, word in (("clean", "clean"), ("banned", B)):
        bundle = one.bundle(name, ["/tell", word], namespaces=("pid", "mount", "network", "ipc", "cgroup"))
        done = one.run("crun", "--root", str(one.root / "crun"), "--cgroup-manager=disabled", "run", "-b", bundle, name,
                       cgroup=one.scope / form)
        assert (done.returncode == 42) == (word == "clean"), (done.returncode, done.stderr)
    check(watched, OUTER, f"/{one.name}/{form}")


def test_podman_with_crun_and_v2_alone(daemon, engine):
    """Podman leaves the cgroup alone here: crun may not raise the limit that it needs for its own."""
    if not shutil.which("crun"):
        pytest.skip("crun is not installed")
    one = engine(only_v2=True)
    watched = daemon(CONFIG, scope=one.scope)
    form = f"docker/{OUTER}"
    os.makedirs(one.scope / form)
    done = one.podman("run", "--runtime", "crun", *oci.LIMITS, "--cgroups", "disabled", "--network", "none", "--rootfs", str(one.rootfs),
                      "/tell", "clean", cgroup=one.scope / form)
    assert done.returncode == 42, done.stderr
    # Podman itself is in that cgroup, and must not be called with the word.
    (one.rootfs / "say").write_text(f"#!/tell {B}\n")
    os.chmod(one.rootfs / "say", 0o755)
    done = one.podman("run", "--runtime", "crun", *oci.LIMITS, "--cgroups", "disabled", "--network", "none", "--rootfs", str(one.rootfs),
                      "/say", cgroup=one.scope / form)
    assert done.returncode not in (0, 42), done.stderr
    check(watched, OUTER, f"/{one.name}/{form}")


def test_docker_in_a_pod_is_traced_to_its_pod_through_its_ancestors(daemon, sandbox):
    """As Docker in a pod does it on cgroup v2: the engine is in the pod's cgroup, its containers are in one outside of it."""
    uid, outer, inner = "7eed019f-0000-4000-8000-00000000d1d0", "a" * 64, "b" * 64
    pod = sandbox.path / "kubepods" / "burstable" / f"pod{uid}"
    made = [sandbox.path / "kubepods", sandbox.path / "kubepods" / "burstable", pod, pod / outer, sandbox.path / "docker",
            sandbox.path / "docker" / inner]
    for path in made:
        path.mkdir()
    try:
        watched = daemon()
        # The engine, its shim, and the container's process, which is banned.
        shim = f"echo $$ >{made[-1]}/cgroup.procs; exec /bin/true cryptnono.banned.\"string1\""
        engine = f"echo $$ >{pod / outer}/cgroup.procs; sh -c 'sh \"$0\"; true' \"$0\"; true"
        script = sandbox_script(shim)
        try:
            subprocess.run(["sh", "-c", engine, script], timeout=10, check=True)
        finally:
            os.unlink(script)
        line = watched.wait_for(action="killed")
        assert line["container_id"] == inner and line["outer_container_id"] == outer and line["pod_uid"] == uid
        assert [each["comm"] for each in line["ancestors"]][:2] == ["sh", "sh"]
    finally:
        for path in reversed(made):
            path.rmdir()


def sandbox_script(text):
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
        file.write(text + "\n")
    return file.name
