"""What the pod would read: every configuration that is rendered passes `cryptnono check`, and says what the values say. And it is secret."""
import itertools
import json
import pathlib
import shutil
import subprocess

import pytest
import yaml

from helm import ROOT

RULES = "bannedCommandStrings: [of-another-secret]\n"
OTHERS = {"rules-a": {"pools.yaml": RULES, "miners.json": '{"bannedCommandStrings": ["xmrig"]}'}, "rules-b": {"any name": "groups: [{id: b, bannedCommandStrings: [b-b]}]"},
          "webhook": {"secret": "a secret of a webhook\n"}, "banned-ips": {"banned.txt": "192.0.2.1\n"}, "cluster-identity": {}}


@pytest.fixture(scope="session")
def identity(tmp_path_factory):
    """(text of the file, public key)"""
    if not shutil.which("age-keygen"):
        pytest.skip("age is not installed")
    text = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    (public,) = [line.removeprefix("# public key: ") for line in text.splitlines() if line.startswith("# public key: ")]
    return text, public


def check(cryptnono, root, arguments):
    """Runs `check` with what the container has as arguments of `run`. Files that the settings name are the pod's, not this machine's."""
    for path in filter(pathlib.Path.is_file, root.rglob("*")):
        text = path.read_text()
        for name in ("/ban-config/", "/etc/cryptnono/webhook/"):
            text = text.replace(name, f"{root}{name}")
        path.write_text(text)
    assert arguments[0] == "run"
    return subprocess.run([cryptnono, "check", *arguments[1:]], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, timeout=60)


def test_every_configuration_is_right(helm, cryptnono, tmp_path, fixture, identity):
    others = {**OTHERS, "cluster-identity": {"identity": identity[0]}}
    done = check(cryptnono, tmp_path, helm.template(fixture).mount(tmp_path, others))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_one_is_found(helm, cryptnono, tmp_path):
    """So the test above says something."""
    done = check(cryptnono, tmp_path, helm.template({"config": {"log": {"levle": "debug"}}}).mount(tmp_path))
    assert done.returncode == 3 and "cryptnono.yaml:2:3" in done.stdout + done.stderr


def explain(cryptnono, arguments, *question):
    done = subprocess.run([cryptnono, "explain", *arguments[1:], *question], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


KILLED = 10


def test_rules_of_every_kind_are_in_force(helm, cryptnono, tmp_path, identity):
    key, public = identity
    plain = tmp_path / "plain.yaml"
    plain.write_text("bannedCommandStrings: [of-a-sealed-file]\n")
    sealed = subprocess.run([cryptnono, "rules", "seal", "--armor", "-r", public, plain], capture_output=True, text=True, check=True).stdout
    values = {
        "detectors": {"execwhacker": {"configs": {"one": {"bannedCommandStrings": ["of-the-values"]}}},
                      "tcpflowkiller": {"enabled": True, "bannedIpv4ConfigMaps": {"banned-ips": "banned.txt"}}},
        "rules": {"existingSecrets": [{"name": "rules-a", "keys": ["pools.yaml"]}], "existingConfigMaps": [{"name": "rules-b"}],
                  "sealed": {"sealed.age": sealed}, "identity": {"existingSecret": "cluster-identity"}},
        "config": {"bannedCommandStrings": ["of-the-config"]},
    }
    root = tmp_path / "pod"
    arguments = helm.template(values).mount(root, {**OTHERS, "cluster-identity": {"a": key}})
    for word in ("cryptnono.banned.string1", "of-the-values", "of-another-secret", "b-b", "of-a-sealed-file", "of-the-config"):
        assert explain(cryptnono, arguments, "--", "sh", "-c", word)[0] == KILLED, word
    assert explain(cryptnono, arguments, "--", "sh", "-c", "xmrig")[0] == 0, "a key that was not named"
    assert check(cryptnono, root, arguments).returncode == 0
    assert explain(cryptnono, arguments, "--connect", "192.0.2.1:443")[0] == KILLED
    assert explain(cryptnono, arguments, "--connect", "192.0.2.2:443")[0] == 0


def test_a_secret_that_is_missing_and_optional_breaks_nothing(helm, cryptnono, tmp_path):
    values = {"rules": {"existingSecrets": [{"name": "nowhere", "optional": True}], "existingConfigMaps": [{"name": "nowhere", "optional": True}]},
              "detectors": {"execwhacker": {"configs": None}, "tcpflowkiller": {"enabled": True, "bannedIpv4ConfigMaps": {"nowhere": "bans"}}}}
    release = helm.template(values)
    arguments = release.mount(tmp_path)
    assert (tmp_path / "etc/cryptnono/rules/secret-nowhere").is_dir()
    done = check(cryptnono, tmp_path, arguments)
    assert done.returncode == 0, done.stderr


def test_settings_of_the_values_win_in_order(helm, cryptnono, tmp_path):
    """A Secret made elsewhere, then the chart's values, then `config`."""
    secret = {"s": {"a": "monero: {enabled: false}\nlog: {level: error}\nexecwhacker: {action: report}\n"}}
    values = {"rules": {"existingSecrets": [{"name": "s"}]}, "config": {"monero": {"enabled": False}, "log": {"level": "warning"}}}
    release = helm.template(values)
    paths = release.config_paths()
    assert paths == ["/etc/cryptnono/execwhacker", "/etc/cryptnono/rules/secret-s", "/etc/cryptnono/config"]
    release.mount(tmp_path, secret)
    assert sorted(path.name for path in (tmp_path / "etc/cryptnono/config").iterdir()) == ["10-chart.yaml", "cryptnono.yaml"]
    assert release.settings()["monero"] == {"enabled": True}


@pytest.mark.parametrize(("values", "settings"), [
    ({}, {"scope": {"processes": "containers"}, "execwhacker": {"enabled": True}, "monero": {"enabled": True}, "tcpflowkiller": {"enabled": False}}),
    ({"detectors": {"execwhacker": {"enabled": False}, "monero": {"enabled": False}, "tcpflowkiller": {"enabled": True}}},
     {"execwhacker": {"enabled": False}, "monero": {"enabled": False}, "tcpflowkiller": {"enabled": True}}),
    ({"detectors": {"execwhacker": {"debug": True}}}, {"log": {"level": "debug"}}),
])
def test_values_as_settings(helm, values, settings):
    assert settings.items() <= helm.template(values).settings().items()


def test_variables_of_both_detectors_are_told(helm):
    values = {"detectors": {"execwhacker": {"lookupEnvs": ["A", "B"]}, "tcpflowkiller": {"enabled": True, "config": {"FlowKiller": {"log_container_envs": ["B", "C"]}}}}}
    assert helm.template(values).settings()["containers"]["environment"] == ["A", "B", "C"]


def test_flowkiller_has_only_what_it_knew(helm, values):
    rendered = json.loads(helm.template(values("upstream-every-value")).secret("agent-tcpflowkiller")["flowkiller_config.json"])
    given = values("upstream-every-value")["detectors"]["tcpflowkiller"]["config"]["FlowKiller"]
    del given["no_trait_of_it"]
    assert rendered == {"FlowKiller": given}


def test_a_large_secret_list(helm, cryptnono, tmp_path, values):
    """As large as the largest public user's: two lists, of 24 and 6,120 strings."""
    lists = {f"encrypted-{i:02}": {"bannedCommandStrings": [f"list-{i}.word-{n}.example" for n in range(size)]} for i, size in ((1, 24), (2, 6120))}
    secret = {"detectors": {"execwhacker": {"configs": lists}}}
    release = helm.template([values("hub-2i2c"), secret])
    assert set(release.secret("support-cryptnono-execwhacker")) == {"execwhacker-default-test.json", "execwhacker-encrypted-01.json", "execwhacker-encrypted-02.json"}
    arguments = release.mount(tmp_path)
    assert explain(cryptnono, arguments, "--", "x", "list-2.word-6119.example")[0] == KILLED


MARK = "zq7secretrule"


def everywhere(value, path=()):
    if isinstance(value, dict):
        for key, each in value.items():
            yield from everywhere(key, path + (key,))
            yield from everywhere(each, path + (key,))
    elif isinstance(value, list):
        for each in value:
            yield from everywhere(each, path)
    else:
        yield path, str(value)


def test_rules_are_in_secrets_alone(any_helm):
    """Not in a ConfigMap, an annotation, an environment variable or an argument; nor as their hash in what many may read."""
    rules = {"bannedCommandStrings": [MARK], "allowedCommandPatterns": [MARK]}
    values = {"detectors": {"execwhacker": {"configs": {"a": rules}}, "tcpflowkiller": {"enabled": True}}, "config": {**rules, "tcpflowkiller": {"bans": ["192.0.2.77"]}},
              "metrics": {"enabled": True, "prometheusRule": {"enabled": True}, "podMonitor": {"enabled": True}, "dashboard": {"enabled": True}}}
    release, without = any_helm.template(values), any_helm.template([values, {"detectors": {"execwhacker": {"configs": {"a": None}}}, "config": None}])
    for each in release.objects:
        if each["kind"] != "Secret":
            assert not any(MARK in text or "192.0.2.77" in text for _, text in everywhere(each)), each["kind"]
    assert MARK in release.secret("support-cryptnono-execwhacker")["execwhacker-a.json"]
    assert release.template == without.template
    assert [each["metadata"]["name"] for each in release.of("ConfigMap")] == ["support-cryptnono-dashboard"]


def test_the_copies_are_served_as_they_are(helm, values):
    release = helm.template(values("everything"))
    groups = release.one("PrometheusRule")["spec"]["groups"]
    source = yaml.safe_load((ROOT / "monitoring/rules/cryptnono.rules.yaml").read_text())["groups"]
    for rule in itertools.chain.from_iterable(group["rules"] for group in source):
        if "annotations" in rule:
            rule["annotations"]["runbook_url"] = "https://example.org/cryptnono/" + rule["annotations"]["runbook_url"]
    assert groups == source
    dashboard = release.one("ConfigMap")["data"]["cryptnono.json"]
    assert json.loads(dashboard) == json.loads((ROOT / "monitoring/rendered/cryptnono.json").read_text())
