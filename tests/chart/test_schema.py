"""Wrong values are errors that say where; values that had to go say what to write instead."""
import copy
import json
import re
import subprocess

import pytest
import yaml

from helm import CHART, ROOT, HelmError


def nested(path, value):
    for name in reversed(path.split("/")):
        value = {name: value}
    return value


WRONG = [
    # A name that is none, at every level.
    ("detector", {}), ("image/names", "x"), ("detectors/execwacker", {}), ("detectors/execwhacker/lookupEnv", []),
    ("detectors/execwhacker/configs/a b", {}), ("detectors/execwhacker/configs/a", {"bannedStrings": []}), ("detectors/monero/env", {}),
    ("detectors/tcpflowkiller/config/flowkiller", {}), ("metrics/port", 1), ("metrics/collector/containerSecurityContext", {}),
    ("metrics/podMonitor/intervall", "1m"), ("config/log.level", "debug"), ("config/execWhacker", {}), ("rules/secrets", []),
    ("rules/existingSecrets", [{"name": "a", "key": "b"}]), ("state/path", "/x"), ("extraVolumes", [{"emptyDir": {}}]), ("extraVolumeMounts", [{"name": "a"}]), ("networkPolicy/ingress", []), ("test/text", "x"),
    ("detectors/execwhacker/resources/request", {}), ("resources/request", {}), ("appArmorProfile/profile", "x"), ("probes/live", {}),
    # A type that is none.
    ("detectors/execwhacker/enabled", "true"), ("detectors/execwhacker/configs", []), ("detectors/execwhacker/configs/a", {"bannedCommandStrings": "xmrig"}),
    ("detectors/execwhacker/configs/a", {"bannedCommandStrings": [1]}), ("detectors/execwhacker/env", [{"name": "A", "value": "b"}]),
    ("detectors/execwhacker/env/A", None), ("detectors/execwhacker/env/A", ["b"]), ("image/tag", 1.0), ("image/tag", None), ("tolerations", {}),
    ("podAnnotations/a", True), ("podLabels/a", 1), ("detectors/tcpflowkiller/bannedIpv4ConfigMaps", ["a"]), ("terminationGracePeriodSeconds", "10"),
    # A value that is none.
    ("detectors/execwhacker/metrics/port", 0), ("detectors/execwhacker/metrics/port", 65536), ("metrics/collector/port", 1.5),
    ("image/pullPolicy", "always"), ("image/digest", "0123"), ("image/repository", ""), ("detectors/execwhacker/containerdHostPath", "run/containerd.sock"),
    ("detectors/execwhacker/dockerHostPath", "unix:///var/run/docker.sock"), ("rules/sealed/a.age", "bannedCommandStrings: [xmrig]"),
    ("rules/sealed/.a", "-----BEGIN AGE ENCRYPTED FILE-----"), ("rules/sealed/a~b", "-----BEGIN AGE ENCRYPTED FILE-----"),
    ("rules/existingSecrets", [{"name": "A_b"}]), ("rules/existingSecrets", [{"name": "a", "keys": []}]), ("rules/existingSecrets", [{"name": "a", "keys": [".b"]}]),
    ("rules/existingSecrets", [{"name": "a", "keys": ["b", "b"]}]), ("rules/existingConfigMaps", [{"optional": True}]),
    ("detectors/execwhacker/configs/a", {"action": "shoot"}), ("state/hostPath", "var/lib"), ("priorityClass/value", 2_000_000_000),
    ("appArmorProfile/type", "unconfined"), ("test/string", "x"), ("pins/onStop", "never"), ("pins/unattended", "report"), ("test/timeoutSeconds", 0), ("terminationGracePeriodSeconds", -1),
    # Helm's way to take a default away, where something must be.
    ("image", None), ("detectors", None), ("detectors/execwhacker", None), ("metrics", None), ("metrics/collector", None), ("test", None), ("state", None), ("pins", None), ("guard", None),
    ("networkPolicy", None), ("detectors/execwhacker/containerdHostPath", None), ("rules", None), ("probes", None),
]


def refused(helm, path, value):
    with pytest.raises(HelmError) as error:
        helm.template(nested(path, value))
    said = str(error.value)
    assert "specification" in said, said
    # Of a name with a dot or in a list, Helm says the name that holds it.
    words = [word for word in re.split("[/.]", path)[:2] if word.isidentifier()]
    assert all(word in said for word in words), said


@pytest.mark.parametrize(("path", "value"), WRONG, ids=[f"{path}={value!r}"[:60] for path, value in WRONG])
def test_wrong_values_are_refused_and_named(helm, path, value):
    refused(helm, path, value)


# Its validator is another one. The words of the schema are few, and each is in one of these.
@pytest.mark.parametrize(("path", "value"), WRONG[::6], ids=[f"{path}={value!r}"[:60] for path, value in WRONG[::6]])
def test_helm_3_refuses_them_too(helm_3, path, value):
    refused(helm_3, path, value)


ALLOWED = [
    # Null takes a list or map away.
    ("tolerations", None), ("affinity", None), ("nodeSelector", None), ("imagePullSecrets", None), ("podAnnotations", None), ("podLabels", None),
    ("updateStrategy", None), ("resources", None), ("podSecurityContext", None), ("appArmorProfile", None), ("appArmorProfile", {}), ("fetchKernelHeaders", None),
    ("containerSecurityContext", None), ("config", None), ("detectors/execwhacker/configs/default-test", None), ("detectors/execwhacker/configs", None),
    ("detectors/execwhacker/env", None), ("detectors/execwhacker/lookupEnvs", None), ("detectors/execwhacker/resources", None),
    ("detectors/tcpflowkiller", {"enabled": True, "config": None, "bannedIpv4ConfigMaps": None, "env": None, "resources": None}),
    ("detectors/tcpflowkiller", {"enabled": True, "config": {"FlowKiller": None}}), ("metrics/podMonitor/labels", None),
    ("metrics/collector/image", None), ("metrics/collector/resources", None), ("rules/existingSecrets", None), ("rules/sealed", None),
    ("probes/startup", None), ("extraVolumes", None), ("extraVolumeMounts", None), ("networkPolicy", {"enabled": True, "egress": None, "metricsFrom": None}),
]


@pytest.mark.parametrize(("path", "value"), ALLOWED, ids=[f"{path}={value!r}"[:60] for path, value in ALLOWED])
def test_null_takes_away_what_may_be_missing(helm, path, value):
    release = helm.template(nested(path, value))
    assert release.container["name"] == "execwhacker"


def test_null_in_helm_3(helm_3):
    for path, value in ALLOWED[::7]:
        assert helm_3.template(nested(path, value)).container["name"] == "execwhacker"


@pytest.mark.parametrize(("path", "advice"), [
    ("image/name", "image.repository"), ("fetchKernelHeaders/image/name", "fetchKernelHeaders"), ("detectors/execwhacker/metrics/enabled", "metrics.enabled"),
])
@pytest.mark.parametrize("value", ["x", True])
def test_removed_values_say_what_to_write(any_helm, path, advice, value):
    with pytest.raises(HelmError) as error:
        any_helm.template(nested(path, value))
    assert advice in str(error.value) and "specification" not in str(error.value)


@pytest.mark.parametrize(("values", "said"), [
    ({"detectors": {"tcpflowkiller": {"bannedIpv4ConfigMaps": {"a": "x", "b": "x"}}}}, "both have the key x"),
    ({"rules": {"existingSecrets": [{"name": "a"}, {"name": "a"}]}}, "a is there twice"),
    ({"rules": {"sealed": {"a": "-----BEGIN AGE ENCRYPTED FILE-----\n"}}}, "rules.identity.existingSecret"),
    ({"detectors": {"monero": {"resources": {"requests": {"cpu": "much"}}}}}, "no quantity"),
])
def test_what_the_schema_cannot_say(any_helm, values, said):
    with pytest.raises(HelmError, match=said):
        any_helm.template(values)


def test_generated_files_are_what_their_sources_make():
    done = subprocess.run([ROOT / "helm/generate", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_generate_finds_what_does_not_agree(tmp_path):
    """A default without a place in the schema, a place without a default, a file that was edited."""
    import shutil
    for name in ("helm", "monitoring/rules", "monitoring/rendered"):
        shutil.copytree(ROOT / name, tmp_path / name)
    values, schema = tmp_path / "helm/cryptnono/values.yaml", tmp_path / "helm/cryptnono/values.schema.json"
    check = lambda: subprocess.run([tmp_path / "helm/generate", "--check"], capture_output=True, text=True).stderr
    assert check() == ""
    original = values.read_text()
    values.write_text(original + "new: 1\n")
    assert "values.new: not in helm/schema.yaml" in check()
    values.write_text(original.replace("nameOverride: \"\"\n", "", 1).replace("fullnameOverride: \"\"\n", "", 1))
    assert "no default in values.yaml" in check()
    values.write_text(original.replace("pullPolicy: \"\"", "pullPolicy: Always", 1))
    assert "README.md is not what helm/generate writes" in check()
    values.write_text(original)
    edited = json.loads(schema.read_text())
    edited["additionalProperties"] = True
    schema.write_text(json.dumps(edited))
    assert "values.schema.json is not" in check()


def test_schema_knows_every_setting_of_the_daemon():
    """The top-level keys of docs/configuration.md, no more and no fewer."""
    text = (ROOT / "docs/configuration.md").read_text()
    keys = {re.split(r"[.\[]", name)[0] for row in re.findall(r"^\| (`.*?`(?:, `.*?`)*) \|.*\|.*\|.*\|$", text.partition("\n## Keys")[2].partition("\n## ")[0], re.M)
            for name in re.findall(r"`\.?([A-Za-z].*?)`", row) if not row.startswith("`.")}
    keys -= {"window", "allow", "allowFiles", "bannedCommandSubstrings`"}
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]["config"]["properties"]) == keys | {"bannedCommandSubstrings"}


def test_versions_agree():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f"project(cryptnono VERSION {chart['appVersion']} " in (ROOT / "CMakeLists.txt").read_text()
