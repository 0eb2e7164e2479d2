"""From a Debian copyright file to an SPDX expression, as far as that can be told."""
import re

# Names of Debian's machine-readable format (and as packagers really write them, lower case) -> SPDX.
SPDX = {
    "0bsd": "0BSD", "apache-2.0": "Apache-2.0", "artistic": "Artistic-1.0-Perl", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-google": "BSD-3-Clause", "bsl-1.0": "BSL-1.0", "curl": "curl", "expat": "MIT", "gpl-2": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later",
    "gpl-2.0": "GPL-2.0-only", "gpl-3": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later", "gplv3+": "GPL-3.0-or-later", "isc": "ISC",
    "lgpl-2": "LGPL-2.0-only", "lgpl-2+": "LGPL-2.0-or-later", "lgpl-2.1": "LGPL-2.1-only", "lgpl-2.1+": "LGPL-2.1-or-later", "lgplv2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later", "mit": "MIT", "mpl-2.0": "MPL-2.0", "openldap-2.8": "OLDAP-2.8", "oldap-2.8": "OLDAP-2.8",
    "zlib": "Zlib",
}


def expression(text):
    """`GPL-2+ or Expat` as SPDX; None if a part of it has no certain name there. A comma makes Debian's precedence another."""
    if "," in text or "(" in text:
        return None
    ors = []
    for alternative in re.split(r"\s+or\s+", text.strip(), flags=re.IGNORECASE):
        names = [SPDX.get(name.strip().lower()) for name in re.split(r"\s+and\s+", alternative, flags=re.IGNORECASE)]
        if None in names:
            return None
        ors.append(" AND ".join(names))
    return " OR ".join(ors)


def of_copyright(text):
    """(SPDX expression or None, all names of licenses in it) of a copyright file. The expression is that of the stanza `Files: *`, which is
    what the package is under unless a file says otherwise; files without stanzas give (None, [])."""
    if not re.match(r"Format(-Specification)?:\s", text, re.IGNORECASE):
        return None, []
    declared, names = None, set()
    for stanza in re.split(r"\n\s*\n", text):
        license_ = re.search(r"^License:[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        if not license_:
            continue
        name = " ".join((license_.group(1).splitlines() or [""])[0].split())
        if name:
            names.add(name)
        if re.search(r"^Files:\s*\*\s*$", stanza, re.MULTILINE) and declared is None:
            declared = expression(name)
    return declared, sorted(names)
