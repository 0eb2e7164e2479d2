"""A fleet of simulated nodes: one server that answers for each with the real daemon's exposition, and values of its own.

Targets are http://127.0.0.1:PORT/NUMBER; what tells them apart is the label `instance`. Used by the tests here and by bench/scale.py.
"""
import http.server
import random
import re
import threading
import time

# What grows on a node where nothing happens, a second; as measured on the daemon that the exposition is of.
GROWTH = {
    "process_cpu_seconds_total": 4e-4,
    'cryptnono_execwhacker_processes_checked_total{source="execwhacker.bpf"}': 5,
    'cryptnono_execwhacker_processes_checked_total{source="psutil.process_iter"}': 20,
    "cryptnono_monero_samples_total": 3,
    'cryptnono_bpf_run_seconds_total{program="exec_match"}': 2e-6,
    'cryptnono_bpf_runs_total{program="exec_match"}': 0.1,
    "cryptnono_bpf_statistics_seconds_total": 1 / 60,
}
JOB = "cryptnono"


def name_of(number):
    return f"node-{number}"


class Fleet:
    """`exposition`: the text of a real scrape. Nodes are 0 to count-1."""

    def __init__(self, exposition, count):
        self.count = count
        self.lock = threading.Lock()
        self.begin = time.monotonic()
        self.frozen = None
        self.lines = exposition.splitlines()
        self.base = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in self.lines if line and line[0] != "#"}
        missing = GROWTH.keys() - self.base.keys()
        assert not missing, f"the daemon has no {missing}"
        self.pace = [random.Random(number).uniform(0.5, 1.5) for number in range(count)]
        self.changes = [{} for _ in range(count)]  # node: {series: added to what the daemon said}
        self.served = 0  # bytes
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def add(self, number, series, value):
        assert series in self.base, series
        with self.lock:
            self.changes[number][series] = self.changes[number].get(series, 0) + value

    def kill(self, number, detector, seconds=2e-5):
        """A kill of that node's kernel side, in all the series in which the daemon counts one."""
        self.add(number, f'cryptnono_processes_killed_total{{detector="{detector}"}}', 1)
        self.add(number, f'cryptnono_kill_latency_seconds_count{{detector="{detector}"}}', 1)
        self.add(number, f'cryptnono_kill_latency_seconds_sum{{detector="{detector}"}}', seconds)
        for series in self.base:
            found = re.fullmatch(rf'cryptnono_kill_latency_seconds_bucket{{detector="{detector}",le="(.*)"}}', series)
            if found and float(found.group(1)) >= seconds:
                self.add(number, series, 1)

    def freeze(self):
        """From now on nothing grows by itself; what each node says after this stays so until add()."""
        self.frozen = time.monotonic()

    def value(self, number, series):
        elapsed = (self.frozen or time.monotonic()) - self.begin
        return (self.base[series] + GROWTH.get(series, 0) * self.pace[number] * elapsed + self.changes[number].get(series, 0))

    def text(self, number):
        elapsed = ((self.frozen or time.monotonic()) - self.begin) * self.pace[number]
        with self.lock:
            changed = dict(self.changes[number])
        for series, rate in GROWTH.items():
            changed[series] = changed.get(series, 0) + rate * elapsed
        out = []
        for line in self.lines:
            series = line.rsplit(" ", 1)[0]
            out.append(f"{series} {self.base[series] + changed[series]!r}" if series in changed else line)
        return "\n".join(out) + "\n"

    def targets(self, numbers):
        """static_configs of a Prometheus that scrapes these nodes."""
        return [{"targets": [f"127.0.0.1:{self.port}"],
                 "labels": {"__metrics_path__": f"/{number}", "instance": f"{name_of(number)}:12121", "node": name_of(number)}}
                for number in numbers]

    def _handler(self):
        fleet = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # Prometheus keeps its connections

            def do_GET(self):
                body = fleet.text(int(self.path[1:])).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                fleet.served += len(body)

            def log_message(self, *_):
                pass
        return Handler
