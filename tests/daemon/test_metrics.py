"""What a scrape of the real daemon says: the predecessor's series, exact counts after real kills, and nothing that grows."""
import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.request

import pytest

from conftest import B, VICTIMS, _ports, storm, wait_until
from network import PUBLIC4, Network

HERE = pathlib.Path(__file__).resolve().parent
DETECTORS = ("execwhacker", "monero", "tcpflowkiller")
SOURCES = ("execwhacker.bpf", "psutil.process_iter")

# The predecessor's series, as its users' tests and dashboards spell them.
PREDECESSOR = {
    *(f'cryptnono_execwhacker_processes_{what}_total{{source="{source}"}}' for what in ("checked", "killed", "missed") for source in SOURCES),
    *(f'cryptnono_execwhacker_processes_allowed_total{{source="{source}",allowedby="{by}"}}'
      for source in SOURCES for by in ("is-substring", "allowed-pattern", "no-match")),
    "cryptnono_execwhacker_unexpected_errors_total",
    "cryptnono_flowkiller_connects_checked_total",
    *(f'cryptnono_flowkiller_processes_{what}_total{{reason="{reason}"}}' for what in ("killed", "missed") for reason in ("banned-ip", "scan")),
    *(f"{name}_{part}" for name in ("cryptnono_execwhacker_log_and_kill_execution_seconds", "cryptnono_execwhacker_kill_if_needed_execution_seconds",
                                    "cryptnono_flowkiller_log_and_kill_execution_seconds")
      for part in ("sum", "count", *(f'bucket{{le="{le}"}}' for le in ("0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75",
                                                                      "1", "2.5", "5", "7.5", "10", "+Inf")))),
}

# Moves by itself: what the daemon costs, what runs on the node, scans.
RESTLESS = re.compile(r"^(process_|cryptnono_bpf_|cryptnono_monero_(samples|suspects|highest)|cryptnono_scan_|cryptnono_cgroups|"
                      r"cryptnono_execwhacker_processes_checked_total|cryptnono_container_lookups_total|.*_(sum|bucket)(\{|$))")


def answer(address, path="/"):
    return urllib.request.urlopen(f"http://{address}{path}", timeout=5).read().decode()


def parse(text):
    """Series -> value, each once."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(line for line in lines), "an empty line"
    pairs = [line.rsplit(" ", 1) for line in lines]
    out = {series: float(value) for series, value in pairs}
    assert len(out) == len(lines), "a series twice"
    return out


def types_of(text):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))


def never_falls(series, types):
    name = re.match(r"[a-z_]+", series)[0]
    return types.get(name) == "counter" or types.get(re.sub("_(bucket|count|sum)$", "", name)) == "histogram"


def first_scrape(one):
    deadline = time.monotonic() + 20
    while True:
        try:
            return answer(f"127.0.0.1:{one.port}")
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture(scope="module")
def net():
    network = Network()
    network.listen(80)
    yield network
    network.close()


def connect(spawn, net, address, uid=0):
    user = ["setpriv", f"--reuid={uid}", "--clear-groups"] if uid else []
    return spawn(net.client([*user, VICTIMS / "connect_act", "connect", address, 80]))


def test_the_predecessors_series_stand_at_0_from_the_first_scrape_on(daemon):
    text = first_scrape(daemon(metrics=True, ready=False))
    running = 'cryptnono_execwhacker_processes_checked_total{source="psutil.process_iter"}'  # what already runs is checked at once
    assert {f"{series} 0" for series in PREDECESSOR - {running}} <= set(text.splitlines())
    scrape = parse(text)
    assert running in scrape
    # Nothing else is called like them.
    ours = {s for s in scrape if s.startswith(("cryptnono_execwhacker_", "cryptnono_flowkiller_")) and "_bucket" not in s}
    assert ours - PREDECESSOR <= {"cryptnono_flowkiller_counted_units", "cryptnono_flowkiller_hooks"}


def test_any_path_of_several_addresses_answers_the_same(daemon, spawn):
    others = [f"127.0.0.1:{next(_ports)}", f"127.0.0.1:{next(_ports)}", f"[::1]:{next(_ports)}"]
    one = daemon(arguments=["--scan-interval", "0", *(option for each in others for option in ("--metrics-listen", each))], metrics=True)
    assert spawn(["true", B]) == -9
    one.wait_for(action="killed")
    for address, path in itertools.product((f"127.0.0.1:{one.port}", *others), ("/", "/metrics", "/any/other?x=y")):
        scrape = parse(answer(address, path))
        assert PREDECESSOR <= scrape.keys()
        assert scrape['cryptnono_execwhacker_processes_killed_total{source="execwhacker.bpf"}'] == 1, (address, path)


def test_two_daemons_have_the_same_series(daemon):
    config = f"bannedCommandStrings: [{B}]\ntcpflowkiller: {{enabled: true}}\n"
    one, other = daemon(config, metrics=True), daemon(config + "dryRun: true\n", metrics=True)
    assert one.metrics().keys() == other.metrics().keys()


def test_each_kill_moves_its_series_by_one_and_no_other(daemon, spawn, net, sandbox):
    config = f"""bannedCommandStrings: [{B}]
allowedCommandPatterns: ['^never-matching-literal', '^[/a-z]*true .*spare-me$']
execwhacker: {{scanInterval: 0}}
tcpflowkiller:
  enabled: true
  bans: ["192.0.2.1"]
  scan: {{threshold: 10, window: 5}}
"""
    early = spawn.start([str(VICTIMS / "pause_static"), B])  # the scan at the start finds it; a later one could meet who is dying
    one = daemon(config, metrics=True)
    assert early.wait(timeout=10) == -9
    one.wait_for(action="killed", source="psutil.process_iter")
    before = parse(answer(f"127.0.0.1:{one.port}"))
    for i in range(5):
        assert spawn(["echo", B, str(i)]) == -9
    for i in range(2):
        assert spawn([str(VICTIMS / "pause_static"), B, "never-matching-literal"]) == -9
    for i in range(3):
        assert spawn(["true", B, "spare-me"]) == 0
    for i in range(4):
        assert connect(spawn, net, "192.0.2.1") == -9
    assert spawn(net.client([VICTIMS / "scan_act", "-n", 12, PUBLIC4[0], 1000])) == -9
    assert spawn([str(VICTIMS / "randomx_miner"), "30"], timeout=40) == -9
    for action, count in (("killed", 14), ("spared", 3)):
        wait_until(lambda: one.count(action=action) == count, 5)
    after = parse(answer(f"127.0.0.1:{one.port}"))
    moved = {s: after[s] - before[s] for s in after if after[s] != before[s] and not RESTLESS.match(s)}
    moved.pop("cryptnono_flowkiller_counted_units", None)  # looked at now and then
    targets = moved.pop('cryptnono_limit_targets{detector="monero"}'), moved.pop('cryptnono_limit_targets{detector="tcpflowkiller"}')
    assert targets == (1, 1)  # root's, in the sandbox
    assert moved == {
        'cryptnono_execwhacker_processes_killed_total{source="execwhacker.bpf"}': 7,
        'cryptnono_execwhacker_processes_allowed_total{source="execwhacker.bpf",allowedby="allowed-pattern"}': 3,
        "cryptnono_execwhacker_log_and_kill_execution_seconds_count": 2,
        "cryptnono_execwhacker_kill_if_needed_execution_seconds_count": 2,
        "cryptnono_exec_decision_seconds_count": 5,
        "cryptnono_monero_processes_killed_total": 1,
        "cryptnono_monero_kill_seconds_count": 1,
        "cryptnono_flowkiller_connects_checked_total": 4 + 11,
        'cryptnono_flowkiller_processes_killed_total{reason="banned-ip"}': 4,
        'cryptnono_flowkiller_processes_killed_total{reason="scan"}': 1,
        "cryptnono_flowkiller_log_and_kill_execution_seconds_count": 5,
        'cryptnono_processes_killed_total{detector="execwhacker"}': 7,
        'cryptnono_processes_spared_total{detector="execwhacker"}': 3,
        'cryptnono_processes_killed_total{detector="monero"}': 1,
        'cryptnono_processes_killed_total{detector="tcpflowkiller"}': 5,
        **{f'cryptnono_kill_latency_seconds_count{{detector="{d}"}}': n for d, n in zip(DETECTORS, (7, 1, 5))},
    }
    # As many times as kills, and times that can be: the kernel kills within a millisecond, RandomX is sampled for a while.
    for detector in DETECTORS:
        killed = after[f'cryptnono_processes_killed_total{{detector="{detector}"}}']
        assert after[f'cryptnono_kill_latency_seconds_count{{detector="{detector}"}}'] == killed
    seconds = after['cryptnono_kill_latency_seconds_sum{detector="execwhacker"}'] - before['cryptnono_kill_latency_seconds_sum{detector="execwhacker"}']
    assert 7e-7 < seconds < 1
    assert after['cryptnono_kill_latency_seconds_bucket{detector="execwhacker",le="0.001"}'] >= 5
    assert 0.05 < after['cryptnono_kill_latency_seconds_sum{detector="monero"}'] < 20
    assert after['cryptnono_kill_latency_seconds_sum{detector="tcpflowkiller"}'] < 1
    for line in one.lines:
        if line.get("in_kernel"):
            assert 0 < line.get("exec_to_signal_us", line.get("connect_to_signal_us")) < 10_000
            assert line["event_time"] <= line["signal_time"]


def test_the_limit_is_told(daemon, spawn):
    def limits(one):
        return [one.metrics()[f'cryptnono_limit_{what}{{detector="execwhacker"}}'] for what in ("targets", "reached", "suppressed_total")]
    text = f"bannedCommandStrings: [{B}]\nexecwhacker: {{limit: {{maxTargets: 2, window: 3600}}}}\n"
    one = daemon(text, metrics=True)
    assert limits(one) == [0, 0, 0]
    for uid, code, expected in ((1001, -9, [1, 0, 0]), (1001, -9, [1, 0, 0]), (1002, -9, [2, 1, 0]), (1003, 0, [2, 1, 1])):
        assert spawn(["true", B], uid=uid) == code
        wait_until(lambda: limits(one) == expected, 5)
    one.files[0].write_text(text.replace("maxTargets: 2", "maxTargets: 5"))
    one.wait_for(action="reloaded")
    assert limits(one) == [2, 0, 1]
    assert one.metrics()['cryptnono_limit_targets{detector="monero"}'] == 0


def test_kills_whose_records_were_lost_are_counted(daemon, sandbox):
    one = daemon(metrics=True)
    one.process.send_signal(signal.SIGSTOP)  # nobody reads the ring, which runs full
    counts = storm("-n", 300, "-w", 2, argv=["victim", "y" * 40_000, B], procs=sandbox.procs)
    assert counts["killed"] == 300
    one.process.send_signal(signal.SIGCONT)
    wait_until(lambda: one.metrics()['cryptnono_processes_killed_total{detector="execwhacker"}'] == 300)
    seen = one.metrics()
    lost = seen['cryptnono_events_lost_total{detector="execwhacker",reason="events-ring-full"}']
    assert lost > 0
    assert seen['cryptnono_kill_latency_seconds_count{detector="execwhacker"}'] == 300 - lost
    assert seen['cryptnono_execwhacker_processes_killed_total{source="execwhacker.bpf"}'] == 300


def test_no_counter_falls(daemon, spawn, net, tmp_path):
    """Over reloads, failed ones too, and detectors that are switched off and on."""
    def text(flow=True, endpoint="a", banned=B, **more):
        return json.dumps({"bannedCommandStrings": [banned], "containers": {"endpoints": [str(tmp_path / endpoint)]},
                           "tcpflowkiller": {"enabled": flow, "bans": ["192.0.2.1"], "scan": {"enabled": False}, **more}})
    one = daemon(text(), metrics=True)
    assert spawn(["true", B]) == -9 and connect(spawn, net, "192.0.2.1") == -9
    one.wait_for(action="killed", detector="tcpflowkiller")
    last = answer(f"127.0.0.1:{one.port}")
    loads = 0
    for config in (text(endpoint="b"), text(flow=False), "tcpflowkiller: [", text(), text(hooks="refuse"), text(flow=False), text(),
                   json.dumps({"monero": {"enabled": False}, "execwhacker": {"enabled": False}}), text(banned="another" + B)):
        one.files[0].write_text(config)
        loads += 1
        wait_until(lambda: sum(one.metrics()[f'cryptnono_config_reloads_total{{result="{r}"}}'] for r in ("success", "failure")) > loads)
        now = answer(f"127.0.0.1:{one.port}")
        before, after, types = parse(last), parse(now), types_of(now)
        kept = {s for s in before if never_falls(s, types)}
        assert len(kept) > 200 and kept <= after.keys()
        assert {s: (before[s], after[s]) for s in kept if after[s] < before[s]} == {}, config
        enabled = {d: after[f'cryptnono_detector_enabled{{detector="{d}"}}'] for d in DETECTORS}
        if config.startswith("{"):
            settings = json.loads(config)
            assert enabled == {d: settings.get(d, {}).get("enabled", d != "tcpflowkiller") for d in DETECTORS}
        last = now
    after = parse(last)
    assert after['cryptnono_config_reloads_total{result="failure"}'] == 1
    assert after['cryptnono_flowkiller_processes_killed_total{reason="banned-ip"}'] == 1
    assert after["cryptnono_flowkiller_connects_checked_total"] == 1
    assert connect(spawn, net, "192.0.2.1") == -9
    wait_until(lambda: one.metrics()["cryptnono_flowkiller_connects_checked_total"] == 2)


def test_10000_kills_in_1000_containers_add_no_series(daemon, sandbox, tmp_path):
    """Sixteen groups of rules, because a group's limit is of 64 containers at most."""
    groups = 16
    files = []
    for group in range(groups):
        files.append(tmp_path / f"group{group}.yaml")
        files[-1].write_text(f"bannedCommandStrings: [cryptnono.metrics.word{group}]\n")
    files.append(tmp_path / "more.yaml")
    files[-1].write_text(json.dumps({"execwhacker": {"limit": {"maxTargets": 64, "window": 3600}}, "monero": {"enabled": False},
                                     "containers": {"endpoints": [str(tmp_path / "none.sock")]}, "log": {"level": "warning"}}))
    one = daemon(files, metrics=True, ready=False)
    one.wait_until_up()
    before = answer(f"127.0.0.1:{one.port}")
    containers = []
    try:
        for i in range(1000):
            pod = sandbox.path / "kubepods/burstable" / f"pod{i // 10:08x}-0000-4000-8000-000000000000"
            containers.append(pod / f"{i:064x}")
            containers[-1].mkdir(parents=True)
        wait_until(lambda: one.metrics()['cryptnono_cgroups{kind="container"}'] >= 1000)

        def kill(i):
            return storm("-n", 10, argv=["victim", f"{i}-%d", f"cryptnono.metrics.word{i % groups}"], procs=containers[i] / "cgroup.procs")["killed"]
        with concurrent.futures.ThreadPoolExecutor(3) as several:
            assert sum(several.map(kill, range(1000))) == 10_000
        wait_until(lambda: one.metrics()['cryptnono_processes_killed_total{detector="execwhacker"}'] == 10_000)
        after = answer(f"127.0.0.1:{one.port}")
    finally:
        for directory, _, _ in os.walk(sandbox.path, topdown=False):
            if directory != str(sandbox.path):
                wait_until(lambda: not pathlib.Path(directory, "cgroup.procs").read_text())
                os.rmdir(directory)
    assert parse(after).keys() == parse(before).keys()
    assert len(after) < len(before) * 1.1  # longer numbers
    seen = parse(after)
    assert seen['cryptnono_limit_targets{detector="execwhacker"}'] == 63  # a thousand containers, by sixteen
    lost = seen['cryptnono_events_lost_total{detector="execwhacker",reason="events-ring-full"}']
    assert seen['cryptnono_kill_latency_seconds_count{detector="execwhacker"}'] + lost == 10_000


def test_labels_hold_what_the_catalogue_lists(daemon, spawn, net):
    """docs/metrics.md is made from it."""
    allowed = {}
    for name, labels in re.findall(r"^\| `(\S+)` \| \w+ \| ([^|]*) \|", (HERE.parents[1] / "docs/metrics.md").read_text(), re.M):
        allowed[name] = {label.split("`")[1]: set(re.findall("`([^`]+)`", label)[1:]) for label in labels.split(";") if label.strip()}
    one = daemon(f"bannedCommandStrings: [{B}]\ntcpflowkiller: {{enabled: true, bans: ['192.0.2.1'], scan: {{enabled: false}}}}\n", metrics=True)
    assert spawn(["true", B, 'a"b{c="d"}\n']) == -9 and connect(spawn, net, "192.0.2.1") == -9
    one.wait_for(action="killed", detector="tcpflowkiller")
    for series in one.metrics():
        name, labels = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})?", series).groups()
        base = name if name in allowed else re.sub("_(bucket|sum|count)$", "", name)
        given = dict(re.findall(r'([a-z]+)="([^"]*)"', labels or ""))
        if base != name:
            given.pop("le", None)
        assert given.keys() == allowed[base].keys(), series
        assert all(value in allowed[base][label] or label == "version" for label, value in given.items()), series


def test_promtool_has_nothing_to_say(daemon):
    if not shutil.which("promtool"):
        pytest.skip("promtool (prometheus) is not installed")
    text = first_scrape(daemon(metrics=True))
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_process_itself(daemon):
    one = daemon(metrics=True)
    proc = pathlib.Path(f"/proc/{one.process.pid}")
    before = one.metrics()
    fields = (proc / "stat").read_text().rsplit(")", 1)[1].split()
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    boot = int(re.search(r"^btime (\d+)", pathlib.Path("/proc/stat").read_text(), re.M)[1])
    assert abs(before["process_start_time_seconds"] - (boot + int(fields[19]) / tick)) < 1.5  # btime is in whole seconds
    assert abs(before["process_start_time_seconds"] - time.time()) < 60

    def memory_agrees():  # not while threads are being started
        now = one.metrics()
        fields = (proc / "stat").read_text().rsplit(")", 1)[1].split()
        return (now["process_virtual_memory_bytes"] == pytest.approx(int(fields[20]), rel=0.2)
                and now["process_resident_memory_bytes"] == pytest.approx(int(fields[21]) * page, rel=0.2))
    wait_until(memory_agrees)
    # The connection of the scrape itself is open when it is counted, and perhaps not yet closed when we look; and what it
    # read to start with may be open still.
    wait_until(lambda: abs(one.metrics()["process_open_fds"] - len(list((proc / "fd").iterdir()))) <= 2)
    assert before["process_max_fds"] == int(re.search(r"^Max open files +(\d+)", (proc / "limits").read_text(), re.M)[1])
    ticks = sum(map(int, (proc / "stat").read_text().rsplit(")", 1)[1].split()[11:13])) / tick
    after = one.metrics()
    assert 0 < before["process_cpu_seconds_total"] <= after["process_cpu_seconds_total"]
    assert abs(after["process_cpu_seconds_total"] - ticks) < 0.1


def test_what_the_kernel_side_costs(daemon, spawn):
    """The kernel's statistics are on for a second at the start, and what runs then is counted."""
    def seconds(one):
        return one.metrics()["cryptnono_bpf_statistics_seconds_total"]
    running = [spawn.start(["sh", "-c", "while :; do /bin/true; done"]), spawn.start([str(VICTIMS / "connect_loop"), "3000000"])]
    rule = f"bannedCommandStrings: [{B}]\ntcpflowkiller: {{enabled: true}}\n"
    one = daemon(rule, metrics=True)
    wait_until(lambda: seconds(one) > 0.9)
    for each in running:
        each.kill()
    last = []
    wait_until(lambda: last.append(seconds(one)) or last[-2:-1] == last[-1:])  # the window is over
    assert 0.9 < last[-1] < 5
    scrape = one.metrics()
    for program in ("exec_match", "fpu_sample", "flow_connect4"):
        runs, spent = (scrape[f'cryptnono_bpf_{what}_total{{program="{program}"}}'] for what in ("runs", "run_seconds"))
        assert runs >= 10 and 1e-8 < spent / runs < 1e-3, program
    assert scrape['cryptnono_bpf_runs_total{program="flow_sendmsg6"}'] == 0
    spawn(["true"])
    assert one.metrics()['cryptnono_bpf_runs_total{program="exec_match"}'] == scrape['cryptnono_bpf_runs_total{program="exec_match"}']


@pytest.mark.parametrize("how", ["switched-off", "not-permitted"])
def test_without_the_kernels_statistics_all_else_works(daemon, spawn, how):
    more = "metrics: {bpfStatistics: false}\n" if how == "switched-off" else ""
    through = [] if more else ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    one = daemon(f"bannedCommandStrings: [{B}]\n{more}", through=through, metrics=True)
    assert spawn(["true", B]) == -9
    scrape = one.metrics()
    assert scrape['cryptnono_detector_up{detector="execwhacker"}'] == 1
    assert scrape["cryptnono_bpf_statistics_seconds_total"] == 0 and scrape['cryptnono_bpf_runs_total{program="exec_match"}'] == 0
