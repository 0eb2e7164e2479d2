"""The image's bill of materials, SPDX 2.3 as JSON: the project, the Debian packages that files of the image come from, and the files.

The same input gives the same bytes: nothing of the build machine and no clock gets in.
"""
import datetime
import hashlib
import json
import re
import urllib.parse

import licenses

CREATOR = "Tool: cryptnono-packaging"
FEW_FILES = "Only the files of this package that are listed here are in the image."


def _id(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def _checksums(data):
    return [{"algorithm": name, "checksumValue": hashlib.new(name.lower(), data, usedforsecurity=False).hexdigest()} for name in ("SHA1", "SHA256")]


def _verification_code(files):
    """SPDX 2.3, 7.9: the SHA-1 of the files' SHA-1s, sorted and joined."""
    sums = sorted(file["checksums"][0]["checksumValue"] for file in files)
    return {"packageVerificationCodeValue": hashlib.sha1("".join(sums).encode(), usedforsecurity=False).hexdigest()}


def _files(tree):
    """name in the image -> the SPDX file."""
    made = {}
    for name in sorted(tree.origins):
        data = (tree.directory / name).read_bytes()
        made[name] = {"SPDXID": _id("File", name), "fileName": f"./{name}", "checksums": _checksums(data), "licenseConcluded": "NOASSERTION",
                      "licenseInfoInFiles": ["NOASSERTION"], "copyrightText": "NOASSERTION"}
    return made


def _purl(fields):
    version = urllib.parse.quote(fields["Version"], safe="")
    return f"pkg:deb/debian/{urllib.parse.quote(fields['Package'])}@{version}?arch={fields['Architecture']}&distro=debian-12"


def _debian_package(package, fields, copyright_text, files):
    declared, names = licenses.of_copyright(copyright_text)
    name = fields["Package"]
    said = f"Its copyright file names: {'; '.join(names)}." if names else "Its copyright file is not machine-readable."
    source = fields.get("Source", name)
    made = {"SPDXID": _id("Package", package), "name": name, "versionInfo": fields["Version"], "supplier": f"Organization: Debian ({fields['Maintainer']})"
            if "Maintainer" in fields else "Organization: Debian", "downloadLocation": "NOASSERTION", "filesAnalyzed": bool(files),
            "licenseConcluded": "NOASSERTION", "licenseDeclared": declared or "NOASSERTION",
            "licenseComments": f"{said} The whole text is in the image, usr/share/doc/{name}/copyright.", "copyrightText": "NOASSERTION",
            "sourceInfo": f"Debian source package {source}", "primaryPackagePurpose": "LIBRARY",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": _purl(fields)}]}
    if fields.get("Homepage"):
        made["homepage"] = fields["Homepage"]
    if files:
        made |= {"comment": FEW_FILES, "packageVerificationCode": _verification_code(files), "hasFiles": [file["SPDXID"] for file in files]}
    return made


def document(tree, compiled, copyright_of, options):
    files = _files(tree)
    owned = {}
    for name, origins in tree.origins.items():
        for package in origins or [""]:
            owned.setdefault(package, []).append(files[name])
    root = _id("Package", "cryptnono")
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", root)]
    ours = owned.pop("")
    made = [{"SPDXID": root, "name": "cryptnono", "versionInfo": options.version, "supplier": "Organization: The cryptnono authors",
             "downloadLocation": "NOASSERTION", "filesAnalyzed": True, "packageVerificationCode": _verification_code(ours),
             "licenseConcluded": "BSD-3-Clause", "licenseDeclared": "BSD-3-Clause", "copyrightText": "Copyright (c) 2026, The cryptnono authors",
             "licenseComments": "The programs for the kernel are BSD-3-Clause OR GPL-2.0-only.", "sourceInfo": f"revision {options.revision}",
             "primaryPackagePurpose": "CONTAINER", "hasFiles": [file["SPDXID"] for file in ours]}]
    relations += [(root, "CONTAINS", file["SPDXID"]) for file in ours]
    for package in sorted(owned):
        fields = tree.machine.fields(package)
        text = copyright_of(tree.machine, package.partition(":")[0]).read_text(errors="replace")
        described = _debian_package(package, fields, text, owned[package])
        made.append(described)
        relations.append((root, "CONTAINS", described["SPDXID"]))
        relations += [(described["SPDXID"], "CONTAINS", file["SPDXID"]) for file in owned[package]]
        if package in compiled:
            relations.append((root, "STATIC_LINK", described["SPDXID"]))
    created = datetime.datetime.fromtimestamp(options.epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"packages": made, "files": list(files.values()),
            "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in relations]}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    name = f"cryptnono-{options.version}-{options.architecture}"
    head = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
            "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{digest}", "creationInfo": {"created": created, "creators": [CREATOR]}}
    return json.dumps({**head, **body}, indent=1) + "\n"
