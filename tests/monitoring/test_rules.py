"""The rule file, its unit tests, and the runbook."""
import re
import subprocess

import pytest
import yaml

import catalog
import panels
from conftest import MONITORING, ROOT

UNIT_TESTS = sorted((MONITORING / "tests").glob("*.yaml"))
RUNBOOK = ROOT / "docs" / "runbook.md"


def alerts(rules):
    return {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule}


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_what_the_source_makes(render):
    assert panels.RULES.read_text() == render.rules()


def test_check_rules():
    promtool("check", "rules", panels.RULES)


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_unit_tests(path):
    promtool("test", "rules", path)


def test_each_alert_fires_does_not_fire_and_resolves(rules):
    """Of each alert one unit test at least has a time without it, a later one with it, and a still later one without it again."""
    proven = set()
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            by_alert = {}
            for case in test["alert_rule_test"]:
                by_alert.setdefault(case["alertname"], []).append((int(case["eval_time"][:-1]), bool(case["exp_alerts"])))
            for alert, cases in by_alert.items():
                if re.fullmatch("0+1+0+", "".join("01"[fires] for _, fires in sorted(cases))):
                    proven.add(alert)
    assert proven == set(alerts(rules))


def test_each_alert_says_what_it_must(rules):
    found = alerts(rules)
    assert len(found) >= 15
    for name, alert in found.items():
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert {"summary", "description", "runbook_url"} == set(alert["annotations"])
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        if name != "CryptnonoAgentsAbsent":  # is about no node
            assert "$labels.node" in alert["annotations"]["description"]


def test_each_alert_has_its_section_of_the_runbook(rules):
    sections = re.findall(r"^## (Cryptnono\w+)\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.M | re.S)
    assert [name for name, _ in sections] == list(alerts(rules)), "the same, in the same order"
    for name, text in sections:
        for part in ("**Means.**", "**Look at.**", "**Do.**"):
            assert part in text, f"{name} does not say: {part}"


def test_the_runbook_names_series_that_there_are(known):
    for name in re.findall(r"`((?:cryptnono|process)_\w+)", RUNBOOK.read_text()):
        assert name in known or name + "_bucket" in known, name


def test_series_labels_and_values(rules, known):
    for group in rules["groups"]:
        for rule in group["rules"]:
            catalog.check(rule["expr"], known)


def test_the_configuration_is_put_everywhere(render):
    text = render.rules("""{ selector: 'cluster="a"', nodeSelector: 'node!~"virtual-.*"', runbookBase: 'https://example.org/',
                             labels: { team: 'hubs' }, window: '1h', killsBurst: 7 }""")
    content = yaml.safe_load(text)
    for group in content["groups"]:
        for rule in group["rules"]:
            for metric, matchers in catalog.promql.names(rule["expr"])[0].items():
                if metric.startswith("cryptnono_"):
                    assert ("cluster", "=", "a") in matchers, rule
                if metric == "kube_node_info":
                    assert ("node", "!~", "virtual-.*") in matchers, rule
    for alert in alerts(content).values():
        assert alert["labels"]["team"] == "hubs" and alert["annotations"]["runbook_url"].startswith("https://example.org/docs/")
    assert "[1h]" in alerts(content)["CryptnonoKillsBurst"]["expr"] and "> 7" in alerts(content)["CryptnonoKillsBurst"]["expr"]


def readme_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", (MONITORING / "README.md").read_text(), re.M | re.S)


def test_what_the_readme_says_works(rules, tmp_path):
    """Its commands that make values for the chart and an object for the operator, and its own configuration."""
    chart, operator = (next(block for block in readme_blocks("sh") if word in block) for word in ("serverFiles", "PrometheusRule"))
    subprocess.run(["sh", "-c", chart.replace(">cryptnono-values.yaml", f">{tmp_path}/values.yaml").replace("python3", "/usr/bin/python3")],
                   check=True, cwd=ROOT)
    assert yaml.safe_load((tmp_path / "values.yaml").read_text()) == {"serverFiles": {"alerting_rules.yml": rules}}
    made = subprocess.run(["sh", "-c", operator.rsplit("|", 1)[0]], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert {alert for alert in alerts(yaml.safe_load(made)["spec"])} == set(alerts(rules))
    own = next(block for block in readme_blocks("jsonnet"))
    made = subprocess.run(["jsonnet", "-e", f"({own}).prometheusAlerts"], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert alerts(yaml.safe_load(made))["CryptnonoDetectorDown"]["for"] == "10m"
