"""Exactly the capabilities granted: each one taken away in turn is named by `doctor`, in the container that the chart renders, with
what is lost and what to do."""
import re
import time

import pytest

from kubelet import Pod
from rendered import ROOT, Release

# name -> whether the daemon cannot do its main job without it
PRIVILEGES = {name: required == "true" for name, required in
              re.findall(r'\{CAP_\w+, "(\w+)", Lack::\w+, (true|false), (?:true|false)\}', (ROOT / "src/status/privileges.h").read_text())}
RIGHTS = re.compile(r"^(ok|degraded|MISSING) +.*\(CAP_(\w+)\)", re.MULTILINE)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return Release({}, tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def doctor(node, release):
    """What `doctor` says without each of them, and with all (None): exit code and output. They run beside each other."""
    pods = {}
    for without in (None, *PRIVILEGES):
        def change(config, without=without):
            config.command[:] = []
            config.args[:] = ["doctor"]
            capabilities = config.linux.security_context.capabilities.add_capabilities
            if without:
                capabilities.remove(without)
        pods[without] = Pod(node, f"doctor-{without}".lower().replace("_", "-"), release.template, release.objects, change=change)
    out = {}
    for without, pod in pods.items():
        deadline = time.monotonic() + 60
        while pod.running():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        out[without] = pod.state().exit_code, "\n".join(pod.log())
        pod.remove()
    return out


def test_the_list_is_the_same_everywhere(release, doctor):
    """In the program, in its advice, in the chart and in the documentation."""
    assert len(PRIVILEGES) == 7
    (container,) = release.template["spec"]["containers"]
    capabilities = container["securityContext"]["capabilities"]
    assert capabilities["drop"] == ["ALL"] and sorted(capabilities["add"]) == sorted(PRIVILEGES)
    names = ", ".join(PRIVILEGES)
    assert f"capabilities: {{drop: [ALL], add: [{names}]}}" in doctor[None][1]
    text = (ROOT / "docs/privileges.md").read_text()
    assert f"add: [{names}]" in text
    assert re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE) == list(PRIVILEGES)


def test_with_all_of_them_nothing_is_missing(doctor):
    code, said = doctor[None]
    # The pod has the node's /sys, and a BPF file system in it only if the node has one mounted.
    said = re.sub(r"^degraded pins in .* is not in a BPF file system .*\n", "", said, flags=re.MULTILINE)
    assert code == 0 and "degraded" not in said and "MISSING" not in said, said
    assert "Not had here" not in said and "without need" not in said, said


@pytest.mark.parametrize("name", PRIVILEGES)
def test_without_one_doctor_names_what_is_lost_and_what_to_do(doctor, name):
    code, said = doctor[name]
    assert code == (5 if PRIVILEGES[name] else 0), said
    lacking = [(word, each) for word, each in RIGHTS.findall(said) if word != "ok"]
    assert lacking == [("MISSING" if PRIVILEGES[name] else "degraded", name)], said
    after = said[said.index(f"(CAP_{name})"):].splitlines()
    assert after[1].strip().startswith("without it: ") and after[2].strip().startswith(f"remedy: add CAP_{name}"), said
    assert f"Not had here: {name}" in said.splitlines()
