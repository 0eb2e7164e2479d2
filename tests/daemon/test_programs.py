"""What this kernel's verifier says of the daemon's programs, and the bounds that they have on every kernel (tests/kernels/bounds.yaml)."""
import json
import pathlib
import platform
import subprocess
import sys

from conftest import BINARY

KERNELS = pathlib.Path(__file__).resolve().parents[1] / "kernels"
sys.path.append(str(KERNELS))
import bounds  # noqa: E402

REPORT = {"kernel": "6.1.0-1-cloud-amd64", "programs": [
    {"object": "a", "program": "first", "loaded": True, "instructions": 1000},
    {"object": "a", "program": "second", "loaded": False, "instructions": 999999}]}


def doctor(*arguments, expect=0):
    done = subprocess.run([BINARY, "doctor", "--programs", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, done
    return done


def test_no_program_exceeds_its_bound_here():
    report = json.loads(doctor("--json").stdout)
    assert report["kernel"] == platform.release() and report["errors"] == []
    print(bounds.table([report]))
    assert bounds.exceeded(report, bounds.read()) == []


def test_the_table_has_each_program_once_and_figures_of_each():
    report = json.loads(doctor("--json").stdout)
    here = bounds.loaded(report)
    assert {"exec_match/exec_match", "fpu_sample/fpu_sample", "flow_watch/flow_state", "cgroup_watch/cgroup_made"} <= set(here)
    for name, each in here.items():
        assert each["instructions"] > 10 and 0 < each["peak_states"] <= each["states"] and each["translated_bytes"] > 0, (name, each)
    text = doctor().stdout
    assert text.startswith(f"kernel {platform.release()}\n")
    assert all(text.count(f"{each['object']:14} {each['program']:18} ") == 1 for each in here.values()), text


def test_an_object_file_that_is_none_is_an_error(tmp_path):
    path = tmp_path / "none.o"
    path.write_text("no object")
    assert str(path) in doctor("--object", path, expect=1).stderr


def test_a_bound_that_is_exceeded_is_told_with_program_kernel_figure_and_bound():
    recorded = {"a/first": 800}
    [line] = bounds.exceeded(REPORT, {"instructions": 400000, "growth_percent": 15, "recorded": {"6.1": recorded}})
    assert line == "a/first on 6.1.0-1-cloud-amd64: 1000 instructions verified, more than 920, which is 15 % above the recorded 800"
    [line] = bounds.exceeded(REPORT, {"instructions": 999, "growth_percent": 15, "recorded": {}})
    assert line == "a/first on 6.1.0-1-cloud-amd64: 1000 instructions verified, more than 999"
    assert bounds.exceeded(REPORT, {"instructions": 1000, "growth_percent": 15, "recorded": {"6.1": {"a/first": 870}}}) == []


def test_a_program_of_which_nothing_is_recorded_is_told():
    [line] = bounds.exceeded(REPORT, {"instructions": 1000, "growth_percent": 15, "recorded": {"6.1": {}}})
    assert "a/first on 6.1" in line and "nothing recorded" in line
