"""What a rollout over many nodes rests on: new rules by a swapped volume, a restart, two daemons at once, and no other machine."""
import json
import os
import pathlib
import re
import subprocess
import time

import pytest

from conftest import BINARY, ROOT, VICTIMS, B, wait_until
from propagation import PLACE, WORD, Addresses, Strings, address_files, made_up_addresses, made_up_strings, rule_file

def test_50000_strings_are_in_force_soon_after_the_volume_is_swapped(daemon, spawn, tmp_path, record_property):
    strings = Strings(tmp_path / "rules")
    one = daemon([strings.file])
    assert spawn(["/bin/true", WORD]) == 0
    assert spawn(["/bin/true", strings.all[0]]) == -9
    seconds = strings.swap(lambda: spawn(["/bin/true", WORD]) == -9)
    record_property("seconds", seconds)
    assert seconds < 10, "the kubelet's own period is a minute"
    assert one.wait_for(action="reloaded")["banned_strings"] == 50_000
    assert spawn(["/bin/true", strings.all[0]]) == 0, "it is on the list no more"
    assert spawn(["/bin/true", strings.all[-1]]) == -9


def test_a_million_addresses_of_many_configmaps_are_in_force_soon_after_the_volume_is_swapped(daemon, spawn, tmp_path, record_property):
    addresses = Addresses(tmp_path / "bans")
    assert len(os.listdir(tmp_path / "bans")) == 14 + 2, "each within what a ConfigMap may have"
    one = daemon(addresses.config)

    def connects():
        return spawn([VICTIMS / "connect_act", "connect", PLACE, "9"])
    assert connects() == 0
    seconds = addresses.swap(lambda: connects() == -9)
    record_property("seconds", seconds)
    assert seconds < 10
    one.wait_for(action="reloaded")


def test_how_much_fits_into_an_object_is_what_the_guide_says():
    """One more does not fit."""
    guide = (ROOT / "docs/scale-out.md").read_text()

    def said(what):
        return int(re.search(rf"^\| {what}.*?\| ([\d,]+)", guide, re.M).group(1).replace(",", ""))
    strings = made_up_strings(100_000)
    for what, text in (("strings, YAML", rule_file), ("strings, JSON", lambda some: json.dumps({"bannedCommandStrings": some}))):
        count = said(what)
        assert len(text(strings[:count])) <= 2**20 < len(text(strings[:count + 1])), what
    files = address_files(made_up_addresses(1_000_000))
    assert files["bans00.txt"].count("\n") == said("addresses, one a line") and len(files) == 14
    assert "needs 14 objects" in guide


def test_dry_run_in_a_swapped_volume_ends_all_kills(daemon, spawn, tmp_path):
    """The switch for a whole cluster: one key of the configuration, and back."""
    from volume import Volume
    volume = Volume(tmp_path / "config", {"cryptnono.yaml": "dryRun: false\n"})
    rules = tmp_path / "rules.yaml"
    rules.write_text(f"bannedCommandStrings: [{B}]\n")
    one = daemon([rules, tmp_path / "config/cryptnono.yaml"], metrics=True)
    assert spawn(["/bin/true", B]) == -9
    for text, code in (("dryRun: true\n", 0), ("dryRun: false\n", -9)):
        begin = volume.publish({"cryptnono.yaml": text})
        wait_until(lambda: spawn(["/bin/true", B]) == code)
        assert time.monotonic() - begin < 5
    assert one.count(action="reported") >= 1


def test_what_started_while_the_daemon_was_away_dies_when_it_is_back(daemon, spawn):
    """A rolling update leaves each node alone between SIGTERM and ready."""
    one = daemon()
    gap = time.monotonic()
    one.stop()
    stopped = time.monotonic() - gap
    sleeper = spawn.start(["/bin/sh", "-c", "sleep 30; :", B])
    again = daemon()
    assert sleeper.wait(timeout=5) == -9
    assert again.wait_for(action="killed")["source"] == "psutil.process_iter"
    assert stopped < 5, "terminationGracePeriodSeconds may be small"


def test_two_daemons_at_once_kill_as_one(daemon, spawn):
    """With maxSurge the new pod enforces before the old one ends; and beside the predecessor, one only reports."""
    old, new = daemon(), daemon()
    for _ in range(10):
        assert spawn(["/bin/true", B]) == -9
    for one in (old, new):
        wait_until(lambda: one.count(action="killed") == 10)  # both say so, and count it
    old.stop()
    assert spawn(["/bin/true", B]) == -9
    assert spawn(["/bin/true", "innocent"]) == 0


def test_one_that_only_reports_sees_what_another_kills(daemon, spawn):
    """Before a switch: dryRun beside what killed so far."""
    killing, reporting = daemon(), daemon(arguments=["--dry-run"])
    for _ in range(10):
        assert spawn(["/bin/true", B]) == -9
    assert killing.count(action="killed") == 10
    wait_until(lambda: reporting.count(action="reported") == 10)
    assert reporting.count(action="killed") == 0


def test_it_needs_no_network_and_no_api_server(daemon, spawn):
    """In a network namespace in which there is nothing, not even loopback: it starts, proves itself, kills, and is asked for its state."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        pytest.skip("network namespaces cannot be made here")
    config = f"bannedCommandStrings: [{B}]\ntcpflowkiller: {{enabled: true, bans: [{PLACE}]}}\n"
    one = daemon(config, canaries=300, through=["unshare", "--net"])
    assert spawn(["/bin/true", B]) == -9
    assert spawn([VICTIMS / "connect_act", "connect", PLACE, "9"]) == -9

    def proven():
        done = subprocess.run([BINARY, "status", "--socket", str(one.socket), "--json"], capture_output=True, text=True)
        return done.returncode == 0 and json.loads(done.stdout)
    assert wait_until(proven)
    net = pathlib.Path(f"/proc/{one.process.pid}/net")
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        assert (net / kind).read_text().count("\n") == 1, f"{kind}: no more than the header"
