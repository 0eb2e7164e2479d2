"""Fixtures of the image's tests: the image itself, its files, and the image running in a real engine, always scoped to a cgroup made here.

The daemon's fixtures and helpers are those of tests/daemon, whose modules ask for `conftest`, which is this file here.
"""
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", ROOT / "build/release"))
BUILD_TIMEOUT_S = 1500  # without ccache, on two busy processors
ARCHIVE = ROOT / "build/image/cryptnono-amd64.tar"
ARCHIVE_ARM64 = ROOT / "build/image/cryptnono-arm64.tar"

sys.path.insert(0, str(ROOT / "tests/daemon"))
_spec = importlib.util.spec_from_file_location("daemon_conftest", ROOT / "tests/daemon/conftest.py")
daemon_conftest = importlib.util.module_from_spec(_spec)
sys.modules["daemon_conftest"] = daemon_conftest
_spec.loader.exec_module(daemon_conftest)
VICTIMS, B, SLOW, Cgroup, cgroup2, die_with_parent, wait_until = (
    getattr(daemon_conftest, name) for name in ("VICTIMS", "B", "SLOW", "Cgroup", "cgroup2", "die_with_parent", "wait_until"))


def build(directory=ROOT, **environment):
    """`packaging/image/build` as whoever runs `make image` does it, without looking for packages. Its last line."""
    # A session of its own: when the time is up, the compilers end too.
    process = subprocess.Popen([directory / "packaging/image/build"], env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=BUILD_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, output[-6000:]
    return output.splitlines()[-1]


@pytest.fixture(scope="session")
def archive():
    """The OCI archive of the sources as they are; or CRYPTNONO_IMAGE, one that was built before."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not shutil.which("buildah"):
        pytest.skip("buildah is not installed")
    if given := os.environ.get("CRYPTNONO_IMAGE"):
        return pathlib.Path(given)
    build()
    return ARCHIVE


class Image:
    """An OCI archive, read as the standard says and verified on the way."""

    def __init__(self, path):
        self.path = path
        with tarfile.open(path) as archive:
            self.blobs = {name.removeprefix("blobs/sha256/"): archive.extractfile(name).read() for name in archive.getnames()
                          if name.startswith("blobs/sha256/")}
            self.members = archive.getmembers()
            self.index = json.load(archive.extractfile("index.json"))
        (entry,) = self.index["manifests"]
        self.digest = entry["digest"]
        self.manifest = json.loads(self.blob(self.digest))
        self.config = json.loads(self.blob(self.manifest["config"]["digest"]))

    def blob(self, digest):
        return self.blobs[digest.removeprefix("sha256:")]


@pytest.fixture(scope="session")
def image(archive):
    return Image(archive)


@pytest.fixture(scope="session")
def layer(image, tmp_path_factory):
    """Members of the one layer, by name, and where it is unpacked."""
    (entry,) = image.manifest["layers"]
    path = tmp_path_factory.mktemp("layer") / "layer.tar.gz"
    path.write_bytes(image.blob(entry["digest"]))
    root = path.parent / "root"
    root.mkdir()
    subprocess.run(["tar", "-xpzf", path, "-C", root], check=True)
    with tarfile.open(path) as tar:
        return {member.name.strip("./"): member for member in tar.getmembers() if member.name.strip("./")}, root
