"""From a kill on one node to a ban on all: log lines, jq, kubectl, and the volume of another node's daemon."""
import json
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, VICTIMS, wait_until
from volume import Volume

JQ = ROOT / "scripts/pools_of_kills.jq"
POOL, ADDRESS = "pool.cryptnono-scale.example", "93.184.216.34"
MINER = f"""
import ctypes, sys
class Hashing(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_int), ("interpreter", ctypes.c_int), ("fast", ctypes.c_int),
                ("seconds", ctypes.c_double), ("busy_ms", ctypes.c_int), ("idle_ms", ctypes.c_int)]
ctypes.CDLL({str(VICTIMS / "hashing.so")!r}).hash_randomx(ctypes.byref(Hashing(1, 0, 0, 20.0, 0, 0)))
"""


def line(**fields):
    return json.dumps({"pid": 7, "cmdline": f"/tmp/a -o {POOL}:3333", "action": "killed", "detector": "monero", "container_id": "c1", **fields})


def pools(lines, kind, *options):
    done = subprocess.run(["jq", "-Rrn", "--arg", "as", kind, *options, "-f", str(JQ)], input="\n".join(lines) + "\n", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["groups"][0]["bannedCommandStrings"] if kind == "rules" else done.stdout.split()


@pytest.mark.parametrize("cmdline, name, address", [
    (f"/tmp/a -o {POOL}:3333", POOL, None),
    (f"/tmp/a -o{POOL.upper()}:3333 -p x", POOL, None),
    (f"/tmp/a --url=stratum+tcp://{POOL}:443/x", POOL, None),
    (f"sh -c 'a -o wallet@{POOL}:80'", POOL, None),
    (f"/tmp/a -o {ADDRESS}:3333", None, f"{ADDRESS}:3333"),
    (["/tmp/a", "-o", f"{ADDRESS}:3333"], None, f"{ADDRESS}:3333"),
    ("/tmp/a -o 10.0.0.1:3333 -o 127.0.0.1:1 -o 172.20.0.1:5 -o 192.168.0.1:5 -o 100.64.0.1:5 -o 999.1.1.1:5", None, None),
    ("/tmp/a -o hub.svc:80 -o node.internal:80 -o localhost:80 --time 12:30 -v 1.2:3", None, None),
    (f"/tmp/a -o {POOL}:0 -o {POOL}:70000", None, None),
    ("/tmp/a -o [r234567abcdefghij]:3333", None, None),  # a rule hit already, and its text is masked
])
def test_what_is_a_pool(cmdline, name, address):
    assert pools([line(cmdline=cmdline)], "rules") == ([name] if name else [])
    assert pools([line(cmdline=cmdline)], "addresses") == ([address] if address else [])


def test_only_what_ran_randomx_counts_and_logs_are_what_they_are():
    other = [line(detector="tcpflowkiller", cmdline=[f"-o{POOL}:1"]), line(detector="execwhacker"), line(action="spared"), line(action="reported"),
             line(cmdline=None), "a line of another program", '["json"]', '{"cut": ', ""]
    assert pools(other, "rules") == []
    assert pools([*other, line() + "\r"], "rules") == [POOL], "a terminal's line ends"


def test_how_many_containers_it_was_seen_in():
    lines = [line(container_id="c1"), line(container_id="c1"), line(container_id="c2"), line(cmdline="a -o once.example:1")]
    assert pools(lines, "rules", "--argjson", "containers", "2") == [POOL]
    assert sorted(pools(lines, "rules")) == ["once.example", POOL]


def kubectl(*arguments):
    """What an object is, by the real client and without a cluster; its data."""
    done = subprocess.run(["kubectl", "create", *map(str, arguments), "--dry-run=client", "-o", "json"], capture_output=True, text=True,
                          env={"PATH": "/usr/local/bin:/usr/bin:/bin", "KUBECONFIG": "/dev/null", "HOME": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_ban_found_on_one_node_is_in_force_on_another(daemon, spawn, tmp_path):
    """As docs/scale-out.md says, with its commands; the cluster alone is played, by a volume that is swapped as the kubelet does."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    one = daemon("bannedCommandStrings: []\n", reveal=False)
    volume = Volume(tmp_path / "bans", {"nothing.txt": ""})
    rules = Volume(tmp_path / "rules", {"found.json": '{"groups": []}'})
    two = daemon([tmp_path / "rules/found.json", write(tmp_path / "flow.yaml", f"tcpflowkiller: {{enabled: true, banFiles: ['{tmp_path}/bans/*']}}\n"
                                                       "monero: {enabled: false}\nstate: {directory: ''}\n")])

    def connects():
        return spawn([VICTIMS / "connect_act", "connect", ADDRESS, "3333"])
    assert connects() == 0
    miner = ["/usr/bin/python3", "-c", MINER, "-o", f"{POOL}:3333", f"--url={ADDRESS}:3333"]
    assert spawn(miner, timeout=20) == -9
    kill = one.wait_for(action="killed", detector="monero")

    (tmp_path / "log").write_text(json.dumps(kill) + "\n")
    for command in documented("pools_of_kills.jq"):
        subprocess.run(["bash", "-ec", command], check=True, cwd=tmp_path, env={"PATH": f"{ROOT}:/usr/bin:/bin"})
    assert (tmp_path / "found.txt").read_text().split() == [f"{ADDRESS}:3333"]
    config_map = kubectl("configmap", "cryptnono-found", f"--from-file={tmp_path}/found.txt")
    secret = kubectl("secret", "generic", "cryptnono-found", f"--from-file={tmp_path}/found.json")
    assert (config_map["kind"], secret["kind"]) == ("ConfigMap", "Secret")
    volume.publish(config_map["data"])
    wait_until(lambda: connects() == -9)
    rules.publish({"found.json": (tmp_path / "found.json").read_text()})
    two.wait_for(action="rollout", group="found")
    assert spawn(["/bin/true", POOL]) == 0
    assert two.wait_for(action="reported")["group"] == "found", "it reports first"


def write(path, text):
    path.write_text(text)
    return path


def documented(word):
    """The guide's command lines with this word in them, as they are run from a folder with the log."""
    shown = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/scale-out.md").read_text(), re.M | re.S)
    lines = [each for block in shown for each in block.replace("\\\n", " ").splitlines() if word in each]
    assert lines, word
    return [each.replace("scripts/", f"{ROOT}/scripts/") for each in lines]
