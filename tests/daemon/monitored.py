"""What test_monitoring.py looks at: two daemons under a Prometheus with the project's rules, and all that was done to them.

node-1 has all detectors, node-2 only banned strings. Whatever dies is in a cgroup of the test.
"""
import contextlib
import http.server
import importlib.machinery
import importlib.util
import itertools
import os
import pathlib
import socket
import sys
import threading
import time
import types

from conftest import B, VICTIMS, WORKER, Cgroup, Daemon, Spawner, storm, wait_until
from network import PUBLIC4, Network
from prometheus import Page, Prometheus

MONITORING = pathlib.Path(__file__).resolve().parents[2] / "monitoring"
sys.path.insert(0, str(MONITORING))

import panels  # noqa: E402

REPORTED = "cryptnono.monitoring.reported"
TREE = "cryptnono.monitoring.tree"
PORTS = itertools.count(23000 + WORKER * 2000 + os.getpid() % 100 * 20)

# As the rule file is, but for the times.
SHORTENED = """{
  alerts: std.mapWithKey(function(name, alert) alert { 'for': '1s' }, super.alerts), window: '10s', canaryInterval: 5
}"""

KUBERNETES = """# TYPE kube_node_info gauge
{nodes}
# TYPE kube_pod_info gauge
kube_pod_info{{namespace="research",pod="jupyter-a",node="node-1",uid="1"}} 1
kube_pod_info{{namespace="research",pod="jupyter-b",node="node-1",uid="2"}} 1
kube_pod_info{{namespace="class",pod="jupyter-c",node="node-1",uid="3"}} 1
kube_pod_info{{namespace="class",pod="jupyter-d",node="node-2",uid="4"}} 1
kube_pod_info{{namespace="support",pod="prometheus-0",node="node-2",uid="5"}} 1
# TYPE kube_service_labels gauge
kube_service_labels{{namespace="research",service="hub"}} 1
kube_service_labels{{namespace="class",service="hub"}} 1
"""


def kubernetes(*nodes):
    """What kube-state-metrics would say of these nodes."""
    return KUBERNETES.format(nodes="\n".join(f'kube_node_info{{node="{n}",kernel_version="6.1"}} 1' for n in nodes))


def shortened_rules():
    loader = importlib.machinery.SourceFileLoader("render", str(MONITORING / "render"))
    render = importlib.util.module_from_spec(importlib.util.spec_from_loader("render", loader))
    loader.exec_module(render)
    return render.rules(SHORTENED)


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook's receiver: the first event is asked for again, the second is refused."""
    daemon_threads = True

    def __init__(self):
        answers = itertools.chain([503, 403], itertools.repeat(204))

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(next(answers))
                self.end_headers()

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Node:
    """One daemon with a cgroup of its own. It may be stopped and started again."""

    def __init__(self, name, directory, files, arguments=()):
        self.name, self.directory = name, directory
        self.sandbox = Cgroup()
        self.spawn = Spawner(self.sandbox)
        self.port = next(PORTS)
        self.paths = []
        for file, text in files.items():
            self.paths.append(directory / f"{name}-{file}.yaml")
            self.paths[-1].write_text(text)
        self.arguments = ["--scope", str(self.sandbox.path), "--metrics-listen", f"127.0.0.1:{self.port}", *arguments]
        for path in self.paths:
            self.arguments += ["-c", str(path)]
        self.start()

    def start(self):
        self.started = time.time()
        self.daemon = Daemon(self.sandbox, self.arguments)
        self.daemon.port = self.port
        self.daemon.wait_for(action="ready")

    def stop(self):
        self.daemon.stop()

    def reload(self, text, file=0, action="reloaded"):
        seen = self.daemon.count(action=action)
        self.paths[file].write_text(text)
        deadline = time.monotonic() + 10
        while self.daemon.count(action=action) == seen:
            assert time.monotonic() < deadline, self.daemon.lines[-3:]

    def container(self):
        """A cgroup as the kubelet makes it for a container, and who spawns in it."""
        path = self.sandbox.path / "kubepods/burstable/pod01234567-0000-4000-8000-000000000000" / ("c0ffee00" * 8)
        path.mkdir(parents=True)
        return Spawner(types.SimpleNamespace(procs=path / "cgroup.procs"))

    def close(self):
        for child in self.spawn.running:
            if child.poll() is None:
                child.kill()
            child.wait()
        self.daemon.stop(expect=None)
        for directory, _, _ in os.walk(self.sandbox.path, topdown=False):
            if directory != str(self.sandbox.path):
                os.rmdir(directory)
        self.sandbox.remove()


class Runtime:
    """A container runtime's socket of which nobody gets an answer."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                self.socket.accept()[0].close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def base(receiver, runtime, limit=4, bpf=True):
    return f"""bannedCommandStrings: [{B}]
allowedCommandPatterns: ['^[/a-z]*true .*spare-me$']
protect: {{users: [1004]}}
execwhacker: {{scanInterval: 0.5, limit: {{maxTargets: {limit}, window: 3600}}}}
tcpflowkiller:
  enabled: true
  bans: ["192.0.2.1"]
  scan: {{threshold: 10, window: 5}}
metrics: {{bpfStatistics: {str(bpf).lower()}}}
containers: {{endpoints: [{runtime}], dockerEndpoints: [/nonexistent.sock]}}
webhook: {{url: "http://127.0.0.1:{receiver.server_port}/", timeout: 2}}
"""


class Monitored:
    """canary_seconds: how often each daemon runs canaries."""

    def __init__(self, directory, canary_seconds):
        options = ["--canary-interval", str(canary_seconds)]
        self.receiver, self.runtime = Receiver(), Runtime(directory / "runtime.sock")
        self.kube = Page(kubernetes("node-1", "node-2", "node-3"))
        self.net = Network()
        self.net.listen(80)
        self.one = Node("node-1", directory, {
            "base": self.base(),
            "reported": f"bannedCommandStrings: [{REPORTED}]\nreportFirst: {{cleanDays: 7}}\nstate: {{directory: \"\"}}\n",
            "tree": f"bannedCommandStrings: [{TREE}]\naction: kill-tree\n",
        }, options)
        self.two = Node("node-2", directory, {"all": f"bannedCommandStrings: [{B}]\n"}, options)
        data = directory / "prometheus"
        data.mkdir()
        self.prometheus = Prometheus(data, next(PORTS), {
            "cryptnono": [(f"127.0.0.1:{node.port}", {"node": node.name}) for node in (self.one, self.two)],
            "kube-state-metrics": [(f"127.0.0.1:{self.kube.server_port}", {})],
        }, shortened_rules())
        # From here on everything that is done is between two scrapes.
        self.prometheus.wait(lambda: len(self.prometheus.query("cryptnono_build_info")) == 2)
        self.begin = time.time()

    def base(self, **options):
        return base(self.receiver, self.runtime.path, **options)

    def connect(self, address):
        return self.one.spawn(self.net.client([VICTIMS / "connect_act", "connect", address, 80]))

    def act(self):
        """Each kind of thing that counts, a known number of times; what it did is asserted where it is done."""
        spawn, two = self.one.spawn, self.two.spawn
        tree_file = self.one.directory / "word"
        tree_file.write_text(TREE)
        # The kernel's statistics begin a window of a second; meanwhile something runs that they can count.
        busy = spawn.start(["sh", "-c", "while :; do /bin/true; done"])
        self.one.reload(self.base(bpf=False))
        self.one.reload(self.base())
        rewriting = spawn.start([str(VICTIMS / "rewrite_argv"), "room" * 20, B[:-1] + "_", "m"])
        for i in range(5):
            assert spawn(["echo", B, str(i)]) == -9
        for i in range(3):
            assert spawn(["true", B, str(i), "spare-me"]) == 0
        assert self.one.container()(["true", B]) == -9
        for uid in (1001, 1002):
            assert spawn(["true", B], uid=uid) == -9
        assert spawn(["true", B], uid=1003) == 0  # the limit: four targets
        assert spawn(["true", B], uid=1004) == 0  # protected
        for i in range(2):
            assert spawn(["true", REPORTED]) == 0
        shell = spawn.start(["setsid", "sh", "-c", f"sleep 30 & /bin/true $(cat {tree_file}); wait"])
        assert shell.wait(timeout=10) == -9
        for _ in range(2):
            assert self.connect("192.0.2.1") == -9
        assert spawn(self.net.client([VICTIMS / "scan_act", "-n", 12, PUBLIC4[0], 1000])) == -9
        for _ in range(2):
            assert two(["true", B]) == -9
        assert spawn([str(VICTIMS / "randomx_miner"), "30"], timeout=40) == -9
        assert rewriting.wait(timeout=10) == -9
        busy.kill()
        busy.wait()
        responded = self.one.daemon.wait_for(action="responded")
        sent = 'cryptnono_webhook_deliveries_total{result="sent"}'
        wait_until(lambda: self.one.daemon.metrics()[sent] >= 13, 20)  # 14 kills, one of them refused
        self.with_tree = responded["processes_killed"]
        # Everything is in a scrape, and in one more, so that no window ends in between.
        at = time.time()
        self.prometheus.wait(lambda: min(values[-2][0] for _, values in self.prometheus.samples("up[10s]")) > at)
        self.at = time.time()

    def lose_events(self, word=B, killed=300):
        """300 kills, or reports, of which the daemon does not hear in time."""
        self.one.daemon.process.send_signal(19)  # SIGSTOP
        try:
            counts = storm("-n", 300, "-w", 2, argv=["victim", "y" * 40_000, word], procs=self.one.sandbox.procs)
        finally:
            self.one.daemon.process.send_signal(18)  # SIGCONT
        assert counts["killed"] == killed

    def close(self):
        self.prometheus.close()
        for node in (self.one, self.two):
            node.close()
        self.net.close()
        self.runtime.close()
        for server in (self.receiver, self.kube):
            server.shutdown()
            server.server_close()
