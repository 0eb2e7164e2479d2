"""A Prometheus that scrapes a fleet with the project's rules, and one that federates such. Their data is in a temporary directory."""
import pathlib
import re
import urllib.parse
import urllib.request

import yaml

from fleet import JOB
from prometheus import Prometheus

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "monitoring/rules/cryptnono.rules.yaml"
GUIDE = ROOT / "docs/scale-out.md"


def snippet(job):
    """The scrape configuration of that job, as the guide shows it."""
    for block in re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(), re.M | re.S):
        content = yaml.safe_load(block)
        for one in content.get("scrape_configs", []) if isinstance(content, dict) else []:
            if one["job_name"] == job:
                return one
    raise AssertionError(f"{GUIDE} shows no job {job}")


class Server(Prometheus):
    """With any configuration; `settings` are global ones. `alive()` of a federating one has no rules."""

    def __init__(self, directory, port, settings, jobs, rules=""):
        directory.mkdir(exist_ok=True)
        self.settings, self.job_list = settings, jobs
        super().__init__(directory, port, {}, rules)

    def configuration(self):
        return {"global": self.settings, "rule_files": ["rules.yaml"], "scrape_configs": self.job_list}

    def number(self, expr):
        """Of a query with one result, or 0."""
        return sum(value for _, value in self.query(expr))

    def own(self, name):
        """One of its own metrics, all series: {labels: value}."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"{name}[{{ ]", line)}

    def federate(self, matches):
        """The bytes of /federate, uncompressed."""
        query = urllib.parse.urlencode([("match[]", match) for match in matches])
        with urllib.request.urlopen(f"{self.url}/federate?{query}", timeout=30) as answer:
            return answer.read()

    def resident_mib(self):
        return self.own("process_resident_memory_bytes")["process_resident_memory_bytes"] / 2**20

    def rule_seconds(self):
        """What one evaluation of all rules takes, on average since it runs."""
        rounds = self.own("prometheus_rule_group_iterations_total").values()
        return self.own("prometheus_rule_group_duration_seconds_sum")["prometheus_rule_group_duration_seconds_sum"] / (sum(rounds) / len(rounds))


def scraping(directory, port, fleet, numbers, interval, cluster, drop=True, rules=True):
    """A cluster's: scrapes these nodes as the guide says, and evaluates the project's rules, unless told otherwise."""
    job = {"job_name": JOB, "static_configs": fleet.targets(numbers)}
    if drop:
        job["metric_relabel_configs"] = snippet("cryptnono")["metric_relabel_configs"]
    settings = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval,
                "external_labels": {"cluster": cluster}}
    return Server(directory, port, settings, [job], RULES.read_text() if rules else "")


def federating(directory, port, sources, interval):
    """The one above them: federates as the guide says."""
    shown = snippet("cryptnono-clusters")
    job = {**shown, "scrape_interval": interval, "scrape_timeout": interval, "scheme": "http",
           "static_configs": [{"targets": [urllib.parse.urlparse(one.url).netloc for one in sources]}]}
    return Server(directory, port, {"scrape_interval": interval, "evaluation_interval": interval}, [job])


def matches():
    return snippet("cryptnono-clusters")["params"]["match[]"]


