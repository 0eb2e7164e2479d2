"""Banned addresses as part of groups: each with its own action, limit and name in the log. In two network namespaces made for the test."""
import json
import os
import pathlib
import subprocess

import pytest

from conftest import cgroup2, die_with_parent, own_containerd
from test_actions import gone
from test_flow import ACT, HOOKS_MAY_SIGNAL, SCAN, act, dies, lives, net  # noqa: F401

MAIN = "bannedCommandStrings: []\nmonero: {enabled: false}\ntcpflowkiller:\n  enabled: true\n  scan: {enabled: false}\n"


@pytest.fixture
def groups(daemon, tmp_path):
    """Starts a daemon with a file for each group: its bans and its action."""
    def write(name, bans, action):
        text = f"bannedAddresses: {json.dumps(bans)}\n" + (f"action: {action}\n" if action else "")
        (tmp_path / "next").write_text(text)
        os.rename(tmp_path / "next", tmp_path / f"{name}.yaml")
        return tmp_path / f"{name}.yaml"

    def start(wanted, more="", **options):
        main = tmp_path / "main.yaml"
        main.write_text(MAIN + more)
        watched = daemon([main, *(write(name, *group) for name, group in wanted.items())], **options)
        watched.write = write
        return watched
    return start


@pytest.mark.parametrize("hooks", ["kill", "refuse", "observe"])
def test_one_group_kills_and_another_reports(groups, net, act, hooks):
    """Also where the kernel leaves the kill to user space. No line tells a range."""
    watched = groups({"pools": (["192.0.2.0/31"], None), "doubtful": (["192.0.2.2/31"], "report")}, f"  hooks: {hooks}\n", reveal=False)
    # Refused, it may end by itself before user space kills it, or while it does.
    died = act("connect", "192.0.2.1")[0] == -9
    assert died or hooks == "refuse"
    line = watched.wait_for(detector="tcpflowkiller", reason="banned-ip")
    assert line["action"] == "killed" or not died and line["action"] == "missed-kill"
    assert (line["group"], line["rule"], line["reason"], line["banned-ip"]) == ("pools", "pools:1:19", "banned-ip", "192.0.2.1")
    assert lives(act("connect", "192.0.2.2"))
    assert net.arrived("192.0.2.2") > 0
    line = watched.wait_for(detector="tcpflowkiller", action="reported")
    assert (line["group"], line["rule"], line["refused"]) == ("doubtful", "doubtful:1:19", False)
    assert "192.0.2.2/31" not in str(watched.lines) and "192.0.2.0/31" not in str(watched.lines) and "matched" not in line


def test_the_harshest_action_counts(groups, act):
    """And the line names the narrowest ban of those that decided."""
    watched = groups({"wide": (["192.0.2.0/24", "2001:db8::/32"], "kill"), "narrow": (["192.0.2.2", "[2001:db8::1]:80"], "report")})
    assert dies(act("connect", "192.0.2.2"))
    assert watched.wait_for(action="killed")["rule"] == "wide:1:19"
    assert dies(act("connect", "2001:db8::1"))
    assert watched.wait_for(action="killed", address="2001:db8::1")["group"] == "wide"
    watched.write("wide", ["192.0.2.0/24", "2001:db8::/32"], "report")
    watched.wait_for(action="reloaded")
    assert lives(act("connect", "192.0.2.2"))
    assert watched.wait_for(action="reported")["rule"] == "narrow:1:19"
    assert lives(act("connect", "2001:db8::1", 81))
    assert watched.wait_for(action="reported", port=81)["rule"] == "wide:1:35"


def test_ports_of_one_address_are_of_several_groups(groups, act):
    watched = groups({"pools": (["192.0.2.2:3333", "[2001:db8::2]:25"], "kill"), "host": (["192.0.2.2", "2001:db8::2"], "report")},
                     '  allow: ["192.0.2.2:81"]\n')
    assert dies(act("connect", "192.0.2.2", 3333)) and dies(act("mapped", "192.0.2.2", 3333))
    assert dies(act("sendto", "192.0.2.2", 3333))
    assert lives(act("connect", "192.0.2.2", 80)) and lives(act("connect", "192.0.2.2", 81))
    assert dies(act("connect", "2001:db8::2", 25)) and lives(act("connect", "2001:db8::2", 80))
    watched.wait_for(action="reported", address="2001:db8::2")
    reported = [(line["address"], line["port"], line["group"]) for line in watched.drain() if line.get("action") == "reported"]
    assert reported == [("192.0.2.2", 80, "host"), ("2001:db8::2", 80, "host")]


def test_a_group_has_an_action_of_its_own_whatever_the_detectors(groups, act):
    watched = groups({"pools": (["192.0.2.1"], "kill")}, '  action: report\n  bans: ["192.0.2.2"]\n')
    assert dies(act("connect", "192.0.2.1")) and lives(act("connect", "192.0.2.2"))
    line = watched.wait_for(action="reported")
    assert line["rule"] == "banned-ip" and "group" not in line


def test_a_dry_run_is_one_for_groups_too(groups, act):
    watched = groups({"pools": (["192.0.2.1"], "kill-container")}, arguments=["--dry-run"])
    assert lives(act("connect", "192.0.2.1"))
    assert watched.wait_for(action="reported", dry_run=True)["group"] == "pools"


def test_the_limit_counts_each_group_by_itself(groups, act):
    watched = groups({"one": (["192.0.2.1"], None), "other": (["192.0.2.2"], None)}, "  limit: {maxTargets: 1, window: 60}\n")
    assert dies(act("connect", "192.0.2.1", uid=65534))
    assert lives(act("connect", "192.0.2.1", uid=65533))
    assert dies(act("connect", "192.0.2.2", uid=65533))
    assert watched.wait_for(action="limited")["group"] == "one"


def test_a_group_that_kills_the_container(daemon, groups, net, tmp_path_factory, tmp_path):
    """One container of two dies whole, for a connect of a process in it."""
    for containerd in own_containerd(tmp_path_factory.mktemp("containerd")):
        pod = containerd.pod("whole", "hub")
        notebook, sidecar = [containerd.pid_of(containerd.container(pod, each, ["/pause"])) for each in ("notebook", "sidecar")]
        scope = pathlib.Path(cgroup2()) / containerd.cgroup
        place = pathlib.Path(f"/proc/{notebook}/cgroup").read_text().splitlines()[-1].split(":", 2)[2]
        watched = groups({"pools": (["192.0.2.1"], "kill-container"), "mild": (["192.0.2.0/24"], "kill")},
                         f"containers: {{endpoints: [{containerd.socket}], podLogs: {tmp_path}}}\n", scope=scope)

        def join():
            die_with_parent()
            (pathlib.Path(cgroup2()) / place.lstrip("/") / "cgroup.procs").write_text("0")
        for address, response in (("192.0.2.2", None), ("192.0.2.1", "kill-container")):
            connects = subprocess.Popen(net.client([ACT, "connect", address, "80"]), preexec_fn=join)
            assert connects.wait(timeout=10) == -9
            assert watched.wait_for(action="killed", address=address).get("response") == response
            assert gone(notebook, 5 if response else 0.3) is (response is not None)
        assert watched.wait_for(action="responded", response="kill-container")["container_name"] == "notebook"
        assert not gone(sidecar, 0.3)


def test_a_reload_switches_a_group(groups, net, act):
    """From reporting to killing and back, for processes that run."""
    watched = groups({"pools": (["192.0.2.1"], "report")})
    for generation, action, outcome in ((2, "kill", dies), (3, "report", lives), (4, "kill", dies)):
        watched.write("pools", ["192.0.2.1"], action)
        watched.wait_for(action="reloaded", generation=generation)
        assert outcome(act("connect", "192.0.2.1")), action


def test_reloads_that_swap_the_groups_let_nothing_through(groups, net, spawn):
    """At each reload the ban moves to the other group, and the other group is the one that kills."""
    watched = groups({"a": (["192.0.2.1"], "kill"), "b": (["192.0.2.2"], "report")}, "  limit: {maxTargets: 64}\n")
    net.sniff()
    storm = spawn.start(net.client([SCAN, "-o", "-n", "6000", "192.0.2.1", "80"]), stdout=subprocess.PIPE, text=True)
    reloads = 0
    while storm.poll() is None:
        kill, report = ("a", "b") if reloads % 2 else ("b", "a")
        watched.write(kill, ["192.0.2.1"], "kill")  # the daemon waits until nothing changes any more
        watched.write(report, ["192.0.2.2"], "report")
        reloads += 1
        watched.wait_for(action="reloaded", generation=reloads + 1)
    killed, lived = [int(word) for word in storm.stdout.readline().split()[1::2]]
    assert lived == 0 and killed > 500, (killed, lived)
    assert reloads > 8
    assert net.arrived("192.0.2.1") == 0
    assert {line["group"] for line in watched.drain() if line.get("action") == "killed"} == {"a", "b"}


def test_the_hooks_fit_the_kernel(groups):
    """Programs that do not fit the verifier any more are left out for less, and all else goes on working."""
    if not HOOKS_MAY_SIGNAL:
        pytest.skip("Linux before 6.16 takes no programs of cgroups that send signals")
    watched = groups({"pools": (["192.0.2.1"], None)}, metrics=True)
    assert watched.metrics()["cryptnono_flowkiller_hooks"] == 2
