"""The binary as its users call it, for tests of commands."""
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ.get("CRYPTNONO_BUILD", pathlib.Path(__file__).resolve().parents[1] / "build/release"))
BINARY = BUILD / "bin/cryptnono"


def cryptnono(*arguments, expect=0, **options):
    """Runs a command to its end; what it said. It must exit with `expect`."""
    options.setdefault("capture_output", True)
    options.setdefault("text", True)
    done = subprocess.run([str(BINARY), *map(str, arguments)], timeout=60, check=False, **options)
    assert done.returncode == expect, (arguments, done.returncode, done.stdout, done.stderr)
    return done
