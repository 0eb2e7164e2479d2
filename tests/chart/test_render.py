"""Every fixture, with Helm 3 and 4: it renders, alike, and Kubernetes takes it."""
import itertools

import pytest
import yaml

from conftest import FIXTURES
from helm import CHART, HelmError, judge

# With and without the fields of AppArmor.
KUBERNETES = ["1.28.0", "1.29.5", "1.30.0", "1.31.1", "1.32.0", "1.33.0", "1.34.0", "1.35.0", "v1.30.2-eks-1234567", "v1.29.4-gke.1043000"]


def test_lint(any_helm, fixture):
    assert "0 chart(s) failed" in any_helm("lint", "--strict", CHART, "-f", fixture)


def test_both_helms_say_the_same(prepared, tmp_path, fixture):
    from helm import Helm
    three, four = (Helm(prepared / f"helm-{major}", tmp_path).template(fixture) for major in "34")
    by_name = lambda release: sorted(release.objects, key=lambda each: (each["kind"], each["metadata"]["name"]))
    assert by_name(three) == by_name(four)


def test_kubernetes_takes_every_object(helm, build):
    objects = []
    for fixture, version in itertools.product(FIXTURES, ("1.29.0", "1.35.0")):
        objects += [(f"{fixture.stem} ({version}): {each['kind']}", each) for each in helm.template(fixture, "--kube-version", version).objects]
    verdict = judge(build, objects)
    assert verdict["errors"] == []
    assert len(verdict["versions"]) == 3


def test_the_judge_judges(helm, build, values):
    """What it must find: a wrong type, unknown fields at all depths, a missing one, and the same of the operator's objects."""
    release = helm.template(values("everything"))
    daemonset, secret = release.one("DaemonSet"), release.of("Secret")[0]
    daemonset["spec"]["template"]["spec"]["hostPIDD"] = True
    daemonset["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["added"] = []
    daemonset["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = "10"
    del daemonset["spec"]["selector"]
    secret["data"]["text"] = "not base64"
    monitor, rule = release.one("PodMonitor"), release.one("PrometheusRule")
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "30s"
    rule["spec"]["groups"][0]["rules"][0]["expr"] = ["a"]
    said = "\n".join(judge(build, [("here", each) for each in (daemonset, secret, monitor, rule)])["errors"])
    for version in ("1.33", "1.34", "1.36"):
        for wrong in ("spec.hostPIDD: V1PodSpec has no such field", "capabilities.added: V1Capabilities has no such field",
                      "terminationGracePeriodSeconds: a number is wanted, not string", "DaemonSet.spec.selector: is missing", "data.text: not base64"):
            assert any(version in line and wrong in line for line in said.splitlines()), (version, wrong, said)
    assert "intervall" in said and "expr" in said


@pytest.mark.parametrize("version", KUBERNETES)
def test_apparmor_by_version(helm, version):
    release = helm.template(None, "--kube-version", version)
    annotations, context = release.template["metadata"]["annotations"], release.container["securityContext"]
    annotation = annotations.get("container.apparmor.security.beta.kubernetes.io/execwhacker")
    if tuple(map(int, version.lstrip("v").split(".")[:2])) < (1, 30):
        assert (annotation, "appArmorProfile" in context) == ("unconfined", False)
    else:
        assert (annotation, context["appArmorProfile"]) == (None, {"type": "Unconfined"})


def test_apparmor_local_profile(helm):
    values = {"appArmorProfile": {"type": "Localhost", "localhostProfile": "cryptnono"}}
    assert helm.template(values, "--kube-version", "1.31.0").container["securityContext"]["appArmorProfile"] == values["appArmorProfile"]
    annotations = helm.template(values, "--kube-version", "1.29.0").template["metadata"]["annotations"]
    assert annotations["container.apparmor.security.beta.kubernetes.io/execwhacker"] == "localhost/cryptnono"


def test_package_and_subchart(any_helm, tmp_path, values):
    """As both large users have it: a dependency with a condition, and `global`."""
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    any_helm("package", CHART, "--destination", parent / "charts")
    dependency = {"name": "cryptnono", "version": ">=0.3.0-0", "repository": "", "condition": "cryptnono.enabled"}
    (parent / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}))
    for name in ("hub-2i2c", "hub-mybinder"):
        inner = {"enabled": True, **values(name)}
        release = any_helm.template({"global": {"a": {"b": 1}}, "cryptnono": inner}, chart=parent)
        alone = any_helm.template(inner)
        assert release.objects == alone.objects
        assert release.one("DaemonSet")["metadata"]["name"] == "support-cryptnono"
        assert any_helm.template({"cryptnono": {**inner, "enabled": False}}, chart=parent).objects == []
    with pytest.raises(HelmError, match="lookupEnv"):
        any_helm.template({"cryptnono": {"detectors": {"execwhacker": {"lookupEnv": []}}}}, chart=parent)


def test_the_package_has_what_it_needs_and_no_more(helm, tmp_path):
    import tarfile
    helm("package", CHART, "--destination", tmp_path)
    (archive,) = tmp_path.glob("cryptnono-*.tgz")
    with tarfile.open(archive) as tar:
        names = {name.removeprefix("cryptnono/") for name in tar.getnames()}
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md", "files/cryptnono.json", "files/cryptnono.rules.yaml"} <= names
    assert names == {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file() and path.name != ".helmignore"} | (names & {".helmignore"})
