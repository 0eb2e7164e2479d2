"""The kernel's matcher against a reference that is as plain as possible, on random rules and random command lines."""
import os
import random
import re

from conftest import VICTIMS

WORD = re.compile(rb"[A-Za-z0-9_]")
CHUNK = 32768  # what the kernel side reads at once


def banned(words, substrings, text):
    text = text.lower()
    for word in words:
        at = -1
        while (at := text.find(word.lower(), at + 1)) >= 0:
            end = at + len(word)
            if not (at > 0 and WORD.match(text[at - 1:at])) and not WORD.match(text[end:end + 1]):
                return True
    return any(s.lower() in text for s in substrings)


def judged(words, substrings, path, argv):
    lines = [path, b" ".join(argv), b" ".join([path, *argv[1:]])]
    return any(banned(words, substrings, line) for line in lines)


def test_kernel_agrees_with_the_reference(daemon, spawn):
    rng = random.Random(99)
    text = lambda shortest, longest: bytes(rng.choice(b"abAB_0. -:") for _ in range(rng.randint(shortest, longest)))
    path = os.fsencode(str((VICTIMS / "first_act").resolve()))
    died = lived = 0
    for _ in range(12):
        # Distinctive enough that the path and most lines hold none.
        words = [w for w in (text(2, 6) for _ in range(12)) if w.strip()]
        substrings = [s for s in (text(4, 7) for _ in range(4)) if s.strip()]
        if judged(words, substrings, path, [b"v"]):
            continue
        quoted = lambda values: ", ".join('"' + value.decode() + '"' for value in values)
        d = daemon(f"bannedCommandStrings: [{quoted(words)}]\nbannedCommandSubstrings: [{quoted(substrings)}]\n"
                   "execwhacker: {scanInterval: 0}\n")
        for _ in range(120):
            argv = [text(0, 12) for _ in range(rng.randint(1, 5))]
            if rng.random() < 0.3:  # the decisive bytes around the end of a chunk
                argv.insert(0, b"y" * (CHUNK - rng.randint(0, 12)))
            expected = judged(words, substrings, path, argv)
            code = spawn(argv, executable=path, pass_fds=())
            assert (code == -9) == expected, (words, substrings, argv)
            died, lived = died + expected, lived + (not expected)
        d.stop()
    assert died > 100 and lived > 100, (died, lived)
