"""The daemon's tests on every kernel that is promised, each as one test here: NAME-OF-THE-GUEST/MODULE::TEST."""
import json
import os

import bounds
import matrix
import pytest
import report


def outcomes(config):
    """(guest, test, outcome, words) of each test that ran or should have."""
    for guest in config.guests:
        ran = guest.cases()
        for name, (outcome, words) in ran.items():
            yield guest, name, outcome, words
        for name in guest.tests:
            # pytest's name of a module or of a function stands for all that it has.
            if not any(each == name or each.startswith((name + "::", name + "[")) for each in ran):
                yield guest, name, "failed", "it did not run"
        for name in guest.absent:
            yield guest, name, "skipped", "not there yet"


def pytest_generate_tests(metafunc):
    config = metafunc.config
    if "in_guest" in metafunc.fixturenames:
        found = list(outcomes(config))
        metafunc.parametrize("in_guest", found, ids=[f"{guest.name}/{name}" for guest, name, _, _ in found])
    elif "command" in metafunc.fixturenames:
        asked = [(guest, command) for guest in config.guests for command in ("doctor", "run", "demo") if getattr(guest, command) is not None]
        metafunc.parametrize("guest,command", asked, ids=[f"{guest.name}-{command}" for guest, command in asked])
    elif "guest" in metafunc.fixturenames:
        metafunc.parametrize("guest", config.guests, ids=[guest.name for guest in config.guests])


def told(guest, lines=60):
    """What there is to see of a guest, for whoever looks for a failure's reason."""
    tail = "\n".join(guest.said("output").splitlines()[-lines:])
    console = "\n".join(guest.console.splitlines()[-30:])
    return f"\n--- {matrix.RESULTS / guest.name}: its script's output\n{tail}\n--- its console\n{console}\n"


def test_guests_ran(request):
    """Without a single one, all else here would be nothing that passes."""
    if request.config.no_guests:
        pytest.skip(request.config.no_guests)
    assert request.config.guests


def test_it_came_to_its_end(guest):
    assert guest.said("status").strip(), told(guest)


def test_it_is_the_kernel_and_configuration_that_was_asked_for(guest):
    said = guest.said("machine")
    if guest.kernel != "newest":
        assert guest.series == guest.kernel, told(guest)
    mounted = {line.split()[2] for line in said.splitlines() if " /sys/fs/cgroup" in line}
    assert mounted == {"v2": {"cgroup2"}, "v1": {"cgroup", "tmpfs"}, "hybrid": {"cgroup", "cgroup2", "tmpfs"}}[guest.cgroups], said
    for word in guest.append.split():
        key, _, value = word.partition("=")
        if key == "lockdown":
            assert f"[{value}]" in said, said
        if key == "lsm":
            active = said.splitlines()[1].split(",")
            assert ("bpf" in value.split(",")) is ("bpf" in active), said


def test_tests_ran(guest):
    """Zero tests are a failure, unless the table wants none."""
    if guest.tests:
        assert any(outcome != "skipped" for outcome, _ in guest.cases().values()), told(guest)
    else:
        assert guest.run, "a guest that runs nothing"


def test_test(in_guest):
    guest, name, outcome, words = in_guest
    if outcome == "skipped":
        pytest.skip(words)
    if outcome == "failed":
        pytest.fail(f"on {guest.said('release').strip() or guest.kernel}, {guest.name}: {name}\n{words}{told(guest)}", pytrace=False)


def test_command_says_and_exits_as_the_table_has_it(guest, command):
    expected = getattr(guest, command)
    said = guest.said(command)
    assert guest.status(command) == expected.get("status", 0), said + told(guest)
    for text in expected.get("says", []):
        assert text in said, said


def test_no_program_exceeds_its_bound(guest):
    """Instructions that the verifier looked at, per program and kernel series (bounds.yaml)."""
    said = json.loads(guest.said("programs"))
    print(bounds.table([said]))
    if guest.doctor.get("status"):
        assert {name for name in bounds.loaded(said) if not name.startswith("lsm_probe/")} == set(), "the table says that nothing can be loaded"
        return
    assert bounds.loaded(said) and said["errors"] == [], said
    assert bounds.exceeded(said, bounds.read()) == []


def test_a_field_that_a_kernel_does_not_have_is_refused_there_by_name(guest):
    """newer_field.bpf.c reads one that 5.10 lacks: the error that programs of ours would have, and the proof that this matrix sees it."""
    if guest.doctor.get("status"):
        pytest.skip("nothing can be loaded there at all")
    [told_of] = json.loads(guest.said("newer"))["programs"]
    assert (told_of["object"], told_of["program"]) == ("newer_field", "reads_newer_field")
    refused = guest.kernel == "5.10"
    assert told_of["loaded"] is not refused and guest.status("newer") == (4 if refused else 0), told_of
    if refused:
        assert "does not have" in told_of["refusal"], told_of


def test_the_page_says_what_was_seen(guests):
    """docs/kernels.md, which WRITE=1 writes."""
    if len(guests) < len(matrix.table()):
        pytest.skip("NARROWED by CRYPTNONO_GUESTS: the page is of all guests")
    text = report.text(guests)
    (matrix.RESULTS / "kernels.md").write_text(text)
    if os.environ.get("CRYPTNONO_WRITE") == "1":
        report.FILE.write_text(text)
    assert report.FILE.exists() and report.same(report.FILE.read_text(), text), \
        f"docs/kernels.md says something else than {matrix.RESULTS / 'kernels.md'}: make test-kernels WRITE=1"
