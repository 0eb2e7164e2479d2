"""What a DaemonSet asks of the daemon: Secrets that are mounted whole, come late, change and go; two pods on a node while they are updated; and what
`helm test` runs."""
import pathlib

from conftest import BINARY, wait_until


class MountedSecret:
    """As the kubelet writes it: names lead to ..data, which leads to a directory of this version, and is swapped by one rename."""

    def __init__(self, path):
        self.path, self.version = pathlib.Path(path), 0
        self.path.mkdir()

    def set(self, **files):
        self.version += 1
        directory = self.path / f"..2026_{self.version}"
        directory.mkdir()
        for name, text in files.items():
            (directory / name).write_text(text)
        (self.path / "..data_tmp").symlink_to(directory.name)
        (self.path / "..data_tmp").rename(self.path / "..data")
        for name in files:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        for link in self.path.iterdir():
            if not link.name.startswith("..") and not link.exists():
                link.unlink()


def banned(word):
    return f"bannedCommandStrings: [{word}]\n"


def test_rules_come_change_and_go_with_their_secret(daemon, tmp_path, spawn):
    secret = MountedSecret(tmp_path / "rules")
    settings = tmp_path / "settings"
    settings.mkdir()
    (settings / "cryptnono.yaml").write_text("monero: {enabled: false}\n")
    agent = daemon([secret.path, settings])
    assert spawn(["/bin/echo", "late.word"]) == 0

    secret.set(late=banned("late.word"))
    agent.wait_for(action="reloaded", generation=2)
    assert spawn(["/bin/echo", "late.word"]) == -9

    secret.set(late=banned("another.word"), more=banned("third.word"))
    agent.wait_for(action="reloaded", generation=3)
    assert [spawn(["/bin/echo", word]) for word in ("late.word", "another.word", "third.word")] == [0, -9, -9]

    secret.set(more=banned("third.word"))
    agent.wait_for(action="reloaded", generation=4)
    assert [spawn(["/bin/echo", word]) for word in ("another.word", "third.word")] == [0, -9]

    # A file that is wrong takes nothing away, and its mending is seen.
    secret.set(more="bannedCommandStrings: {}\n")
    agent.wait_for(action="reload-failed")
    assert spawn(["/bin/echo", "third.word"]) == -9
    secret.set(more=banned("mended.word"))
    agent.wait_for(action="reloaded", generation=5)
    assert spawn(["/bin/echo", "mended.word"]) == -9


def test_expect_kill_succeeds_where_the_string_is_banned(daemon, spawn):
    daemon()
    command = [BINARY, "expect-kill", "--timeout", "0"]
    assert spawn(command, env={"CRYPTNONO_TEST_STRING": "cryptnono.banned.string1"}) == 0
    assert spawn(command, env={"CRYPTNONO_TEST_STRING": "not.banned"}) == 1


def test_two_daemons_while_pods_are_replaced(daemon, spawn):
    """maxSurge: the new one starts before the old one ends. Both kill, neither takes the other's canaries, and one is enough again afterwards."""
    old, new = (daemon(metrics=True, canaries=1) for _ in range(2))
    assert spawn(["/bin/echo", "cryptnono.banned.string1"]) == -9
    for one in (old, new):
        one.wait_for(action="killed", in_kernel=True)
        passed = 'cryptnono_canary_last_success_timestamp_seconds{detector="execwhacker"}'
        first = one.metrics()[passed]
        wait_until(lambda: one.metrics()[passed] > first)
        assert one.metrics()['cryptnono_canary_successful{detector="execwhacker"}'] == 1
    old.stop()
    assert spawn(["/bin/echo", "cryptnono.banned.string1"]) == -9
