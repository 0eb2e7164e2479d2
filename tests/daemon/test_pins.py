"""Enforcement that outlives the daemon: what is pinned holds while nobody is there, and the next daemon takes over."""
import contextlib
import itertools
import os
import pathlib
import re
import subprocess
import threading
import time

import pytest

import pins
from conftest import B, BINARY, VICTIMS, held_ids, storm, wait_until

HONEST = "x" + B
CONFIG = f"bannedCommandStrings: [{B}]\nmonero: {{enabled: false}}\n"
ALLOW = CONFIG + "allowedCommandPatterns: ['.*honest-[a-z]+-work.*']\n"
KEEP = ", onStop: keep"
_mounts = itertools.count()


@pytest.fixture
def directory():
    """A directory for pins in a BPF file system of the test's own, which takes what is in it with it."""
    mount = pathlib.Path(f"/tmp/cryptnono-test-{os.getpid()}-bpf-{next(_mounts)}")
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "bpf", "-o", "mode=0700", "bpf", mount], capture_output=True, text=True)
    try:
        if done.returncode != 0:
            pytest.skip(f"no BPF file system can be mounted: {done.stderr.strip()}")
        yield mount / "pins"
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", mount], check=True)
        mount.rmdir()


@pytest.fixture
def pinning(directory, daemon):  # in this order: the directory goes when the daemons have ended
    def start(config=CONFIG, more="", **options):
        return daemon(config + f"pins: {{directory: {directory}{more}}}\n", **options)
    return start


@pytest.fixture(scope="session")
def version():
    return subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.strip().split()[-1]


@pytest.fixture
def other(version, tmp_path):
    return pins.other_binary(pathlib.Path(BINARY), version, tmp_path / "other")


def crash(daemon):
    daemon.process.kill()
    daemon.process.wait(timeout=10)


def banned(sandbox, runs=20):
    """So many banned execs: none ran."""
    counts = storm("-n", runs, argv=["victim", "%d", B], procs=sandbox.procs)
    assert (counts["spawned"], counts["killed"], counts["acts"]) == (runs, runs, 0)


def nobody_enforces(sandbox):
    counts = storm("-n", 5, argv=["victim", B], procs=sandbox.procs)
    return counts["acts"] == 5


class Storm:
    """Banned and honest execs, without a pause, while something else happens."""

    def __init__(self, sandbox, honest=True):
        self.stop = threading.Event()
        self.totals = {kind: {"spawned": 0, "killed": 0, "exited": 0, "acts": 0} for kind in (B, HONEST)}
        self.threads = [threading.Thread(target=self._run, args=(kind, sandbox)) for kind in ((B, HONEST) if honest else (B,))]

    def _run(self, kind, sandbox):
        while not self.stop.is_set():
            counts = storm("-n", 200, argv=["victim", "%d", kind], procs=sandbox.procs)
            for key in self.totals[kind]:
                self.totals[kind][key] += counts[key]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def deaths(self):
        counts = self.totals[B]
        assert (counts["killed"], counts["acts"]) == (counts["spawned"], 0), counts
        counts = self.totals[HONEST]
        assert (counts["exited"], counts["acts"], counts["killed"]) == (counts["spawned"], counts["spawned"], 0), counts
        return self.totals[B]["spawned"]


def test_a_storm_over_crashes_restarts_and_an_upgrade(pinning, sandbox, other, directory):
    """None gets through: before, while nobody is there, during the hand-over and after it."""
    old = pinning()
    with Storm(sandbox) as both:
        for through in ((), other[1], (), other[1]):
            time.sleep(0.5)
            crash(old)
            time.sleep(0.5)
            old = pinning(through=through)
            line = old.wait_for(action="taken-over")
            assert line["links"] >= 2
            assert 0.4 < line["unattended_s"] < 60
            assert len(pins.epochs(directory)) == 1
        time.sleep(0.5)
    assert both.deaths() > 1000
    assert both.totals[HONEST]["spawned"] > 1000


def test_what_happened_in_between_is_told_once_by_the_next(pinning, sandbox, version):
    crash(pinning())
    banned(sandbox, 200)
    d = pinning(metrics=True)
    line = d.wait_for(action="taken-over")
    assert (line["records"], line["records_dropped"], line["lost_kills"], line["from_version"]) == (200, 0, 0, version)
    lines = [each for each in d.drain(1) if each.get("action") == "killed"]
    assert len(lines) == 200 and len({each["pid"] for each in lines}) == 200
    assert all(each["unattended"] and each["in_kernel"] and each["matched"] == B for each in lines)
    metrics = d.metrics()
    assert metrics['cryptnono_processes_killed_total{detector="execwhacker"}'] == 200
    assert metrics['cryptnono_taken_over_records_total{result="read"}'] == 200
    assert metrics["cryptnono_unattended_seconds"] == pytest.approx(line["unattended_s"])
    assert metrics["cryptnono_pinned"] == 1
    banned(sandbox, 1)
    assert d.wait_for(action="killed", unattended=None)
    assert d.count(action="killed") == 201


def test_kills_that_no_record_tells_of_are_counted(pinning, sandbox):
    """The ring holds about two thousand; who came after that is in the counter of kills all the same."""
    crash(pinning())
    banned(sandbox, 5000)
    d = pinning(metrics=True)
    line = d.wait_for(action="taken-over")
    assert line["lost_kills"] > 0 and line["records"] + line["lost_kills"] == 5000
    assert d.metrics()['cryptnono_processes_killed_total{detector="execwhacker"}'] == 5000


def test_an_orderly_hand_over_under_load_tells_each_kill_once(pinning, sandbox, directory):
    daemons = [pinning(more=KEEP)]
    with Storm(sandbox) as both:
        for _ in range(4):
            time.sleep(0.4)
            daemons[-1].stop()
            assert pins.links(directory)
            daemons.append(pinning(more=KEEP))
        time.sleep(0.4)
    deaths = both.deaths()
    lost = sum(line["lost_kills"] for d in daemons for line in d.drain(1) if line.get("action") == "taken-over")
    told = [line["pid"] for d in daemons for line in d.lines if line.get("action") == "killed"]
    assert len(told) + lost == deaths and deaths > 500


def test_what_is_left_to_user_space_waits_for_the_next_daemon(pinning, spawn):
    """unattended: spare, which is what holds if nothing is said."""
    crash(pinning(ALLOW))
    sleepers = {word: spawn.start(["sh", "-c", "sleep 60; :", B, word]) for word in ("honest-day-work", "honest-day-work2", "honest-1-work")}
    assert spawn(["sh", "-c", ":", B]) == -9
    time.sleep(0.5)
    assert all(each.poll() is None for each in sleepers.values())
    d = pinning(ALLOW)
    assert sleepers["honest-1-work"].wait(timeout=10) == -9  # it has what the pattern needs, and does not match
    line = d.wait_for(action="killed", pid=sleepers["honest-1-work"].pid)
    assert line["unattended"] and not line["in_kernel"]
    assert d.wait_for(action="spared", pid=sleepers["honest-day-work"].pid)["unattended"]
    time.sleep(0.5)
    assert sleepers["honest-day-work"].poll() is None
    assert sum(line.get("pid") == sleepers["honest-1-work"].pid and line.get("action") != "spared" for line in d.drain()) == 1


def test_unattended_kill(pinning, spawn):
    d = pinning(ALLOW, more=", unattended: kill")
    attended = spawn.start(["sh", "-c", "sleep 60; :", B, "honest-day-work"])
    d.wait_for(action="spared", pid=attended.pid)
    crash(d)
    assert spawn(["sh", "-c", ":", B, "honest-day-work"]) == -9
    assert spawn(["sh", "-c", ":", HONEST, "honest-day-work"]) == 0
    assert attended.poll() is None
    after = pinning(ALLOW, more=", unattended: kill")
    assert after.wait_for(action="killed")["unattended"]
    assert spawn(["sh", "-c", ":", B, "honest-day-work"]) == 0


def test_a_clean_stop_leaves_nothing(pinning, sandbox, directory):
    d = pinning()
    assert pins.links(directory) == ["link-exec_match", "link-owner_exit"]
    assert held_ids(d.process.pid, "link")
    d.stop()
    assert not directory.exists()
    assert nobody_enforces(sandbox)


def test_keep_and_release(pinning, sandbox, directory, version):
    d = pinning(more=KEEP)
    running = subprocess.run([BINARY, "run", "--release", "--pins", directory], capture_output=True, text=True)
    assert running.returncode == 1 and f"another daemon uses {directory}" in running.stderr
    d.stop()
    banned(sandbox)
    done = subprocess.run([BINARY, "run", "--release", "-c", d.files[0]], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(rf"removed [23] programs of cryptnono {re.escape(version)} \(pid {d.process.pid}\)", done.stdout)  # 3: BPF LSM
    assert not directory.exists()
    assert nobody_enforces(sandbox)
    done = subprocess.run([BINARY, "run", "--release", "--pins", directory], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"nothing is pinned in {directory}\n")


def test_a_configuration_that_is_wrong_leaves_the_last_one_in_force(pinning, sandbox, directory):
    crash(pinning())
    before = pins.epochs(directory)
    wrong = pinning("bannedCommandStrings: 7\n", ready=False)
    assert wrong.process.wait(timeout=20) == 3
    assert pins.epochs(directory) == before
    banned(sandbox)
    assert pinning().wait_for(action="taken-over")["records"] == 20


def test_records_of_another_version_are_counted_and_their_programs_replaced(pinning, sandbox, directory):
    crash(pinning())
    [epoch] = pins.epochs(directory)
    about = list(pins.ABOUT.unpack_from(pins.element(epoch / "about")))
    about[1] += 1  # another form of records
    pins.element(epoch / "about", pins.ABOUT.pack(*about))
    banned(sandbox, 30)
    d = pinning(metrics=True)
    line = d.wait_for(action="taken-over")
    assert (line["records"], line["records_dropped"]) == (0, 30)
    assert d.count(action="killed") == 0
    assert d.metrics()['cryptnono_taken_over_records_total{result="dropped"}'] == 30
    assert epoch not in pins.epochs(directory) and len(pins.epochs(directory)) == 1
    banned(sandbox, 10)
    assert d.count(action="killed") == 10


def test_an_active_epoch_of_another_form_is_replaced(pinning, sandbox, directory):
    crash(pinning())
    (directory / "active").unlink()
    pins.array(directory / "active", 16)
    d = pinning()
    d.wait_for(action="taken-over")
    banned(sandbox)
    assert d.count(action="killed") == 20


def refused(daemon, reason):
    assert reason in daemon.wait_for(action="degraded")["reason"]


def test_a_directory_with_something_else_in_it_is_not_used(pinning, sandbox, directory):
    directory.mkdir(mode=0o700)
    foreign = directory / "somebody"
    pins.array(foreign, 8)
    d = pinning(metrics=True)
    refused(d, f"{foreign} is not ours")
    banned(sandbox)
    assert list(directory.iterdir()) == [foreign]
    assert d.metrics()["cryptnono_pinned"] == 0
    foreign.unlink()
    wait_until(lambda: d.metrics()["cryptnono_pinned"] == 1)
    crash(d)
    banned(sandbox)


def test_an_epoch_that_does_not_say_whose_it_is_is_not_used(pinning, sandbox, directory):
    crash(pinning())
    [epoch] = pins.epochs(directory)
    pins.element(epoch / "about", b"nobody's")  # no magic
    d = pinning()
    refused(d, f"{epoch} does not say which daemon's it is")
    banned(sandbox)
    assert len(d.drain()) and d.count(action="killed") <= 20  # the earlier one's programs are in force as well, and run first
    assert pins.epochs(directory) == [epoch]


@pytest.mark.parametrize("what", ["writable", "owner", "parent"])
def test_a_directory_that_others_may_write_is_not_used(pinning, sandbox, directory, what):
    directory.mkdir(mode=0o700)
    if what == "writable":
        directory.chmod(0o770)
    elif what == "owner":
        os.chown(directory, 1000, 1000)
    else:
        directory.parent.chmod(0o777)
    d = pinning()
    refused(d, "does not belong to root" if what == "owner" else "can be written by others than root")
    assert list(directory.iterdir()) == []
    banned(sandbox)
    crash(d)
    assert nobody_enforces(sandbox)


def test_a_directory_elsewhere_is_not_used(daemon, sandbox, tmp_path):
    d = daemon(CONFIG + f"pins: {{directory: {tmp_path}/pins}}\n")
    refused(d, "is not in a BPF file system")
    assert not (tmp_path / "pins").exists()
    banned(sandbox)


def test_a_second_daemon_waits_for_the_first(pinning, sandbox, directory):
    first = pinning()
    second = pinning(metrics=True)
    refused(second, f"another daemon uses {directory}")
    with Storm(sandbox) as both:
        time.sleep(1)
    # Side by side each tells of what it finds. What BPF LSM's hook has refused nobody else finds, and the program that was attached last comes first there.
    by_lsm = second.metrics()['cryptnono_lsm_active{detector="execwhacker"}']
    assert first.count(action="killed") == (0 if by_lsm else both.deaths()) and second.count(action="killed") == both.deaths()
    with Storm(sandbox) as both:
        crash(first)
        second.wait_for(action="taken-over")
        time.sleep(0.5)
    both.deaths()
    assert len(pins.epochs(directory)) == 1
    crash(second)
    banned(sandbox)


def test_without_pins_a_crash_ends_it(daemon, sandbox):
    crash(daemon(CONFIG))
    assert nobody_enforces(sandbox)


def test_a_start_that_fails_removes_only_its_own(pinning, sandbox, directory):
    """Here because its address for metrics is taken, which shows after the gate has been closed."""
    crash(pinning())
    before = pins.epochs(directory)
    wrong = pinning(CONFIG + "metrics: {listen: ['192.0.2.77:1']}\n", ready=False)
    assert wrong.process.wait(timeout=20) == 1
    assert pins.epochs(directory) == before
    banned(sandbox)


FLOW = CONFIG + "tcpflowkiller: {enabled: true, scan: {enabled: false}, bans: ['192.0.2.1']}\n"


@pytest.fixture(scope="module")
def net():
    network_of = pytest.importorskip("network").Network()
    network_of.listen(80)
    yield network_of
    network_of.close()


@pytest.fixture
def connects(net, spawn):
    def run(address):
        child = spawn.start(net.client([VICTIMS / "connect_act", "connect", address, 80]), stdout=subprocess.PIPE)
        out = child.communicate(timeout=20)[0].decode()
        return child.returncode, out
    return run


def is_refused(result):
    """Killed in the call, or where programs of cgroups may not signal (before 6.16) refused."""
    return result == (-9, "") or result[1].startswith("returned -1 Operation not permitted") or result[1] == "returned -1 EPERM\n"


def test_connects(pinning, connects, directory):
    crash(pinning(FLOW))
    assert any(name.startswith("link-flow_") for name in pins.links(directory))
    for _ in range(5):
        assert is_refused(connects("192.0.2.1"))
    assert connects("192.0.2.2") == (0, "returned 0\n")
    d = pinning(FLOW)
    d.wait_for(action="taken-over")
    lines = [line for line in d.drain() if line.get("reason") == "banned-ip"]
    assert len(lines) == 5 and all(line["unattended"] for line in lines)
    assert is_refused(connects("192.0.2.1"))
    assert connects("192.0.2.2") == (0, "returned 0\n")
    d.stop()
    assert connects("192.0.2.1") == (0, "returned 0\n")


def test_connects_over_hand_overs(pinning, connects, other):
    d = pinning(FLOW)
    stop, results = threading.Event(), []

    def keep_connecting():
        while not stop.is_set():
            results.append(connects("192.0.2.1"))
    thread = threading.Thread(target=keep_connecting)
    thread.start()
    try:
        for through in (other[1], (), other[1]):
            time.sleep(0.3)
            crash(d)
            time.sleep(0.3)
            d = pinning(FLOW, through=through)
    finally:
        stop.set()
        thread.join()
    assert len(results) > 20 and all(is_refused(each) for each in results), results


def test_a_detector_that_is_switched_off_is_no_longer_pinned(pinning, connects, directory):
    d = pinning(FLOW)
    with_flow = pins.links(directory)
    path = d.files[0]
    text = path.read_text()
    path.write_text(text.replace("enabled: true", "enabled: false"))
    d.wait_for(action="reloaded")
    assert pins.links(directory) == ["link-exec_match", "link-owner_exit"]
    assert connects("192.0.2.1") == (0, "returned 0\n")
    path.write_text(text)
    wait_until(lambda: pins.links(directory) == with_flow)
    crash(d)
    assert is_refused(connects("192.0.2.1"))


def test_directory_is_told_to_need_a_start(pinning, directory):
    d = pinning()
    text = d.files[0].read_text()
    d.files[0].write_text(text.replace(str(directory), str(directory) + "2"))
    with contextlib.suppress(AssertionError):
        d.wait_for(action="reloaded")
    assert any("pins.directory has changed" in line.get("event", "") for line in d.drain())
