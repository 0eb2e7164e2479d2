"""The package in a machine of its own: Debian 12 with its kernel and systemd, emulated by qemu, where the daemon may kill what it likes.

tests/deb/guest runs in there, once, and says what held; each test here looks up one of its checks.
"""
import re
import shutil
import sys

import pytest
from conftest import BUILD, HERE, ROOT, WORK, run

sys.path.insert(0, str(ROOT / "tests/kernels"))
import machine  # noqa: E402

MINUTES = 12  # two, on a machine that does nothing else
CHECKS = re.findall(r"^\s*check ([a-z-]+) ", (HERE / "guest").read_text(), re.M)


@pytest.fixture(scope="session")
def payload(package, old_package, tmp_path_factory):
    """What the guest finds beside its script."""
    directory = tmp_path_factory.mktemp("payload")
    for each in (package, old_package, HERE / "guest"):
        shutil.copy(each, directory)
    if not shutil.which("age"):
        pytest.skip("age is missing: scripts/install_packages test")
    run("age-keygen", "-o", directory / "identity")
    recipient = run("age-keygen", "-y", directory / "identity").stdout.strip()
    plain = tmp_path_factory.mktemp("plain") / "rules.yaml"
    plain.write_text("bannedCommandStrings: [sealed.banned.word]\n")
    run(BUILD / "bin/cryptnono", "rules", "seal", "-r", recipient, "-o", directory / "sealed.yaml", plain)
    disk = tmp_path_factory.mktemp("disk") / "payload.tar"
    run("tar", "-C", directory, "-cf", disk, ".")
    return disk


@pytest.fixture(scope="session")
def said(base, payload):
    """All that the machine said on its console."""
    try:
        emulator = machine.emulator()
    except machine.NoMirror as error:
        pytest.skip(str(error))
    log = WORK / "machine.log"
    command = [*emulator, "-smp", "2", "-m", "1024", "-kernel", base / "vmlinuz", "-initrd", base / "initrd.img",
               "-append", f"root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0 {machine.FASTER}",
               "-drive", f"file={base}/disk,if=virtio,format=raw,snapshot=on", "-drive", f"file={payload},if=virtio,format=raw,readonly=on"]
    machine.boot(command, log, MINUTES)
    text = log.read_text(errors="replace")
    print(text)
    return text


def test_the_machine_came_to_its_end(said):
    assert "GUEST done" in said, said[-3000:]
    print(*re.findall(r"^.*Overall exposure.*$", said, re.M))


@pytest.mark.parametrize("name", CHECKS)
def test_in_the_machine(said, name):
    assert f"CHECK {name}: ok" in said, said[max(0, said.find(f"CHECK {name}:") - 1500):][:4000]
