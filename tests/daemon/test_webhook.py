"""The webhook: a signed event for each kill, and nobody who waits for the receiver."""
import hashlib
import hmac
import http.server
import json
import queue
import signal
import ssl
import subprocess
import threading
import time

import pytest

from conftest import B, wait_until


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate=None):
        """`certificate`: file with a certificate and its key; then it speaks TLS."""
        self.events = queue.Queue()
        self.hang = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.events.put((dict(self.headers), body))
                while receiver.hang.is_set():
                    time.sleep(0.05)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server_port}/hook"


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.hang.clear()
    server.shutdown()
    server.server_close()


def signed_with(secret, headers, body):
    text = headers["X-Cryptnono-Timestamp"].encode() + b"." + body
    expected = "sha256=" + hmac.new(secret, text, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers["X-Cryptnono-Signature"])


def configuration(receiver, tmp_path, more=""):
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    return f"bannedCommandStrings: [{B}]\nwebhook: {{url: '{receiver.url}', secretFile: {secret}{more}}}\n"


def test_a_kill_is_told_with_a_signature(daemon, spawn, receiver, tmp_path):
    d = daemon(configuration(receiver, tmp_path), metrics=True)
    assert spawn(["true", B]) == -9
    headers, body = receiver.events.get(timeout=10)
    assert json.loads(body) == d.wait_for(action="killed")
    assert headers["X-Cryptnono-Event"] == "killed" and headers["Content-Type"] == "application/json"
    assert signed_with(b"first", headers, body) and not signed_with(b"other", headers, body)
    sent = 'cryptnono_webhook_deliveries_total{result="sent"}'
    wait_until(lambda: d.metrics()[sent] == 1, 5)  # counted when the answer has been read


def certificate_for(name, path):
    """A certificate that nobody has signed but itself, and its key, in one file."""
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path,
                           "-out", f"{path}.crt", "-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={name}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with open(path, "a") as both, open(f"{path}.crt") as certificate:
        both.write(certificate.read())
    return f"{path}.crt"


@pytest.mark.parametrize("name, trusted, arrives", [("IP:127.0.0.1", True, True), ("IP:127.0.0.1", False, False), ("DNS:other.example", True, False)],
                         ids=["trusted", "unknown-authority", "wrong-name"])
def test_https_only_to_whom_the_authority_vouches_for(daemon, spawn, tmp_path, name, trusted, arrives):
    authority = certificate_for(name, tmp_path / "server.pem")
    server = Receiver(tmp_path / "server.pem")
    try:
        more = f", caFile: {authority}" if trusted else ""
        d = daemon(configuration(server, tmp_path, more), metrics=True)
        assert spawn(["true", B]) == -9
        if arrives:
            headers, body = server.events.get(timeout=10)
            assert signed_with(b"first", headers, body)
            return
        wait_until(lambda: d.metrics()["cryptnono_webhook_retries_total"] > 0, 10)  # it tried, and was not content
        assert server.events.empty()
    finally:
        server.shutdown()
        server.server_close()


def test_only_configured_actions_are_told(daemon, spawn, receiver, tmp_path):
    d = daemon("dryRun: true\n" + configuration(receiver, tmp_path))
    assert spawn(["true", B]) == 0
    d.wait_for(action="reported")
    d.files[0].write_text("dryRun: true\n" + configuration(receiver, tmp_path, ", actions: [reported]"))
    d.wait_for(action="reloaded")
    assert spawn(["true", "second", B]) == 0
    assert json.loads(receiver.events.get(timeout=10)[1])["cmdline"].endswith(f"true second {B}")


def test_a_receiver_that_hangs_delays_no_kill_and_no_end(daemon, spawn, receiver, tmp_path):
    receiver.hang.set()
    d = daemon(configuration(receiver, tmp_path))
    begin = time.monotonic()
    for _ in range(30):
        assert spawn(["true", B]) == -9
    assert time.monotonic() - begin < 5
    assert d.count(action="killed") == 30
    begin = time.monotonic()
    d.stop()
    assert time.monotonic() - begin < 5
    assert d.wait_for(action="stopped")["webhook_undelivered"] == 30


def test_a_secret_changed_by_a_reload_is_used(daemon, spawn, receiver, tmp_path):
    d = daemon(configuration(receiver, tmp_path))
    (tmp_path / "secret").write_text("second")
    d.process.send_signal(signal.SIGHUP)
    d.wait_for(action="reloaded")
    assert spawn(["true", B]) == -9
    assert signed_with(b"second", *receiver.events.get(timeout=10))
    (tmp_path / "secret").write_text("")
    d.process.send_signal(signal.SIGHUP)
    assert "secret" in d.wait_for(action="reload-failed")["errors"][0]
    assert spawn(["true", B]) == -9
    assert signed_with(b"second", *receiver.events.get(timeout=10))
