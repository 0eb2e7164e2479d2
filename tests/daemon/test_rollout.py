"""Groups that report first: they report until their time has come, and then they kill, without a restart."""
import datetime
import json
import subprocess
import time

import pytest

from conftest import BINARY, wait_until

WORD = "cryptnono.banned.rollout"


def soon(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def group(daemon, tmp_path):
    """Starts a daemon with one group that reports first; `write` changes it."""
    path = tmp_path / "rules.yaml"

    def write(report_first, words=(WORD,), action="kill", more=""):
        text = f"state: {{directory: {tmp_path}/state}}\n{more}groups:\n  - id: fresh\n    action: {action}\n"
        text += f"    bannedCommandStrings: {json.dumps(list(words))}\n"
        if report_first:
            text += f"    reportFirst: {report_first}\n"
        (tmp_path / "next").write_text(text)
        (tmp_path / "next").rename(path)

    def start(*arguments, **options):
        write(*arguments, **options)
        watched = daemon([path])
        watched.write = write
        return watched
    return start


@pytest.fixture
def victim(spawn):
    """Starts a process that is banned, and would live for a minute."""
    return lambda: spawn.start(["sh", "-c", f"sleep 60; : {WORD}"])


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state/rollout.json"


def series(watched, name):
    return watched.metrics().get(f'cryptnono_group_{name}{{group="fresh"}}')


def test_it_reports_until_its_time_and_kills_from_then_on(group, victim):
    watched = group(f'{{until: "{soon(4)}"}}')
    first = watched.wait_for(action="rollout")
    assert (first["group"], first["would"]) == ("fresh", "kill")
    held = victim()
    line = watched.wait_for(action="reported")
    assert (line["group"], line["report_first"], line["would"]) == ("fresh", True, "kill")
    assert held.poll() is None
    # The time has come: what was reported and still runs dies at the scan, what is new in the kernel.
    assert held.wait(timeout=15) == -9
    over = [line for line in watched.drain() if line.get("action") == "rollout" and line["event"] == "A group's time of reporting is over"]
    assert len(over) == 1 and over[0]["would_have_killed"] >= 1
    assert victim().wait(timeout=5) == -9
    assert not [line for line in watched.lines if line.get("action") == "reload-failed"]


def test_clean_days_are_remembered_and_begin_anew(group, victim, state):
    watched = group("{cleanDays: 2}")
    held = victim()
    watched.wait_for(action="reported")
    held.kill()  # the next daemon's first scan would find it
    watched.stop()
    known = json.loads(state.read_text())["groups"]["fresh"]
    assert known["clean_s"] <= 5 and not known["over"]
    # As if it had been clean for two days less three seconds.
    state.write_text(json.dumps({"saved_at": time.time(), "groups": {"fresh": {**known, "clean_s": 2 * 86400 - 3}}}))
    again = group("{cleanDays: 2}")
    again.wait_for(action="rollout", event="A group's time of reporting is over", timeout=15)
    assert victim().wait(timeout=5) == -9
    again.stop()
    assert json.loads(state.read_text())["groups"]["fresh"]["over"]
    # It stays over at the next start; with another rule it begins anew.
    third = group("{cleanDays: 2}")
    assert victim().wait(timeout=5) == -9
    third.write("{cleanDays: 2}", words=[WORD, "cryptnono.banned.more"])
    third.wait_for(action="reloaded")
    assert victim().poll() is None
    third.wait_for(action="reported")


def test_a_damaged_state_begins_anew_and_says_so(group, victim, state):
    state.parent.mkdir()
    state.write_text('{"groups": {"fresh": {"content": "", "clean_s": 1e400}}}')
    watched = group("{cleanDays: 1}")
    warning = watched.wait_for(action="config-warning")
    assert str(state) in warning["event"]
    assert victim().poll() is None
    watched.wait_for(action="reported")


def test_files_that_are_wrong_when_the_time_comes_leave_it_reporting(group, victim, tmp_path):
    watched = group(f'{{until: "{soon(4)}"}}')
    with open(tmp_path / "rules.yaml", "a") as file:
        file.write("unknown: key\n")
    watched.wait_for(action="reload-failed")
    wait_until(lambda: watched.count(action="reload-failed") >= 2, timeout=15)  # the time has come
    held = victim()
    watched.wait_for(action="reported")
    assert held.poll() is None
    watched.write(f'{{until: "{soon(-10)}"}}')
    assert held.wait(timeout=15) == -9


def test_status_and_metrics_say_what_it_would_have_done(daemon, victim, tmp_path, group):
    group("{cleanDays: 7, until: 2099-12-24}").stop()
    watched = daemon([tmp_path / "rules.yaml"], metrics=True)
    for _ in range(3):
        victim()
    wait_until(lambda: series(watched, "would_have_killed_total") == 3)
    assert series(watched, "reports_first") == 1
    assert series(watched, "clean_seconds") < 60
    status = [str(BINARY), "status", "--socket", str(watched.socket)]
    [told] = json.loads(subprocess.run([*status, "--json"], capture_output=True, text=True).stdout)["rollouts"]
    assert told["would_have_killed"] == 3 and told["reports"] and told["would"] == "kill" and told["clean_days"] == 7
    assert abs(told["last_would_at"] - time.time()) < 60
    text = subprocess.run(status, capture_output=True, text=True).stdout
    assert "Groups that report first" in text and "would have killed 3" in text and "2099-12-24" in text
    assert watched.metrics()['cryptnono_processes_killed_total{detector="execwhacker"}'] == 0
