"""A Prometheus of the test's own: its data in a temporary directory, its port on loopback, gone with the test."""
import contextlib
import http.server
import json
import math
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from conftest import die_with_parent


class Page(http.server.ThreadingHTTPServer):
    """Serves a text that may change to whoever scrapes it."""
    daemon_threads = True

    def __init__(self, text):
        page = self
        self.text = text

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = page.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Prometheus:
    """Scrapes and evaluates each second.

    jobs: {name: [(address, labels), ...]}; rules: the text of a rule file, or nothing.
    """

    def __init__(self, directory, port, jobs, rules=""):
        (directory / "rules.yaml").write_text(rules or "groups: []\n")
        self.jobs = jobs
        (directory / "prometheus.yml").write_text(json.dumps(self.configuration()))  # JSON is YAML
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(directory / "log", "w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"],
            stdout=self.log, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=1).read()
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise AssertionError(self.log.read())
            time.sleep(0.1)

    def configuration(self):
        """Of prometheus.yml."""
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": name, "static_configs": [{"targets": [address], "labels": labels} for address, labels in targets]}
                               for name, targets in self.jobs.items()],
        }

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()

    def get(self, path, **parameters):
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def query(self, expr, at=None):
        """[(labels, value)] of an instant vector; of a scalar with no labels."""
        data = self.get("query", query=expr, **({"time": at} if at else {}))
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def samples(self, selector, at=None):
        """[(labels, [(time, value), ...])] as they were scraped; selector ends in a range."""
        data = self.get("query", query=selector, **({"time": at} if at else {}))
        return [(one["metric"], [(float(t), float(v)) for t, v in one["values"]]) for one in data["result"]]

    def range(self, expr, start, end, step):
        """[(labels, [(time, value), ...])]"""
        data = self.get("query_range", query=expr, start=start, end=end, step=step)
        return [(one["metric"], [(float(t), float(v)) for t, v in one["values"]]) for one in data["result"]]

    def increments(self, selector, span, at):
        """{labels as a frozenset: last minus first sample} over span, without Prometheus's own arithmetic. Nothing may have restarted."""
        return {frozenset(labels.items()): values[-1][1] - values[0][1] for labels, values in self.samples(f"{selector}[{span}]", at)}

    def firing(self):
        """{(alert, detector or "", node or "")} that fire now."""
        return {(a["labels"]["alertname"], a["labels"].get("detector", ""), a["labels"].get("node", ""))
                for a in self.get("alerts")["alerts"] if a["state"] == "firing"}

    def wait(self, condition, timeout=20):
        """Until condition() is true; the time it took."""
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() < begin + timeout, self.firing()
            time.sleep(0.2)
        return time.monotonic() - begin


def close_to(value, wanted, share=0.1):
    """A rate is extrapolated to the edges of its window."""
    return math.isclose(value, wanted, rel_tol=share, abs_tol=1e-9)
