"""The package goes into a clean Debian 12, is upgraded, removed and purged; no service starts there."""


def installed(chroot):
    return chroot.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", "cryptnono", check=False).stdout.strip()


def files_of(chroot, where):
    return chroot.run("sh", "-c", f"find {where} 2>/dev/null | sort").stdout.split()


def test_installs_and_checks_its_configuration(chroot, package):
    chroot.run("dpkg", "-i", chroot.put(package))
    assert installed(chroot) == "ii"
    assert chroot.run("cryptnono", "--version").stdout.strip()
    checked = chroot.run("cryptnono", "check", "-c", "/etc/cryptnono/cryptnono.yaml", "-c", "/etc/cryptnono/rules.d",
                         "--identity", "/etc/cryptnono/identity")
    assert checked.stdout.startswith("ok: 1 banned string")
    assert chroot.run("sh", "-c", "ldd /usr/bin/cryptnono | grep 'not found'", check=False).stdout == ""
    assert chroot.run("systemctl", "is-enabled", "cryptnono").stdout.strip() == "enabled"


def test_has_the_dependencies_that_it_says(chroot, package):
    """With one of them gone, dpkg says so instead of a loader, later."""
    chroot.run("dpkg", "--purge", "--force-depends", "libyaml-0-2")
    refused = chroot.run("dpkg", "-i", chroot.put(package), check=False)
    assert refused.returncode != 0 and "libyaml-0-2" in refused.stderr


def test_an_upgrade_keeps_what_the_operator_changed(chroot, package, old_package):
    chroot.run("dpkg", "-i", chroot.put(old_package))
    chroot.run("sh", "-c", "echo '# mine' >>/etc/cryptnono/cryptnono.yaml; echo 'bannedCommandStrings: [x.y.z]' >/etc/cryptnono/rules.d/mine.yaml; "
               "systemctl disable cryptnono")
    chroot.run("dpkg", "--force-confold", "-i", chroot.put(package))
    assert "# mine" in chroot.run("cat", "/etc/cryptnono/cryptnono.yaml").stdout
    assert chroot.run("stat", "-c", "%a", "/etc/cryptnono/cryptnono.yaml", "/etc/cryptnono", "/etc/cryptnono/rules.d").stdout.split() == \
        ["600", "700", "700"]
    assert chroot.run("systemctl", "is-enabled", "cryptnono", check=False).stdout.strip() == "disabled"
    assert "2 banned strings" in chroot.run("cryptnono", "check", "-c", "/etc/cryptnono/cryptnono.yaml", "-c", "/etc/cryptnono/rules.d").stdout


def test_purge_leaves_nothing(chroot, package):
    before = set(files_of(chroot, "/etc /usr /lib /var/lib /run"))
    chroot.run("dpkg", "-i", chroot.put(package))
    # What a daemon would have left.
    chroot.run("sh", "-c", "mkdir -p /var/lib/cryptnono /run/cryptnono; touch /var/lib/cryptnono/clean-days.json")
    chroot.run("dpkg", "--remove", "cryptnono")
    assert installed(chroot) == "rc"
    assert "/etc/cryptnono/cryptnono.yaml" in files_of(chroot, "/etc/cryptnono")
    chroot.run("dpkg", "--purge", "cryptnono")
    left = set(files_of(chroot, "/etc /usr /lib /var/lib /run")) - before
    assert {path for path in left if "cryptnono" in path} == set()
    assert not {path for path in left if not path.startswith(("/var/lib/dpkg/", "/var/lib/systemd/deb-systemd-helper"))}


def test_purge_keeps_what_the_operator_wrote(chroot, package):
    chroot.run("dpkg", "-i", chroot.put(package))
    chroot.run("sh", "-c", "echo key >/etc/cryptnono/identity/key")
    chroot.run("dpkg", "--purge", "cryptnono")
    assert files_of(chroot, "/etc/cryptnono") == ["/etc/cryptnono", "/etc/cryptnono/identity", "/etc/cryptnono/identity/key"]
