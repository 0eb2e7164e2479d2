"""Both formats of a scrape, read by the parsers of others: formats_test.py PROGRAM, which is formats_sample."""
import re
import shutil
import subprocess
import sys

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
    from prometheus_client.parser import text_string_to_metric_families as parse_text
except ImportError:
    print("python3-prometheus-client is not installed")
    sys.exit(77)


def output(form):
    return subprocess.run([sys.argv[1], form], capture_output=True, text=True, check=True).stdout


def samples(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


text, open_metrics = output("text"), output("open-metrics")
old, new = list(parse_text(text)), list(parse_open_metrics(open_metrics))

# The same series with the same values, as their lines too: `le` is written alike.
assert samples(old) == samples(new) and len(samples(new)) > 300, len(samples(new))
lines = [[line for line in form.splitlines() if not line.startswith("#")] for form in (text, open_metrics)]
assert lines[0] == lines[1]

# What OpenMetrics says of them.
assert open_metrics.endswith("\n# EOF\n") and open_metrics.count("# EOF") == 1
types = {family.name: (family.type, family.unit, family.documentation) for family in new}
assert types["cryptnono_processes_killed"][:2] == ("counter", "")
assert types["process_cpu_seconds"][:2] == ("counter", "seconds")
assert types["process_resident_memory_bytes"][:2] == ("gauge", "bytes")
assert types["cryptnono_kill_latency_seconds"][:2] == ("histogram", "seconds")
assert all(documentation for _, _, documentation in types.values())
assert len(types) == len(set(re.findall(r"^# TYPE (\S+)", text, re.M)))

if promtool := shutil.which("promtool"):
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
else:
    print("promtool (prometheus) is not installed: the text format was parsed only")
