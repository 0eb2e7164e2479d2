"""The daemon's life: modes, limit, scans, reloads, logs, metrics, bad input, ends."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import B, BINARY, SLOW, VICTIMS, Cgroup, held_ids, storm, wait_until

VICTIM = VICTIMS / "first_act"


def programs():
    out = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True).stdout
    return {p["id"] for p in json.loads(out)}


def test_killed_line_has_the_predecessors_fields(daemon, spawn):
    d = daemon()
    assert spawn(["/bin/echo", f"it's {B.upper()}"]) == -9
    line = d.wait_for(action="killed")
    assert line["cmdline"] == f"/bin/echo 'it'\"'\"'s {B}'"
    assert line["matched"] == B and line["source"] == "execwhacker.bpf" and line["level"] == "info"
    assert line["event"] == "Killed process" and line["pid"] > 1
    assert list(line)[-3:] == ["event", "level", "timestamp"] and line["timestamp"].endswith("Z")
    assert line["in_kernel"] is True and line["uid"] == 0 and line["group"] == "default"


def test_hostile_text_is_valid_json(daemon, spawn):
    d = daemon()
    hostile = bytes(range(1, 256)) + b'\x1b[2J"\\\n\r'
    assert spawn([b"sh", hostile, B.encode()]) == -9
    assert B in d.wait_for(action="killed")["cmdline"]


@pytest.mark.parametrize("config,arguments", [
    ("dryRun: true", []), ("execwhacker: {action: report}", []), ("", ["--dry-run"])])
def test_report_mode_kills_nothing(daemon, spawn, config, arguments):
    d = daemon(f"bannedCommandStrings: [{B}]\nallowedCommandPatterns: ['^never-given']\n{config}\n", arguments)
    assert spawn(["true", B]) == 0
    assert d.wait_for(action="reported")["matched"] == B
    assert spawn(["true", B, "never-given-"]) == 0  # decided in user space
    assert d.count(action="killed") == 0


def test_limit_stops_killing_in_new_users_but_not_in_old_ones(daemon, spawn):
    d = daemon(f"bannedCommandStrings: [{B}]\nexecwhacker: {{limit: {{maxTargets: 2, window: 60}}}}\n")
    assert spawn(["true", B], uid=1001) == -9
    assert spawn(["true", B], uid=1002) == -9
    assert spawn(["true", B], uid=1003) == 0
    assert d.wait_for(action="limited")["level"] == "critical"
    for _ in range(5):  # who uses it up for himself goes on dying
        assert spawn(["true", B], uid=1001) == -9
    assert spawn(["true", B], uid=1003) == 0


def test_limit_counts_kernel_and_user_space_together(daemon, spawn):
    daemon(f"bannedCommandStrings: [{B}]\nallowedCommandPatterns: ['^never-given']\n"
           "execwhacker: {limit: {maxTargets: 1, window: 60}}\n")
    assert spawn(["true", B], uid=1001) == -9
    assert spawn(["sleep", "0.5", B, "never-given"], uid=1002) != -9
    assert spawn(["sh", "-c", "sleep 30", B, "never-given"], uid=1001) == -9


def test_scan_at_start_kills_what_ran_before(daemon, spawn):
    child = spawn.start(["sh", "-c", f"sleep 30; : {B}"])
    time.sleep(0.2)
    d = daemon(arguments=["--scan-interval", "0"], metrics=True)
    assert child.wait(timeout=5 * SLOW) == -9
    assert d.wait_for(action="killed")["source"] == "psutil.process_iter"
    assert d.metrics()['cryptnono_execwhacker_processes_killed_total{source="psutil.process_iter"}'] == 1


def test_scan_finds_a_process_whose_main_thread_has_ended(daemon, spawn):
    script = "import ctypes,threading,time; threading.Thread(target=time.sleep, args=(30,)).start(); ctypes.CDLL(None).syscall(60, 0)"
    child = spawn.start(["/usr/bin/python3", "-c", script, B])
    time.sleep(0.5)
    daemon()
    assert child.wait(timeout=5 * SLOW) == -9


def test_a_scan_that_spares_says_so_once(daemon, spawn):
    child = spawn.start(["sleep", "30", ])
    allowed = spawn.start(["sh", "-c", f"sleep 30; : ok {B}"])
    time.sleep(0.2)
    d = daemon(f"bannedCommandStrings: [{B}]\nallowedCommandPatterns: ['sh -c .*ok ']\n", ["--scan-interval", "0.2"])
    time.sleep(1)
    assert d.count(action="spared") == 1
    assert child.poll() is None and allowed.poll() is None


def test_reload_by_signal_by_change_and_by_configmap_swap(daemon, spawn, tmp_path):
    (tmp_path / "v1").mkdir()
    (tmp_path / "v2").mkdir()
    (tmp_path / "v1" / "rules.json").write_text(json.dumps({"bannedCommandStrings": ["first.word"]}))
    (tmp_path / "v2" / "rules.json").write_text(json.dumps({"bannedCommandStrings": ["second.word"]}))
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "rules.json").symlink_to("..data/rules.json")
    d = daemon([tmp_path / "rules.json"])
    assert spawn(["true", "first.word"]) == -9 and spawn(["true", "second.word"]) == 0
    (tmp_path / "..data_tmp").symlink_to("v2")
    os.rename(tmp_path / "..data_tmp", tmp_path / "..data")
    d.wait_for(action="reloaded")
    assert spawn(["true", "first.word"]) == 0 and spawn(["true", "second.word"]) == -9
    (tmp_path / "v2" / "rules.json").write_text(json.dumps({"bannedCommandStrings": ["third.word"]}))
    d.wait_for(action="reloaded", generation=3)
    assert spawn(["true", "third.word"]) == -9
    d.process.send_signal(signal.SIGHUP)
    d.wait_for(action="reloaded", generation=4)
    assert spawn(["true", "third.word"]) == -9


def test_a_bad_file_leaves_the_last_good_rules_in_force(daemon, spawn):
    d = daemon(f"bannedCommandStrings: [{B}]\n", metrics=True)
    d.files[0].write_text("bannedCommandStrings: [a.b.c]\nunknownKey: 1\nexecwhacker: {action: maim}\n")
    line = d.wait_for(action="reload-failed")
    assert line["level"] == "error" and len(line["errors"]) == 2
    assert f"{d.files[0]}:2:1" in line["errors"][0] and f"{d.files[0]}:3:23" in line["errors"][1]
    assert spawn(["true", B]) == -9 and spawn(["true", "a.b.c"]) == 0
    metrics = d.metrics()
    assert metrics["cryptnono_config_last_reload_successful"] == 0
    assert metrics['cryptnono_config_reloads_total{result="failure"}'] == 1
    d.files[0].write_text("bannedCommandStrings: [a.b.c]\n")
    d.wait_for(action="reloaded")
    assert spawn(["true", "a.b.c"]) == -9


def test_what_new_rules_ban_is_killed_where_it_runs(daemon, spawn):
    d = daemon("bannedCommandStrings: [something.else]\n")
    child = spawn.start(["sh", "-c", f"sleep 30; : {B}"])
    time.sleep(0.3)
    assert child.poll() is None
    d.files[0].write_text(f"bannedCommandStrings: [{B}]\n")
    assert child.wait(timeout=5 * SLOW) == -9


def test_a_detector_that_is_off_can_be_switched_on(daemon, spawn):
    d = daemon(f"bannedCommandStrings: [{B}]\nexecwhacker: {{enabled: false}}\n", metrics=True)
    assert d.metrics()['cryptnono_detector_up{detector="execwhacker"}'] == 0
    assert spawn(["true", B]) == 0
    d.files[0].write_text(f"bannedCommandStrings: [{B}]\n")
    d.wait_for(action="reloaded")
    assert spawn(["true", B]) == -9
    assert d.metrics()['cryptnono_detector_up{detector="execwhacker"}'] == 1


def test_several_files_merge(daemon, spawn, tmp_path):
    (tmp_path / "a.json").write_text('{"bannedCommandStrings": ["word.a"], "allowedCommandPatterns": []}')
    (tmp_path / "b.json").write_text('{"bannedCommandStrings": ["word.b"]}')
    d = daemon([tmp_path / "a.json", tmp_path / "b.json"])
    assert spawn(["true", "word.a"]) == -9 and spawn(["true", "word.b"]) == -9
    assert d.wait_for(action="killed", matched="word.b")["group"] == "b"


def test_metrics_have_the_predecessors_series(daemon, spawn):
    d = daemon(metrics=True)
    before = d.metrics()
    killed = 'cryptnono_execwhacker_processes_killed_total{source="execwhacker.bpf"}'
    checked = 'cryptnono_execwhacker_processes_checked_total{source="execwhacker.bpf"}'
    assert before[killed] == 0 and before['cryptnono_detector_up{detector="execwhacker"}'] == 1
    assert spawn(["true", B]) == -9 and spawn(["true", "innocent"]) == 0
    d.wait_for(action="killed")
    after = d.metrics()
    assert after[killed] == 1 and after[checked] == before[checked] + 2
    assert not any(B in series for series in after)


def test_stdout_that_nobody_reads_stops_no_kill(daemon, sandbox):
    read, write = os.pipe()
    d = daemon(stdout=write, ready=False, metrics=True)
    os.close(write)
    d.wait_until_up()
    counts = storm("-n", 3000, "-w", 2, argv=["victim", "y" * 4000, B], procs=sandbox.procs)
    assert (counts["killed"], counts["acts"]) == (3000, 0)
    d.stop()
    os.close(read)


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_an_end_leaves_nothing_behind(daemon, spawn, number, code):
    d = daemon()
    loaded = held_ids(d.process.pid, "prog")
    assert len(loaded) > 1 and loaded <= programs()
    d.process.send_signal(number)
    assert d.process.wait(timeout=10 * SLOW) == code
    wait_until(lambda: not programs() & loaded)  # the kernel frees programs after a grace period
    assert spawn(["true", B]) == 0


def test_F15_the_daemon_may_mention_what_it_bans(daemon, sandbox, spawn, tmp_path):
    path = tmp_path / f"{B}.yaml"
    path.write_text(f"bannedCommandStrings: [{B}]\n")
    d = daemon([path], ["--scan-interval", "0.2"])
    sandbox.procs.write_text(str(d.process.pid))  # in its own scope, with the word in its command line
    try:
        time.sleep(1)
        assert d.process.poll() is None
        assert spawn(["true", B]) == -9
        assert d.count(action="killed") == 1
    finally:
        (sandbox.path.parent / "cgroup.procs").write_text(str(d.process.pid))


def test_scope_by_a_cgroup_v1_hierarchy(daemon, spawn):
    v1 = pathlib.Path("/sys/fs/cgroup/pids")
    if not (v1 / "cgroup.procs").exists() or (v1 / "cgroup.controllers").exists():
        pytest.skip("no cgroup v1 hierarchy of pids on this machine")
    directory = v1 / f"cryptnono-test-{os.getpid()}"
    directory.mkdir()
    try:
        daemon(scope=directory, arguments=["--scan-interval", "0.2"])
        join = f"echo $$ > {directory}/cgroup.procs; exec sleep $0 {B[:10]}''{B[10:]}"
        assert spawn(["sh", "-c", join, "5"], join=False) == -9
        assert spawn(["sleep", "0.5", B], join=False) != -9
        (directory / "below").mkdir()
        assert spawn(["sh", "-c", join.replace("cgroup.procs", "below/cgroup.procs"), "5"], join=False) == -9
    finally:
        for path in (directory / "below", directory):
            for _ in range(100):
                try:
                    path.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)


def test_excluded_cgroups_are_left_alone(daemon, spawn, sandbox):
    other = Cgroup()
    try:
        daemon(f"bannedCommandStrings: [{B}]\nscope: {{exclude: ['{other.path}']}}\n", ["--scope", str(other.path)])
        join = f"echo $$ > {other.path}/cgroup.procs; exec true {B[:10]}''{B[10:]}"
        assert spawn(["sh", "-c", join], join=False) == 0
        assert spawn(["true", B]) == -9
    finally:
        other.remove()


def test_log_level_leaves_out_what_is_below(daemon, spawn):
    d = daemon(ready=False, arguments=["--log-level", "error"], metrics=True)
    d.wait_until_up()
    assert spawn(["true", B]) == -9
    assert d.drain(0.5) == []


def test_two_daemons_side_by_side(daemon, spawn):
    other = Cgroup()
    try:
        daemon("bannedCommandStrings: [only.elsewhere]\n", scope=other.path)
        daemon()
        assert spawn(["true", B]) == -9 and spawn(["true", "only.elsewhere"]) == 0
    finally:
        other.remove()


def test_a_hundred_thousand_strings(daemon, spawn):
    rules = "\n".join(f"- pool-{i}.example.org:{i % 60000}" for i in range(100_000))
    d = daemon(f"bannedCommandStrings:\n- {B}\n{rules}\n")
    assert spawn(["true", "pool-99999.example.org:39999"]) == -9 and spawn(["true", B]) == -9
    rss = d.rss_kib()
    print("start ms", d.lines[0]["startup_ms"], rss)
    assert rss["RssAnon"] < 48 * 1024


def run(*arguments, timeout=20):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("arguments,code,stderr", [
    ([], 2, "subcommand"),
    (["run", "--no-such-option", "--scope", "/sys/fs/cgroup"], 2, "--no-such-option"),
    (["run", "--scope", "/nonexistent"], 3, "/nonexistent"),
    (["run", "--scope", "/tmp"], 3, "/tmp"),
    (["check", "-c", "/nonexistent.yaml"], 3, "/nonexistent.yaml"),
    (["explain"], 2, "explain"),
])
def test_wrong_usage_says_what_is_wrong(arguments, code, stderr):
    done = run(*arguments)
    assert done.returncode == code and stderr in done.stderr and done.stdout == ""


@pytest.mark.parametrize("content,what", [
    (b"bannedCommandStrings: 7\n", ":1:23: "), (b"\x00\xff\xfe" * 1000, ":1:"), (b"a: [" * 5000, ":1:"),
    (b"{\"bannedCommandStrings\": [", ":1:"), (b"bannedComandStrings: []\n", "bannedCommandStrings"),
])
def test_bad_configurations_name_file_line_and_value(tmp_path, sandbox, content, what):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    for command in (["check"], ["run", "--scope", str(sandbox.path)]):
        done = run(*command, "-c", str(path))
        assert done.returncode == 3 and f"{path}" in done.stderr and what in done.stderr, done.stderr


def test_a_configuration_that_is_too_large(tmp_path):
    huge = tmp_path / "huge.yaml"
    with open(huge, "wb") as f:
        f.truncate(65 << 20)
    done = run("check", "-c", str(huge))
    assert done.returncode == 3 and str(huge) in done.stderr


def test_explain_agrees_with_the_daemon(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(f"bannedCommandStrings:\n- {B}\nallowedCommandPatterns: ['true ok']\n")
    killed = run("explain", "-c", str(path), "--", "sh", "-c", f": {B}")
    assert killed.returncode == 10 and f"{path}:2:3" in killed.stdout
    assert run("explain", "-c", str(path), "--", "true", "ok", B).returncode == 0
    assert run("explain", "-c", str(path), "--", "true", "x" + B).returncode == 0


def test_doctor_finds_what_the_tests_use():
    done = run("doctor")
    assert done.returncode == 0 and "MISSING" not in done.stdout, done.stdout


def test_who_started_the_daemon_is_not_touched_by_the_kernel_either(daemon, sandbox, spawn, tmp_path):
    """Its start time is known from /proc, in ticks, and compared with the kernel's, in nanoseconds."""
    go, lived = tmp_path / "go", tmp_path / "lived"
    script = (f'echo 0 >{sandbox.procs}; "$@" & until [ -e {go} ]; do sleep 0.05; done; '
              f'exec /bin/sh -c "echo $$ >{lived}; kill $!" {B}')
    one = daemon(through=["/bin/sh", "-c", script, "sh"])
    assert spawn(["/bin/true", B]) == -9
    go.touch()
    assert one.process.wait(timeout=30) == 0
    assert lived.read_text().strip() == str(one.process.pid)
    assert one.wait_for(action="stopped")
