#!/usr/bin/python3
"""What `cryptnono doctor --programs --json` says of each BPF program, against bounds.yaml.

As a command:  tests/kernels/bounds.py --record     writes what the guests said last (make test-kernels), and this machine says, into bounds.yaml
               tests/kernels/bounds.py              prints it as a table
"""
import json
import pathlib
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
FILE = HERE / "bounds.yaml"


def series(release):
    """6.1 of 6.1.0-56-cloud-amd64."""
    return ".".join(release.split("-")[0].split("+")[0].split(".")[:2])


def loaded(report):
    """{object/program: its entry} of those that are in the kernel. Of several attempts the last is what runs."""
    return {f"{each['object']}/{each['program']}": each for each in report["programs"] if each["loaded"]}


def exceeded(report, bounds):
    """A line for each bound that does not hold: program, kernel, figure, bound."""
    release = report["kernel"]
    recorded = bounds["recorded"].get(series(release))
    lines = []
    for name, entry in loaded(report).items():
        figure = entry["instructions"]
        if figure > bounds["instructions"]:
            lines.append(f"{name} on {release}: {figure} instructions verified, more than {bounds['instructions']}")
        if recorded is None:
            continue  # a kernel of which nothing is recorded, such as the newest when it is new
        if name not in recorded:
            lines.append(f"{name} on {release}: {figure} instructions verified, and nothing recorded (tests/kernels/bounds.py --record)")
            continue
        bound = recorded[name] * (100 + bounds["growth_percent"]) // 100
        if figure > bound:
            lines.append(f"{name} on {release}: {figure} instructions verified, more than {bound}, "
                         f"which is {bounds['growth_percent']} % above the recorded {recorded[name]}")
    return lines


def read():
    return yaml.safe_load(FILE.read_text())


def table(reports):
    lines = [f"{'kernel':10} {'program':28} {'instructions':>12} {'states':>7} {'peak':>6} {'jited':>7} {'ms':>8}"]
    for report in reports:
        for name, each in loaded(report).items():
            lines.append(f"{series(report['kernel']):10} {name:28} {each['instructions']:12} {each['states']:7} {each['peak_states']:6} "
                         f"{each['jited_bytes']:7} {each['verification_us'] / 1000:8.1f}")
    return "\n".join(lines) + "\n"


def reports_of_guests():
    import matrix
    for guest in matrix.table():
        if text := guest.said("programs"):
            yield json.loads(text)


def record(reports):
    """Rewrites what is recorded for the kernels of these reports; the head of the file stays."""
    head, bounds = FILE.read_text().split("\nrecorded:")[0], read()
    all_series = bounds["recorded"]
    for number in {series(report["kernel"]) for report in reports}:
        all_series[number] = {}
    for report in reports:
        for name, each in loaded(report).items():
            known = all_series[series(report["kernel"])]
            known[name] = max(each["instructions"], known.get(name, 0))
    out = head + "\nrecorded:\n"
    for number in sorted(all_series, key=lambda text: tuple(map(int, text.split(".")))):
        out += f'  "{number}":\n' + "".join(f"    {name}: {all_series[number][name]}\n" for name in sorted(all_series[number]))
    FILE.write_text(out)


def main():
    reports = [report for report in reports_of_guests() if loaded(report)]
    import matrix
    here = subprocess.run([matrix.BUILD / "bin/cryptnono", "doctor", "--programs", "--json"], capture_output=True, text=True, check=False)
    if here.returncode == 0:
        reports.append(json.loads(here.stdout))
    if sys.argv[1:] == ["--record"]:
        record(reports)
    sys.stdout.write(table(reports))


if __name__ == "__main__":
    main()
