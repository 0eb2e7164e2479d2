"""docs/migration.md says of everything of the predecessor what becomes of it; here it is seen whether that is so."""
import json
import re
import subprocess
import urllib.request

import pytest
import yaml

from conftest import BINARY, ROOT, VICTIMS, B

GUIDE = (ROOT / "docs/migration.md").read_text()
FACTS = yaml.safe_load((ROOT / "tests/scale/predecessor.yaml").read_text())
CHART = ROOT / "helm/cryptnono"
WORDS = {"same": "same", "changed": "changed", "none": "no effect", "gone": "gone"}
ADDRESS = "127.99.98.96"


def verdict(fact):
    return fact["verdict"] if isinstance(fact, dict) else fact


def rows(heading):
    """{name: (verdict, the rest)} of the table below that heading."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", GUIDE, re.M | re.S)
    assert section, f"no section {heading}"
    out = {}
    for line in section.group(1).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 3:
            for name in re.findall(r"`([^`]+)`", cells[0]):
                assert name not in out, f"{name} stands twice"
                out[name] = cells[1:]
    return out


@pytest.mark.parametrize("heading, facts", [
    ("Values", "values"), ("Options of execwhacker", "flags"), ("Environment", "environment"), ("Settings of flowkiller", "traits"),
    ("Metrics", "metrics"), ("Log lines", "actions"), ("Log fields", "fields")])
def test_the_guide_has_a_row_for_everything(heading, facts):
    shown = rows(heading)
    assert {name: row[0] for name, row in shown.items()} == {name: WORDS[verdict(fact)] for name, fact in FACTS[facts].items()}
    for name, (said, why) in shown.items():
        assert said == "same" or len(why) > 10, f"{name}: why?"


def run(*arguments):
    """`run` with a configuration that is not there: it ends before it starts, with 3; with 2 if the command line is wrong."""
    done = subprocess.run([BINARY, "run", *arguments, "-c", "/nonexistent/config", "--scope", "/nonexistent/scope"],
                          capture_output=True, text=True, timeout=20)
    return done.returncode, done.stderr


def test_flags_are_accepted():
    for name, fact in FACTS["flags"].items():
        assert run(*fact["example"])[0] == 3, (name, run(*fact["example"]))
    assert run("--no-such-flag")[0] == 2
    together = [word for fact in FACTS["flags"].values() for word in fact["example"]]
    assert run(*together)[0] == 3, "as its chart gave them, all at once"


def test_flowkiller_settings_are_accepted_in_files_and_as_flags(tmp_path):
    for name, fact in FACTS["traits"].items():
        assert run(f"--FlowKiller.{name}={fact['flag']}")[0] == 3, name
        if "json" in fact:
            (tmp_path / "flowkiller_config.json").write_text(json.dumps({"FlowKiller": {name: fact["json"]}}))
            done = subprocess.run([BINARY, "check", "-c", str(tmp_path / "flowkiller_config.json")], capture_output=True, text=True)
            assert done.returncode == 0, (name, done.stderr)
    assert run("--FlowKiller.no_such_trait=1")[0] == 2


def test_metrics_have_their_names_types_labels_and_buckets(daemon):
    one = daemon("tcpflowkiller: {enabled: true}\n", metrics=True)
    text = urllib.request.urlopen(f"http://127.0.0.1:{one.port}", timeout=5).read().decode()
    types = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.M))
    series = {line.rsplit(" ", 1)[0] for line in text.splitlines() if line and line[0] != "#"}
    catalogue = (ROOT / "docs/metrics.md").read_text()
    for name, fact in FACTS["metrics"].items():
        if name.endswith("*"):
            assert any(each.startswith(name[:-1]) for each in series) == (verdict(fact) != "gone"), name
            continue
        assert types[name] == fact["type"] and f"`{name}`" in catalogue
        if fact["type"] == "histogram":
            found = {float(le) for le in re.findall(rf'^{name}_bucket{{le="([^"]+)"}}', text, re.M)}
            assert found > {*map(float, FACTS["buckets"]), float("inf")}, "those of before, and finer ones"
            assert {f"{name}_count", f"{name}_sum"} <= series
            continue
        wanted = [""]
        for label in ("source", "allowedby", "reason"):
            wanted = [f'{each},{label}="{value}"' for each in wanted for value in fact.get(label, [])] or wanted
        for labels in wanted:
            assert (f"{name}{{{labels[1:]}}}" if labels else name) in series, "as a whole, with no further label"


def collected(daemon, spawn):
    """One line of each kind that the predecessor knew: {kind: line}"""
    one = daemon("allowedCommandPatterns: ['^/bin/true .*spare-me']\n"
                 f"bannedCommandStrings: [{B}]\nscope: {{processes: all}}\n"
                 f"tcpflowkiller: {{enabled: true, bans: [{ADDRESS}], logConnects: true, scan: {{threshold: 2, ignore: []}}}}\n", metrics=True)
    assert spawn(["/bin/true", B]) == -9
    assert spawn(["/bin/true", B, "spare-me"]) == 0
    assert spawn([VICTIMS / "connect_act", "connect", ADDRESS, "9"]) == -9
    scan = "import socket\nfor n in range(9): socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s = socket.socket(); s.connect_ex(('127.9.9.%d' % n, 9))"
    assert spawn(["/usr/bin/python3", "-c", scan]) == -9
    return {"exec": one.wait_for(action="killed", source="execwhacker.bpf"), "spared": one.wait_for(action="spared"),
            "connect": one.wait_for(action="killed", reason="banned-ip"), "scan": one.wait_for(action="killed", reason="scan"),
            "connects": one.wait_for(action="connect")}


def test_log_lines_have_their_actions_events_and_fields(daemon, spawn):
    lines = collected(daemon, spawn)
    for name, fact in FACTS["fields"].items():
        for kind in fact["of"]:
            assert name in lines[kind], (name, kind, lines[kind])
    assert [lines[kind]["event"] for kind in ("exec", "spared", "scan", "connects")] == [
        "Killed process", "Not killing process", "Killed process", "Connection established"]
    assert {"pid", "addresses", "container"} <= lines["connects"].keys()
    assert isinstance(lines["exec"]["cmdline"], str) and isinstance(lines["connect"]["cmdline"], list)
    assert isinstance(lines["scan"]["addresses"], dict) and isinstance(lines["connect"]["connections"][0][3], list)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", lines["exec"]["timestamp"])
    described = (ROOT / "docs/events.md").read_text()
    for name, fact in {**FACTS["actions"], **FACTS["fields"]}.items():
        if verdict(fact) in ("same", "changed") and name not in ("connections", "addresses", "banned-ip", "source"):
            assert f"`{name}`" in described, f"docs/events.md does not tell {name}"
    # Nothing that is gone is written anywhere in the source.
    source = "\n".join(path.read_text() for path in (ROOT / "src/app").glob("*.cc"))
    for name, fact in FACTS["actions"].items():
        assert (f'"{name}"' in source or f'"action", "{name}"' in source or name in (ROOT / "src/app/outcome_words.h").read_text()) == (
            verdict(fact) != "gone"), name


def test_the_alerts_of_its_users_match(daemon, spawn):
    """mybinder.org's regular expression, and the terms by which OpenScienceLab's filter and 2i2c's jq select."""
    one = daemon(reveal=False)
    assert spawn(["/bin/true", B]) == -9
    line = one.wait_for(action="killed")
    text = json.dumps(line)
    assert re.search(r'"action":\s*"killed"', text)
    assert line["matched"] and line["cmdline"], "what alerts group by"
    jq = subprocess.run(["jq", "-r", 'select(.action == "killed") | .pid'], input=text, capture_output=True, text=True)
    assert jq.stdout.strip() == str(line["pid"])
    assert B not in text, "unless it is to be revealed"


def test_with_reveal_a_line_shows_what_it_did(daemon, spawn):
    one = daemon(f"bannedCommandStrings: [{B}]\nlog: {{revealRules: true}}\n", reveal=False)
    assert spawn(["/bin/true", B]) == -9
    line = one.wait_for(action="killed")
    assert line["matched"] == B and B in line["cmdline"]


def schema_accepts(schema, path):
    """Whether a value of this path is in the schema by name, or below a free mapping."""
    node = schema
    for part in path.split("."):
        while "$ref" in node:
            node = schema["$defs" if "$defs" in schema else "definitions"][node["$ref"].rsplit("/", 1)[1]]
        properties = node.get("properties", {})
        if part in properties:
            node = properties[part]
        else:
            return node.get("type") in ("object", None) and node.get("additionalProperties", True) is not False and not properties
    return True


def test_every_value_is_in_the_charts_schema():
    if not (CHART / "values.schema.json").exists():
        pytest.skip("the chart (helm/cryptnono) is not in this tree")
    schema = json.loads((CHART / "values.schema.json").read_text())
    refused = [value for value in FACTS["values"] if not schema_accepts(schema, value)]
    assert not refused
    assert not schema_accepts(schema, "no.such.value")
