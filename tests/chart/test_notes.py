"""NOTES.txt and the Pod of `helm test`."""
import pytest


def test_notes_print_the_check_by_hand(helm):
    notes = helm.notes()
    assert "sh -c 'sleep 1 && echo cryptnono.banned.string1'" in notes and "Killed" in notes
    assert "helm test support -n support" in notes
    assert "app.kubernetes.io/name=cryptnono,app.kubernetes.io/instance=support" in notes
    assert "without effect" not in notes and "Look at this" not in notes


def test_notes_do_not_warn_of_what_the_predecessors_defaults_are(helm, values):
    assert "without effect" not in helm.notes(values("default"))
    notes = helm.notes(values("upstream-all"))
    assert "adds the port 12120" in notes and "fetchKernelHeaders" not in notes and "image" not in notes.partition("without effect")[2]


@pytest.mark.parametrize(("values", "said"), [
    ({"fetchKernelHeaders": {"resources": {"limits": {"cpu": 1}}}}, "fetchKernelHeaders"), ({"fetchKernelHeaders": {"image": {"tag": "1"}}}, "fetchKernelHeaders"),
    ({"detectors": {"execwhacker": {"threadpoolSize": 25}}}, "threadpoolSize"), ({"metrics": {"collector": {"image": {"tag": "1"}}}}, "metrics.collector.image"),
    ({"metrics": {"collector": {"resources": {"limits": {"memory": "1Gi"}}}}}, "metrics.collector.image"),
    ({"detectors": {"tcpflowkiller": {"metrics": {"port": 1}}}}, "at the port 12121"),
    ({"detectors": {"tcpflowkiller": {"enabled": True, "env": {"CRYPTNONO_METRICS_PREFIX": "x"}}}}, "CRYPTNONO_METRICS_PREFIX"),
    ({"detectors": {"execwhacker": {"env": {"CRYPTNONO_METRICS_PREFIX": "x"}}}}, "CRYPTNONO_METRICS_PREFIX"),
    ({"detectors": {"tcpflowkiller": {"config": {"Application": {}, "FlowKiller": {"no_trait": 1}}}}}, "Application, FlowKiller.no_trait"),
    ({"containerSecurityContext": {"privileged": True}}, "privileged"), ({"metrics": {"podMonitor": {"enabled": True}}}, "needs metrics.enabled"),
    ({"networkPolicy": {"enabled": True}, "config": {"webhook": {"url": "https://x.example"}}}, "reaches nobody"),
    ({"rules": {"existingConfigMaps": [{"name": "a"}]}}, "not sealed"),
])
def test_notes_say_what_has_no_effect_or_wants_a_look(helm, values, said):
    notes = helm.notes(values)
    assert said in notes.partition("without effect")[2] + notes.partition("Look at this")[2]


@pytest.mark.parametrize(("values", "namespace", "why"), [
    ({}, "kube-system", "the namespace kube-system is protected"), ({"config": {"protect": {"namespaces": ["support"]}}}, "support", "is protected"),
    ({"config": {"dryRun": True}}, "support", "dryRun"), ({"config": {"namespaces": {"support": {"action": "report"}}}}, "support", "only reports in support"),
    ({"config": {"execwhacker": {"action": "report"}}}, "support", "is report"), ({"detectors": {"execwhacker": {"enabled": False}}}, "support", "not enabled"),
    ({"config": {"execwhacker": {"enabled": False}}}, "support", "not enabled"),
])
def test_no_test_where_nothing_would_be_killed(helm, values, namespace, why):
    assert helm.template(values, namespace=namespace).of("Pod") == []
    assert why in helm.notes(values, namespace=namespace)


def test_the_test_pod(helm):
    release = helm.template({"config": {"protect": {"namespaces": []}}, "tolerations": [{"operator": "Exists"}]}, namespace="kube-system")
    pod = release.one("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test" and pod["spec"]["restartPolicy"] == "Never"
    # The string is in no command line but the victim's; whoever reads arguments of the Pod would die of it.
    (container,) = pod["spec"]["containers"]
    assert container["args"] == ["expect-kill", "--timeout", "60"] and "command" not in container
    assert container["env"] == [{"name": "CRYPTNONO_TEST_STRING", "value": "cryptnono.banned.string1"}]
    # On a node with the agent, whatever its taints; and not taken for one of the DaemonSet's.
    selector = release.one("DaemonSet")["spec"]["selector"]["matchLabels"]
    (term,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert (term["topologyKey"], term["labelSelector"]["matchLabels"]) == ("kubernetes.io/hostname", selector)
    assert pod["spec"]["tolerations"] == release.pod["tolerations"]
    assert not selector.items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True and container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_network_policy_lets_in_the_metrics_ports_alone(helm):
    policy = helm.template({"networkPolicy": {"enabled": True}, "metrics": {"enabled": True, "collector": {"enabled": True}}}).one("NetworkPolicy")["spec"]
    assert policy["ingress"] == [{"ports": [{"port": 12121, "protocol": "TCP"}, {"port": 12120, "protocol": "TCP"}]}]
    assert policy["egress"] == [] and policy["policyTypes"] == ["Ingress", "Egress"]
    assert helm.template({"networkPolicy": {"enabled": True}}).one("NetworkPolicy")["spec"]["ingress"] == []


def test_priority_class(helm):
    release = helm.template({"priorityClass": {"create": True}})
    assert release.pod["priorityClassName"] == release.one("PriorityClass")["metadata"]["name"] == "support-cryptnono"
    release = helm.template({"priorityClass": {"create": True}, "priorityClassName": "mine"})
    assert release.pod["priorityClassName"] == "mine" and not release.of("PriorityClass")
