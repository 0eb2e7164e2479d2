"""`cryptnono rules seal` and `open` as a user types them, and the programs of others on the same files."""
import functools
import os
import pathlib
import pty
import shutil
import stat
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import cli  # noqa: E402

RULES = "bannedCommandStrings:\n  - wxyz-very-secret-pool\n"
KINDS = ("x25519", "ed25519", "rsa")

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("age", "age-keygen", "ssh-keygen"))),
                                reason="needs age, age-keygen and ssh-keygen")


cryptnono = functools.partial(cli.cryptnono, text=False)


def run(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=60, **options).stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A directory with a key of every kind, KIND, and its public half, KIND.pub."""
    directory = tmp_path_factory.mktemp("keys")
    for name in ("x25519", "other"):
        run("age-keygen", "-o", directory / name)
        (directory / f"{name}.pub").write_bytes(run("age-keygen", "-y", directory / name))
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "ed25519")
    run("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", directory / "rsa")
    return directory


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.mark.parametrize("armor", (False, True))
@pytest.mark.parametrize("kind", KINDS)
def test_interoperates_both_ways(keys, rules, tmp_path, kind, armor):
    sealed = tmp_path / "rules.age"
    recipient = (keys / f"{kind}.pub").read_text().strip()
    cryptnono("rules", "seal", "-r", recipient, *(["--armor"] if armor else []), "-o", sealed, rules)
    assert b"secret-pool" not in sealed.read_bytes()
    assert sealed.read_bytes().startswith(b"-----BEGIN AGE" if armor else b"age-encryption.org/v1\n")
    opened = run("age", "-d", "-i", keys / kind, sealed).decode()
    assert opened.rstrip("\n") + "\n" == RULES and len(opened) == 16384
    assert cryptnono("rules", "open", "--identity", keys / kind, sealed).stdout.decode() == RULES

    run("age", "-R", keys / f"{kind}.pub", *(["-a"] if armor else []), "-o", tmp_path / "theirs.age", rules)
    assert cryptnono("rules", "open", "--identity", keys / kind, tmp_path / "theirs.age").stdout.decode() == RULES


def test_several_recipients_and_a_file_of_them(keys, rules, tmp_path):
    sealed = tmp_path / "rules.age"
    everybody = tmp_path / "people"
    everybody.write_text("# us\n" + "".join((keys / f"{kind}.pub").read_text() for kind in KINDS))
    cryptnono("rules", "seal", "-R", everybody, "-r", (keys / "other.pub").read_text().strip(), "-o", sealed, rules)
    for kind in (*KINDS, "other"):
        assert run("age", "-d", "-i", keys / kind, sealed).startswith(RULES.encode())
        assert cryptnono("check", "--identity", keys / kind, "-c", sealed).stdout.startswith(b"ok: 1 banned string")


def test_sizes_tell_the_power_of_two_only(keys, tmp_path):
    sizes = set()
    for count in (1, 7, 1000):
        text = "bannedCommandStrings:\n" + "".join(f"  - string-{i}\n" for i in range(count))
        assert len(text) < 16384
        (tmp_path / "rules.yaml").write_text(text)
        sizes.add(len(cryptnono("rules", "seal", "-R", keys / "x25519.pub", tmp_path / "rules.yaml").stdout))
    assert len(sizes) == 1
    plain = cryptnono("rules", "seal", "--no-padding", "-R", keys / "x25519.pub", tmp_path / "rules.yaml").stdout
    assert len(plain) < min(sizes)


def test_output_is_whole_and_its_owners_alone(keys, rules, tmp_path):
    sealed, opened = tmp_path / "rules.age", tmp_path / "opened.yaml"
    cryptnono("rules", "seal", "-R", keys / "x25519.pub", "-o", sealed, rules)
    before = sealed.read_bytes()
    said = cryptnono("rules", "seal", "-R", keys / "x25519.pub", "-o", sealed, rules, expect=2).stderr
    assert b"--force" in said and sealed.read_bytes() == before
    cryptnono("rules", "seal", "-R", keys / "x25519.pub", "--force", "-o", sealed, rules)
    assert sealed.read_bytes() != before
    cryptnono("rules", "open", "--identity", keys / "x25519", "-o", opened, sealed)
    cryptnono("rules", "open", "--identity", keys / "x25519", "-o", opened, sealed, expect=2)
    assert opened.read_text() == RULES
    assert {stat.S_IMODE(path.stat().st_mode) for path in (sealed, opened)} == {0o600}
    assert {path.name for path in tmp_path.iterdir()} == {"rules.yaml", "rules.age", "opened.yaml"}


def test_no_binary_on_a_terminal(keys, rules):
    ours, theirs = pty.openpty()
    said = cryptnono("rules", "seal", "-R", keys / "x25519.pub", rules, expect=2, capture_output=False, stdout=theirs,
                     stderr=subprocess.PIPE).stderr
    assert b"terminal" in said
    cryptnono("rules", "seal", "--armor", "--no-padding", "-R", keys / "x25519.pub", rules, capture_output=False,
              stdout=theirs)
    assert os.read(ours, 30).startswith(b"-----BEGIN AGE")
    for fd in (ours, theirs):
        os.close(fd)


def test_what_is_no_configuration_is_not_sealed_by_mistake(keys, tmp_path):
    path = tmp_path / "list"
    path.write_text("198.51.100.7:3333\n")
    said = cryptnono("rules", "seal", "-R", keys / "x25519.pub", path, expect=3).stderr.decode()
    assert f"{path}:1:1:" in said and "--any-file" in said
    sealed = cryptnono("rules", "seal", "--any-file", "-R", keys / "x25519.pub", path).stdout
    assert cryptnono("rules", "open", "--identity", keys / "x25519", "-", input=sealed).stdout == path.read_bytes()


def test_a_sealed_list_of_addresses(keys, tmp_path):
    """The plaintext comes from a pipe and is in no file."""
    sealed = cryptnono("rules", "seal", "--any-file", "-R", keys / "x25519.pub", "-",
                       input=b"198.51.100.0/24:3333\n192.0.2.77777\n").stdout
    (tmp_path / "list.age").write_bytes(sealed)
    (tmp_path / "flow.yaml").write_text(f"tcpflowkiller: {{enabled: true, banFiles: [{tmp_path}/list.age]}}\n")
    said = cryptnono("check", "-c", tmp_path / "flow.yaml", "--identity", keys / "x25519", expect=3).stderr.decode()
    assert f"{tmp_path}/list.age:2:1:" in said and "77777" not in said


def test_wrong_things_are_said(keys, rules, tmp_path):
    sealed = tmp_path / "rules.age"
    cryptnono("rules", "seal", "-R", keys / "x25519.pub", "-o", sealed, rules)
    cases = {
        (): "no identity opens it (no identity is given",
        ("--identity", keys / "other"): f"no identity opens it (identities of {keys}/other; the file has 1 recipient)",
        ("--identity", keys / "x25519.pub"): "a public key",
        ("--identity", tmp_path / "none"): "none: cannot open",
    }
    for words, expected in cases.items():
        for command in (["rules", "open", *words, sealed], ["check", *words, "-c", sealed],
                        ["explain", *words, "-c", sealed, "--", "ls"]):
            result = cryptnono(*command, expect=3)
            assert expected in result.stderr.decode() and result.stdout == b""
    cryptnono("rules", "open", "--identity", keys / "x25519", rules, expect=3)  # not sealed
    cryptnono("rules", "seal", rules, expect=2)
    cryptnono("rules", "seal", "-R", keys / "x25519.pub", "--force", "-o", sealed, "-", input=b"\n", expect=3)
    assert b"nonsense" in cryptnono("rules", "seal", "-r", "nonsense", rules, expect=2).stderr
    cryptnono("rules", "seal", "-R", keys / "x25519.pub", tmp_path / "none", expect=3)
    without_age = cryptnono("rules", "seal", "-R", keys / "x25519.pub", rules, expect=1, env={"PATH": str(tmp_path)})
    assert b"apt install age" in without_age.stderr


def test_messages_have_the_place_and_no_text(keys, tmp_path):
    """Mistakes in a sealed file are told by line and column; nothing of the file is."""
    path = tmp_path / "rules.yaml"
    path.write_text("bannedCommandStrings:\n  - good-string\n  - \"\"\nsecretkey: 1\nlog: {level: secretvalue}\n"
                    "dryRun: 'secretquoted'\ntcpflowkiller: {bans: [secretaddress]}\n")
    sealed = cryptnono("rules", "seal", "--any-file", "-R", keys / "x25519.pub", path).stdout
    (tmp_path / "rules.age").write_bytes(sealed)
    said = cryptnono("check", "-c", tmp_path / "rules.age", "--identity", keys / "x25519", expect=3).stderr.decode()
    for line in (3, 4, 5, 6, 7):
        assert f"{tmp_path}/rules.age:{line}:" in said
    assert "secret" not in said.replace(str(tmp_path), "")
    plain = cryptnono("check", "-c", path, expect=3).stderr.decode()
    assert "secretkey" in plain and "secretvalue" in plain


def test_identity_of_the_environment(keys, rules, tmp_path):
    sealed = tmp_path / "rules.age"
    cryptnono("rules", "seal", "-R", keys / "x25519.pub", "-o", sealed, rules)
    for variables in ({"CRYPTNONO_IDENTITY": (keys / "x25519").read_text()},
                      {"CRYPTNONO_IDENTITY_FILE": str(keys / "x25519")}):
        cryptnono("check", "-c", sealed, env={**os.environ, **variables})
        assert cryptnono("rules", "open", sealed, env={**os.environ, **variables}).stdout.decode() == RULES
