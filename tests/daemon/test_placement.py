"""The daemon where it may find itself: on the node, in a container with the node's namespaces, and in one with too few of them."""
import os
import pathlib
import signal
import subprocess

from conftest import B, BINARY, Cgroup

CONFIG = f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\ncontainers: {{endpoints: [/run/cryptnono-no-such.sock]}}\n"
# Of a privileged pod with hostPID: all others are its own.
POD = ("unshare", "--mount", "--uts", "--ipc", "--net", "--propagation", "private", "--")


def test_in_a_container_with_the_nodes_pids_and_cgroups(daemon, sandbox, spawn):
    watched = daemon(CONFIG, through=POD)
    assert spawn(["sleep", "5", B]) == -9 and spawn(["true"]) == 0
    assert watched.wait_for(action="killed")["cgroup"] == "/" + sandbox.path.name


def test_what_ran_before_is_found_from_a_container_with_the_nodes_pids(daemon, spawn):
    child = spawn.start(["sh", "-c", f"sleep 30; : {B}"])
    watched = daemon(CONFIG, through=POD)
    assert child.wait(timeout=10) == -9
    assert watched.wait_for(action="killed")["pid"] == child.pid


def test_a_cgroup_namespace_of_its_own(daemon, spawn):
    """As runtimes give each container. Cgroups are called what the node calls them all the same."""
    own = Cgroup()
    try:
        watched = daemon(CONFIG, through=("sh", "-c", f'echo 0 >{own.procs} && exec unshare --cgroup -- "$@"', "sh"))
        assert spawn(["sleep", "5", B]) == -9 and spawn(["true"]) == 0
        assert watched.wait_for(action="killed")["cgroup"] == "/" + watched.sandbox.path.name
        watched.stop()
    finally:
        own.remove()


def test_without_the_nodes_pids_the_kernel_still_kills_and_doctor_says_what_is_lost(daemon, spawn):
    watched = daemon(CONFIG, through=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"))
    assert spawn(["sleep", "5", B]) == -9 and spawn(["true"]) == 0
    holder = watched.process.pid  # does not die of a SIGTERM, and has one child
    os.kill(int(pathlib.Path(f"/proc/{holder}/task/{holder}/children").read_text()), signal.SIGTERM)
    assert watched.process.wait(timeout=10) == 0
    said = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", BINARY, "doctor"], capture_output=True, text=True,
                          timeout=30).stdout
    assert "degraded initial pid namespace" in said and "set hostPID" in said


def test_a_start_that_fails_says_why_and_ends_in_order_every_time(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    for _ in range(8):
        running = [subprocess.Popen([BINARY, "run", "--control-socket", "", "--scope", "/nonexistent", "-c", str(path)], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True) for _ in range(4)]
        for one in running:
            said = one.communicate(timeout=60)[1]
            assert (one.returncode, said) == (3, "scope: /nonexistent: No such file or directory\n")
