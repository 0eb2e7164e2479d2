"""The bill of materials: valid SPDX 2.3, and true: files, checksums, packages and versions are those of the image."""
import hashlib
import json
import re
import subprocess
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "packaging/image"))
import licenses  # noqa: E402

ID = re.compile(r"SPDXRef-[A-Za-z0-9.-]+")
# Of the fields that this document has: what SPDX 2.3 wants in each object (its JSON schema), and what it allows.
REQUIRED = {
    "document": {"SPDXID", "creationInfo", "dataLicense", "name", "spdxVersion", "documentNamespace", "packages", "files", "relationships"},
    "package": {"SPDXID", "name", "downloadLocation"},
    "file": {"SPDXID", "fileName", "checksums"},
    "relationship": {"spdxElementId", "relationshipType", "relatedSpdxElement"},
}
ALLOWED = {
    "document": REQUIRED["document"],
    "package": REQUIRED["package"] | {"versionInfo", "supplier", "filesAnalyzed", "packageVerificationCode", "licenseConcluded", "licenseDeclared",
                                      "licenseComments", "copyrightText", "sourceInfo", "primaryPackagePurpose", "hasFiles", "externalRefs", "homepage",
                                      "comment"},
    "file": REQUIRED["file"] | {"licenseConcluded", "licenseInfoInFiles", "copyrightText"},
    "relationship": REQUIRED["relationship"],
}


@pytest.fixture(scope="module")
def document(archive):
    return json.loads(archive.with_suffix(".spdx.json").read_text())


def check(kind, thing):
    assert REQUIRED[kind] <= thing.keys() <= ALLOWED[kind], thing.keys() ^ REQUIRED[kind]
    if "SPDXID" in thing:
        assert ID.fullmatch(thing["SPDXID"])


def test_it_is_spdx(document):
    check("document", document)
    assert (document["spdxVersion"], document["dataLicense"], document["SPDXID"]) == ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["creationInfo"]["created"])
    assert all(re.match(r"(Tool|Person|Organization): ", creator) for creator in document["creationInfo"]["creators"])
    assert re.fullmatch(r"https://spdx\.org/spdxdocs/[A-Za-z0-9.-]+", document["documentNamespace"])
    for kind in ("package", "file", "relationship"):
        for thing in document[kind + "s"]:
            check(kind, thing)
    ids = [thing["SPDXID"] for thing in [*document["packages"], *document["files"]]]
    assert len(ids) == len(set(ids))
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= {"SPDXRef-DOCUMENT", *ids}
        assert relation["relationshipType"] in ("DESCRIBES", "CONTAINS", "STATIC_LINK")
    contained = {relation["relatedSpdxElement"] for relation in document["relationships"]}
    assert contained == set(ids)  # nothing hangs in the air


def test_every_file_of_the_image_is_listed_with_its_checksum_and_no_other(document, layer):
    members, root = layer
    listed = {file["fileName"].removeprefix("./"): file for file in document["files"]}
    assert listed.keys() == {name for name, member in members.items() if member.isfile()}
    for name, file in listed.items():
        data = (root / name).read_bytes()
        sums = {each["algorithm"]: each["checksumValue"] for each in file["checksums"]}
        assert sums == {"SHA1": hashlib.sha1(data).hexdigest(), "SHA256": hashlib.sha256(data).hexdigest()}, name


def test_verification_codes_are_those_of_the_files(document):
    files = {file["SPDXID"]: file for file in document["files"]}
    for package in document["packages"]:
        sums = sorted(files[each]["checksums"][0]["checksumValue"] for each in package["hasFiles"])
        assert package["packageVerificationCode"]["packageVerificationCodeValue"] == hashlib.sha1("".join(sums).encode()).hexdigest()


def test_packages_are_those_that_dpkg_knows(document, layer):
    _, root = layer
    debian = [package for package in document["packages"] if package["name"] != "cryptnono"]
    assert {package["name"] for package in debian} == {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
    assert len(debian) > 30
    for package in debian:
        shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ${Architecture}\n", package["name"]], check=True, capture_output=True, text=True)
        assert any(line.split()[0] == package["versionInfo"] for line in shown.stdout.splitlines()), package["name"]
        (purl,) = package["externalRefs"]
        assert purl["referenceCategory"] == "PACKAGE-MANAGER" and purl["referenceType"] == "purl"
        assert re.fullmatch(r"pkg:deb/debian/[a-z0-9.%B-]+@[A-Za-z0-9.~%+-]+\?arch=(amd64|all)&distro=debian-12", purl["referenceLocator"])
        assert package["supplier"].startswith("Organization: Debian (")
    (ours,) = (package for package in document["packages"] if package["name"] == "cryptnono")
    assert ours["licenseDeclared"] == "BSD-3-Clause" and ours["versionInfo"] == document["name"].split("-")[1]


def test_what_is_compiled_in_is_told_too(document):
    """Libraries of headers alone leave no file in the image."""
    names = {package["SPDXID"]: package["name"] for package in document["packages"]}
    compiled = {names[relation["relatedSpdxElement"]] for relation in document["relationships"] if relation["relationshipType"] == "STATIC_LINK"}
    assert {"libcli11-dev", "libexpected-dev", "nlohmann-json3-dev"} <= compiled
    assert not {"libcurl4-openssl-dev", "libc6-dev", "libstdc++-12-dev", "libgtest-dev"} & compiled


def test_licenses_are_spdx_expressions_or_said_to_be_unknown(document):
    known = set(licenses.SPDX.values())
    declared = {package["name"]: package["licenseDeclared"] for package in document["packages"]}
    for name, expression in declared.items():
        assert expression == "NOASSERTION" or set(re.split(r" (?:AND|OR) ", expression)) <= known, (name, expression)
    assert declared["libcurl4"] == "curl" and declared["libssl3"] == "Apache-2.0"
    assert declared["libc6"] == "NOASSERTION"  # its copyright file is prose
    assert sum(expression != "NOASSERTION" for expression in declared.values()) > len(declared) / 2


@pytest.mark.parametrize("text, expected", [
    ("Expat", "MIT"), ("GPL-2+ or Expat", "GPL-2.0-or-later OR MIT"), ("BSD-3-clause and Zlib", "BSD-3-Clause AND Zlib"),
    ("GPL-2+ with Autoconf-data exception", None), ("GPL-1+ or Artistic, and BSD-3-clause", None), ("made-up", None)])
def test_only_certain_names_become_spdx(text, expected):
    assert licenses.expression(text) == expected
