"""What a dynamically linked program needs: its loader and the transitive closure of its libraries.

Read from the ELF files and not asked of the loader (`ldd`), so that it works for another architecture too, and so that no variant for
the build machine's CPU (glibc-hwcaps) can get in: only the baseline directories are looked at.
"""
import pathlib
import re
import subprocess

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


def _readelf(option, path):
    return subprocess.run(["readelf", "-W", option, str(path)], check=True, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout


def interpreter(path):
    return re.search(r"program interpreter: (\S+)\]", _readelf("-l", path)).group(1)


def needed(path):
    dynamic = _readelf("-d", path)
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        raise SystemExit(f"{path} has a search path of its own, which an image cannot keep")
    return re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", dynamic)


def closure(program, root, architecture):
    """(loader's path in the image, {soname: real path below root}); the loader is in both."""
    directories = [root / prefix / TRIPLETS[architecture] for prefix in ("usr/lib", "lib")]
    loader = interpreter(program)
    found, todo = {}, [*needed(program), pathlib.Path(loader).name]
    while todo:
        soname = todo.pop()
        if soname in found:
            continue
        path = next((directory / soname for directory in directories if (directory / soname).exists()), None)
        if path is None:
            raise SystemExit(f"no {soname} below {root}, which {program} needs")
        found[soname] = path.resolve()
        todo += needed(found[soname])
    return loader, dict(sorted(found.items()))
