"""Volumes of a pod as the kubelet makes them, below a directory of the node's."""
import base64
import itertools
import os
import pathlib
import shutil

_numbers = itertools.count()


class Unknown(Exception):
    """Something in a manifest of which the test does not know what the kubelet does with it."""


def known(where, thing, *names):
    """`thing`, which has no other fields than these."""
    if more := set(thing) - set(names):
        raise Unknown(f"{where}: {', '.join(sorted(more))}")
    return thing


def write_atomically(directory, files):
    """`files`, path -> (bytes, mode), as the kubelet's AtomicWriter does: all in a new directory, and one rename of ..data switches
    what the names lead to."""
    directory = pathlib.Path(directory)
    data = directory / "..data"
    before = os.readlink(data) if data.is_symlink() else None
    after = directory / f"..2026_11_27_{next(_numbers):09}"
    after.mkdir(mode=0o755)
    for name, (content, mode) in files.items():
        path = after / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
    temporary = directory / "..data_tmp"
    temporary.symlink_to(after.name)
    temporary.rename(data)
    for top in {pathlib.Path(name).parts[0] for name in files}:
        if not (directory / top).is_symlink():
            (directory / top).symlink_to(f"..data/{top}")
    for entry in directory.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and not entry.exists():
            entry.unlink()
    if before:
        shutil.rmtree(directory / before)


class Volumes:
    def __init__(self, directory, objects, fields):
        """`objects`: (kind, name) -> the object; may change. `fields`: what the downward API says."""
        self.directory, self.objects, self.fields = pathlib.Path(directory), objects, fields
        self.made = {}  # name -> (path on the node, whether it is mounted read-only whatever the mount says)
        self.sources = {}  # name -> the sources of those that follow objects

    def make(self, volume):
        name = volume["name"]
        kinds = [key for key in known(f"volume {name}", volume, "name", "hostPath", "emptyDir", "secret", "configMap", "projected", "downwardAPI")
                 if key != "name"]
        assert len(kinds) == 1, f"volume {name}: {kinds}"
        kind, what = kinds[0], volume[kinds[0]] or {}
        path = self.directory / name
        if kind == "hostPath":
            known(f"volume {name}.hostPath", what, "path", "type")
            if what.get("type") not in (None, "", "Directory", "DirectoryOrCreate"):
                raise Unknown(f"volume {name}: hostPath of type {what['type']}")
            self.made[name] = (what["path"], False)
            return
        path.mkdir(parents=True)
        if kind == "emptyDir":
            known(f"volume {name}.emptyDir", what, "sizeLimit", "medium")
            path.chmod(0o777)
            self.made[name] = (str(path), False)
            return
        if kind == "projected":
            known(f"volume {name}.projected", what, "sources", "defaultMode")
            self.sources[name] = [(k, s[k]) for s in what["sources"] for k in known(f"volume {name}", s, "secret", "configMap", "downwardAPI")]
            mode = what.get("defaultMode", 0o644)
        else:
            self.sources[name] = [(kind, what)]
            mode = what.get("defaultMode", 0o644)
        self.sources[name].append(mode)
        self.made[name] = (str(path), True)
        self.update(name)

    def update(self, name):
        """Has it follow its objects, as the kubelet does every minute or so."""
        *sources, mode = self.sources[name]
        files = {}
        for kind, source in sources:
            files.update(self._files(f"volume {name}.{kind}", kind, source, mode))
        write_atomically(self.made[name][0], files)

    def _files(self, where, kind, source, mode):
        known(where, source, "secretName", "name", "items", "optional", "defaultMode")
        if kind == "downwardAPI":
            return {i["path"]: (self.fields[i["fieldRef"]["fieldPath"]].encode(), i.get("mode", mode)) for i in source["items"]}
        wanted = {"secret": "Secret", "configMap": "ConfigMap"}[kind], source.get("secretName") or source["name"]
        if wanted not in self.objects:
            assert source.get("optional"), f"{where}: there is no {wanted}"
            return {}
        data = data_of(self.objects[wanted])
        if "items" not in source:
            return {key: (content, mode) for key, content in data.items()}
        out = {}
        for item in source["items"]:
            known(f"{where}.items", item, "key", "path", "mode")
            if item["key"] not in data:
                assert source.get("optional"), f"{where}: {wanted} has no {item['key']}"
                continue
            out[item["path"]] = (data[item["key"]], item.get("mode", mode))
        return out


def data_of(thing):
    """What a Secret or ConfigMap holds: key -> bytes."""
    out = {key: text.encode() for key, text in {**(thing.get("stringData") or {}), **(thing.get("data") or {} if thing["kind"] == "ConfigMap" else {})}.items()}
    encoded = {**(thing.get("binaryData") or {}), **(thing.get("data") or {} if thing["kind"] == "Secret" else {})}
    for key, text in encoded.items():
        out.setdefault(key, base64.b64decode(text))
    return out
