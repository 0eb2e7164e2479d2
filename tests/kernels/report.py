"""docs/kernels.md, made of what `doctor` said in each guest and of which tests passed there.

It has nothing that moves with a patch level, so that Debian's updates do not change it: no version but the series, no error's text, no number.
"""
import re

import machine
import yaml

FILE = machine.ROOT / "docs/kernels.md"
HEAD = """# Kernels

Made from the results of `make test-kernels` (tests/kernels/report.py), which fails if this page says anything else; `make test-kernels WRITE=1`
writes it. Each line is an emulated machine with a kernel of Debian: 5.10 of bullseye, 6.1 of bookworm, 6.12 of trixie, and the newest, of sid{newest}.
What is promised is any x86-64 kernel with BTF from 5.10 on.

## What holds

`holds`: every test of that kind passed ([tests/kernels/guests.yaml](../tests/kernels/guests.yaml) has their names). An empty field: it is not
tried there.

"""
SETS = {"exec": "banned execs", "many": "1,000 execs under load", "decisions": "user space's decisions", "cgroups": "scopes", "randomx": "RandomX",
        "connects": "banned connects and scans", "lsm": "BPF LSM", "guard": "guard", "pins": "pins"}
ALIASES = {"connects-seen": "connects"}  # what is left of a kind where a kernel gives less
HOOKS = {"tcpflowkiller: refuse and kill in one": "refuses, and kills at once (BPF LSM)",
         "tcpflowkiller: kill where it refuses": "refuses, and kills at once", "tcpflowkiller: refuse connects": "refuses; user space kills",
         "tcpflowkiller: see connects": "kills; the first packet leaves"}


def doctor_lines(text):
    """[(state, what, what is lost)] of what `doctor` printed; state is ok, degraded or MISSING."""
    out = []
    for line in text.splitlines():
        if found := re.match(r"(ok|degraded|MISSING) +(.*)", line):
            out.append([found[1], found[2], ""])
        elif found := re.match(r" +without it: (.*)", line):
            out[-1][2] = found[1]
    return out


def state(lines, what):
    return next((each[0] for each in lines if each[1].startswith(what)), None)


def detectors(guest):
    """What each of the three does, by its best hook, in a few words; and in which form their loops are."""
    lines = doctor_lines(guest.said("doctor"))

    def of(*needed):
        return all(state(lines, each) == "ok" for each in needed)
    flow = next((words for what, words in HOOKS.items() if state(lines, what) == "ok"), "no")
    execs = "no"
    if of("execwhacker: load", "execwhacker: attach"):
        execs = "refuses (BPF LSM)" if of("execwhacker: refuse execs") else "kills before the first instruction"
    loops = re.search(r"^ok +execwhacker: load the program \((.*)\)$", guest.said("doctor"), re.MULTILINE)
    return execs, "kills" if of("monero: load", "monero: rounding modes") else "no", flow, loops[1] if loops else ""


def verdict(guest, data, names):
    """Of the sets of this name in a guest."""
    own = next(entry for entry in data["guests"] if entry["name"] == guest.name).get("tests", [])
    chosen = [name for name in own if name in names]
    if not chosen:
        return ""
    ran, outcomes = guest.cases(), []
    for name in chosen:
        for test in data["sets"][name]:
            found = [outcome for each, (outcome, _) in ran.items() if each == test or each.startswith((test + "::", test + "["))]
            outcomes += found or ["failed"] * (test in guest.tests)  # else its module is not there yet
    if "failed" in outcomes:
        return "FAILS"
    return "holds" if "passed" in outcomes else ""


def name_of(guest):
    return "newest" if guest.kernel == "newest" else guest.kernel


def configuration(guest):
    lsm = guest.said("machine").splitlines()[1:2]
    lockdown = re.search(r"lockdown=(\w+)", guest.append)
    return [name_of(guest), guest.cgroups, "yes" if lsm and "bpf" in lsm[0].split(",") else "no", lockdown[1] if lockdown else "none"]


def row(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def text(guests):
    data = yaml.safe_load((machine.HERE / "guests.yaml").read_text())
    newest = next((guest.series for guest in guests if guest.kernel == "newest"), "")
    out = HEAD.format(newest=f" (here {newest})" if newest else "")
    out += row(["kernel", "cgroups", "BPF LSM", "lockdown", *SETS.values()]) + row(["---"] * (4 + len(SETS)))
    for guest in guests:
        if guest.tests or guest.absent:
            cells = [verdict(guest, data, {name, *(alias for alias, stands in ALIASES.items() if stands == name)}) for name in SETS]
            out += row(configuration(guest) + cells)
    out += "\n## What each kernel gives\n\nWhat `doctor` says there, each detector by its best hook. Loops: in which form the kernel takes them ([ADR 16](adr/0016-old-kernels.md)).\n\n"
    out += row(["kernel", "cgroups", "BPF LSM", "lockdown", "BTF", "execwhacker", "monero", "tcpflowkiller", "loops", "`doctor`"]) + row(["---"] * 10)
    for guest in guests:
        exits = guest.status("doctor")
        out += row(configuration(guest) + ["yes" if guest.btf else "no", *detectors(guest), f"exit {exits}"])
    out += "\n## What is lost\n\nEach line of `doctor` that is not `ok`, and what happens without it.\n\n"
    seen = {}
    for guest in guests:
        for each in doctor_lines(guest.said("doctor")):
            if each[0] != "ok":
                # Behind the name stands what the kernel said, which is its own.
                what = re.match(r"((?:execwhacker|monero|tcpflowkiller): )?.*?(?=: |$)", each[1])[0]
                label = " ".join(word for word in (name_of(guest), guest.cgroups, *(["without BTF"] if not guest.btf else []),
                                                   *re.findall(r"lockdown=\w+", guest.append)))
                seen.setdefault((what, each[2]), []).append(label)
    out += row(["what", "without it", "where"]) + row(["---"] * 3)
    for (what, lost), where in seen.items():
        out += row([what, lost, ", ".join(dict.fromkeys(where))])
    return out


def same(one, other):
    """The newest kernel's number is told, and may be any."""
    strip = lambda words: re.sub(r"of sid \(here [0-9.]+\)", "of sid", words)  # noqa: E731
    return strip(one) == strip(other)
