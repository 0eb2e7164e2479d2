#!/usr/bin/python3
"""An emulated machine with a kernel of its own: starts it on a directory of files, and brings back what its script wrote.

As a command, for whoever works on the tests:  tests/kernels/machine.py NEWEST|6.1|... [-a APPEND]... [-b BUILD] -- COMMAND...
runs a shell command in it, as root, beside the binary (./cryptnono), the victims (./victims) and the daemon's tests (./tests).
"""
import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/kernels"
STORE = pathlib.Path(os.environ.get("CRYPTNONO_KERNELS", ROOT / "build/kernels"))
# Release of Debian that has it. "newest" moves.
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "newest": "sid"}
# What the binary, the victims and the tests need. The binary's libraries are those that packaging/ knows as well.
PACKAGES = """bash coreutils mount libc-bin dash sed grep gawk findutils tar gzip util-linux procps iproute2 kmod hostname python3 python3-pytest python3-yaml strace bpftool
    libbpf1 libelf1 libyaml-0-2 libre2-9 libcurl4 libprometheus-cpp-core1.0 libprotobuf-lite32 libnghttp2-14 libsodium23 libssl3 libfmt9 librandomx-dev ca-certificates age""".split()
OF_ARCHITECTURE = {"amd64": ["libc6-i386"], "arm64": []}
EMULATORS = {"amd64": ("qemu-system-x86", "qemu-system-x86_64"), "arm64": ("qemu-system-arm", "qemu-system-aarch64")}
# All that can be emulated, but for the fast string instructions: where they are, kernels copy and clear by them alone, and emulated they go
# byte by byte. Without them, loading all programs takes 18 % less time on 7.2 (QEMU 10.0).
PROCESSORS = {"amd64": ["-cpu", "max,-erms,-fsrm,-fzrm,-fsrs,-fsrc"], "arm64": ["-machine", "virt", "-cpu", "max,pauth-impdef=on"]}


class NoMirror(Exception):
    """There is no mirror of Debian's packages, and nothing of before."""


# Of what costs most in emulation, and changes nothing that is tested: clearing all memory, barriers against a processor's speculation, and a
# thread of the kernel that looks for huge pages in all programs: of the lowest priority, it held up RCU for half a minute at a time where
# both CPUs were busy.
FASTER = "init_on_alloc=0 mitigations=off transparent_hugepage=madvise"


@dataclasses.dataclass
class Result:
    status: int | None  # of the script; None: it never came to its end
    output: str         # of the script
    console: str
    files: pathlib.Path  # what it left in /run/results


def fetch(*arguments):
    """NoMirror, or CalledProcessError: there is one, and something else is wrong."""
    done = subprocess.run([HERE / "debian", *arguments], check=False, stdout=sys.stderr)
    if done.returncode == 75:
        raise NoMirror("no mirror of Debian's packages")
    done.check_returncode()


def kernel(name, arch="amd64"):
    """Directory of a kernel; fetched if it is not there, or no longer the current one of its suite."""
    directory = STORE / (name if arch == "amd64" else f"{name}-{arch}")
    fetch("kernel", SUITES[name], arch, directory)
    return directory


def root_disk(arch="amd64", name="root", packages=()):
    directory = STORE / f"{name}-{arch}"
    fetch("root", arch, directory, *PACKAGES, *OF_ARCHITECTURE[arch], *packages)
    return directory / "disk"


def emulator(arch="amd64"):
    """The words that start QEMU, trixie's, for machines of an architecture: the processor, a console, a source of random numbers, nothing else.

    Bookworm's, 7.2, may translate code while another CPU's thread patches it, as a kernel does whenever a static key or a tracepoint is
    switched; the kernel then dies of the breakpoint that stands there in between ("Oops: int3"). Switching kernel.sched_schedstats on and off
    beside execs shows it within a minute; 10.0 does not. With one thread for all CPUs they would run in turns, as on no node."""
    directory = STORE / f"emulator-{arch}"
    package, binary = EMULATORS[arch]
    fetch("emulator", directory, package)
    root = directory / "root"
    [loader] = root.glob("usr/lib*/ld-linux-*")
    libraries = ":".join(str(each) for each in root.glob("usr/lib/*-linux-gnu"))
    return [loader, "--library-path", libraries, root / "usr/bin" / binary, "-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios",
            "-accel", "tcg,thread=multi", *PROCESSORS[arch], "-nodefaults", "-nographic", "-serial", "stdio", "-no-reboot", "-device", "virtio-rng-pci"]


def boot(command, log, minutes):
    """Runs a machine, whose console goes into the file `log`, to its end, or until its time is up."""
    with open(log, "wb") as out:
        try:
            subprocess.run([str(each) for each in command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=minutes * 60,
                           check=False)
        except subprocess.TimeoutExpired:
            out.write(f"\nnot done after {minutes} minutes\n".encode())


def run(emulator_words, kernel_dir, disk, payload, work, append="", minutes=10, memory=1536, cpus=2, arch="amd64", image=None):
    """Starts a machine of that emulator(arch); `payload` is a directory with the script `guest`, `work` one for this machine's disks and its
    log; `image`: another file than the directory's kernel."""
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-C", payload, "--hard-dereference", "-cf", work / "payload.tar", "."], check=True)
    results = work / "results.tar"
    with open(results, "wb") as out:
        out.truncate(64 << 20)
    console = {"amd64": "ttyS0", "arm64": "ttyAMA0"}[arch]
    command = [*emulator_words, "-smp", str(cpus), "-m", str(memory), "-kernel", image or kernel_dir / "vmlinuz", "-initrd", kernel_dir / "initrd",
               "-append", f"console={console} quiet panic=-1 {FASTER} {append}",
               "-drive", f"file={disk},if=virtio,format=raw,readonly=on", "-drive", f"file={work}/payload.tar,if=virtio,format=raw,readonly=on",
               "-drive", f"file={results},if=virtio,format=raw"]
    log = work / "console"
    boot(command, log, minutes)
    files = work / "results"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    # A machine that never came to its end leaves no archive.
    subprocess.run(["tar", "-C", files, "-xf", results], check=False, stderr=subprocess.DEVNULL)
    results.unlink()
    (work / "payload.tar").unlink()

    def text(name):
        path = files / name
        return path.read_text(errors="replace") if path.exists() else ""
    return Result(int(text("status")) if text("status").strip() else None, text("output"), log.read_text(errors="replace"), files)


def fill_payload(directory, build, tests=True):
    """The binary without its debugging symbols, the victims, the daemon's tests."""
    subprocess.run(["strip", "-o", directory / "cryptnono", build / "bin/cryptnono"], check=True)
    shutil.copytree(build / "victims", directory / "victims", ignore=lambda _, names: [n for n in names if n.startswith(("CMake", "cmake", "CTest"))])
    if tests:
        shutil.copytree(ROOT / "tests/daemon", directory / "tests", ignore=shutil.ignore_patterns("__pycache__"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernel", choices=SUITES)
    parser.add_argument("-a", "--append", action="append", default=[], help="for the kernel's command line: cgroups=hybrid, lsm=...,bpf")
    parser.add_argument("-b", "--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("-m", "--minutes", type=float, default=10)
    parser.add_argument("-f", "--file", action="append", default=[], type=pathlib.Path, help="another file or directory for the machine")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="machine-") as directory:
        payload = pathlib.Path(directory) / "payload"
        payload.mkdir()
        fill_payload(payload, given.build)
        for each in given.file:
            (shutil.copytree if each.is_dir() else shutil.copy)(each, payload / each.name)
        (payload / "guest").write_text("export CRYPTNONO_BUILD=$PWD CRYPTNONO_BIN=$PWD/cryptnono\n" + " ".join(given.command) + "\n")
        result = run(emulator(), kernel(given.kernel), root_disk(), payload, pathlib.Path(directory) / "work", " ".join(given.append), given.minutes)
    sys.stderr.write(result.console if result.status is None else "".join(line for line in result.console.splitlines(True) if "GUEST" in line))
    sys.stdout.write(result.output)
    return 1 if result.status is None else result.status


if __name__ == "__main__":
    sys.exit(main())
