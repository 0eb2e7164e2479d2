"""The image that the tests' containers have: some static programs, for whichever engine."""
import hashlib
import io
import json
import os
import tarfile

IMAGE = "localhost/cryptnono-test:1"


def layer(files):
    """`files`, name in the image -> path of a static program, as a tar file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, path in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, os.path.getsize(path)
            with open(path, "rb") as program:
                archive.addfile(entry, program)
    return out.getvalue()


def oci_archive(files):
    """An OCI image of one such layer, as a tar file."""
    blobs = {}

    def add(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}
    layer_blob = add(layer(files))
    config = add(json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/pause"]},
                             "rootfs": {"type": "layers", "diff_ids": [layer_blob["digest"]]}}).encode())
    manifest = add(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                               "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
                               "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer_blob}]}).encode())
    index = json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
                                                           "annotations": {"io.containerd.image.name": IMAGE}}]}).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in [("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", index),
                              *[(f"blobs/sha256/{digest}", content) for digest, content in blobs.items()]]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()
