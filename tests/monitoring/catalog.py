"""Which series there are: the catalogue as docs/metrics.md prints it, and what others offer."""
import pathlib
import re

import promql

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \| ")
LABEL = re.compile(r"`(\w+)`(?:: ((?:`[^`]+`(?:, )?)+))?")

# What a scrape adds.
TARGET = {"job", "instance", "node", "kubernetes_node", "namespace", "pod"}
# Of kube-state-metrics and of Prometheus itself.
OTHERS = {
    "up": {"app_kubernetes_io_name": None},
    "kube_node_info": {"node": None},
    "kube_pod_info": {"node": None, "namespace": None, "pod": None},
    "kube_service_labels": {"service": None, "namespace": None},
}


def catalogue():
    """{series: {label: allowed values, or None for any}}, with those that a histogram makes."""
    series = {}
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        row = ROW.match(line)
        if not row:
            continue
        name, kind = row[1], row[2]
        labels = {}
        for part in row[3].split("; "):
            for label in LABEL.finditer(part):
                labels[label[1]] = set(re.findall(r"`([^`]+)`", label[2])) if label[2] else None
        if kind == "histogram":
            series.update({name + "_bucket": labels | {"le": None}, name + "_sum": labels, name + "_count": labels})
        else:
            series[name] = labels
    assert len(series) > 60, "docs/metrics.md is not read as it is written"
    return series


def recorded(rules):
    """{recorded series: {label: None}} of a rule file's content."""
    return {rule["record"]: {label: None for label in ("detector", "version")}
            for group in rules["groups"] for rule in group["rules"] if "record" in rule}


def check(expr, known):
    """Fails if expr, without variables, has a series, a label or a label's value that there is not."""
    metrics, grouping = promql.names(expr)
    assert metrics, expr
    for metric, matchers in metrics.items():
        assert metric in known, f"no series {metric}: {expr}"
        for label, operator, value in matchers:
            assert label in TARGET | set(known[metric]), f"{metric} has no label {label}: {expr}"
            values = known[metric].get(label)
            if values and operator in ("=", "!="):
                assert value in values, f"{metric}: {label} is never {value}: {expr}"
    for label in grouping:
        assert label in TARGET or any(label in known[metric] for metric in metrics), f"nothing has a label {label}: {expr}"
    return metrics
