"""How results of guests are read: what must not pass unseen."""
import types

import matrix
import pytest
import report
import test_matrix

JUNIT = """<testsuites><testsuite>
<testcase classname="test_a" name="test_good"/><testcase classname="test_a" name="test_bad[1]"><failure message="no">why</failure></testcase>
<testcase classname="test_a" name="test_skipped"><skipped message="has no reason"/></testcase>
<testcase classname="test_a" name="test_torn"/><testcase classname="test_a" name="test_torn"><error>in its teardown</error></testcase>
<testcase time="0.1"/></testsuite></testsuites>"""


@pytest.fixture
def guest(tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "RESULTS", tmp_path)
    one = matrix.Guest("one", "6.1", tests=["test_a.py::test_good", "test_a.py::test_bad", "test_b.py", "test_a.py::test_goo"], absent=["test_c.py"])
    one.files.mkdir(parents=True)
    (one.files / "junit.xml").write_text(JUNIT)
    (one.files / "release").write_text("6.1.0-56-cloud-amd64\n")
    return one


def test_each_case_has_its_outcome_and_words(guest):
    cases = guest.cases()
    assert {name: outcome for name, (outcome, _) in cases.items()} == {
        "test_a.py::test_good": "passed", "test_a.py::test_bad[1]": "failed", "test_a.py::test_skipped": "skipped", "test_a.py::test_torn": "failed"}
    assert cases["test_a.py::test_bad[1]"][1] == "why" and guest.series == "6.1"


def test_what_did_not_run_is_a_failure_and_what_is_not_there_a_skip(guest):
    """A name that is the beginning of another's is not that other."""
    found = {name: (outcome, words) for _, name, outcome, words in test_matrix.outcomes(types.SimpleNamespace(guests=[guest]))}
    assert found["test_b.py"] == found["test_a.py::test_goo"] == ("failed", "it did not run")
    assert found["test_c.py"][0] == "skipped"


def test_a_guest_that_left_nothing_has_no_cases_and_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "RESULTS", tmp_path)
    one = matrix.Guest("none", "6.1", tests=["test_a.py"])
    assert one.cases() == {} and one.status("doctor") is None and one.series == ""
    for test in (test_matrix.test_it_came_to_its_end, test_matrix.test_tests_ran):
        with pytest.raises(AssertionError):
            test(one)


def test_the_table_is_read_and_wrong_ones_are_refused(tmp_path):
    assert {guest.kernel for guest in matrix.table()} == {"5.10", "6.1", "6.12", "newest"}
    assert {guest.cgroups for guest in matrix.table()} == {"v1", "v2", "hybrid"}
    path = tmp_path / "guests.yaml"
    for entry in ("{name: a, kernel: '4.4'}", "{name: a, kernel: '6.1', typo: 1}", "{name: a, kernel: '6.1', cgroups: v3}"):
        path.write_text(f"sets: {{}}\nguests: [{entry}]\n")
        with pytest.raises(ValueError):
            matrix.table(path)


def test_doctors_lines():
    text = "kernel 6.1\nok       a\ndegraded tcpflowkiller: kill (6.16): cannot\n           without it: a moment\n           remedy: none\nMISSING  b: no\n"
    assert report.doctor_lines(text) == [["ok", "a", ""], ["degraded", "tcpflowkiller: kill (6.16): cannot", "a moment"], ["MISSING", "b: no", ""]]


def test_the_number_of_the_newest_kernel_may_be_any():
    assert report.same("of sid (here 7.2).", "of sid (here 7.3).") and not report.same("| 6.1 |", "| 6.12 |")
