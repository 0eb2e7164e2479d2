"""A ConfigMap's or Secret's volume, changed as the kubelet changes it (its AtomicWriter)."""
import os
import shutil
import time


class Volume:
    """Files appear at directory/NAME, each a link to ..data/NAME, and ..data a link to the files of one version."""

    def __init__(self, directory, files):
        self.directory = directory
        self.version = 0
        directory.mkdir()
        self.publish(files)

    def publish(self, files):
        """{name: text}, all at once. When they were swapped, as time.monotonic()."""
        self.version += 1
        name = f"..2026_11_27_{self.version:06}"
        made = self.directory / name
        made.mkdir()
        for file, text in files.items():
            (made / file).write_text(text)
        old = os.readlink(self.directory / "..data") if self.version > 1 else None
        os.symlink(name, self.directory / "..data_tmp")
        swapped = time.monotonic()
        os.rename(self.directory / "..data_tmp", self.directory / "..data")
        for file in files:
            if not (self.directory / file).is_symlink():
                os.symlink(f"..data/{file}", self.directory / file)
        for entry in os.listdir(self.directory):
            if not entry.startswith("..") and entry not in files:
                os.unlink(self.directory / entry)
        if old:
            shutil.rmtree(self.directory / old)
        return swapped


def in_objects(lines, limit=2**20):
    """Lines in as few texts as fit into one ConfigMap or Secret each."""
    out, size = [[]], 0
    for line in lines:
        if size + len(line) + 1 > limit:
            out.append([])
            size = 0
        out[-1].append(line)
        size += len(line) + 1
    return ["\n".join(each) + "\n" for each in out]
