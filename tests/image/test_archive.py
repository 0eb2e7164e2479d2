"""What is in the image, to the last file, and what is said of it."""
import gzip
import hashlib
import pathlib
import re
import socket
import stat
import subprocess

from conftest import ROOT

TRIPLET = "x86_64-linux-gnu"
LIMIT_MIB = 25
LIBRARIES = """libbpf.so.1 libbrotlicommon.so.1 libbrotlidec.so.1 libc.so.6 libcom_err.so.2 libcrypto.so.3 libcurl.so.4 libelf.so.1 libffi.so.8
libfmt.so.9 libgcc_s.so.1 libgmp.so.10 libgnutls.so.30 libgssapi_krb5.so.2 libhogweed.so.6 libidn2.so.0 libk5crypto.so.3 libkeyutils.so.1
libkrb5.so.3 libkrb5support.so.0 liblber-2.5.so.0 libldap-2.5.so.0 libm.so.6 libnettle.so.8 libnghttp2.so.14 libp11-kit.so.0
libprometheus-cpp-core.so.1.0 libprotobuf-lite.so.32 libpsl.so.5 libre2.so.9 libresolv.so.2 librtmp.so.1 libsasl2.so.2 libsodium.so.23
libssh2.so.1 libssl.so.3 libstdc++.so.6 libtasn1.so.6 libunistring.so.2 libyaml-0.so.2 libz.so.1 libzstd.so.1""".split()
FILES = {"usr/bin/cryptnono", "lib64/ld-linux-x86-64.so.2", "etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/os-release", "usr/lib/os-release",
         "etc/ssl/certs/ca-certificates.crt", *(f"usr/lib/{TRIPLET}/{name}" for name in LIBRARIES)}
PAPERS = re.compile(r"usr/share/doc/[a-z0-9.+-]+/copyright|usr/share/common-licenses/[A-Z][A-Za-z0-9.-]+|var/lib/dpkg/status\.d/[a-z0-9.+-]+")
MOUNT_POINTS = {"ban-config", "dev", "etc/cryptnono", "host/run", "proc", "run/cryptnono", "sys", "tmp", "var/lib/cryptnono", "var/log/pods"}


def version():
    return re.search(r"project\(cryptnono VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)


def test_the_archive_is_one_image_of_one_layer_that_is_small(image, archive):
    size = archive.stat().st_size / 2**20
    assert size <= LIMIT_MIB
    assert len(image.manifest["layers"]) == 1 and len(image.blobs) == 3
    for digest, data in image.blobs.items():
        assert hashlib.sha256(data).hexdigest() == digest
    layer = image.manifest["layers"][0]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert image.config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(gzip.decompress(image.blob(layer["digest"]))).hexdigest()]
    assert image.index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": f"localhost/cryptnono:{version()}"}


def test_its_configuration_is_what_the_chart_relies_on(image):
    config = image.config["config"]
    assert (image.config["architecture"], image.config["os"]) == ("amd64", "linux")
    assert (config["Entrypoint"], config["Cmd"], config["User"]) == (["/usr/bin/cryptnono"], ["run"], "0")
    assert "Volumes" not in config and "ExposedPorts" not in config


def test_its_labels_tell_version_revision_time_and_license_and_nothing_of_the_machine(image):
    labels = image.config["config"]["Labels"]
    assert {key.removeprefix("org.opencontainers.image.") for key in labels} == {"title", "description", "version", "revision", "created", "licenses",
                                                                               "authors", "vendor"}
    assert labels == image.manifest["annotations"]
    assert labels["org.opencontainers.image.version"] == version() and labels["org.opencontainers.image.licenses"] == "BSD-3-Clause"
    assert re.fullmatch(r"[0-9a-f]{40}(-modified)?", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.created"] == image.config["created"]
    for data in image.blobs.values():
        text = data if data[:1] == b"{" else gzip.decompress(data)
        assert str(ROOT).encode() not in text, "the path of the checkout"
        assert len(socket.gethostname()) < 4 or not data.startswith(b"{") or socket.gethostname().encode() not in text


def test_it_holds_what_is_listed_here_and_nothing_else(layer):
    members, _ = layer
    files = {name for name, member in members.items() if not member.isdir()}
    papers = {name for name in files if PAPERS.fullmatch(name)}
    assert files - papers == FILES
    packages = {name.rsplit("/", 1)[1] for name in papers if "status.d" in name}
    assert {name.split("/")[3] for name in papers if name.startswith("usr/share/doc")} == packages | {"cryptnono"}
    empty = {name for name, member in members.items() if member.isdir() and not any(other.startswith(name + "/") for other in members)}
    assert empty == MOUNT_POINTS
    links = {name: member.linkname for name, member in members.items() if member.issym()}
    assert links == {"etc/os-release": "../usr/lib/os-release"}


def test_no_shell_nothing_set_on_execution_nothing_that_others_may_write(layer, image):
    members, root = layer
    epoch = int(subprocess.run(["date", "-d", image.config["created"], "+%s"], check=True, capture_output=True, text=True).stdout)
    for name, member in members.items():
        assert member.isfile() or member.isdir() or member.issym(), f"{name} is something else"
        assert (member.uid, member.gid) == (0, 0) and member.mtime == epoch, name
        assert not member.mode & (stat.S_ISUID | stat.S_ISGID), name
        if not member.issym():
            assert member.mode & 0o7777 == (0o1777 if name == "tmp" else 0o755 if member.isdir() or name in ("usr/bin/cryptnono", "lib64/ld-linux-x86-64.so.2") else 0o644)
        assert not member.pax_headers.keys() - {"mtime", "path", "linkpath"}, f"{name} has extended attributes"
    executables = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o111]
    assert {str(path.relative_to(root)) for path in executables} == {"usr/bin/cryptnono", "lib64/ld-linux-x86-64.so.2"}
    passwd = (root / "etc/passwd").read_text().splitlines()
    assert [line.split(":")[0] for line in passwd] == ["root", "nobody"]
    assert all(not (root / line.split(":")[6].lstrip("/")).exists() for line in passwd)


def test_the_loader_finds_every_library_inside(layer):
    """And uses each of them: nothing is carried that no program asks for."""
    _, root = layer
    out = subprocess.run(["chroot", root, "/lib64/ld-linux-x86-64.so.2", "--list", "/usr/bin/cryptnono"], check=True, capture_output=True, text=True).stdout
    found = {line.split()[0]: line.split()[2] for line in out.splitlines() if "=>" in line}
    assert {pathlib.Path(name).name for name in found} == set(LIBRARIES)
    assert all("not" != path and (root / path.lstrip("/")).is_file() for path in found.values())


def test_the_binary_is_stripped_and_hardened(layer):
    _, root = layer
    binary = root / "usr/bin/cryptnono"
    sections = subprocess.run(["readelf", "-SWl", "-d", binary], check=True, capture_output=True, text=True).stdout
    assert ".symtab" not in sections and ".debug_" not in sections
    assert "GNU_RELRO" in sections and "BIND_NOW" in sections and "Elf file type is DYN" in sections
    assert not re.search(r"GNU_STACK.*RWE", sections) and ".note.gnu.build-id" in sections


def test_certificates_are_those_of_the_package_and_readable(layer):
    _, root = layer
    text = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    count = text.count("BEGIN CERTIFICATE")
    assert count == len(list(pathlib.Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))) > 100
    listed = subprocess.run(["openssl", "storeutl", "-noout", "-certs", root / "etc/ssl/certs/ca-certificates.crt"], check=True, capture_output=True, text=True)
    assert f"Total found: {count}" in listed.stdout


def test_every_license_that_a_copyright_file_refers_to_is_there(layer):
    _, root = layer
    for path in root.glob("usr/share/doc/*/copyright"):
        for name in re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])", path.read_text(errors="replace")):
            assert (root / "usr/share/common-licenses" / name).is_file() or not pathlib.Path(f"/usr/share/common-licenses/{name}").exists(), (path, name)
    assert (root / "usr/share/doc/cryptnono/copyright").read_bytes() == (ROOT / "LICENSE").read_bytes()
