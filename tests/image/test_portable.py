"""The image runs on processors that lack what the build machine's has, and, cross-compiled, on arm64: by emulation of the instructions."""
import json
import pathlib
import re
import shutil
import subprocess
import tarfile

import pytest

from conftest import ARCHIVE_ARM64, B, BUILD, Image

RULES = f"bannedCommandStrings: [{B}]\nallowedCommandPatterns: ['^/usr/bin/git ']\n"
LOG = json.dumps({"pid": 7, "cmdline": f"/bin/echo {B}", "action": "observed", "event": "New process"}) + "\n"
# x86-64 as it was in 2003: what Debian's amd64 is built for. No SSE3, no SSE4, no AVX.
BASELINE = "qemu64,-sse3,-ssse3,-sse4.1,-sse4.2,-popcnt,-cx16,-avx,-avx2,-bmi1,-bmi2"


def commands(emulator, root, work):
    """Runs what needs neither root nor BPF, with the root of the image as that of the emulated program."""
    (work / "rules.yaml").write_text(RULES)
    (work / "log.jsonl").write_text(LOG)
    (work / "tests.yaml").write_text(f"mustDie: ['/bin/echo {B}']\nmustLive: ['/usr/bin/git status']\n")
    loader = next(path for path in (*root.glob("lib64/ld-linux-x86-64.so.2"), *root.glob("lib/ld-linux-aarch64.so.1")))
    libraries = next(root.glob("usr/lib/*-linux-gnu"))

    def run(*arguments):
        return subprocess.run([*emulator, loader, "--inhibit-cache", "--library-path", libraries, root / "usr/bin/cryptnono", *arguments], capture_output=True, text=True,
                              timeout=120, cwd=work, env={"PATH": "/nonexistent"})
    return run


def check(run, version):
    done = run("--version")
    assert (done.returncode, done.stdout.strip()) == (0, version), done.stderr
    done = run("check", "-c", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("explain", "-c", "rules.yaml", "--", "/bin/echo", B)
    assert "killed" in done.stdout.splitlines()[-1], done.stdout + done.stderr
    done = run("explain", "-c", "rules.yaml", "--", "/bin/echo", "X" + B)
    assert "killed" not in done.stdout.splitlines()[-1], done.stdout + done.stderr
    done = run("replay", "-c", "rules.yaml", "log.jsonl")
    assert done.returncode == 0 and "would die: 1\n" in done.stdout, done.stdout + done.stderr
    done = run("rules", "test", "-c", "rules.yaml", "tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_on_the_oldest_x86_64(layer, image, tmp_path):
    if not shutil.which("qemu-x86_64-static"):
        pytest.skip("qemu-user-static is not installed")
    check(commands([shutil.which("qemu-x86_64-static"), "-cpu", BASELINE], layer[1], tmp_path), image.config["config"]["Labels"]["org.opencontainers.image.version"])


def test_newer_instructions_are_only_in_functions_that_ask_for_the_processor(archive):
    """As symbols tell, of the same objects as in the image. `tzcnt` is `rep bsf`, which any processor runs."""
    binary = BUILD / "bin/cryptnono"
    listing = subprocess.Popen(["objdump", "-d", "-C", "--no-show-raw-insn", binary], stdout=subprocess.PIPE, text=True)
    newer = re.compile(r"\t(v[a-z0-9]+|pshufb|palignr|popcnt|lzcnt|andn|bextr|pext|pdep|mulx|rorx|shlx|sarx|shrx|crc32[a-z]*|pcmp[ei]str[im]|aes[a-z]+|pclmul[a-z]+)\s")
    function, found = "", {}
    for line in listing.stdout:
        if line.endswith(">:\n"):
            function = line.split(" ", 1)[1].strip()
        elif match := newer.search(line):
            found.setdefault(function, set()).add(match.group(1))
    assert listing.wait() == 0
    guarded = {function for function in found if ".arch_haswell]" in function or "::classify_avx2(" in function}
    assert guarded and found.keys() == guarded, {function: found[function] for function in found.keys() - guarded}


def test_arm64_as_it_was_cross_compiled_last(tmp_path):
    """`make image ARCH=arm64` takes minutes, so this takes what is there."""
    if not ARCHIVE_ARM64.exists():
        pytest.skip("build/image/cryptnono-arm64.tar has not been built (make image ARCH=arm64)")
    if not shutil.which("qemu-aarch64-static"):
        pytest.skip("qemu-user-static is not installed")
    image = Image(ARCHIVE_ARM64)
    assert image.config["architecture"] == "arm64" and ARCHIVE_ARM64.stat().st_size < 25 * 2**20
    layer = tmp_path / "layer.tar.gz"
    layer.write_bytes(image.blob(image.manifest["layers"][0]["digest"]))
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(layer) as tar:
        tar.extractall(root)
    for path in [root / "usr/bin/cryptnono", *root.glob("usr/lib/aarch64-linux-gnu/*"), *pathlib.Path(root / "lib").glob("ld-*")]:
        header = subprocess.run(["readelf", "-h", path], check=True, capture_output=True, text=True).stdout
        assert re.search(r"Machine:\s+AArch64", header), path
    check(commands([shutil.which("qemu-aarch64-static")], root, tmp_path), image.config["config"]["Labels"]["org.opencontainers.image.version"])
