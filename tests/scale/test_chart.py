"""What the guides say of the Helm chart, rendered by a real helm: two releases side by side, the switch for all nodes, the predecessor's values."""
import base64
import functools
import gzip
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from conftest import BUILD, ROOT
from propagation import made_up_strings

sys.path.append(str(ROOT / "tests/chart"))
from npm_tools import prepared  # noqa: E402

CHART = ROOT / "helm/cryptnono"
FACTS = yaml.safe_load((ROOT / "tests/scale/predecessor.yaml").read_text())


@functools.cache
def helm():
    """HELM of the environment, or the newest that the chart's own tests bring here."""
    if not (CHART / "Chart.yaml").exists():
        pytest.skip("the chart (helm/cryptnono) is not in this tree")
    if "HELM" in os.environ:
        return os.environ["HELM"]
    return str(prepared(BUILD) / "helm-4")


def render(tmp_path, release, *values, options=()):
    arguments = []
    for number, text in enumerate(values):
        path = tmp_path / f"values-{release}-{number}.yaml"
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(text))
        arguments += ["-f", str(path)]
    done = subprocess.run([helm(), "template", release, str(CHART), *arguments, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def daemon_set(objects):
    found, = [each for each in objects if each["kind"] == "DaemonSet"]
    return found


def shown(word):
    """The guide's YAML block with this word in it."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/scale-out.md").read_text(), re.M | re.S)
    found, = [block for block in blocks if word in block]
    return found


def runs_on(pod, labels):
    """As the DaemonSet's controller decides by nodeSelector and required affinity, of what the guide uses."""
    if any(labels.get(key) != value for key, value in pod.get("nodeSelector", {}).items()):
        return False
    required = pod.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    for term in required["nodeSelectorTerms"]:
        for one in term["matchExpressions"]:
            assert one["operator"] == "NotIn"
            if labels.get(one["key"]) in one["values"]:
                return False
    return True


def test_each_node_is_of_one_release(tmp_path):
    canary = daemon_set(render(tmp_path, "cryptnono-canary", shown("fullnameOverride: cryptnono-canary")))
    other = daemon_set(render(tmp_path, "support", shown("operator: NotIn")))
    for labels, who in (({}, other), ({"cryptnono.io/pool": "canary"}, canary), ({"cryptnono.io/pool": "large"}, other)):
        on = [each for each in (canary, other) if runs_on(each["spec"]["template"]["spec"], labels)]
        assert on == [who], labels
    assert canary["metadata"]["name"] != other["metadata"]["name"]
    assert canary["spec"]["selector"] != other["spec"]["selector"], "neither counts the other's pods as its own"


@pytest.mark.parametrize("word", ["maxUnavailable: 5%", "maxSurge: 5%"])
def test_update_strategies_are_taken_over(tmp_path, word):
    text = shown(word + "}")
    strategy = daemon_set(render(tmp_path, "support", text))["spec"]["updateStrategy"]
    assert strategy == yaml.safe_load(text)["updateStrategy"]


def test_dry_run_restarts_no_pod(tmp_path):
    """One Secret differs, and the pods' template does not: so no rolling update, and kubelets bring the change."""
    before, after = ([each for each in render(tmp_path, "support", options=options) if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
                     for options in ((), ("--set", "config.dryRun=true")))
    differing = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    (one, other), = differing
    assert other["kind"] == "Secret" and other["metadata"]["name"].endswith("-config")
    assert any(yaml.safe_load(base64.b64decode(text)) == {"dryRun": True} for text in other["data"].values())


def test_new_rules_restart_no_pod_and_nothing_is_mounted_by_subpath(tmp_path):
    found = shown("cryptnono-found: found.txt")
    rules = {"detectors": {"execwhacker": {"configs": {"new": {"bannedCommandStrings": ["x.example"]}}}}}
    before, after = daemon_set(render(tmp_path, "support", found)), daemon_set(render(tmp_path, "support", found, rules))
    assert before == after
    pod = before["spec"]["template"]["spec"]
    assert "subPath" not in json.dumps(pod)
    volumes = json.dumps(pod["volumes"])
    assert '"found.txt"' in volumes and '"secretName": "cryptnono-found"' in volumes
    assert not pod.get("automountServiceAccountToken", True) and "hostNetwork" not in pod
    assert all("hostPort" not in port for container in pod["containers"] for port in container.get("ports", []))


def put(path, value, into):
    *parts, last = path.split(".")
    for part in parts:
        into = into.setdefault(part, {})
    into[last] = value


EXAMPLES = {
    "enabled": True, "global": {"any": 1}, "imagePullSecrets": [{"name": "pull"}], "podAnnotations": {"a": "b"}, "podSecurityContext": {},
    "containerSecurityContext": {"privileged": True}, "nodeSelector": {"a": "b"}, "affinity": {}, "tolerations": [{"operator": "Exists"}],
    "detectors.execwhacker.configs": {"one": {"bannedCommandStrings": ["x.example"], "allowedCommandPatterns": ["^a"]}},
    "detectors.execwhacker.lookupEnvs": ["BINDER_REF_URL"], "detectors.execwhacker.threadpoolSize": 10,
    "detectors.tcpflowkiller.bannedIpv4ConfigMaps": {"bans": "bans.txt"},
    "detectors.tcpflowkiller.config": {"FlowKiller": {"banned_ipv4_file_globs": ["/ban-config/*"], "unique_destinations_threshold": 24}},
}


def example(path):
    if path in EXAMPLES:
        return EXAMPLES[path]
    last = path.rsplit(".", 1)[-1]
    if last in ("enabled", "debug", "prometheusScrapeAnnotation"):
        return True
    if last == "port":
        return 12100 + len(path)
    if last in ("resources",):
        return {"limits": {"cpu": "100m", "memory": "64Mi"}, "requests": {"cpu": "5m", "memory": "16Mi"}}
    if last == "env":
        return {"NUMBER": 1, "YES": True}
    return "/run/x/x.sock" if last.endswith("HostPath") else "Always" if last == "pullPolicy" else "text"


def test_all_of_the_predecessors_values_are_accepted_at_once(tmp_path):
    values = {}
    for path in FACTS["values"]:
        put(path, example(path), values)
    found = daemon_set(render(tmp_path, "support", values))
    containers = found["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in containers] == ["execwhacker"] and "initContainers" not in found["spec"]["template"]["spec"]
    assert found["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": "text", "app.kubernetes.io/instance": "support"}


def test_the_switch_without_helm_leaves_no_node(tmp_path):
    """The guide's `kubectl patch`, by the real client on the chart's object."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    text = (ROOT / "docs/scale-out.md").read_text()
    patch = re.search(r"patch daemonset NAME -p '(.*?)'", text).group(1)
    (tmp_path / "object.yaml").write_text(yaml.safe_dump(daemon_set(render(tmp_path, "support"))))
    done = subprocess.run(["kubectl", "patch", "--local", "-f", str(tmp_path / "object.yaml"), "-p", patch, "-o", "json"],
                          capture_output=True, text=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "KUBECONFIG": "/dev/null", "HOME": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    patched = json.loads(done.stdout)
    assert not runs_on(patched["spec"]["template"]["spec"], {"cryptnono.io/pool": "canary"})
    assert patched["spec"]["selector"] == daemon_set(render(tmp_path, "support"))["spec"]["selector"]


def test_how_many_strings_in_values_fit_into_a_release(tmp_path):
    """What Helm keeps of a release is gzip of JSON in base64, in a Secret, which may have 1 MiB."""
    version = subprocess.run([helm(), "version", "--short"], capture_output=True, text=True, check=True).stdout
    if version.startswith("v3"):
        pytest.skip("Helm 3 asks a cluster before it says what it would keep")
    said = int(re.search(r"about ([\d,]+) strings in values", (ROOT / "docs/scale-out.md").read_text()).group(1).replace(",", ""))

    def kept(count):
        values = {"detectors": {"execwhacker": {"configs": {"list": {"bannedCommandStrings": made_up_strings(count)}}}}}
        (tmp_path / "values.json").write_text(json.dumps(values))
        done = subprocess.run([helm(), "install", "support", str(CHART), "-f", str(tmp_path / "values.json"), "--dry-run=client", "-o", "json"],
                              capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null", "HOME": str(tmp_path)})
        assert done.returncode == 0, done.stderr
        return len(base64.b64encode(gzip.compress(json.dumps(json.loads(done.stdout), separators=(",", ":")).encode(), 9)))
    assert kept(said) <= 2**20 < kept(said * 5 // 4)
