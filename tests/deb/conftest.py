"""Fixtures of the package's tests: the package, an older one, and a clean Debian 12 to install them into.

The daemon never starts here: in the chroot no service may (policy-rc.d), and it has no network. It runs in an emulated machine with a
kernel of its own (test_machine.py).
"""
import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/deb"
BUILD = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", ROOT / "build/release")).resolve()
WORK = ROOT / "build/deb"


def run(*command, timeout=120, check=True, **options):
    """Its result; what it wrote is in the error if it failed."""
    result = subprocess.run([str(each) for each in command], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                            **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


def build_package(directory, **environment):
    """Builds it into `directory`; its path."""
    directory.mkdir(parents=True, exist_ok=True)
    run(ROOT / "packaging/deb/build", directory, timeout=600, env={**os.environ, **environment})
    [package] = directory.glob("*.deb")
    return package


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    for tool in ("dpkg-buildpackage", "dh", "pandoc"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is missing: scripts/install_packages deb")
    return build_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def old_package(package, tmp_path_factory):
    version = run("dpkg-deb", "-f", package, "Version").stdout.strip()
    return build_package(tmp_path_factory.mktemp("old"), DEB_VERSION=f"{version}~old")


@pytest.fixture(scope="session")
def unpacked(package, tmp_path_factory):
    """The package's files; its scripts are in DEBIAN."""
    directory = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "-R", package, directory)
    return directory


@pytest.fixture(scope="session")
def base(package):
    """The directory that tests/deb/base makes, once for each list of dependencies."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for debootstrap and mounts")
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is missing: scripts/install_packages deb")
    depends = run("dpkg-deb", "-f", package, "Depends", "Pre-Depends").stdout
    key = hashlib.sha256(depends.encode() + (HERE / "base").read_bytes()).hexdigest()[:12]
    directory = WORK / f"base-{key}"
    if not (directory / "disk").exists():
        for old in WORK.glob("base-*"):
            if old.is_dir():
                shutil.rmtree(old)
        made = run(HERE / "base", directory, package, timeout=1500, check=False)
        if made.returncode != 0:
            pytest.skip(f"no Debian could be made, is there a mirror? {made.stderr[-300:]}")
    return directory


class Chroot:
    """A copy of a clean Debian that costs nothing: its changes lie above it."""

    def __init__(self, base, directory):
        self.base, self.upper, self.work = base / "root", directory / "upper", directory / "work"
        self.mount_point = directory / "root"
        for each in (self.upper, self.work, self.mount_point):
            each.mkdir()

    def run(self, *command, **options):
        """In a mount and a pid namespace of its own, without network; mounts and processes are gone when it ends."""
        script = ('mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4" && mount -t proc proc "$4/proc" && '
                  'root=$4 && shift 4 && exec chroot "$root" "$@"')
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "sh", "-c", script, "sh", self.base, self.upper, self.work,
                   self.mount_point, *command, env=environment, **options)

    def put(self, path, name=None):
        """A file into its /; its path in there."""
        shutil.copy(path, self.upper / (name or path.name))
        return f"/{name or path.name}"


@pytest.fixture
def chroot(base):
    # Not below /tmp, which may be memory: overlays want a file system that can be one's upper layer.
    directory = pathlib.Path(tempfile.mkdtemp(prefix="chroot-", dir=WORK))
    try:
        yield Chroot(base, directory)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(directory)
