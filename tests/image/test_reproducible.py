"""The same sources give the same image, wherever they lie."""
import pathlib
import shlex
import shutil
import subprocess

from conftest import Image, ROOT, build

# Compiled anew from the other directory, without a cache; one of them asserts, one has code for several processors.
SAMPLE = ["src/base/sha256.cc", "src/metrics/exposition.cc", "src/replay/masks.cc"]


def copy_of_sources(target):
    """All that git knows or would take, as it is now."""
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)


def test_another_directory_gives_the_same_bytes(image, archive, tmp_path):
    """C++ may come from ccache, which leaves paths out of account; what the test looks after is links, BPF objects, skeletons and packing."""
    there = tmp_path / "some" / "where" / "else"
    there.mkdir(parents=True)
    try:
        compare(there, tmp_path, image, archive)
    finally:
        shutil.rmtree(tmp_path / "some")


def compare(there, work, image, archive):
    copy_of_sources(there)
    labels = image.config["config"]["Labels"]
    created = subprocess.run(["date", "-d", labels["org.opencontainers.image.created"], "+%s"], check=True, capture_output=True, text=True).stdout.strip()
    build(there, SOURCE_DATE_EPOCH=created, REVISION=labels["org.opencontainers.image.revision"])
    other = there / "build/image" / archive.name
    assert Image(other).digest == image.digest
    assert other.read_bytes() == archive.read_bytes()
    assert other.with_suffix(".spdx.json").read_bytes() == archive.with_suffix(".spdx.json").read_bytes()
    assert str(there).encode() not in (there / "build/release/image/cryptnono").read_bytes()
    compile_without_a_cache(there, work)


def compile_without_a_cache(there, work):
    commands = subprocess.run(["ninja", "-C", there / "build/release", "-t", "commands", "cryptnono_stripped"], check=True, capture_output=True, text=True).stdout
    done = 0
    for line in commands.splitlines():
        source = next((name for name in SAMPLE if f"{there}/{name}" in line), None)
        if source is None:
            continue
        words = shlex.split(line)
        words = words[words.index("ccache") + 1:] if "ccache" in words[0] or "ccache" in words[1:2] else words[1:]
        output = words.index("-o") + 1
        ours = ROOT / "build/release" / words[output]
        words[output] = str(work / pathlib.Path(source).name) + ".o"
        subprocess.run(words, cwd=there / "build/release", check=True)
        assert pathlib.Path(words[output]).read_bytes() == ours.read_bytes(), source
        done += 1
    assert done == len(SAMPLE)
