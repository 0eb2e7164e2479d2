"""The panels of the rendered dashboard, with their queries as Grafana sends them. For tests and for monitoring/draw."""
import dataclasses
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
DASHBOARD = HERE / "rendered" / "cryptnono.json"
RULES = HERE / "rules" / "cryptnono.rules.yaml"


@dataclasses.dataclass
class Query:
    expr: str
    legend: str
    ref: str
    instant: bool

    def name(self, labels):
        """What Grafana calls a series with these labels: legendFormat filled in, labels that it has not left out."""
        return re.sub(r"{{\s*(\w+)\s*}}", lambda m: labels.get(m[1], ""), self.legend).strip()


@dataclasses.dataclass
class Panel:
    title: str
    kind: str
    row: str
    unit: str
    queries: list
    json: dict


def dashboard():
    return json.loads(DASHBOARD.read_text())


def panels(content=None):
    """All panels but rows, top to bottom."""
    found, row = [], ""
    for panel in (content or dashboard())["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
            continue
        queries = [Query(t["expr"], t["legendFormat"], t["refId"], t.get("instant", False)) for t in panel["targets"]]
        found.append(Panel(panel["title"], panel["type"], row, panel["fieldConfig"]["defaults"]["unit"], queries, panel))
    return found


def substitute(expr, values):
    """expr with its variables replaced, as Grafana does before it sends it. An unknown one is an error."""
    return re.sub(r"\$(?:{(\w+)}|(\w+))", lambda m: values[m[1] or m[2]], expr)


def variables(node_label="node", node=".*", hub=".*", interval="1m", span="5m"):
    """Values for substitute(). All of a variable is `.*`; several chosen values are `(a|b)`."""
    return {"node_label": node_label, "node": node, "hub": hub, "__rate_interval": interval, "__range": span}
