"""`rules generate` and `rules corpus`, run as an operator runs them."""
import json
import os
import pathlib
import random
import stat
import subprocess
import sys

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from cli import BUILD, cryptnono  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "ruleIdKey: 0123456789abcdef\n"


def run(*arguments, environment=None, expect=0):
    return cryptnono("rules", *arguments, expect=expect, env={**os.environ, **(environment or {})})


def write(path, text):
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Names and files of the packages of this machine, and what it runs."""
    corpus = tmp_path_factory.mktemp("corpus") / "honest.txt"
    run("corpus", "--packages", "--applications", "--processes", "-o", corpus)
    if sum(1 for _ in corpus.open()) < 10_000:
        pytest.skip("this machine has no Debian packages to make a corpus of")
    return corpus


def test_words_that_honest_lines_have_are_flagged(honest, tmp_path):
    seeds = write(tmp_path / "seeds.yaml", KEY + """
groups:
  - id: careless
    seeds: {coins: [eth, node], minerNames: [miner, pool, xmrig], options: [-o, --url], algorithms: [sha256]}
""")
    lines = write(tmp_path / "lines.txt", "gcc -o a.out a.c\ncurl --url x\n/opt/data/miner x\n")
    report = tmp_path / "report.json"
    run("generate", "-s", seeds, "--corpus", honest, "--corpus", lines, "-o", tmp_path / "rules.yaml", "--report", report)
    flagged = {rule["text"]: rule for rule in json.loads(report.read_text())["flagged"]}
    for word in ("eth", "node", "miner", "pool", "-o", "--url", "sha256"):
        assert word in flagged
    for word in ("node", "pool", "sha256"):
        assert flagged[word]["byCorpus"][str(honest)] > 0, word
        assert 1 <= len(flagged[word]["examples"]) <= 3
        assert all(word in example.lower() for example in flagged[word]["examples"])
    assert "xmrig" not in flagged
    group, = yaml.safe_load((tmp_path / "rules.yaml").read_text())["groups"]
    assert "xmrig" in group["bannedCommandStrings"]
    assert not {"eth", "node", "miner", "pool", "-o"} & set(group["bannedCommandStrings"])
    # And without them nothing honest dies any more.
    assert all(corpus["hitAfter"] == 0 for corpus in json.loads(report.read_text())["corpora"])


def test_same_input_same_bytes(honest, tmp_path):
    lines = honest.read_text().splitlines(keepends=True)
    halves = [lines[::2], lines[1::2]]
    made = []
    for turn, language in enumerate(("C", "de_DE.UTF-8", "tr_TR.UTF-8")):
        folder = tmp_path / str(turn)
        folder.mkdir()
        corpora = []
        for number, half in enumerate(halves):
            random.Random(turn).shuffle(half)
            corpora += ["--corpus", write(folder / f"{number}.txt", "".join(half))]
        if turn == 1:
            corpora = corpora[2:] + corpora[:2]
        run("generate", "-s", ROOT / "seeds/demo.yaml", *corpora, "-o", folder / "rules.yaml",
            "--provenance", folder / "provenance.jsonl", environment={"LANG": language, "LC_ALL": language, "TZ": "Asia/Tokyo"})
        made.append([(folder / name).read_bytes() for name in ("rules.yaml", "provenance.jsonl")])
    assert made[0] == made[1] == made[2]


def test_a_list_can_be_made_anew_where_its_corpora_are_not(honest, tmp_path):
    first, second, provenance = tmp_path / "first.yaml", tmp_path / "second.yaml", tmp_path / "provenance.jsonl"
    run("generate", "-s", ROOT / "seeds/demo.yaml", "--corpus", honest, "-o", first, "--provenance", provenance)
    run("generate", "-s", ROOT / "seeds/demo.yaml", "--decisions", provenance, "-o", second)
    assert first.read_bytes() == second.read_bytes()


def test_secrets_stay_where_they_belong(tmp_path):
    seeds = write(tmp_path / "seeds.yaml", KEY + "groups:\n  - id: g\n    seeds: {strings: [swordfish-wallet]}\n")
    lines = write(tmp_path / "lines.txt", "cat swordfish-wallet\n")
    rules, provenance, report = tmp_path / "rules.yaml", tmp_path / "provenance.jsonl", tmp_path / "report.txt"
    result = run("generate", "-s", seeds, "--corpus", lines, "--on-hit", "flag", "-o", rules, "--provenance", provenance,
                 "--report", report)
    assert "swordfish" not in result.stdout + result.stderr
    assert "swordfish" not in provenance.read_text()
    assert "swordfish" in rules.read_text() and "swordfish" in report.read_text()
    for path in (rules, provenance, report):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    run("generate", "-s", seeds, "--corpus", lines, "-o", rules, "--provenance", provenance, "--reveal")
    assert "swordfish" in provenance.read_text()


def test_fail_writes_nothing(tmp_path):
    seeds = write(tmp_path / "seeds.yaml", KEY + "groups:\n  - id: g\n    seeds: {strings: [swordfish]}\n")
    lines = write(tmp_path / "lines.txt", "cat swordfish\n")
    rules = write(tmp_path / "rules.yaml", "the last good ones\n")
    result = run("generate", "-s", seeds, "--corpus", lines, "--on-hit", "fail", "-o", rules, expect=1)
    assert "swordfish" not in result.stderr
    assert rules.read_text() == "the last good ones\n"


def test_what_is_wrong_has_its_place(tmp_path):
    seeds = write(tmp_path / "seeds.yaml", "groups:\n  - id: g\n    seeds: {wallets: [swordfish], names: []}\n")
    result = run("generate", "-s", seeds, expect=3)
    assert f"{seeds}:3:23: an item of groups.seeds.wallets" in result.stderr
    assert f"{seeds}:3:35: unknown key" in result.stderr
    assert "swordfish" not in result.stderr


def test_a_corpus_of_a_machine(tmp_path):
    def place(name, content):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    place("proc/12/cmdline", b"/usr/bin/python3\0-m\0http.server\0--password\0hunter2\0")
    place("proc/self-like/cmdline", b"not a process\0")
    place("usr/share/applications/a.desktop", b"[Desktop Entry]\nName=A\nExec=a --open %U\nTryExec=a\n")
    place("usr/share/applications/b.txt", b"Exec=no\n")
    place("var/lib/dpkg/info/zip:amd64.list", b"/.\n/usr/bin/zip\n")
    history = tmp_path / "history"
    history.write_text("#1700000000\nls -l\n: 1700000000:0;curl https://me:hunter2@example.org/\n- cmd: cat /home/alice/x\n")
    out = tmp_path / "corpus.txt"
    result = run("corpus", "--root", tmp_path / "root", "--processes", "--applications", "--packages", "--history", history,
                 "-o", out)
    assert out.read_text().splitlines() == sorted([
        "/.", "/usr/bin/python3 -m http.server --password HIDDEN", "/usr/bin/zip", "a", "a --open %U", "cat /home/USER/x",
        "curl https://me:HIDDEN@example.org/", "ls -l", "zip"])
    assert "2 secrets hidden" in result.stderr and "warning" in result.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_the_documents_figures_are_measured():
    result = subprocess.run([ROOT / "scripts/measure_generator", BUILD, "--check"], capture_output=True, text=True)
    if result.returncode == 77:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout + result.stderr
    for line in result.stdout.splitlines():
        if line.startswith("skipped: "):
            pytest.skip(line)
