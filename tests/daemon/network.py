"""Two network namespaces and what is in between: a client, where victims run, and a peer with many addresses.

Both are held by a process that dies with the test, so nothing is left behind; nothing leaves them.
"""
import contextlib
import os
import subprocess
import time

from conftest import SLOW, die_with_parent

# Of the peer. The first of each family are private by Python's ipaddress; what follows is public.
PRIVATE4 = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.7"]
PUBLIC4 = [f"93.184.216.{n}" for n in range(1, 61)]
PRIVATE6 = ["2001:db8::1", "2001:db8::2"]
PUBLIC6 = ["2606:2800::1", "2606:2800::2"]
SILENT = "93.184.217.1"  # and all of its /24: dropped without an answer

# Every packet that arrives, as "proto destination port flags".
SNIFFER = r"""
import ipaddress, socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
print("ready", flush=True)
while True:
    packet, where = s.recvfrom(65535)
    if where[2] == 4:  # outgoing
        continue
    if where[1] == 0x0800:
        protocol, destination, rest = packet[9], ipaddress.ip_address(packet[16:20]), packet[(packet[0] & 15) * 4:]
    elif where[1] == 0x86dd:
        protocol, destination, rest = packet[6], ipaddress.ip_address(packet[24:40]), packet[40:]
    else:
        continue
    if protocol in (6, 17):
        print("tcp" if protocol == 6 else "udp", destination, struct.unpack("!H", rest[2:4])[0], flush=True)
"""

# Accepts on all addresses and the given ports, answers a little HTTP.
SERVER = r"""
import http.server, socket, sys, threading
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 512
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = open(sys.argv[1]).read().encode() if self.path == "/" and sys.argv[1] else b"ok"
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path == "/" else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
for port in sys.argv[2:]:
    threading.Thread(target=Server(("::", int(port)), Handler).serve_forever).start()
print("ready", flush=True)
"""


class Network:
    def __init__(self):
        self.running = []
        self.client_pid, self.peer_pid = self._namespace(), self._namespace()
        self._run("ip", "link", "add", "name", "veth0", "type", "veth", "peer", "name", "veth1", "netns", str(self.peer_pid),
                  inside=self.client_pid)
        # Links first: routes want them.
        self._batch(self.client_pid, ["addr add 10.99.0.1/24 dev veth0", "addr add fd00:99::1/64 dev veth0 nodad", "link set lo up",
                                      "link set veth0 up"])
        self._batch(self.peer_pid, ["addr add 10.99.0.2/24 dev veth1", "addr add fd00:99::2/64 dev veth1 nodad", "link set lo up",
                                    "link set veth1 up", "route add blackhole 93.184.217.0/24",
                                    *[f"addr add {a}/32 dev lo" for a in PRIVATE4 + PUBLIC4],
                                    *[f"addr add {a}/128 dev lo nodad" for a in PRIVATE6 + PUBLIC6]])
        self._batch(self.client_pid, ["route add default via 10.99.0.2"])
        self._batch(self.client_pid, ["route add default via fd00:99::2"], "-6")
        self.sniffer = None

    def _namespace(self):
        holder = subprocess.Popen(["unshare", "-n", "sleep", str(600 * SLOW)], preexec_fn=die_with_parent)
        self.running.append(holder)
        mine = os.readlink("/proc/self/ns/net")
        for _ in range(int(200 * SLOW)):
            if os.readlink(f"/proc/{holder.pid}/ns/net") != mine:
                return holder.pid
            time.sleep(0.01)
        raise AssertionError("no namespace")

    def _inside(self, pid, argv):
        return ["nsenter", "-t", str(pid), "-n", *[str(a) for a in argv]]

    def _run(self, *argv, inside, **options):
        subprocess.run(self._inside(inside, argv), check=True, timeout=10 * SLOW, **options)

    def _batch(self, inside, lines, *options):
        """Commands of ip, by one process."""
        self._run("ip", *options, "-batch", "-", inside=inside, input="\n".join(lines) + "\n", text=True)

    def client(self, argv):
        return self._inside(self.client_pid, argv)

    def peer(self, argv):
        return self._inside(self.peer_pid, argv)

    def _start(self, code, *arguments):
        process = subprocess.Popen(self.peer(["/usr/bin/python3", "-c", code, *arguments]), stdout=subprocess.PIPE, text=True,
                                   preexec_fn=die_with_parent)
        self.running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    def listen(self, *ports, page=""):
        return self._start(SERVER, str(page), *[str(p) for p in ports])

    def sniff(self):
        self.sniffer = self._start(SNIFFER)
        os.set_blocking(self.sniffer.stdout.fileno(), False)
        self.seen = b""

    def arrived(self, address):
        """Packets that have come to this address since sniff()."""
        time.sleep(0.1 * SLOW ** 0.5)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.seen += os.read(self.sniffer.stdout.fileno(), 65536)
        return sum(line.split()[1:2] == [address.encode()] for line in self.seen.splitlines())

    def close(self):
        for process in reversed(self.running):
            process.kill()
            process.wait()
