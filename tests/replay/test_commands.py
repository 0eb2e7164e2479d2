"""What `replay` and `rules test` say and exit with, on logs that real programs have written."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from cli import cryptnono  # noqa: E402

WORD = "cryptnono.banned.replay"
RULES = f"""\
ruleIdKey: "0123456789abcdef0123456789abcdef"
groups:
  - id: words
    bannedCommandStrings: [{WORD}, another-word]
    allowedCommandPatterns: ['^(/usr/bin/)?grep ']
  - id: doubtful
    action: report
    bannedCommandSubstrings: ["glued+tcp://"]
"""


def run(*arguments, code=0, text=None):
    return cryptnono(*arguments, expect=code, input=text)


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def victim():
    """A process with the banned word among its arguments, which nobody kills: there is no daemon."""
    child = subprocess.Popen(["sh", "-c", f"sleep 60; : {WORD}"])
    yield child
    child.kill()
    child.wait()


def replayed(rules, log, *more, code=0):
    return json.loads(run("replay", "-c", rules, "--json", *more, log, code=code).stdout)


@pytest.mark.parametrize("columns", [["-eo", "args"], ["-ef"], ["aux"], ["-eo", "pid,args"]])
def test_ps_as_it_is(tmp_path, rules, victim, columns):
    log = tmp_path / "ps"
    with open(log, "w") as out:
        subprocess.run(["ps", "-ww", *columns] if columns[0] != "aux" else ["ps", "auxww"], stdout=out, check=True)
    assert WORD in log.read_text()
    said = run("replay", "-c", rules, "--fail-on-kill", log, code=10).stdout
    assert "words" in said and WORD not in said, "the rule's text only with --reveal"
    assert WORD in run("replay", "-c", rules, "--reveal", log).stdout


def test_execsnoop_as_it_is(tmp_path, rules):
    tool = shutil.which("execsnoop-bpfcc")
    if not tool or os.geteuid() != 0:
        pytest.skip("needs bpfcc-tools and root")
    log = tmp_path / "execsnoop"
    with open(log, "wb") as out:
        snoop = subprocess.Popen([tool], stdout=out, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if snoop.poll() is not None:
                pytest.skip(f"execsnoop does not run here: {snoop.stderr.read().decode().strip().splitlines()[-1:]}")
            subprocess.run(["/bin/true", WORD])
            if WORD in log.read_text(errors="replace"):
                break
            time.sleep(0.05)
        snoop.terminate()
        snoop.wait()
    assert WORD in log.read_text(errors="replace")
    run("replay", "-c", rules, "--fail-on-kill", log, code=10)


def test_exit_codes_gate_a_merge(tmp_path, rules):
    log = tmp_path / "lines"
    log.write_text(f"ls -l\n./m {WORD}\n/usr/bin/grep {WORD} f\n./m -oglued+tcp://x\n")
    lines = ["--format", "lines"]
    run("replay", "-c", rules, *lines, log)
    run("replay", "-c", rules, *lines, "--fail-on-kill", log, code=10)
    run("replay", "-c", rules, *lines, "--against", rules, "--fail-on-change", log)
    old = tmp_path / "old.yaml"
    old.write_text("bannedCommandStrings: [something-else]\n")
    said = run("replay", "-c", rules, *lines, "--against", old, "--fail-on-change", log, code=10).stdout
    assert f"{log}:2" in said
    run("replay", "-c", rules, *lines, "--fail-on-change", log, code=2)
    run("replay", "-c", tmp_path / "missing.yaml", *lines, log, code=3)
    run("replay", "-c", rules, *lines, tmp_path / "missing", code=1)
    assert "lines" in run("replay", "-c", rules, log, code=2).stderr, "it cannot be told what this is"
    # From standard input, and what cannot be judged.
    run("replay", "-c", rules, *lines, "--fail-on-kill", "-", text=f"x {WORD}\n", code=10)
    redacted = tmp_path / "redacted"
    redacted.write_text(json.dumps({"cmdline": "./m '[raaaaaaaaaaaaaaaa]'", "action": "killed", "rule": "raaaaaaaaaaaaaaaa", "pid": 1}) + "\n")
    run("replay", "-c", rules, "--format", "cryptnono", "--fail-on-broken", redacted, code=10)
    assert replayed(rules, redacted, "--format", "cryptnono")["redacted"] == 1


def test_rules_test(tmp_path, rules):
    tests = tmp_path / "tests.yaml"
    tests.write_text(f"""\
mustDie:
  - ./m {WORD}
  - [./m, "a b", {WORD}]
  - {{argv: "./m -oglued+tcp://p", group: doubtful}}
mustLive:
  - ls -l
  - /usr/bin/grep {WORD} f
""")
    done = run("rules", "test", "-c", rules, "--coverage", tests)
    assert "5 cases: 5 as they must be, 0 not" in done.stdout
    assert done.stderr.count("no case dies by") == 1 and "another-word" not in done.stderr
    tests.write_text(f"mustLive:\n  - ls\n  - ./m {WORD}\nmustDie:\n  - ls\n  - {{argv: ./m {WORD}, group: doubtful, why: seen in May}}\n")
    said = run("rules", "test", "-c", rules, tests, code=10).stdout
    assert [f"{tests}:{line}:" in said for line in (2, 3, 5, 6)] == [False, True, True, True]
    assert WORD not in said and "seen in May" in said
    assert WORD in run("rules", "test", "-c", rules, "--reveal", tests, code=10).stdout
    tests.write_text("mustDie: 7\n")
    assert f"{tests}:1:" in run("rules", "test", "-c", rules, tests, code=3).stderr
