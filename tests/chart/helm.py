"""Helm, and what it makes of the chart."""
import base64
import json
import pathlib
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "helm/cryptnono"


class HelmError(Exception):
    pass


class Helm:
    """One version of it, in a home of its own: nothing of the user's is read."""

    def __init__(self, program, home):
        self.program, self.home = program, pathlib.Path(home)

    def __call__(self, *arguments):
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"}
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=120)
        if done.returncode != 0:
            raise HelmError(done.stderr + done.stdout)
        return done.stdout

    def template(self, values=None, *arguments, chart=CHART, release="support", namespace="support"):
        return Release(self("template", release, chart, "--namespace", namespace, *self.files(values), *arguments))

    def notes(self, values=None, *arguments, namespace="support"):
        out = self("install", "support", CHART, "--namespace", namespace, "--dry-run=client", *self.files(values), *arguments)
        return out.partition("\nNOTES:\n")[2]

    def files(self, values):
        """-f for a dictionary, a path, or a list of such."""
        for index, each in enumerate(values if isinstance(values, list) else [] if values is None else [values]):
            if isinstance(each, dict):
                path = self.home / f"values-{index}.yaml"
                path.write_text(yaml.safe_dump(each))
                each = path
            yield from ("-f", each)


class Release:
    """The objects of one rendering."""

    def __init__(self, text):
        self.text = text
        self.objects = [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]

    def of(self, kind):
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind, name=None):
        (found,) = [each for each in self.of(kind) if name in (None, each["metadata"]["name"])]
        return found

    @property
    def template(self):
        return self.one("DaemonSet")["spec"]["template"]

    @property
    def pod(self):
        return self.template["spec"]

    @property
    def container(self):
        (one,) = self.pod["containers"]
        return one

    @property
    def mounts(self):
        return {each["mountPath"]: each for each in self.container["volumeMounts"]}

    def volume(self, path):
        (one,) = [each for each in self.pod["volumes"] if each["name"] == self.mounts[path]["name"]]
        return one

    def secret(self, name):
        """{key: text}"""
        return {key: base64.b64decode(text).decode() for key, text in (self.one("Secret", name)["data"] or {}).items()}

    def settings(self):
        """What the chart's own values come to."""
        (name,) = [each["metadata"]["name"] for each in self.of("Secret") if each["metadata"]["name"].endswith("-config")]
        return yaml.safe_load(self.secret(name)["10-chart.yaml"])

    def config_paths(self):
        args = self.container["args"]
        return [args[i + 1] for i, word in enumerate(args) if word == "-c"]

    def mount(self, root, others=None):
        """Writes below `root` what the pod would see of Secrets and ConfigMaps; `others`: {name: {key: text}} of those that are made elsewhere.
        Returns the arguments of the container, with these paths."""
        root, others = pathlib.Path(root), others or {}
        for path in self.mounts:
            volume = self.volume(path)
            source = volume.get("secret") or volume.get("configMap")
            if source is None and "projected" not in volume:
                continue
            directory = root / path.lstrip("/")
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            for each in [source] if source else [item["configMap"] for item in volume["projected"]["sources"]]:
                name = each.get("secretName") or each["name"]
                made = {o["metadata"]["name"] for o in self.of("Secret")}
                data = self.secret(name) if name in made and "secretName" in each else others.get(name)
                if data is None:
                    assert each.get("optional"), f"{name} is neither made nor optional"
                    continue
                items = each.get("items") or [{"key": key, "path": key} for key in data]
                for item in items:
                    (directory / item["path"]).write_text(data[item["key"]])
        return [str(root) + word if word.startswith("/etc/cryptnono") else word for word in self.container["args"]]


def judge(build, objects):
    """{versions, errors} of validate.mjs about [(where, object)]."""
    script = pathlib.Path(__file__).parent / "validate.mjs"
    text = json.dumps([{"where": where, "object": each} for where, each in objects])
    done = subprocess.run(["node", script, build], input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
