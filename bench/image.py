"""The size of the image: of the archive, of the compressed layer, and unpacked. Called by bench.py."""
import json
import pathlib
import subprocess
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT_MIB = 25


def run(report):
    try:
        subprocess.run([ROOT / "packaging/image/build"], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"image.mib: skipped, it cannot be built here: {error}")
        return
    path = ROOT / "build/image/cryptnono-amd64.tar"
    with tarfile.open(path) as archive:
        def blob(digest):
            return archive.extractfile("blobs/" + digest.replace(":", "/"))
        manifest = json.load(blob(json.load(archive.extractfile("index.json"))["manifests"][0]["digest"]))
        (layer,) = manifest["layers"]
        with tarfile.open(fileobj=blob(layer["digest"]), mode="r:gz") as files:
            unpacked = sum(member.size for member in files)
    report("image.mib", path.stat().st_size / 2**20, "MiB", LIMIT_MIB)
    report("image.layer_mib", layer["size"] / 2**20, "MiB")
    report("image.unpacked_mib", unpacked / 2**20, "MiB")
