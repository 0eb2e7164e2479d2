"""What the tests of this folder share: one containerd, with the real image, for all of them.

What they take from the daemon's tests asks for `conftest`, which is this file here.
"""
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", ROOT / "build/release"))
ARCHIVE = ROOT / "build/image/cryptnono-amd64.tar"

sys.path.insert(1, str(ROOT / "tests/daemon"))
_spec = importlib.util.spec_from_file_location("daemon_conftest", ROOT / "tests/daemon/conftest.py")
_daemon = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_daemon)
VICTIMS, B, cgroup2, die_with_parent, wait_until, pytest_collection_modifyitems = (
    getattr(_daemon, name) for name in ("VICTIMS", "B", "cgroup2", "die_with_parent", "wait_until", "pytest_collection_modifyitems"))


def image_archive():
    """The image of this build, made anew if it is older than the binary."""
    if not ARCHIVE.exists() or ARCHIVE.stat().st_mtime < (BUILD / "bin/cryptnono").stat().st_mtime:
        done = subprocess.run([ROOT / "packaging/image/build"], capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return ARCHIVE


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    for tool in ("containerd", "runc", "ctr", "protoc", "buildah", "jq", "curl", "nsenter"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    from node import Node  # which uses this file
    archive = image_archive()
    one = Node(tmp_path_factory.mktemp("node"), {"pause": VICTIMS / "pause_static", "tell": VICTIMS / "tell_argv"})
    try:
        one.load(archive)
        yield one
    finally:
        one.close()
