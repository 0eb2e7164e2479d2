"""The package as a file: what is in it, and that the manual and the completion are those of the program in it."""
import os
import re
import subprocess

import pytest
from conftest import ROOT, build_package, run

# The exposure that docs/single-machine.md explains. Less is welcome, more is not.
MAX_EXPOSURE = 3.0


def commands_of(binary, *path):
    """(path, what its --help says) of every command, by its help alone."""
    text = run(binary, *path, "--help").stdout
    yield path, text
    below = re.search(r"^Subcommands:\n((?:  \S.*\n(?: {5,}.*\n)*)+)", text, re.M)
    for name in re.findall(r"^  (\S+)", below[1], re.M) if below else []:
        yield from commands_of(binary, *path, name)


def options_in(text):
    """All names of options in a help text."""
    return {name for line in re.findall(r"^  (-\S+)", text, re.M) for name in line.split(",")}


@pytest.fixture(scope="module")
def binary(unpacked):
    return unpacked / "usr/bin/cryptnono"


def test_lintian_has_nothing_to_say(package):
    [changes] = package.parent.glob("*.changes")
    found = run("lintian", "--allow-root", "--fail-on", "error,warning", changes, check=False)
    assert found.returncode == 0 and not found.stdout.strip(), found.stdout


def test_every_override_has_its_reason():
    lines = (ROOT / "packaging/debian/cryptnono.lintian-overrides").read_text().splitlines()
    assert lines[0].startswith("# ")


def test_two_builds_are_the_same(package, tmp_path):
    again = build_package(tmp_path)
    assert again.read_bytes() == package.read_bytes()


def test_secrets_are_for_root_alone(package):
    listed = run("dpkg-deb", "-c", package).stdout
    modes = {line.split()[5].rstrip("/"): line.split()[0] for line in listed.splitlines()}
    for path in ("./etc/cryptnono", "./etc/cryptnono/rules.d", "./etc/cryptnono/identity"):
        assert modes[path] == "drwx------", path
    assert modes["./etc/cryptnono/cryptnono.yaml"] == "-rw-------"
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())
    # Nothing else is unusual: no file that others may write, no set-user-id.
    for path, mode in modes.items():
        assert not re.search(r"[sStT]", mode[1:]) and mode[5] != "w" and (mode[8] != "w" or mode[0] == "l"), (path, mode)


def test_what_is_where(unpacked):
    for path in ("usr/bin/cryptnono", "lib/systemd/system/cryptnono.service", "etc/cryptnono/cryptnono.yaml",
                 "usr/share/bash-completion/completions/cryptnono", "usr/share/man/man8/cryptnono.8.gz", "usr/share/man/man5/cryptnono.yaml.5.gz",
                 "usr/share/doc/cryptnono/single-machine.md", "usr/share/doc/cryptnono/copyright"):
        assert (unpacked / path).is_file(), path
    assert (unpacked / "DEBIAN/conffiles").read_text().split() == ["/etc/cryptnono/cryptnono.yaml"]


def test_the_configuration_is_good(binary, unpacked):
    checked = run(binary, "check", "-c", unpacked / "etc/cryptnono/cryptnono.yaml", "-c", unpacked / "etc/cryptnono/rules.d",
                  "--identity", unpacked / "etc/cryptnono/identity")
    assert "1 banned string" in checked.stdout


def test_what_is_commented_out_is_good_too(binary, unpacked, tmp_path):
    """Each commented setting is a setting once its mark is gone: a commented key in the first column, or one within a section."""
    text = (unpacked / "etc/cryptnono/cryptnono.yaml").read_text()
    enabled = re.sub(r"^( *)# ( *(?:[a-zA-Z]+:( |$)))", r"\1\2", text, flags=re.M)
    assert enabled.count("\n") == text.count("\n") and "\ntcpflowkiller:" in enabled and "\nmetrics:" in enabled
    (tmp_path / "all.yaml").write_text(enabled)
    run(binary, "check", "-c", tmp_path / "all.yaml")


def test_every_option_is_in_the_manual_and_the_completion(binary, unpacked):
    completion = (unpacked / "usr/share/bash-completion/completions/cryptnono").read_text()
    seen = 0
    for path, help_text in commands_of(binary):
        name = "-".join(("cryptnono", *path))
        page = run("man", "-l", unpacked / f"usr/share/man/man8/{name}.8.gz", env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C"}).stdout
        case = re.search(rf"^    '{''.join('/' + each for each in path)}'\)\n((?:      .*\n)*?)      ;;", completion, re.M)
        assert case, f"no completion of {name}"
        offered = set(re.search(r"options='(.*)'", case[1])[1].split())
        options = options_in(help_text)
        assert options == offered, name
        for option in options:
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", page), f"{option} is not in {name}(8)"
            seen += 1
    assert seen > 80


def test_every_exit_status_is_in_the_manual(unpacked):
    page = run("man", "-l", unpacked / "usr/share/man/man8/cryptnono.8.gz", env={**os.environ, "LC_ALL": "C"}).stdout
    codes = re.findall(r"^  k\w+ = (\d+)", (ROOT / "src/base/result.h").read_text(), re.M)
    assert len(codes) > 5
    for code in codes:
        assert re.search(rf"^ +{code}\b", page, re.M), code


def test_every_setting_is_in_the_manual(unpacked):
    page = run("man", "-l", unpacked / "usr/share/man/man5/cryptnono.yaml.5.gz", env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C"}).stdout
    keys = re.findall(r"^\| `([a-zA-Z.\[\]]+)`", (ROOT / "docs/configuration.md").read_text(), re.M)
    assert len(keys) > 40
    for key in keys:
        assert key in page, key


def test_pages_are_good_roff(unpacked):
    for page in sorted((unpacked / "usr/share/man").glob("man*/*.gz")):
        shown = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page, env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""})
        assert not shown.stderr, page


def complete(unpacked, *words):
    """What bash offers for the last one."""
    script = """
        source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _cryptnono
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", script, "bash", unpacked / "usr/share/bash-completion/completions/cryptnono", *words],
                          capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.split()


def test_completion(unpacked, tmp_path):
    assert {"run", "check", "rules"} <= set(complete(unpacked, "cryptnono", ""))
    assert complete(unpacked, "cryptnono", "rules", "se") == ["seal"]
    assert complete(unpacked, "cryptnono", "run", "--dry") == ["--dry-run"]
    assert complete(unpacked, "cryptnono", "run", "--log-level", "") == ["debug", "info", "warning", "error"]
    assert complete(unpacked, "cryptnono", "replay", "--format", "a") == ["auto", "auditd"]
    assert complete(unpacked, "cryptnono", "run", "--scan-interval", "") == []
    (tmp_path / "rules.yaml").touch()
    assert complete(unpacked, "cryptnono", "check", "-c", f"{tmp_path}/ru") == [f"{tmp_path}/rules.yaml"]
    for hidden in ("canary", "describe"):
        assert hidden not in complete(unpacked, "cryptnono", "")


def test_exposure(unpacked, record_property):
    found = run("systemd-analyze", "security", "--offline=true", "--no-pager", unpacked / "lib/systemd/system/cryptnono.service",
                env={**os.environ, "LC_ALL": "C"}, check=False)
    score = float(re.search(r"exposure level for cryptnono.service: ([\d.]+)", found.stdout)[1])
    print(found.stdout)
    record_property("exposure", score)
    assert score <= MAX_EXPOSURE
    assert f"{score}" in (ROOT / "docs/single-machine.md").read_text(), "the document tells another score"


def test_unit_is_good(unpacked):
    found = run("systemd-analyze", "verify", "--man=no", unpacked / "lib/systemd/system/cryptnono.service", check=False)
    # Where the package is not installed, its program is missing; that alone may be said.
    said = [line for line in found.stderr.splitlines() if "cryptnono.service" in line and "is not executable" not in line]
    assert not said, said
