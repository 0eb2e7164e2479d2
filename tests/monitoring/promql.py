"""Names in a PromQL expression. The grammar is promtool's business; this only sorts what is a metric and what is a label."""
import re

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9][0-9a-zA-Z.]*|=~|!~|!=|\S')
LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = LISTS | {"and", "or", "unless", "bool", "offset", "inf", "nan"}


def names(expr):
    """({metric: [(label, operator, value)]}, {labels in by (...), on (...) and the like})."""
    tokens = TOKEN.findall(expr)
    metrics, grouping, i = {}, set(), 0
    while i < len(tokens):
        token, following = tokens[i], tokens[i + 1] if i + 1 < len(tokens) else ""
        i += 1
        if token in LISTS and following == "(":
            end = tokens.index(")", i)
            grouping.update(t for t in tokens[i + 1:end] if t != ",")
            i = end + 1
        elif token == "[":  # a range
            i = tokens.index("]", i) + 1
        elif re.match(r"[a-zA-Z_:]", token) and token.lower() not in WORDS and following not in ("(", "by", "without"):
            matchers = metrics.setdefault(token, [])
            if following == "{":
                end = tokens.index("}", i)
                inside = [t for t in tokens[i + 1:end] if t != ","]
                matchers += [(inside[k], inside[k + 1], inside[k + 2][1:-1]) for k in range(0, len(inside), 3)]
                i = end + 1
    return metrics, grouping
