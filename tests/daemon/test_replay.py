"""What `replay` says of recorded command lines is what the kernel did to them."""
import json
import os
import random
import re
import subprocess

from conftest import B, BINARY, VICTIMS

ROUNDS = 1000
RULES = f"""bannedCommandStrings: [{B}, '--coin monero', "it's banned"]
bannedCommandSubstrings: [glued.anywhere]
allowedCommandPatterns: ['^.*harmless-literal']
execwhacker: {{scanInterval: 0}}
"""


def argument(rng):
    part = lambda: rng.choice([B, B.upper(), "x" + B, B + "_", "--coin", "monero", "it's banned", "it's", "-xGlued.AnyWhere9",
                               "harmless-literal", "a b", "'", '"', "\\", "\n", "\\n", "é", "[r", "$(x)", ""])
    text = os.fsencode("".join(part() for _ in range(rng.choice([1, 1, 1, 2, 3]))))
    return text + (b"\xff\xfe" if rng.random() < 0.1 else b"")


def audit_value(text):
    plain = text and all(0x20 < c < 0x7f and c != 0x22 for c in text)
    return '"' + text.decode() + '"' if plain or not text else text.hex().upper()


def audit_records(serial, argv, path):
    at = f"msg=audit(1700000000.000:{100000 + serial}): "
    yield f'type=SYSCALL {at}arch=c000003e syscall=59 success=yes exit=0 exe={audit_value(path)}'
    yield f"type=EXECVE {at}argc={len(argv)} " + " ".join(f"a{i}={audit_value(a)}" for i, a in enumerate(argv))
    yield f"type=PATH {at}item=0 name={audit_value(path)} inode=1"
    yield f"type=EOE {at}"


def examples(config, log, format):
    """What it says of a log, as data."""
    done = subprocess.run([BINARY, "replay", "-c", str(config), "--json", "--format", format, str(log)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_replay_says_of_each_exec_what_the_kernel_did(daemon, spawn, tmp_path):
    rng = random.Random(11)
    d = daemon(RULES)
    path = os.fsencode((VICTIMS / "first_act").resolve())
    died, lived = [], []
    for i in range(ROUNDS):
        argv = [rng.choice([b"v", argument(rng)]), b"tag%d" % i, *(argument(rng) for _ in range(rng.randint(0, 4)))]
        (died if spawn(argv, executable=path) == -9 else lived).append((i, argv))
    # What the kernel leaves to user space may have ended by itself before its verdict, or be ending at the very signal: the line says
    # what the verdict was.
    missed = {int(re.search(r"tag(\d+)", line["cmdline"])[1]) for line in d.drain(2) if line.get("action") in ("missed-kill", "killed")}
    died += [each for each in lived if each[0] in missed]
    lived = [each for each in lived if each[0] not in missed]
    assert len(died) > 100 and len(lived) > 100, (len(died), len(lived))
    for kills, execs in ((True, died), (False, lived)):
        audit = tmp_path / f"audit{kills}.log"
        audit.write_text("\n".join(line for i, argv in execs for line in audit_records(i, argv, path)) + "\n")
        array = tmp_path / f"array{kills}.log"
        array.write_text("\n".join(json.dumps({"cmdline": [os.fsdecode(a) for a in argv], "filename": os.fsdecode(path),
                                               "exe": os.fsdecode(path)}) for _, argv in execs) + "\n")
        for log, format in ((audit, "auditd"), (array, "cryptnono")):
            said = examples(d.files[0], log, format)
            assert said["broken"] == said["redacted"] == 0
            # All of those that died, and none of those that lived.
            assert said["verdicts"].get("would die", 0) == (len(execs) if kills else 0), format
