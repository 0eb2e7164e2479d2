"""What the predecessor's own tests assert of its image, of this one: running in an engine, with the predecessor's configuration files.

Scoped to a cgroup of the test. One container per engine serves all tests.
"""
import json
import os
import shutil
import subprocess
import urllib.request

import pytest

import engines
from conftest import B, Cgroup, VICTIMS, daemon_conftest
from network import Network

BPF = 'cryptnono_execwhacker_processes_killed_total{source="execwhacker.bpf"}'
SCAN = 'cryptnono_execwhacker_processes_killed_total{source="psutil.process_iter"}'
BANNED_IP = 'cryptnono_flowkiller_processes_killed_total{reason="banned-ip"}'
SCANNER = 'cryptnono_flowkiller_processes_killed_total{reason="scan"}'
PYTHON = "/usr/bin/python3"


class Node:
    """A daemon in a container, the cgroup that is its scope, and a network for those in it."""

    def __init__(self, engine, directory):
        self.engine, self.directory, self.daemon, self.sandbox = engine, directory, None, Cgroup()
        self.spawner = daemon_conftest.Spawner(self.sandbox)
        self.network = Network()
        # Does not answer, unlike its neighbours.
        for command in ("ip addr del 192.0.2.2/32 dev lo", "ip route add blackhole 192.0.2.2/32"):
            self.network._run(*command.split(), inside=self.network.peer_pid)
        (directory / "execwhacker.json").write_text(json.dumps({"bannedCommandStrings": [B], "allowedCommandPatterns": [".*allowed cryptnono.*"]}))
        (directory / "flowkiller_config.json").write_text(json.dumps({"FlowKiller": {
            "banned_ipv4_file_globs": [f"{directory}/banned*.txt"], "unique_destinations_threshold": 10, "log_container_info": False}}))
        (directory / "banned.txt").write_text("# test networks\n192.0.2.1\n\n192.0.2.3\n")
        self.port = next(daemon_conftest._ports)

    def start(self):
        directory = self.directory
        # Daemon runs [*through, BINARY, "run", ...]: here the binary is what the engine starts.
        *through, last = self.engine.command(directory)
        daemon_conftest.BINARY, kept = last, daemon_conftest.BINARY
        try:
            self.daemon = daemon_conftest.Daemon(self.sandbox, [
                "--scope", str(self.sandbox.path), "-c", str(directory / "execwhacker.json"), f"--FlowKiller.config_file={directory}/flowkiller_config.json",
                "--scan-interval", "1", "--canary-interval", "0", "--control-socket", str(directory / "control.sock"),
                "--metrics-listen", f"127.0.0.1:{self.port}"], through=through)
            self.daemon.port = self.port
            self.daemon.wait_for(timeout=60, action="ready")
        finally:
            daemon_conftest.BINARY = kept

    def metrics(self, path="/"):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            return answer.read().decode()

    def count(self, series):
        """As the predecessor's tests read it: each line is cut at its first space."""
        values = dict(line.split(" ", 1) for line in self.metrics().splitlines() if not line.startswith("#"))
        return float(values[series])

    def outcome(self, *argv, timeout=15):
        return self.spawner(argv, timeout=timeout)

    def close(self):
        try:
            if self.daemon:
                self.daemon.stop(expect=0 if self.daemon.process.poll() is None else None)
        finally:
            for child in self.spawner.running:
                if child.poll() is None:
                    child.kill()
                    child.wait()
            self.sandbox.remove()
            self.network.close()


@pytest.fixture(scope="module", params=[engines.Podman, engines.Containerd], ids=["podman", "containerd"])
def node(request, archive, image, tmp_path_factory):
    for tool in (*request.param.tools, "unshare", "nsenter", "ip"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    engine = request.param(archive, image.index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"])
    try:
        one = Node(engine, tmp_path_factory.mktemp("node"))
        try:
            one.start()
            yield one
        finally:
            one.close()
    finally:
        engine.close()


def test_the_engine_has_the_very_image_and_its_root_is_read_only(node, image):
    assert {image.index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], image.digest} <= set(node.engine.images())
    pid = engines.container_of(node.engine.name)
    root = next(line.split() for line in open(f"/proc/{pid}/mountinfo") if line.split()[4] == "/")
    assert "ro" in root[5].split(",")
    done = subprocess.run(["nsenter", "-t", str(pid), "-m", "--", "/usr/bin/cryptnono", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == image.config["config"]["Labels"]["org.opencontainers.image.version"]
    assert subprocess.run(["nsenter", "-t", str(pid), "-m", "--", "/bin/sh", "-c", ":"], capture_output=True).returncode == 127
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")


@pytest.mark.parametrize("text", [B, f".{B}", f"{B}-", f".{B}-"])
def test_a_banned_string_dies_and_is_counted(node, text):
    before = node.count(BPF)
    assert node.outcome(PYTHON, "-c", f"print('{text}')") == -9
    assert node.count(BPF) == before + 1


@pytest.mark.parametrize("text", [f"X{B}", f"{B}X", f"allowed {B}"])
def test_a_longer_word_and_an_allowed_pattern_live(node, text):
    before = node.count(BPF), node.count(SCAN)
    assert node.outcome(PYTHON, "-c", f"print('{text}')") == 0
    assert (node.count(BPF), node.count(SCAN)) == before


def test_who_rewrites_its_own_arguments_dies_at_the_next_scan(node):
    before = node.count(SCAN)
    assert node.outcome(str(VICTIMS / "rewrite_argv"), " " * 40, B[:-1] + "_", "m") == -9
    assert node.count(SCAN) == before + 1


def test_connects_to_banned_addresses_die_and_those_to_the_neighbour_live(node):
    before = node.count(BANNED_IP)
    for address in ("192.0.2.1", "192.0.2.3"):
        assert node.outcome(*node.network.client(["curl", "--silent", "--max-time", "5", f"http://{address}"])) == -9
    assert node.outcome(*node.network.client(["curl", "--silent", "--max-time", "1", "http://192.0.2.2"])) == 28
    assert node.count(BANNED_IP) == before + 2


def test_a_scan_of_more_ports_than_the_threshold_dies_and_one_of_as_many_lives(node):
    before = node.count(SCANNER)
    scan = "import socket\nfor port in range(1, {count} + 1):\n s = socket.socket()\n s.setblocking(False)\n s.connect_ex(('93.184.216.9', port))\n"
    assert node.outcome(*node.network.client([PYTHON, "-c", scan.format(count=10)])) == 0
    assert node.outcome(*node.network.client([PYTHON, "-c", scan.format(count=12)])) == -9
    assert node.count(SCANNER) == before + 1


def test_metrics_answer_at_any_path_with_whole_series_and_no_blank_line(node):
    for path in ("/", "/metrics", "/anything/else?x=1"):
        text = node.metrics(path)
        lines = text.splitlines()
        assert "" not in lines and text.endswith("\n")
        names = [line.split(" ", 1)[0] for line in lines if not line.startswith("#")]
        assert len(names) == len(set(names)) and {BPF, SCAN, BANNED_IP, SCANNER} <= set(names)
        assert not any(name.endswith("_created") for name in names)


def test_a_line_of_json_for_each_kill_in_the_predecessors_words(node):
    assert node.outcome(PYTHON, "-c", f"print('{B} for the log')") == -9
    line = node.daemon.wait_for(action="killed", source="execwhacker.bpf")
    assert line["event"] == "Killed process" and line["level"] == "info" and isinstance(line["cmdline"], str)
    assert node.daemon.process.poll() is None


