"""How long after the kubelet has swapped a volume new rules are in force: the part of a ban's way to all nodes that is the daemon's.

Used by the tests here and by bench/scale.py.
"""
import json
import random
import time

from volume import Volume, in_objects

STRINGS = 50_000
ADDRESSES = 1_000_000
WORD = "cryptnono.scale.found"  # on no list before the swap
PLACE = "127.99.98.97"  # nor this; on loopback, so that nothing leaves


def made_up_strings(count):
    """In the shapes of real lists: hosts, host:port, options, file names."""
    rng = random.Random(count)

    def word():
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(4, 10)))
    shapes = [lambda: f"{word()}.{word()}.{rng.choice(['com', 'org', 'io'])}", lambda: f"{word()}.{word()}:{rng.randint(1024, 65535)}",
              lambda: f"--{word()}-{word()}", lambda: word() + word()]
    out = {}
    while len(out) < count:
        out[rng.choice(shapes)()] = None
    return list(out)


def made_up_addresses(count):
    """Nowhere near one another, and none in 127.0.0.0/8."""
    rng = random.Random(count)
    out = set()
    while len(out) < count:
        n = rng.getrandbits(32)
        if n >> 24 not in (0, 127):
            out.add(n)
    return [f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in sorted(out)]


def rule_file(strings):
    return "bannedCommandStrings:\n" + "".join(f"- {json.dumps(text)}\n" for text in strings)


def address_files(addresses):
    return {f"bans{number:02}.txt": text for number, text in enumerate(in_objects(addresses))}


def until(dies, swapped, timeout=60):
    """Seconds from the swap to the end of the first try that dies()."""
    while not dies():
        assert time.monotonic() < swapped + timeout, "not in force"
    return time.monotonic() - swapped


class Strings:
    """One file, which is swapped; configuration is the file itself."""

    def __init__(self, directory, count=STRINGS):
        self.all = made_up_strings(count)
        self.volume = Volume(directory, {"rules.yaml": rule_file(self.all)})
        self.file = directory / "rules.yaml"

    def swap(self, dies):
        text = rule_file([*self.all[1:], WORD])
        return until(dies, self.volume.publish({"rules.yaml": text}))


class Addresses:
    """Many files, those of as many ConfigMaps in one projected volume, which is swapped as one."""

    def __init__(self, directory, count=ADDRESSES):
        self.all = made_up_addresses(count)
        self.volume = Volume(directory, address_files(self.all))
        self.config = f"bannedCommandStrings: []\ntcpflowkiller: {{enabled: true, banFiles: ['{directory}/*']}}\n"

    def swap(self, dies):
        files = address_files([*self.all[1:], PLACE])
        return until(dies, self.volume.publish(files))
