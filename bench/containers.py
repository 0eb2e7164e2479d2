"""Container identity: from the kill to a line that names the pod, what 500 containers cost, and a runtime that hangs. Called by bench.py.

A containerd of its own with runc, as tests/daemon has it. BENCH_CONTAINERS: how many containers (500). BENCH_CONTAINER_KILLS: kills of
each kind (100), each in a container of its own: at most a fifth of the containers.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/daemon"))
import containerd as runtime  # noqa: E402
from conftest import B, cgroup2, die_with_parent  # noqa: E402

CONTAINERS = int(os.environ.get("BENCH_CONTAINERS", "500"))
KILLS = min(int(os.environ.get("BENCH_CONTAINER_KILLS", "100")), CONTAINERS // 5)
IDLE_S = 30  # three scans
CALLS = 500
PODS = 10
ROUNDS = min(10, KILLS)  # of a runtime that answers and one that is stopped, in turn
GAP_MS = 25  # between kills: the limit is of 64 containers a second
BACK_OFF_S = 5.5  # ContainerLookup::kBackOffNs, and a little
ENVIRONMENT = {"BINDER_REF_URL": "https://example.org/repository", "BINDER_CLIENT_IP": "203.0.113.7"}
SPARED = "never-matching-literal"


class Bench:
    def __init__(self, report, build, make_daemon, resident_mib, containerd):
        self.report, self.build, self.make_daemon, self.resident_mib = report, build, make_daemon, resident_mib
        self.containerd = containerd
        self.scope = pathlib.Path(f"{cgroup2()}/{containerd.cgroup}")
        self.scope.mkdir()
        self.containers = {}  # id -> cgroup.procs

    @contextlib.contextmanager
    def daemon(self, more=""):
        """`more`: other keys; with a long scanInterval nothing is asked ahead after the start."""
        extra = (f"monero: {{enabled: false}}\nallowedCommandPatterns: ['^{SPARED}']\ncontainers:\n"
                 f"  endpoints: [{self.containerd.socket}]\n  environment: {json.dumps(list(ENVIRONMENT))}\n"
                 f"execwhacker:\n  limit: {{maxTargets: 64, window: 1}}\n{more}")
        daemon = self.make_daemon(self.scope, 1, extra)
        try:
            yield daemon
        finally:
            daemon.stop()

    def start(self):
        begin = time.monotonic()
        pods = [self.containerd.pod(f"jupyter-{i}", "hub") for i in range(PODS)]

        def one(i):
            return self.containerd.container(pods[i % PODS], "notebook" if i < PODS else f"notebook{i}", ["/pause"], ENVIRONMENT,
                                             {"component": "singleuser-server"})
        with concurrent.futures.ThreadPoolExecutor(8) as several:
            ids = list(several.map(one, range(CONTAINERS)))
        paths = {path.name: path / "cgroup.procs" for path in self.scope.glob("kubepods/burstable/pod*/*") if path.is_dir()}
        self.containers = {each: paths[each] for each in ids}
        print(f"container: {CONTAINERS} containers in {PODS} pods started in {time.monotonic() - begin:.0f} s", flush=True)

    def kills(self, daemon, containers, argument=B, gap_ms=GAP_MS):
        """One in each of these, in turn. Of each: its line, and in microseconds from the execve to its death and to its line."""
        procs = [str(self.containers[each]) for each in containers]
        helper = subprocess.Popen([str(self.build / "bin/runtime_bench"), "victims", str(gap_ms), str(self.build / "victims/pause_static"),
                                   "x" + argument, *procs], stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        # A line that never comes must not be waited for.
        watchdog = threading.Timer(60, daemon.process.terminate)
        watchdog.start()
        lines = {}
        try:
            for text in daemon.process.stdout:
                read_ns, line = time.monotonic_ns(), json.loads(text)
                if "pid" not in line:
                    continue
                if line["action"] != "killed":
                    raise SystemExit(f"container: not killed: {text}")
                lines[line["pid"]] = (line, read_ns)
                if len(lines) == len(containers):
                    break
            else:
                raise SystemExit(f"container: {len(lines)} lines of {len(containers)}")
            victims = helper.communicate()[0].splitlines()
        finally:
            watchdog.cancel()
            helper.kill()
            helper.wait()
        out = []
        for victim, each in zip(victims, containers, strict=True):
            pid, begin, death, number = map(int, victim.split())
            if number != signal.SIGKILL or pid not in lines:
                raise SystemExit(f"container: victim {pid}: signal {number}, {'a' if pid in lines else 'no'} line")
            line, read_ns = lines[pid]
            out.append({"line": line, "death_us": (death - begin) / 1e3, "line_us": (read_ns - begin) / 1e3,
                        "complete": line["container_id"] == each and line.get("env") == ENVIRONMENT
                        and line.get("labels", {}).get("component") == "singleuser-server" and line["pod_namespace"] == "hub"})
        return out

    def kill_to_line(self, daemon, containers):
        """Twice in each container: first when the daemon does not know it, then when it does."""
        done = self.kills(daemon, [each for each in containers for _ in range(2)])
        if not all(each["complete"] for each in done):
            raise SystemExit("container: a line without its container")
        for name, part in (("uncached", done[::2]), ("cached", done[1::2])):
            times = [each["line_us"] / 1e3 for each in part]
            self.report(f"container.kill_to_line_ms.{name}", statistics.median(times), "ms", samples=times)

    @contextlib.contextmanager
    def stopped(self):
        self.containerd.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.containerd.signal(signal.SIGCONT)
        time.sleep(BACK_OFF_S)

    def hung(self, daemon, containers):
        """Kills in containers that the daemon does not know and so asks for, with a containerd that is stopped and one that answers."""
        kinds = {"": B, ".decided": f"{B} {SPARED}"}  # in the kernel, and by user space
        pools = {(kind, state): [containers.pop() for _ in range(KILLS)] for kind in kinds for state in ("hung", "answering")}
        times = {key: [] for key in pools}
        ratios = {kind: [] for kind in kinds}
        for i in range(ROUNDS):
            medians = {}
            for state in ("hung", "answering") if i % 2 else ("answering", "hung"):
                with self.stopped() if state == "hung" else contextlib.nullcontext():
                    for kind, argument in kinds.items():
                        done = self.kills(daemon, pools[kind, state][i::ROUNDS], argument)
                        if any(each["complete"] != (state == "answering") for each in done):
                            raise SystemExit(f"container: lines of a runtime that is {state}")
                        if any(each["line"]["in_kernel"] == bool(kind) for each in done):
                            raise SystemExit("container: killed by the wrong side")
                        times[kind, state] += done
                        medians[kind, state] = statistics.median(each["death_us"] for each in done)
            for kind in kinds:
                ratios[kind].append(medians[kind, "hung"] / medians[kind, "answering"])
        lines = [each["line_us"] / 1e3 for each in times["", "hung"]]
        self.report("container.kill_to_line_ms.hung", statistics.median(lines), "ms", samples=lines)
        for kind in kinds:
            for state in ("answering", "hung"):
                latencies = [each["death_us"] for each in times[kind, state]]
                self.report(f"container.kill_latency_us.{state}{kind}", statistics.median(latencies), "us", samples=latencies)
                signals = [each["line"]["exec_to_signal_us"] for each in times[kind, state]]
                self.report(f"container.exec_to_signal_us.{state}{kind}", statistics.median(signals), "us", samples=signals)
            self.report(f"container.kill_latency.ratio{kind}", statistics.median(ratios[kind]), "x", samples=ratios[kind])

    def memory(self, name):
        """Of a daemon that knows all that there is; also what it does while it has nothing to do."""
        with self.daemon() as daemon:
            time.sleep(3)
            cpu, begin = daemon.cpu_seconds(), time.monotonic()
            time.sleep(IDLE_S)
            self.report(f"container.idle_cpu_pct.{name}", (daemon.cpu_seconds() - cpu) / (time.monotonic() - begin) * 100, "%")
            self.report(f"container.rss_mib.{name}", self.resident_mib(daemon.process.pid)[0], "MiB")

    def discovery(self):
        """Kills while a daemon that has just started learns of all containers at once."""
        with self.daemon() as daemon:
            done = self.kills(daemon, list(self.containers)[-60:], gap_ms=0)
        self.report("container.discovery.unnamed_pct", statistics.mean(not each["complete"] for each in done) * 100, "%")
        times = [each["line_us"] / 1e3 for each in done]
        self.report("container.discovery.kill_to_line_ms", statistics.median(times), "ms", samples=times)

    def calls(self):
        done = subprocess.run([str(self.build / "bin/runtime_bench"), "call", str(self.containerd.socket), next(iter(self.containers)),
                               str(CALLS), *ENVIRONMENT], stdout=subprocess.PIPE, text=True, check=True)
        times = json.loads(done.stdout)
        self.report("container.cri_call_ms", statistics.median(times), "ms", samples=times)

    def measure(self):
        self.memory("0")
        with self.daemon("  scanInterval: 3600\n") as daemon:
            self.start()
            known = list(self.containers)
            self.kill_to_line(daemon, known[:KILLS])
            self.hung(daemon, known[KILLS:])
        self.calls()
        self.discovery()
        self.memory(str(CONTAINERS))


@contextlib.contextmanager
def own_containerd(programs):
    """Ends with all containers, whatever happens, a signal too."""
    def end(*_):
        raise SystemExit("container: ended by a signal")
    before = signal.signal(signal.SIGTERM, end)
    root = tempfile.mkdtemp(prefix="cryptnono-bench-containerd-")
    containerd = None
    try:
        containerd = runtime.Containerd(root, programs)
        yield containerd
    finally:
        if containerd:
            containerd.pods.clear()  # they end with containerd's namespaces, at once
            containerd.close()
        shutil.rmtree(root, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def run(report, build, make_daemon, resident_mib):
    reason = runtime.missing()
    if reason:
        print("container: skipped,", reason)
        return
    with own_containerd({"pause": build / "victims/pause_static"}) as containerd:
        Bench(report, build, make_daemon, resident_mib, containerd).measure()
