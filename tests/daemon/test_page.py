"""The daemon's page in headless Chromium, after a real kill of a process with a hostile command line. What it shows of any
status, and how, is tested in tests/page."""
import json
import pathlib
import re
import subprocess
import urllib.request

import pytest

from conftest import B, BUILD

PAGE = pathlib.Path(__file__).parent.parent / "page"
EVIL = ["<img src=x onerror=window.owned=1>", "</script><script>window.owned=2</script>", "\x1b[2J\x1b]0;owned\x07", "\u202egnp.exe", "line\nbreak"]


@pytest.fixture(scope="module")
def browser():
    """Opens a daemon's page: what it shows, as real.mjs says."""
    prepared = subprocess.run([PAGE / "prepare", BUILD], capture_output=True, text=True)
    if prepared.returncode == 77:
        pytest.skip(prepared.stdout.strip())
    assert prepared.returncode == 0, prepared.stderr
    pictures = BUILD.resolve() / "artifacts" / "page"
    pictures.mkdir(parents=True, exist_ok=True)

    def show(url, name):
        done = subprocess.run(["node", PAGE / "real.mjs", url, pictures / f"{name}.png"], capture_output=True, text=True, timeout=60,
                              env={"CRYPTNONO_BUILD": str(BUILD.resolve()), "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return show


@pytest.mark.parametrize("details", ["loopback", "none"])
def test_the_page_shows_a_kill(daemon, spawn, browser, details):
    watched = daemon(f"bannedCommandStrings: [{B}]\nmetrics: {{details: {details}}}\n", metrics=True)
    assert spawn(["/bin/sleep", "10", B, *EVIL]) == -9
    line = watched.wait_for(action="killed", detector="execwhacker")
    url = f"http://127.0.0.1:{watched.port}/"
    asked = urllib.request.Request(url, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy

    shown = browser(url, f"real-{details}")
    assert shown["word"].startswith("Ready")
    assert shown["detectors"] == ["execwhacker", "monero", "tcpflowkiller"]
    assert shown["badges"][0] in ("up", "degraded") and shown["killed"][0] == "1"
    assert ": 1 killed, 0 reported; most in one bar: 1" in shown["plotted"][0]
    assert shown["cells"][1:4] == ["execwhacker", "killed", line["rule"]]
    assert shown["made"] == 0 and shown["fits"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown["all"])
    if details == "none":
        assert len(shown["cells"]) == 5 and "metrics.details" in shown["all"]
        assert B not in shown["all"] and "owned" not in shown["all"] and "/bin/sleep" not in shown["all"]
        return
    who = dict(zip(shown["names"], shown["values"]))
    assert who["pid"] == str(line["pid"]) and who["uid"] == "0"
    assert who["cmdline"].startswith(f"/bin/sleep 10 {B} ")
    for part in ("<img src=x onerror=window.owned=1>", "</script><script>window.owned=2</script>", "gnp.exe"):
        assert part in who["cmdline"]
