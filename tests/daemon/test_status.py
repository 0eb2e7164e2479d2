"""What an operator asks the daemon: routes, health, readiness, status, the control socket, `cryptnono status`."""
import contextlib
import functools
import http.client
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import pytest

from conftest import B, BINARY, VICTIMS, wait_until
from test_canary import take_rules_away

NOBODY = 65534
# What they send: Debian 12's Prometheus, curl, and Chromium.
PROMETHEUS = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
CURL = "*/*"
CHROMIUM = ("text/html,application/xhtml+xml,application/xml;q=0.9,image/jxl,image/avif,image/webp,image/apng,*/*;q=0.8,"
            "application/signed-exchange;v=b3;q=0.7")
HOSTILE = b"a\x1b[2J\x1b]0;owned\x07\xc2\x9b31m\r\n\t\x08\x7f\xe2\x80\xae\xe2\x81\xa6\xff\xc3("


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


def get(where, path, accept=None, host=None):
    """(status, type, body) from a port or a socket's path."""
    connection = http.client.HTTPConnection("127.0.0.1", where, timeout=5) if isinstance(where, int) else Unix(where)
    headers = {"Accept": accept} if accept else {}
    if host:
        headers["Host"] = host
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"], body


def status_of(where, **options):
    code, kind, body = get(where, "/status.json", **options)
    assert (code, kind) == (200, "application/json")
    return json.loads(body)


until = functools.partial(wait_until, timeout=5)


def kill_of(where, action="killed"):
    return until(lambda: [kill for kill in status_of(where)["kills"] if kill["action"] == action])[0]


def status(*arguments, **options):
    return subprocess.run([BINARY, "status", *arguments], capture_output=True, timeout=20, **options)


@pytest.fixture
def public(tmp_path_factory):
    """A directory that anybody may enter."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="cryptnono-status-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_routes_and_what_each_client_gets(daemon):
    d = daemon(metrics=True)
    for where in (d.port, d.socket):
        for path in ("/", "/metrics", "/any/other?x=1", "/%2e"):
            for accept in (None, CURL, PROMETHEUS):
                code, kind, body = get(where, path, accept)
                assert code == 200 and "# TYPE cryptnono_detector_up gauge" in body
                assert kind.startswith(("text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"))
                assert kind.startswith("application/") == body.endswith("# EOF\n")
        assert get(where, "/metrics", CHROMIUM)[1].startswith("text/plain")
        assert get(where, "/", CHROMIUM)[0] == 200
        assert get(where, "/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
        assert get(where, "/readyz") == (200, "text/plain; charset=utf-8", "ready\n")
        assert get(where, "/%73tatus.json")[1] == "application/json"


def test_the_status_says_what_runs(daemon):
    d = daemon(f"bannedCommandStrings: [{B}, other.word]\ntcpflowkiller: {{enabled: true, bans: [192.0.2.1]}}\n"
               "execwhacker: {limit: {maxTargets: 7, window: 30}}\n", metrics=True)
    out = status_of(d.port)
    detectors = {each["name"]: each for each in out["detectors"]}
    assert list(detectors) == ["execwhacker", "monero", "tcpflowkiller"]
    assert all(each["enabled"] and each["up"] for each in out["detectors"])
    assert detectors["execwhacker"]["hook"] == "killed in the kernel at exec"
    assert detectors["execwhacker"]["rules"]["banned"] == 2 and detectors["tcpflowkiller"]["rules"]["banned"] == 1
    assert detectors["execwhacker"]["limit"]["max_targets"] == 7 and detectors["execwhacker"]["limit"]["window_s"] == 30
    assert "at connect" in detectors["tcpflowkiller"]["hook"]
    assert out["ready"] and out["not_ready"] == [] and out["kills"] == [] and out["details"] is False
    assert out["config"]["files"] == [str(d.files[0])] and out["config"]["scope_cgroups"] == 1
    assert out["kernel"] == os.uname().release and out["version"] and out["node"]
    assert abs(out["now"] - time.time()) < 5 and 0 < out["uptime_s"] < 60
    for each in out["missing"]:
        assert each["what"] and each["effect"] and each["remedy"]


def test_reloads_and_their_errors(daemon):
    d = daemon(f"bannedCommandStrings: [{B}]\n", metrics=True)
    d.files[0].write_text("bannedCommandStrings: [a.b.c]\nunknownKey: 1\n")
    d.wait_for(action="reload-failed")
    config = status_of(d.port)["config"]
    assert config["generation"] == 1 and not config["last_reload_ok"]
    assert len(config["last_reload_errors"]) == 1 and config["last_reload_errors"][0].startswith(f"{d.files[0]}:2:1: ")
    assert get(d.port, "/readyz")[0] == 200  # the last good rules are in force
    text = status("--socket", d.socket).stdout.decode()
    assert "the last one FAILED" in text and f"{d.files[0]}:2:1: " in text
    d.files[0].write_text(f"bannedCommandStrings: [{B}, a.b.c]\ndryRun: true\nexecwhacker: {{enabled: false}}\n")
    d.wait_for(action="reloaded")
    out = status_of(d.port)
    assert out["config"]["generation"] == 2 and out["config"]["last_reload_ok"] and out["config"]["last_reload_errors"] == []
    assert out["config"]["dry_run"] is True and out["detectors"][0]["hook"] == "off" and not out["detectors"][0]["enabled"]
    assert get(d.port, "/readyz")[0] == 200


def test_kills_of_all_detectors_and_the_history(daemon, spawn):
    d = daemon(f"bannedCommandStrings: [{B}, reported.word]\nallowedCommandPatterns: ['^never-given']\n"
               "tcpflowkiller: {enabled: true, bans: [127.9.9.9]}\n", metrics=True)
    before = time.time()
    assert spawn(["sh", "-c", ":", B], uid=1234) == -9
    assert spawn(["/usr/bin/python3", "-c", "import socket; socket.socket().connect(('127.9.9.9', 9))"]) == -9
    assert spawn([str(VICTIMS / "randomx_miner"), "20"], timeout=20) == -9
    kills = until(lambda: len(all_kills := status_of(d.socket)["kills"]) == 3 and all_kills)
    assert [kill["detector"] for kill in kills] == ["monero", "tcpflowkiller", "execwhacker"]  # the newest first
    assert [kill["rule"] for kill in kills] == ["randomx", "banned-ip", f"{d.files[0].stem}:1:24"]
    for kill in kills:
        assert kill["action"] == "killed" and before - 1 < kill["at"] < time.time() + 1 and kill["latency_us"] >= 0
    exec_details = kills[2]["details"]
    assert exec_details["cmdline"].endswith(f"sh -c : {B}") and exec_details["uid"] == 1234 and exec_details["pid"] > 1
    assert exec_details["executable"].startswith("/")
    assert "127.9.9.9" in kills[1]["details"]["cmdline"]
    out = status_of(d.socket)
    series = out["history"]["series"]
    assert {name: sum(each["killed"]) for name, each in series.items()} == {"execwhacker": 1, "monero": 1, "tcpflowkiller": 1}
    assert {each["name"]: each["counts"]["killed"] for each in out["detectors"]} == {"execwhacker": 1, "monero": 1, "tcpflowkiller": 1}
    assert 0 < out["history"]["until"] - out["now"] <= 11 and len(series["monero"]["killed"]) <= out["uptime_s"] / 10 + 2


def test_reports_and_kills_are_remembered_whatever_is_logged(daemon, spawn, tmp_path):
    quiet = daemon(f"bannedCommandStrings: [{B}]\n", ["--log-level", "error"], ready=False)
    until(lambda: quiet.socket.exists() and get(quiet.socket, "/readyz")[0] == 200)
    assert spawn(["true", B]) == -9
    assert kill_of(quiet.socket)["details"]["cmdline"].endswith(f"true {B}")
    quiet.files[0].write_text(f"bannedCommandStrings: [{B}]\ndryRun: true\nexecwhacker: {{scanInterval: 0}}\n")
    until(lambda: status_of(quiet.socket)["config"]["dry_run"])
    assert spawn(["true", B]) == 0
    assert kill_of(quiet.socket, "reported")["latency_us"] is None
    assert sum(status_of(quiet.socket)["history"]["series"]["execwhacker"]["reported"]) == 1
    assert quiet.drain(0.3) == []


def test_long_command_lines_and_many_kills_are_bounded(daemon, spawn):
    d = daemon()
    for i in range(60):
        assert spawn(["true", str(i), "\x01" * 30000, B]) == -9
    until(lambda: status_of(d.socket)["detectors"][0]["counts"]["killed"] == 60)
    kills = until(lambda: (k := status_of(d.socket)["kills"]) and " 59 " in k[0]["details"]["cmdline"] and k)
    assert len(kills) == 50 and all(len(kill["details"]["cmdline"]) <= 1024 for kill in kills)
    assert all(kill["details"]["cmdline"].endswith("...") for kill in kills)
    assert len(get(d.socket, "/status.json")[2]) < 400_000


def test_details_are_told_to_whom_they_are_meant(daemon, spawn):
    d = daemon(metrics=True)
    assert spawn(["true", "secretive", B], uid=4321) == -9
    kill_of(d.socket)
    body = get(d.port, "/status.json")[2]
    assert "secretive" not in body and B not in body and "details" not in json.loads(body)["kills"][0]
    assert not re.search(r"(?<![.\d])4321(?![.\d])", body)  # as a number of its own: a time may have it among its digits
    assert status_of(d.socket)["kills"][0]["details"]["uid"] == 4321 and status_of(d.socket)["details"] is True

    d = daemon(f"bannedCommandStrings: [{B}]\nmetrics: {{details: loopback}}\n", metrics=True)
    assert spawn(["true", "secretive", B]) == -9
    assert "secretive" in kill_of(d.port)["details"]["cmdline"]
    evil = status_of(d.port, host="rebound.example:80")  # a page in somebody's browser whose name leads here
    assert evil["details"] is False and "details" not in evil["kills"][0]
    d.files[0].write_text(f"bannedCommandStrings: [{B}]\nmetrics: {{details: none}}\n")
    d.wait_for(action="reloaded")
    assert status_of(d.port)["details"] is False


def test_a_hostile_command_line_steers_no_terminal(daemon, spawn):
    d = daemon()
    assert spawn([b"sh", b"-c", HOSTILE, HOSTILE, B.encode()]) == -9
    kill_of(d.socket)
    raw = get(d.socket, "/status.json")[2]
    assert all(0x20 <= ord(c) < 0x7f for c in raw.rstrip("\n"))
    done = status("--socket", d.socket)
    text = done.stdout.decode()  # it is UTF-8
    assert done.returncode == 0 and "owned" in text and done.stderr == b""
    assert all(c == "\n" or (c >= " " and not "\x7f" <= c <= "\x9f" and c not in "\u202e\u2066") for c in text)
    assert "\\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\x0d\\x0a" in text
    assert status("--socket", d.socket, "--json").stdout.decode() != ""


def test_the_main_loop_hangs_and_is_found_out(daemon, spawn, tmp_path):
    """A configuration that is a pipe which nobody writes to: the reload waits for ever. All else goes on."""
    d = daemon(f"bannedCommandStrings: [{B}]\n", metrics=True)
    assert get(d.port, "/healthz")[0] == 200
    d.files[0].unlink()
    os.mkfifo(d.files[0])
    d.process.send_signal(signal.SIGHUP)
    code, _, body = until(lambda: (answer := get(d.port, "/healthz"))[0] == 503 and answer, timeout=20)
    assert body.startswith("the main loop has not answered for 1")
    assert get(d.socket, "/healthz")[0] == 503 and get(d.port, "/")[0] == 200
    assert spawn(["true", B]) == -9
    writer = until(lambda: open_if_read(d.files[0]))
    os.write(writer, f"bannedCommandStrings: [{B}]\n".encode())
    os.close(writer)
    d.wait_for(action="reloaded")
    d.files[0].unlink()
    d.files[0].write_text(f"bannedCommandStrings: [{B}]\n")
    assert until(lambda: get(d.port, "/healthz")[0] == 200)


def test_readiness_waits_for_canaries_and_is_lost_with_a_detector(daemon):
    d = daemon(metrics=True, canaries=1)
    until(lambda: get(d.port, "/readyz") == (200, "text/plain; charset=utf-8", "ready\n"), timeout=20)
    out = status_of(d.socket)
    assert {each["name"]: each["canary"]["result"] for each in out["detectors"]} == {
        "execwhacker": "passed", "monero": "passed", "tcpflowkiller": "off"}
    assert all(0 < each["canary"]["lived_ms"] < 5000 for each in out["detectors"][:2])
    assert out["kills"] == [] and all(sum(each["killed"]) == 0 for each in out["history"]["series"].values())
    take_rules_away(d)
    code, _, body = until(lambda: (answer := get(d.port, "/readyz"))[0] == 503 and answer, timeout=20)
    assert body.startswith("execwhacker: the last canary survived") and get(d.port, "/healthz")[0] == 200
    done = status("--socket", d.socket)
    assert done.returncode == 11 and done.stdout.startswith(b"NOT READY") and b"  execwhacker: the last canary survived" in done.stdout
    d.process.send_signal(signal.SIGHUP)
    until(lambda: get(d.port, "/readyz")[0] == 200, timeout=20)


def open_if_read(path):
    with contextlib.suppress(OSError):
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)


def test_the_socket_is_for_root_alone(daemon, public):
    path = public / "made" / "control.sock"
    d = daemon(socket=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    binary = shutil.copy(BINARY, public)
    ask = [binary, "status", "--socket", str(path)]
    done = subprocess.run(ask, user=NOBODY, group=NOBODY, capture_output=True, text=True, timeout=10)
    assert done.returncode == 5 and done.stderr == f"{path}: only root may ask the daemon\n" and done.stdout == ""
    path.chmod(0o666)  # whoever gets through that is asked who he is
    done = subprocess.run(ask, user=NOBODY, group=NOBODY, capture_output=True, text=True, timeout=10)
    assert done.returncode == 5 and done.stderr == f"{path}: only root may ask the daemon\n" and done.stdout == ""
    assert subprocess.run(ask, capture_output=True, timeout=10).returncode == 0
    d.stop()
    assert not path.exists()


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(daemon, tmp_path):
    path = tmp_path / "shared.sock"
    first = daemon(socket=path)
    first.process.kill()
    first.process.wait()
    assert path.exists()
    second = daemon(socket=path)
    assert status_of(path)["ready"] and second.count(action="degraded", level="warning") == 0
    third = daemon(socket=path)
    line = third.wait_for(action="degraded")
    assert line["level"] == "warning" and f"{path}: in use by another process, pid {second.process.pid}" in line["reason"]
    third.stop()
    assert status_of(path)["ready"]
    second.stop()
    assert not path.exists()


def test_without_a_socket_there_is_none(daemon):
    d = daemon(socket="")
    assert d.count(action="degraded") == 0
    threads = {(path / "comm").read_text().strip() for path in pathlib.Path(f"/proc/{d.process.pid}/task").iterdir()}
    assert "http" not in threads


def test_status_says_who_does_not_answer(tmp_path):
    missing = status("--socket", tmp_path / "none.sock")
    assert missing.returncode == 12 and b"there is no control socket" in missing.stderr and missing.stdout == b""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dead.sock"))
    dead.close()
    ended = status("--socket", tmp_path / "dead.sock", "--json")
    assert ended.returncode == 12 and b"the daemon has ended" in ended.stderr


def test_status_as_json_is_what_the_daemon_says(daemon):
    d = daemon()
    done = status("--socket", d.socket, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["details"] is True and done.stdout.count(b"\n") == 1


def read_terminal(arguments, enough, environment):
    """What a terminal of 60 columns and 14 rows is sent until `enough` of it, as text."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(BINARY, [BINARY, "status", *arguments], {**os.environ, **environment, "TERM": "xterm"})
    try:
        import fcntl
        import struct
        import termios
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 14, 60, 0, 0))
        out = b""
        deadline = time.monotonic() + 10
        while not enough(out):
            assert time.monotonic() < deadline, out
            try:
                out += os.read(fd, 65536)
            except OSError:  # the other end is closed
                break
        return out.decode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(fd)


def test_watch_draws_again_in_place_and_within_the_terminal(daemon):
    d = daemon()
    text = read_terminal(["--socket", str(d.socket), "--watch", "0.2"], lambda out: out.count(b"\x1b[H") >= 4, {})
    screens = text.split("\x1b[H")[2:-1]
    assert text.startswith("\x1b[2J\x1b[H\x1b[32mREADY\x1b[0m") and len(screens) >= 2
    for screen in screens:
        lines = screen.replace("\x1b[J", "").split("\x1b[K\r\n")[:-1]
        plain = [strip(line) for line in lines]
        assert len(plain) <= 13 and all(len(line) <= 60 for line in plain) and plain[0].startswith("READY")
    text = read_terminal(["--socket", str(d.socket)], lambda out: b"Last kills" in out, {"NO_COLOR": "1"})
    assert "READY" in text and "\x1b" not in text


def strip(line):
    for escape in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[1;31m"):
        line = line.replace(escape, "")
    return line


def test_root_is_answered_while_somebody_holds_the_port(daemon):
    d = daemon(metrics=True)
    held = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(40)]
    begin = time.monotonic()
    assert status("--socket", d.socket).returncode == 0
    assert time.monotonic() - begin < 1.5  # and not when the first of them is cut off
    for one in held:
        one.close()


def test_malformed_requests_get_an_answer_and_do_no_harm(daemon):
    d = daemon(metrics=True)
    for request, code in [(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /status.json HTTP/1.1\r\n\r\n", 400),
                          (b"GET / HTTP/1.1\r\nContent-Length: 30\r\n\r\nGET /status.json HTTP/1.1\r\n\r\n", 400),
                          (b"GET /\x00 HTTP/1.1\r\n\r\n", 400), (b"GET /%00 HTTP/1.1\r\n\r\n", 400),
                          (b"GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n", 400), (b"POST / HTTP/1.1\r\n\r\n", 405),
                          (b"GET / HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431), (b"GET / HTTP/9.9\r\n\r\n", 505)]:
        with socket.create_connection(("127.0.0.1", d.port), timeout=5) as one:
            one.sendall(request)
            answer = b""
            with contextlib.suppress(ConnectionResetError):  # it closes with some of it unread
                while piece := one.recv(65536):
                    answer += piece
        assert answer.startswith(f"HTTP/1.1 {code} ".encode()) and answer.count(b"HTTP/1.1 ") <= 2, (request, answer)
    assert get(d.port, "/healthz")[0] == 200
