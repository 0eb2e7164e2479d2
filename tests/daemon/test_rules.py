"""Rules as secrets: what lines, status and webhook tell of them, their ids, and hostile rule files under a running daemon."""
import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import subprocess
import threading

import pytest

from conftest import BINARY

KEY = "a key of sixteen bytes or more"
# Who runs printf is judged in user space, all others in the kernel.
WORD, SUBSTRING, PATTERN = "Secret.Pool.Name", "glued+scheme://", "^/usr/bin/printf ok"
RULES = f"""
ruleIdKey: {KEY}
groups:
  - id: pools
    purpose: Names of pools
    bannedCommandStrings: [{WORD}]
    bannedCommandSubstrings: ['{SUBSTRING}']
    allowedCommandPatterns: ['{PATTERN}']
"""


def rule_id(kind, text):
    digest = hmac.new(KEY.encode(), (kind + text).encode(), hashlib.sha256).digest()
    return "r" + base64.b32encode(digest[:10]).decode().lower()


WORD_ID, SUBSTRING_ID, PATTERN_ID = rule_id("w", WORD.lower()), rule_id("s", SUBSTRING), rule_id("p", PATTERN)


def status(one):
    done = subprocess.run([BINARY, "status", "--json", "--socket", str(one.socket)], capture_output=True, text=True, timeout=20)
    return done.stdout


def no_rule_in(text):
    return not any(rule.lower() in text.lower() for rule in (WORD, SUBSTRING, PATTERN))


def test_a_line_tells_the_rules_id_and_nothing_of_its_text(daemon, spawn):
    d = daemon(RULES, reveal=False)
    assert spawn(["/usr/bin/sh", "-c", f": {WORD} x{WORD.upper()}y"]) == -9
    line = d.wait_for(action="killed")
    assert line["rule"] == line["matched"] == WORD_ID and line["group"] == "pools"
    assert line["cmdline"] == f"/usr/bin/sh -c ': [{WORD_ID}] x[{WORD_ID}]y'"
    assert no_rule_in(json.dumps(d.drain())) and no_rule_in(status(d)) and WORD_ID in status(d)


def test_substrings_too_and_in_the_executables_path_and_name(daemon, spawn, tmp_path):
    d = daemon(RULES, reveal=False)
    assert spawn(["/usr/bin/true", f"-o{SUBSTRING}host"]) == -9
    line = d.wait_for(action="killed", rule=SUBSTRING_ID)
    assert line["cmdline"] == f"/usr/bin/true '-o[{SUBSTRING_ID}]host'"
    program = tmp_path / WORD
    program.write_bytes(pathlib.Path("/bin/true").read_bytes())
    program.chmod(0o755)
    assert spawn([str(program)]) == -9
    line = d.wait_for(action="killed", rule=WORD_ID)
    assert line["exe"].endswith(f"/[{WORD_ID}]")
    assert no_rule_in(json.dumps(d.drain()))
    assert "ecret.Pool.Nam" not in json.dumps(d.lines)  # comm, of which the kernel keeps 15 bytes


def test_spared_lines_tell_the_patterns_id(daemon, spawn):
    d = daemon(RULES, reveal=False)
    assert spawn(["/usr/bin/printf", "ok", WORD]) == 0
    line = d.wait_for(action="spared")
    assert line["allowedby"] == f"allowed-pattern:{PATTERN_ID}" and line["matched"] == WORD_ID
    assert line["cmdline"] == f"/usr/bin/printf ok '[{WORD_ID}]'"
    assert no_rule_in(json.dumps(d.drain()))


@pytest.mark.parametrize("revealed", ["setting", "option"])
def test_reveal_shows_what_it_always_did(daemon, spawn, revealed):
    d = daemon(RULES + ("log: {revealRules: true}\n" if revealed == "setting" else ""), reveal=revealed == "option")
    assert spawn(["/usr/bin/sh", "-c", f": {WORD}"]) == -9
    line = d.wait_for(action="killed")
    assert line["matched"] == WORD.lower() and line["cmdline"] == f"/usr/bin/sh -c ': {WORD.lower()}'" and line["rule"] == WORD_ID
    assert spawn(["/usr/bin/printf", "ok", WORD]) == 0
    assert d.wait_for(action="spared")["allowedby"] == f"allowed-pattern:{PATTERN}"
    assert WORD in status(d)


def test_without_a_key_the_id_is_the_place(daemon, spawn):
    d = daemon(f"bannedCommandStrings: [other, {WORD}]\n", reveal=False)
    assert spawn(["/usr/bin/true", WORD]) == -9
    line = d.wait_for(action="killed")
    assert line["rule"] == line["matched"] == f"{d.files[0].stem}:1:31" and no_rule_in(json.dumps(line))


def test_a_reload_switches_it_and_keeps_the_ids(daemon, spawn):
    d = daemon(RULES, reveal=False)
    assert spawn(["/usr/bin/true", WORD]) == -9
    assert d.wait_for(action="killed")["matched"] == WORD_ID
    d.files[0].write_text("# a line more\n" + RULES.replace(f"[{WORD}]", f"[more, {WORD}]") + "log: {revealRules: true}\n")
    d.wait_for(action="reloaded")
    assert spawn(["/usr/bin/true", WORD]) == -9
    assert d.wait_for(action="killed", matched=WORD.lower())["rule"] == WORD_ID


def test_events_of_other_detectors_are_masked_too(daemon, spawn):
    d = daemon(f"{RULES}tcpflowkiller: {{enabled: true, bans: [127.9.9.9]}}\nexecwhacker: {{action: report}}\n", reveal=False)
    connect = "import socket,sys\ntry: socket.create_connection(('127.9.9.9', 1), 1)\nexcept OSError: pass"
    spawn(["/usr/bin/python3", "-c", connect, f"x {WORD} y"])
    line = d.wait_for(action="killed", detector="tcpflowkiller")
    assert line["cmdline"][-1] == f"x [{WORD_ID}] y" and no_rule_in(json.dumps(d.drain()))


def test_the_webhook_is_told_no_more(daemon, spawn):
    got = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *_):
            pass

    arrived = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        daemon(f"{RULES}webhook: {{url: 'http://127.0.0.1:{server.server_port}/'}}\n", reveal=False)
        assert spawn(["/usr/bin/true", WORD]) == -9
        assert arrived.wait(10) and WORD_ID in got[0] and no_rule_in(got[0])
    finally:
        server.shutdown()
        server.server_close()


def test_explain_finds_the_rule_of_a_line(daemon, spawn):
    d = daemon(RULES, reveal=False)
    assert spawn(["/usr/bin/true", WORD]) == -9
    wanted = d.wait_for(action="killed")["rule"]

    def explain(*arguments):
        return subprocess.run([BINARY, "explain", "-c", str(d.files[0]), *arguments], capture_output=True, text=True, timeout=20)

    found = explain("--rule", wanted)
    assert found.returncode == 0 and "group: pools\n" in found.stdout and "purpose: Names of pools\n" in found.stdout
    assert no_rule_in(found.stdout) and f"text: {WORD}\n" in explain("--rule", wanted, "--reveal").stdout
    assert explain("--rule", "raaaaaaaaaaaaaaaa").returncode == 1
    told = explain("--", "true", WORD)
    assert told.returncode == 10 and WORD_ID in told.stdout and no_rule_in(told.stdout)


MIB = 1 << 20
HOSTILE = {
    "100 MB": (lambda: b"bannedCommandStrings:\n" + b"- some words here\n" * (100 * MIB // 18), "larger than 64 MiB"),
    "a million groups": (lambda: b"groups:\n" + b"".join(b"- {id: g%d, bannedCommandStrings: [w%d]}\n" % (i, i) for i in range(1_000_000)),
                         "more than 2097152 values"),
    "a bomb": (lambda: b"a: &a [x]\ngroups: [*a, *a]\n", "anchors are not supported"),
    "deep": (lambda: b"groups: " + b"[" * (32 * MIB), "nested deeper than 32 levels"),
    "NULs": (lambda: b"groups:\n" + b"\0" * MIB, "a NUL byte"),
    "no UTF-8": (lambda: b"groups:\n- id: \xff\xfe\n", "not UTF-8"),
    "one string": (lambda: b"bannedCommandStrings: [" + b"a" * (60 * MIB) + b"]\n", "at most 4096 are possible"),
    "a huge key": (lambda: b"ruleIdKey: " + b"k" * (32 * MIB) + b"\n", "16 to 1024 are needed"),
}


def test_hostile_files_leave_the_last_good_rules_in_force(daemon, spawn):
    d = daemon(RULES, reveal=False)
    for number, (name, (make, what)) in enumerate(HOSTILE.items()):
        other = d.files[0].with_suffix(".new")
        other.write_bytes(make())
        other.rename(d.files[0])
        failed = d.wait_for(action="reload-failed", timeout=60)
        assert len(failed["errors"]) <= 101 and any(what in error and str(d.files[0]) in error for error in failed["errors"]), name
        d.lines.remove(failed)
        assert spawn(["/usr/bin/true", WORD]) == -9, name
        d.lines.remove(d.wait_for(action="killed", rule=WORD_ID))
    peak = next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{d.process.pid}/status").read_text().splitlines()
                if line.startswith("VmHWM"))
    print("peak MiB", peak // 1024)
    assert peak < 768 * 1024 and d.rss_kib()["RssAnon"] < 64 * 1024  # what was read is given back
    d.files[0].write_text(RULES.replace("pools", "mended"))
    d.wait_for(action="reloaded")
    assert spawn(["/usr/bin/true", WORD]) == -9
    assert d.wait_for(action="killed")["group"] == "mended"


def test_check_of_a_hostile_file_is_bounded(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_bytes(HOSTILE["a million groups"][0]())
    limited = ["prlimit", f"--as={2 << 30}", "--cpu=60", BINARY, "check", "-c", str(path)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3 and done.stderr.startswith(f"{path}:349526:40: "), done.stderr
