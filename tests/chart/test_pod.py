"""The pod: what it may do, what it sees, and what must not change for those who upgrade."""
import re

import pytest

from helm import ROOT


def test_names_that_alerts_runbooks_and_upgrades_know(any_helm, fixture, values):
    release = any_helm.template(fixture)
    daemonset = release.one("DaemonSet")
    fullname = values(fixture.stem).get("fullnameOverride") or "support-cryptnono"
    assert daemonset["metadata"]["name"] == fullname
    selector = {"app.kubernetes.io/name": "cryptnono", "app.kubernetes.io/instance": "support"}
    assert daemonset["spec"]["selector"] == {"matchLabels": selector}
    assert selector.items() <= release.template["metadata"]["labels"].items()
    assert [each["name"] for each in release.pod["containers"]] == ["execwhacker"]
    assert "initContainers" not in release.pod
    assert release.pod["hostPID"] is True and "hostNetwork" not in release.pod
    assert {each["metadata"]["name"] for each in release.of("Secret")} >= {f"{fullname}-config", f"{fullname}-execwhacker"}


@pytest.mark.parametrize(("release", "overrides", "name", "selector"), [
    ("support", {}, "support-cryptnono", ("cryptnono", "support")),
    ("cryptnono", {}, "cryptnono", ("cryptnono", "cryptnono")),
    ("my-cryptnono-x", {}, "my-cryptnono-x", ("cryptnono", "my-cryptnono-x")),
    ("support", {"nameOverride": "miners"}, "support-miners", ("miners", "support")),
    ("support", {"fullnameOverride": "agent"}, "agent", ("cryptnono", "support")),
    ("a" * 53, {"nameOverride": "b" * 20}, ("a" * 53 + "-" + "b" * 20)[:63], ("b" * 20, "a" * 53)),
])
def test_names_as_the_predecessors(helm, release, overrides, name, selector):
    daemonset = helm.template(overrides, release=release).one("DaemonSet")
    assert daemonset["metadata"]["name"] == name
    assert daemonset["spec"]["selector"]["matchLabels"] == dict(zip(("app.kubernetes.io/name", "app.kubernetes.io/instance"), selector))


CHANGES_OF_RULES = [
    {"detectors": {"execwhacker": {"configs": {"more": {"bannedCommandStrings": ["xmrig"]}}}}},
    {"detectors": {"execwhacker": {"debug": True, "lookupEnvs": ["A"]}}},
    {"detectors": {"monero": {"enabled": False}}},
    {"config": {"dryRun": True, "log": {"level": "warning"}}},
    {"rules": {"sealed": {"b.age": "-----BEGIN AGE ENCRYPTED FILE-----\nother"}}},
    {"detectors": {"tcpflowkiller": {"config": {"FlowKiller": {"unique_destinations_threshold": 99}}}}},
]


@pytest.mark.parametrize("change", CHANGES_OF_RULES)
def test_rules_and_settings_restart_no_pod(helm, change):
    base = {"detectors": {"tcpflowkiller": {"enabled": True}},
            "rules": {"identity": {"existingSecret": "i"}, "sealed": {"a.age": "-----BEGIN AGE ENCRYPTED FILE-----\n"}}}
    before, after = helm.template(base), helm.template([base, change])
    assert before.template == after.template
    assert before.of("Secret") != after.of("Secret")


@pytest.mark.parametrize("change", [
    {"metrics": {"enabled": True}}, {"config": {"metrics": {"listen": ["127.0.0.1:1"]}}}, {"config": {"control": {"socket": "/run/cryptnono/x"}}},
    {"detectors": {"tcpflowkiller": {"config": {"FlowKiller": {"metrics_port": 1}}}}},
])
def test_what_needs_a_start_restarts_the_pods(helm, change):
    base = {"detectors": {"tcpflowkiller": {"enabled": True}}}
    before, after = (helm.template(values).template["metadata"]["annotations"] for values in (base, [base, change]))
    checksums = [{key: value for key, value in each.items() if key.startswith("checksum/")} for each in (before, after)]
    assert checksums[0] != checksums[1] and set(checksums[0]) == {"checksum/config-execwhacker", "checksum/config-tcpflowkiller"}


def test_least_privilege(helm):
    release = helm.template(None, "--kube-version", "1.35.0")
    context = release.container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True and "privileged" not in context
    assert context["capabilities"]["drop"] == ["ALL"]
    assert (context["runAsUser"], context["runAsNonRoot"]) == (0, False), "whatever podSecurityContext says, which had no effect once"
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert release.pod["automountServiceAccountToken"] is False
    assert not release.of("ServiceAccount") and not release.of("ClusterRole")
    document = ROOT / "docs/privileges.md"
    if not document.exists():
        pytest.skip("docs/privileges.md is not there to compare with")
    (said,) = re.findall(r"^ *add: \[(.*)\]$", document.read_text(), re.M)[:1]
    assert sorted(context["capabilities"]["add"]) == sorted(said.split(", "))


def test_privileged_leaves_out_what_contradicts(helm, values):
    release = helm.template(values("fallback"), "--kube-version", "1.29.0")
    assert release.container["securityContext"] == {"privileged": True, "readOnlyRootFilesystem": True, "runAsUser": 0, "runAsNonRoot": False}
    assert not any("apparmor" in key for key in release.template["metadata"]["annotations"] or {})
    assert "tolerations" not in release.pod
    assert not any(key.endswith("Probe") for key in release.container)


def test_mounts_are_few_read_only_and_update(helm, fixture):
    release = helm.template(fixture)
    assert not any("subPath" in each or "subPathExpr" in each for each in release.container["volumeMounts"])
    for path, mount in release.mounts.items():
        volume = release.volume(path)
        writable = "emptyDir" in volume or path == "/var/lib/cryptnono"
        assert mount.get("readOnly", False) is not writable, path
        if path.startswith("/host/"):
            assert mount["mountPropagation"] == "HostToContainer"
    on_node = {release.volume(path)["hostPath"]["path"] for path in release.mounts if "hostPath" in release.volume(path)}
    assert on_node <= {"/sys", "/run", "/var/log/pods", "/var/lib/cryptnono", "/var/lib/engine"}, "and nothing else, not / for one"
    names = [each["name"] for each in release.pod["volumes"]]
    assert len(set(names)) == len(names) == len(release.mounts)


@pytest.mark.parametrize(("containerd", "docker", "endpoints", "docker_endpoints", "directories"), [
    ("/run/containerd/containerd.sock", "/var/run/docker.sock",
     ["/host/run/containerd/containerd.sock", "/host/run/k3s/containerd/containerd.sock", "/host/run/crio/crio.sock", "/host/run/cri-dockerd.sock",
      "/host/run/host-containerd/containerd.sock"], ["/host/run/docker.sock", "/host/run/dind/docker.sock"], ["/run"]),
    ("/run/k3s/containerd/containerd.sock", "/run/dind/docker.sock", ["/host/run/k3s/containerd/containerd.sock"], ["/host/run/dind/docker.sock"], ["/run"]),
    ("/var/snap/microk8s/common/run/containerd.sock", "", ["/host/var/snap/microk8s/common/run/containerd.sock"], None, ["/run", "/var/snap/microk8s/common/run"]),
    ("", "/var/run/docker.sock", None, ["/host/run/docker.sock", "/host/run/dind/docker.sock"], ["/run"]),
    ("", "", None, None, []),
])
def test_sockets_of_runtimes(helm, containerd, docker, endpoints, docker_endpoints, directories):
    release = helm.template({"detectors": {"execwhacker": {"containerdHostPath": containerd, "dockerHostPath": docker}}})
    containers = release.settings().get("containers", {})
    assert (containers.get("endpoints"), containers.get("dockerEndpoints")) == (endpoints, docker_endpoints)
    mounted = [each["hostPath"]["path"] for each in release.pod["volumes"] if each["name"].startswith(("host-run", "host-sockets"))]
    assert mounted == directories
    # Set to nothing, and so asked by nobody: the daemon's own list of places would be inside of the container.
    variables = {each["name"]: each.get("value") for each in release.container["env"]}
    assert variables.get("CONTAINER_RUNTIME_ENDPOINT", "unset") == ("unset" if endpoints else "")
    assert variables.get("DOCKER_HOST", "unset") == ("unset" if docker_endpoints else "")


def test_known_sockets_are_the_daemons(helm):
    source = (ROOT / "src/runtime/sockets.cc").read_text()
    known = {path.replace("/var/run/", "/run/") for path in re.findall(r'"(/(?:var/)?run/[^"]+\.sock)"', source)}
    containers = helm.template().settings()["containers"]
    assert {path.removeprefix("/host") for path in containers["endpoints"] + containers["dockerEndpoints"]} == known


MEASURED = {"requests": {"cpu": "5m", "memory": "64Mi"}}


def resources(**detectors):
    return {"detectors": {name: {"enabled": True, "resources": value} for name, value in detectors.items()}}


@pytest.mark.parametrize(("given", "rendered"), [
    ({}, MEASURED),
    # Limits only if every detector that is enabled has one.
    (resources(monero={"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"cpu": "5m", "memory": "128Mi"}}), {"requests": {"cpu": "1m", "memory": "16Mi"}}),
    (resources(execwhacker={"requests": {"cpu": 0.5}, "limits": {"cpu": 1, "memory": "1Gi"}}, monero={"requests": {"cpu": "250m", "memory": "1e6"}, "limits": {"memory": "64Mi"}}),
     {"requests": {"cpu": "750m", "memory": "1000000"}, "limits": {"memory": "1088Mi"}}),
    # ...and no less than the one process needs, whatever three needed.
    (resources(execwhacker={"limits": {"cpu": "5m", "memory": "64Mi"}}, monero={"limits": {"cpu": "5m", "memory": "32Mi"}}), {"limits": {"cpu": "500m", "memory": "256Mi"}}),
    (resources(execwhacker={"limits": {"memory": "64Mi"}}, monero={"limits": {"memory": "64Mi"}}, tcpflowkiller={}), MEASURED),
    (resources(execwhacker={"requests": {"memory": "1500k"}}, monero={}, tcpflowkiller={"requests": {"memory": "1Ki", "cpu": "1.5"}}),
     {"requests": {"memory": "1501024", "cpu": "1500m"}}),
    ({**resources(monero={"requests": {"cpu": "1m"}}), "resources": {"requests": {"cpu": "7m"}}}, {"requests": {"cpu": "7m"}}),
    ({"detectors": {"execwhacker": {"enabled": False, "resources": {"requests": {"cpu": 1}}}, "monero": {"resources": {"limits": {"memory": "32Mi"}}}}},
     {"limits": {"memory": "256Mi"}}),
])
def test_resources_of_the_one_container(any_helm, given, rendered):
    assert any_helm.template(given).container.get("resources") == rendered


def test_variables(helm):
    env = {"A": 1000000, "B": True, "C": "a: {b}", "NODE_NAME": "mine"}
    values = {"detectors": {"execwhacker": {"env": env}, "tcpflowkiller": {"enabled": True, "env": {"C": "lost", "D": "d"}}}}
    variables = {each["name"]: each.get("value") for each in helm.template(values).container["env"]}
    assert variables == {"NODE_NAME": None, "POD_UID": None, "A": "1000000", "B": "true", "C": "a: {b}", "D": "d"}


@pytest.mark.parametrize(("image", "reference"), [
    ({}, "localhost/cryptnono:0.1.0"), ({"tag": "1"}, "localhost/cryptnono:1"), ({"repository": "r.example.org:5000/x"}, "r.example.org:5000/x:0.1.0"),
    ({"digest": "sha256:" + "0" * 64}, "localhost/cryptnono@sha256:" + "0" * 64), ({"tag": "1", "digest": "sha256:" + "0" * 64}, "localhost/cryptnono:1@sha256:" + "0" * 64),
])
def test_image(helm, image, reference):
    release = helm.template({"image": image})
    assert release.container["image"] == release.one("Pod")["spec"]["containers"][0]["image"] == reference


@pytest.mark.parametrize(("values", "ports", "annotation"), [
    ({}, None, None),
    ({"enabled": True}, [("metrics", 12121)], "12121"),
    ({"enabled": True, "collector": {"enabled": True}}, [("metrics", 12121), ("collector", 12120)], "12120"),
    ({"enabled": True, "collector": {"enabled": True, "port": 12121}}, [("metrics", 12121)], "12121"),
    ({"enabled": True, "collector": {"enabled": True, "prometheusScrapeAnnotation": False}}, [("metrics", 12121), ("collector", 12120)], None),
    ({"enabled": True, "podMonitor": {"enabled": True}}, [("metrics", 12121)], None),
    ({"collector": {"enabled": True}}, None, None),
])
def test_metrics(helm, values, ports, annotation):
    release = helm.template({"metrics": values})
    found = [(each["name"], each["containerPort"]) for each in release.container.get("ports", [])] or None
    assert found == ports
    assert release.settings().get("metrics", {}).get("listen") == ([f":{port}" for _, port in ports] if ports else None)
    annotations = release.template["metadata"]["annotations"]
    scraped = [annotations.get(f"prometheus.io/{name}") for name in ("scrape", "port", "path")]
    assert scraped == (["true", annotation, "/metrics"] if annotation else [None] * 3)
    probe = release.container["livenessProbe"]
    assert ("httpGet" in probe, "exec" in probe) == (bool(ports), not ports)


def test_probes_over_the_control_socket(helm):
    container = helm.template({"config": {"control": {"socket": "/run/cryptnono/other.sock"}}}).container
    command = ["/usr/bin/cryptnono", "status", "--socket", "/run/cryptnono/other.sock"]
    assert container["readinessProbe"]["exec"]["command"] == command
    assert container["livenessProbe"]["exec"]["command"] == container["startupProbe"]["exec"]["command"] == command + ["--alive"]
    # Nothing answers: no probe, rather than one that fails.
    container = helm.template({"config": {"control": {"socket": ""}}}).container
    assert not any(key.endswith("Probe") for key in container)
