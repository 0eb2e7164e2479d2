"""tcpflowkiller: banned addresses, in two network namespaces made for the test.

Names that begin with an id are rows of the list of threats: E evasions, F false positives, C defects of the predecessor.
"""
import json
import os
import platform
import shutil
import subprocess
import time

import pytest

from conftest import SLOW, VICTIMS
from network import Network

ACT = VICTIMS / "connect_act"
SCAN = VICTIMS / "scan_act"
HOWS = ["connect", "nonblock", "fastopen", "fastopen-connect", "bind", "thread", "udp", "sendto", "uring", "uring-async", "mptcp"]
HOOKS_MAY_SIGNAL = tuple(int(part) for part in platform.release().split(".")[:2]) >= (6, 16)
MAPPED = ["mapped", "sendto-mapped", "fastopen-mapped"]
HEAD = "bannedCommandStrings: []\nmonero: {enabled: false}\ntcpflowkiller:\n  enabled: true\n"
OFF = "  scan: {enabled: false}\n"
BANS = HEAD + OFF + """  bans: ["192.0.2.1", "198.51.100.0/24:3333", "2001:db8::1", "[2606:2800::/64]:25"]
"""


@pytest.fixture(scope="module")
def net():
    network = Network()
    network.listen(80, 81, 25, 3333, 4444, 8080, 8888, 9999)
    yield network
    network.close()


@pytest.fixture
def act(net, spawn):
    """Runs an act in the client's namespace: exit code, what it printed."""
    def run(how, address, port=80, uid=0, **options):
        net.sniff()
        user = ["setpriv", f"--reuid={uid}", "--clear-groups"] if uid else []  # in there: nsenter needs root
        child = spawn.start(net.client([*user, ACT, how, address, port]), stdout=subprocess.PIPE, **options)
        out = child.communicate(timeout=20 * SLOW)[0].decode()
        if child.returncode == 77:
            pytest.skip(out.strip())
        return child.returncode, out
    return run


def dies(result):
    """Where programs of cgroups may not send signals, user space kills who was refused, who may come to its own end before that."""
    return result == (-9, "") or not HOOKS_MAY_SIGNAL and (result[0] == -9 or "EPERM" in result[1])


def lives(result):
    return result[0] == 0 and result[1] in ("returned 0\n", "")


@pytest.mark.parametrize("how", HOWS)
def test_banned_dies_and_no_packet_arrives(daemon, net, act, how):
    watched = daemon(BANS)
    assert dies(act(how, "192.0.2.1"))
    assert net.arrived("192.0.2.1") == 0
    line = watched.wait_for(action="killed", detector="tcpflowkiller")
    assert line["reason"] == "banned-ip" and line["banned-ip"] == "192.0.2.1" and line["refused"] is True
    assert line["cmdline"] == [str(ACT), how, "192.0.2.1", "80"] and line["exe"] == str(ACT)
    assert line["connections"][0][4] == ["192.0.2.1", 80] and "cgroupline" in line["container"]
    assert lives(act(how, "192.0.2.2"))
    assert net.arrived("192.0.2.2") > 0, "the sniffer sees packets"


@pytest.mark.parametrize("how", MAPPED)
def test_E28_v4_mapped(daemon, net, act, how):
    watched = daemon(BANS)
    assert dies(act(how, "192.0.2.1"))
    assert net.arrived("192.0.2.1") == 0
    assert watched.wait_for(action="killed")["banned-ip"] == "192.0.2.1"
    assert lives(act(how, "192.0.2.2"))


@pytest.mark.parametrize("how", [h for h in HOWS if h != "mptcp"])
def test_E28_ipv6(daemon, net, act, how):
    watched = daemon(BANS)
    assert dies(act(how, "2001:db8::1"))
    assert net.arrived("2001:db8::1") == 0
    assert watched.wait_for(action="killed")["banned-ip"] == "2001:db8::1"
    assert lives(act(how, "2001:db8::2"))


def test_E28_udp_is_told_as_udp(daemon, act):
    watched = daemon(BANS)
    assert dies(act("sendto", "192.0.2.1", 443))
    line = watched.wait_for(action="killed")
    assert (line["protocol"], line["port"]) == ("udp", 443)


@pytest.mark.parametrize("how", ["uring", "uring-async"])
def test_E30_io_uring(daemon, net, act, how):
    daemon(BANS)
    assert dies(act(how, "192.0.2.1"))
    assert net.arrived("192.0.2.1") == 0


@pytest.mark.parametrize("hooks", ["refuse", "observe"])
@pytest.mark.parametrize("how", ["connect", "nonblock", "fastopen", "thread", "uring", "uring-async", "mptcp", "mapped"])
def test_with_less_of_a_kernel(daemon, net, act, how, hooks):
    """What the detector does where a kernel, or cgroup v1, allows no more."""
    watched = daemon(BANS + f"  hooks: {hooks}\n")
    code, out = act(how, "192.0.2.1")
    if hooks == "observe":
        assert (code, out) == (-9, "")
    else:  # user space kills: the process may get as far as its end
        assert code == -9 or how == "nonblock" or "EPERM" in out
        assert net.arrived("192.0.2.1") == 0
    line = watched.wait_for(detector="tcpflowkiller", reason="banned-ip")
    assert line["action"] == "killed" or (hooks == "refuse" and line["action"] == "missed-kill")
    assert line["refused"] is (hooks == "refuse")
    assert lives(act(how, "192.0.2.2"))


STAYS = """
import socket, sys, time
family, kind, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
one = socket.socket(family, kind)
try:
    one.sendto(b"x", (address, 80)) if kind == socket.SOCK_DGRAM else one.connect((address, 80))
except OSError:
    pass
time.sleep(300)
"""


@pytest.mark.parametrize("hooks", ["kill", "refuse"])
@pytest.mark.parametrize("family,kind,address", [(2, 1, "192.0.2.1"), (2, 2, "192.0.2.1"), (10, 1, "2001:db8::1")], ids=["connect", "sendto", "ipv6"])
def test_who_stays_dies_whoever_sends_the_signal(daemon, net, spawn, hooks, family, kind, address):
    """Also where the kernel side may not: what was refused lives on, and user space comes."""
    watched = daemon(BANS + f"  hooks: {hooks}\n")
    net.sniff()
    child = spawn.start(net.client(["/usr/bin/python3", "-c", STAYS, str(family), str(kind), address]))
    assert child.wait(timeout=20 * SLOW) == -9
    assert net.arrived(address) == 0
    line = watched.wait_for(action="killed", detector="tcpflowkiller")
    assert line["banned-ip"] == address and line["refused"] is True


def test_ports_and_ranges(daemon, act):
    daemon(BANS)
    assert dies(act("connect", "198.51.100.7", 3333))
    assert lives(act("connect", "198.51.100.7", 80))
    assert dies(act("connect", "2606:2800::2", 25))
    assert lives(act("connect", "2606:2800::2", 80))


def test_F10_shared_address(daemon, act):
    """Of one address the banned port dies, and what is allowed lives, whatever wider ban there is."""
    daemon(HEAD + OFF + '  bans: ["192.0.2.0/24", "93.184.216.1:3333"]\n  allow: ["192.0.2.2", "192.0.2.3:80"]\n')
    assert dies(act("connect", "93.184.216.1", 3333))
    assert lives(act("connect", "93.184.216.1", 80))
    assert lives(act("connect", "192.0.2.2", 81))
    assert lives(act("connect", "192.0.2.3", 80))
    assert dies(act("connect", "192.0.2.3", 81))


def test_F11_ports_of_miners_are_nothing_special(daemon, act):
    daemon(BANS)
    for port in (3333, 4444, 8080, 8888, 9999):
        assert lives(act("connect", "192.0.2.2", port))


def test_out_of_scope_nobody_is_touched(daemon, net, act):
    watched = daemon(BANS)
    assert lives(act("connect", "192.0.2.1", join=False))
    assert net.arrived("192.0.2.1") > 0
    assert watched.count(reason="banned-ip") == 0  # killed, missed, reported or spared


@pytest.mark.parametrize("how", ["action", "dry-run"])
def test_reports(daemon, net, act, how):
    watched = daemon(BANS + ("  action: report\n" if how == "action" else ""), arguments=["--dry-run"] if how == "dry-run" else [])
    assert lives(act("connect", "192.0.2.1"))
    assert net.arrived("192.0.2.1") > 0
    line = watched.wait_for(action="reported", detector="tcpflowkiller")
    assert line["refused"] is False and line.get("dry_run", False) is (how == "dry-run")


def test_the_limit_suppresses(daemon, act):
    """Two users are two targets; the limit is one."""
    watched = daemon(BANS + "  limit: {maxTargets: 1, window: 60}\n", metrics=True)
    assert dies(act("connect", "192.0.2.1", uid=65534))
    assert lives(act("connect", "192.0.2.1", uid=65533))
    assert dies(act("connect", "192.0.2.1", uid=65534))
    assert watched.wait_for(action="limited", detector="tcpflowkiller")["uid"] == 65533
    assert watched.metrics()['cryptnono_limit_suppressed_total{detector="tcpflowkiller"}'] == 1


def test_C16_a_reused_pid_is_not_exempt(daemon, act):
    """The predecessor spares for an hour every process that has the pid of one that it killed; here nobody is remembered."""
    watched = daemon(BANS)
    for _ in range(20):
        assert dies(act("connect", "192.0.2.1"))
    assert watched.count(action="killed") == 20


def test_metrics(daemon, act):
    watched = daemon(BANS, metrics=True)
    zero = watched.metrics()
    assert zero['cryptnono_flowkiller_processes_killed_total{reason="scan"}'] == 0
    act("connect", "192.0.2.1")
    act("connect", "192.0.2.2")
    watched.wait_for(action="killed")
    seen = watched.metrics()
    assert seen['cryptnono_flowkiller_processes_killed_total{reason="banned-ip"}'] == 1
    assert seen['cryptnono_flowkiller_processes_missed_total{reason="banned-ip"}'] == 0
    assert seen["cryptnono_flowkiller_connects_checked_total"] == 2
    assert seen["cryptnono_flowkiller_log_and_kill_execution_seconds_count"] == 1
    assert seen['cryptnono_detector_up{detector="tcpflowkiller"}'] == 1
    assert seen['cryptnono_rules_loaded{detector="tcpflowkiller",kind="banned"}'] == 4


# ---- Lists in files ----


def test_lists_in_files(daemon, act, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "a.txt").write_text("# pools\n\n192.0.2.1\r\n   192.0.2.3   # one more\n")
    watched = daemon(HEAD + OFF + f'  banFiles: ["{lists}/*.txt"]\n')
    assert dies(act("connect", "192.0.2.1")) and dies(act("connect", "192.0.2.3"))
    assert lives(act("connect", "192.0.2.2"))
    (lists / "later.txt").write_text("192.0.2.2\n")  # a file that comes later
    watched.wait_for(action="reloaded")
    assert dies(act("connect", "192.0.2.2"))


def test_a_config_map_is_swapped(daemon, act, tmp_path):
    volume = tmp_path / "volume"

    def publish(version, text):
        (volume / f"..{version}").mkdir(parents=True)
        (volume / f"..{version}" / "bans").write_text(text)
        os.symlink(f"..{version}", volume / "..data_tmp")
        os.rename(volume / "..data_tmp", volume / "..data")
    publish("1", "192.0.2.1\n")
    os.symlink("..data/bans", volume / "bans")
    watched = daemon(HEAD + OFF + f'  banFiles: ["{volume}/*"]\n')
    assert dies(act("connect", "192.0.2.1"))
    publish("2", "192.0.2.2\n")
    watched.wait_for(action="reloaded")
    assert dies(act("connect", "192.0.2.2"))
    assert lives(act("connect", "192.0.2.1"))


def test_a_bad_line_keeps_the_last_good_list(daemon, act, tmp_path):
    bans = tmp_path / "bans.txt"
    bans.write_text("192.0.2.1\n")
    watched = daemon(HEAD + OFF + f'  banFiles: ["{bans}"]\n', metrics=True)
    bans.write_text("192.0.2.2\nno address\n")
    line = watched.wait_for(action="reload-failed")
    assert any(error.startswith(f"{bans}:2:1: ") for error in line["errors"]), line
    assert dies(act("connect", "192.0.2.1")) and lives(act("connect", "192.0.2.2"))
    assert watched.metrics()["cryptnono_config_last_reload_successful"] == 0
    bans.write_text("192.0.2.2\n")  # mended: no signal, no restart
    watched.wait_for(action="reloaded")
    assert dies(act("connect", "192.0.2.2"))


def test_reloads_under_a_storm_let_nothing_through(daemon, net, spawn, tmp_path):
    bans = tmp_path / "bans.txt"
    bans.write_text("192.0.2.1\n")
    watched = daemon(HEAD + OFF + f'  banFiles: ["{bans}"]\n  limit: {{maxTargets: 64}}\n')
    net.sniff()
    storm = spawn.start(net.client([SCAN, "-o", "-n", "8000", "192.0.2.1", "80"]), stdout=subprocess.PIPE, text=True)
    reloads = 0
    while storm.poll() is None:
        (tmp_path / "next").write_text(f"192.0.2.1\n198.51.100.{reloads % 250 + 1}\n" * (1 + reloads % 3))
        os.rename(tmp_path / "next", bans)
        watched.process.send_signal(1)
        reloads += 1
        time.sleep(0.02)
    killed, lived = [int(word) for word in storm.stdout.readline().split()[1::2]]
    assert lived == 0 and killed > 1000, (killed, lived)
    assert watched.count(action="reloaded") > 20
    assert net.arrived("192.0.2.1") == 0


def test_it_is_switched_on_and_off_by_a_reload(daemon, act):
    watched = daemon(HEAD.replace("enabled: true", "enabled: false"), metrics=True)
    assert lives(act("connect", "192.0.2.1"))
    watched.files[0].write_text(BANS)
    watched.wait_for(action="reloaded")
    assert dies(act("connect", "192.0.2.1"))
    watched.files[0].write_text(HEAD.replace("enabled: true", "enabled: false"))
    time.sleep(0.3)
    assert lives(act("connect", "192.0.2.1"))
    assert watched.metrics()['cryptnono_detector_up{detector="tcpflowkiller"}'] == 0


# ---- The predecessor's configuration ----


def test_the_predecessors_configuration(daemon, net, act, spawn, tmp_path):
    """Its own test: 192.0.2.1 and .3 die, .2 lives; its log lines and metrics."""
    (tmp_path / "banned.txt").write_text("# example\n192.0.2.1\n192.0.2.3\n")
    own = tmp_path / "own.yaml"
    own.write_text("bannedCommandStrings: []\nmonero: {enabled: false}\n")
    config = tmp_path / "flowkiller_config.json"
    config.write_text(json.dumps({"FlowKiller": {"banned_ipv4_file_globs": [f"{tmp_path}/*.txt"], "log_connects": True,
                                                 "unique_destinations_threshold": 10, "log_container_envs": ["BINDER_REF_URL"]}}))
    watched = daemon([own, config])
    if shutil.which("curl"):
        for address in ("192.0.2.1", "192.0.2.3"):
            assert spawn(net.client(["curl", "-sm", "5", f"http://{address}"])) == -9
    assert dies(act("connect", "192.0.2.1")) and dies(act("connect", "192.0.2.3"))
    assert lives(act("connect", "192.0.2.2"))
    assert lives(act("connect", "93.184.216.9"))
    line = watched.wait_for(action="connect")
    assert line["event"] == "Connection established" and line["addresses"] == {"93.184.216.9:80": 1} and "container" in line
    line = watched.wait_for(action="killed", reason="banned-ip")
    assert line["event"] == "Killed process" and isinstance(line["cmdline"], list)
    assert spawn(net.client([SCAN, "-n", "12", "93.184.216.10", "1000"])) == -9
    line = watched.wait_for(action="killed", reason="scan")
    assert len(line["addresses"]) == 11 and line["addresses"]["93.184.216.10:1000"] == 1 and len(line["connections"]) == 11


def test_the_predecessors_command_line(daemon, act, tmp_path):
    (tmp_path / "banned").write_text("192.0.2.1\n")
    watched = daemon("bannedCommandStrings: []\nmonero: {enabled: false}\n",
                     arguments=[f"--FlowKiller.banned_ipv4_file_globs={tmp_path}/ban*", "--FlowKiller.debug=True"])
    assert dies(act("connect", "192.0.2.1"))
    watched.wait_for(action="killed")
