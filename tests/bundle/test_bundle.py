"""A community takes its rules along: exported to its own key, imported elsewhere, generated anew, byte for byte."""
import json
import pathlib
import re
import stat
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from cli import BINARY, cryptnono  # noqa: E402

SECRET = "frobnicoin"

SEEDS = """\
ruleIdKey: "0123456789abcdef0123456789abcdef"
groups:
  - id: miners
    purpose: Programs that mine
    seeds:
      minerNames: [frobnicoin, common]
    allowedCommandPatterns: ['^/usr/bin/git ']
  - id: pools
    purpose: Where they mine
    action: report
    seeds:
      pools: [pool.frobnicoin.example]
"""
TESTS = """\
mustDie: ["/tmp/frobnicoin --help"]
mustLive: ["ls -l"]
"""


def run(*arguments, code=0, text=None):
    return cryptnono(*arguments, expect=code, input=text)


@pytest.fixture
def key(tmp_path):
    """A function that makes an age key: (identity file, recipient)."""
    def make(name):
        identity = tmp_path / name
        subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
        return identity, re.search(r"age1\w+", identity.read_text())[0]
    return make


@pytest.fixture
def theirs(tmp_path, key):
    """The hub that is left: generated rules and seeds, sealed, and no plaintext."""
    identity, recipient = key("theirs")
    work = tmp_path / "hub"
    work.mkdir()
    (work / "seeds.yaml").write_text(SEEDS)
    (work / "corpus").write_text("git commit --amend common\n" * 3)
    (work / "tests.yaml").write_text(TESTS)
    run("rules", "generate", "-s", work / "seeds.yaml", "--corpus", work / "corpus", "--provenance", work / "rules.provenance",
        "-o", work / "rules.yaml")
    plain = {path.name: path.read_bytes() for path in work.iterdir()}
    for name in ("seeds.yaml", "rules.yaml", "tests.yaml"):
        run("rules", "seal", "--any-file", "-r", recipient, "-o", work / (name + ".age"), work / name)
        (work / name).unlink()
    return {"directory": work, "identity": identity, "plain": plain}


def export(theirs, *more, recipient, out, code=0):
    work = theirs["directory"]
    return run("rules", "export", "-c", work / "rules.yaml.age", "--identity", theirs["identity"], "--seeds", work / "seeds.yaml.age",
               "--provenance", work / "rules.provenance", "--tests", work / "tests.yaml.age", "-r", recipient, "-o", out, *more, code=code)


@pytest.fixture
def taken(tmp_path, theirs, key):
    """What the one who leaves holds: a bundle and a key, nothing else."""
    identity, recipient = key("ours")
    bundle = tmp_path / "rules.bundle"
    said = export(theirs, recipient=recipient, out=bundle).stdout
    assert "rules/rules.yaml: generated anew from seeds/seeds.yaml: byte for byte the same" in said
    return {"bundle": bundle, "identity": identity, "recipient": recipient}


def test_imported_elsewhere_the_rules_are_the_same_bytes_and_generate_again(tmp_path, theirs, taken):
    ours = tmp_path / "elsewhere"
    said = run("rules", "import", "--identity", taken["identity"], "-d", ours, "--plain", taken["bundle"]).stdout
    assert "byte for byte the same" in said
    assert (ours / "rules/rules.yaml").read_bytes() == theirs["plain"]["rules.yaml"]
    assert (ours / "seeds/seeds.yaml").read_bytes() == theirs["plain"]["seeds.yaml"]
    assert b'- "common"' not in theirs["plain"]["rules.yaml"], "the corpus has it, so it was dropped"
    # The commands of the bundle's own instructions, as they stand there.
    how_to = (ours / "documents/HOW-TO.md").read_text()
    command = re.search(r"^    (cryptnono rules generate .*)$", how_to, re.M)[1]
    subprocess.run(["sh", "-ec", command.replace("cryptnono", str(BINARY), 1)], cwd=ours, check=True, timeout=60)
    assert (ours / "new.yaml").read_bytes() == theirs["plain"]["rules.yaml"]
    run("rules", "test", "-c", ours / "rules/rules.yaml", ours / "tests/tests.yaml")
    run("explain", "-c", ours / "rules/rules.yaml", "--", "/tmp/frobnicoin", code=10)


def test_without_this_program_age_and_jq_do(taken, theirs):
    opened = subprocess.run(["age", "-d", "-i", taken["identity"], taken["bundle"]], check=True, capture_output=True).stdout
    text = subprocess.run(["jq", "-j", '.files[] | select(.path == "rules/rules.yaml") | .text'], input=opened, check=True,
                          capture_output=True).stdout
    assert text == theirs["plain"]["rules.yaml"]
    assert {each["role"] for each in json.loads(opened)["files"]} >= {"rules", "seeds", "tests", "document"}


def test_sealed_to_the_importers_key_no_plaintext_touches_the_disk(tmp_path, taken, theirs):
    ours = tmp_path / "elsewhere"
    run("rules", "import", "--identity", taken["identity"], "-d", ours, "-r", taken["recipient"], taken["bundle"])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 6
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    sealed = ours / "rules/rules.yaml.age"
    opened = run("rules", "open", "--identity", taken["identity"], sealed).stdout
    assert opened.rstrip("\n") == theirs["plain"]["rules.yaml"].decode().rstrip("\n")
    run("check", "-c", sealed, "--identity", taken["identity"])
    run("rules", "test", "-c", sealed, "--identity", taken["identity"], ours / "tests/tests.yaml.age")


def test_only_the_owner_may_read_what_is_written(tmp_path, taken):
    ours = tmp_path / "elsewhere"
    run("rules", "import", "--identity", taken["identity"], "-d", ours, "--plain", taken["bundle"])
    for path in [ours, *ours.rglob("*"), taken["bundle"]]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_hub_that_is_left_cannot_open_it(tmp_path, theirs, taken):
    said = run("rules", "import", "--identity", theirs["identity"], "-d", tmp_path / "no", "--plain", taken["bundle"], code=3).stderr
    assert str(taken["bundle"]) in said
    assert not (tmp_path / "no").exists()


def test_an_edited_rule_file_goes_along_and_says_that_it_is_not_generated(tmp_path, theirs, key):
    identity, recipient = key("ours")
    edited = tmp_path / "edited.yaml"
    edited.write_bytes(theirs["plain"]["rules.yaml"] + b"# by hand\n")
    bundle = tmp_path / "edited.bundle"
    said = run("rules", "export", "-c", edited, "--identity", theirs["identity"], "--seeds", theirs["directory"] / "seeds.yaml.age",
               "-r", recipient, "-o", bundle).stdout
    assert "rules/edited.yaml: not what these seeds make; it goes along as it is" in said
    run("rules", "import", "--identity", identity, "-d", tmp_path / "there", "--plain", bundle)
    assert (tmp_path / "there/rules/edited.yaml").read_bytes() == edited.read_bytes()


def test_lists_of_addresses_go_along(tmp_path, key):
    identity, recipient = key("ours")
    (tmp_path / "bans.txt").write_text("192.0.2.7\n")
    (tmp_path / "flow.yaml").write_text(f"tcpflowkiller: {{enabled: true, banFiles: [{tmp_path}/bans.txt]}}\n")
    run("rules", "export", "-c", tmp_path / "flow.yaml", "-r", recipient, "-o", tmp_path / "flow.bundle")
    run("rules", "import", "--identity", identity, "-d", tmp_path / "there", "--plain", tmp_path / "flow.bundle")
    assert (tmp_path / "there/addresses/bans.txt").read_text() == "192.0.2.7\n"


def test_a_directory_goes_along_as_its_files(tmp_path, key):
    identity, recipient = key("ours")
    rules = tmp_path / "rules.d"
    rules.mkdir()
    (rules / "a.yaml").write_text("bannedCommandStrings: [frobnicoin]\n")
    (rules / "b.yaml").write_text("tcpflowkiller: {enabled: true, banFiles: [%s]}\n" % (tmp_path / "bans"))
    (rules / ".hidden").write_text("not: [yaml")
    (tmp_path / "bans").write_text("192.0.2.7\n")
    run("rules", "export", "-c", rules, "-r", recipient, "-o", tmp_path / "bundle.age")
    run("rules", "import", "--identity", identity, "-d", tmp_path / "taken", "--plain", tmp_path / "bundle.age")
    there = {path.name: path.read_text() for path in (tmp_path / "taken").rglob("*") if path.is_file()}
    assert there["a.yaml"] == (rules / "a.yaml").read_text() and there["b.yaml"] == (rules / "b.yaml").read_text()
    assert there["bans"] == "192.0.2.7\n" and ".hidden" not in there


def test_what_cannot_be_right_is_refused_and_nothing_is_written(tmp_path, theirs, taken, key):
    ours = tmp_path / "somewhere"
    # A bundle that was altered and sealed again; another file; an existing directory; nobody to seal to.
    opened = json.loads(subprocess.run(["age", "-d", "-i", taken["identity"], taken["bundle"]], check=True, capture_output=True).stdout)
    opened["files"][0]["path"] = "rules/../../evil.yaml"
    evil = tmp_path / "evil.bundle"
    subprocess.run(["age", "-r", taken["recipient"], "-o", evil], input=json.dumps(opened).encode(), check=True)
    said = run("rules", "import", "--identity", taken["identity"], "-d", ours, "--plain", evil, code=3).stderr
    assert "leads elsewhere" in said and not ours.exists()
    run("rules", "import", "--identity", taken["identity"], "-d", ours, taken["bundle"], code=2)
    assert not ours.exists()
    ours.mkdir()
    (ours / "precious").write_text("mine")
    said = run("rules", "import", "--identity", taken["identity"], "-d", ours, "--plain", taken["bundle"], code=2).stderr
    assert "is not empty" in said and [path.name for path in ours.iterdir()] == ["precious"]
    # An export overwrites nothing, and needs rules that are right.
    export(theirs, recipient=taken["recipient"], out=taken["bundle"], code=2)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("bannedCommandStrings: 7\n")
    said = run("rules", "export", "-c", wrong, "-r", taken["recipient"], "-o", tmp_path / "x", code=3).stderr
    assert f"{wrong}:1:" in said and not (tmp_path / "x").exists()
