"""Debian packages as the image's parts: who owns a file, and what a package says of itself.

Two sources of the same facts: the build machine's own dpkg, or a sysroot of unpacked packages (packaging/image/sysroot).
"""
import functools
import hashlib
import pathlib
import subprocess

FIELDS = ("Package", "Version", "Architecture", "Source", "Maintainer", "Homepage", "Section", "Depends")


def _paragraph(text):
    """The fields of one paragraph of a control file that have a value, continuation lines dropped."""
    fields = (line.split(": ", 1) for line in text.splitlines() if ": " in line and not line.startswith(" "))
    return {key: value for key, value in fields if value}


def _spellings(path):
    """A file below /usr may be known to dpkg by its name from before /usr was merged, and the other way round."""
    path = str(path)
    return [path, path.removeprefix("/usr")] if path.startswith("/usr/") else [path, "/usr" + path]


class Machine:
    """The packages that are installed here. `root` is where their files are."""

    def __init__(self):
        self.root = pathlib.Path("/")
        self._owners = {}

    def learn(self, paths):
        """Asks dpkg about many files at once, which takes as long as about one."""
        asked = {spelling: str(path) for path in paths for spelling in _spellings(path)}
        done = subprocess.run(["dpkg-query", "-S", *asked], capture_output=True, text=True)
        for line in done.stdout.splitlines():
            names, _, found = line.partition(": ")
            if found in asked and not line.startswith("diversion"):
                self._owners[asked[found]] = names.split(",")[0]

    def owner(self, path):
        """Name of the package that ships this file (a path as the machine sees it); None if none does."""
        if str(path) not in self._owners:
            self.learn([path])
        return self._owners.get(str(path))

    @functools.cache  # one machine per run
    def fields(self, package):
        text = subprocess.run(["dpkg-query", "-W", "-f", "".join(f"{field}: ${{{field}}}\n" for field in FIELDS), package],
                              check=True, capture_output=True, text=True).stdout
        return _paragraph(text)

    @functools.cache
    def _md5sums(self, package):
        info = pathlib.Path("/var/lib/dpkg/info")
        name = package.partition(":")[0]
        for path in (info / f"{package}.md5sums", info / f"{name}.md5sums", info / f"{name}:{self.fields(package)['Architecture']}.md5sums"):
            if path.exists():
                return {"/" + line[34:]: line[:32] for line in path.read_text().splitlines()}
        return {}

    def is_intact(self, package, path):
        """Is the file what the package shipped?"""
        sums = self._md5sums(package)
        wanted = next((sums[spelling] for spelling in _spellings(path) if spelling in sums), None)
        return wanted == hashlib.md5(pathlib.Path(path).read_bytes(), usedforsecurity=False).hexdigest()


class Sysroot(Machine):
    """Packages unpacked below a directory, each with its control files in `packages/NAME/` beside the tree."""

    def __init__(self, directory):
        self.root = pathlib.Path(directory).resolve() / "root"
        self.control = pathlib.Path(directory) / "packages"
        self.owners = {}
        for listing in sorted(self.control.glob("*/list")):
            for line in listing.read_text().splitlines():
                self.owners.setdefault(line, listing.parent.name)

    def learn(self, paths):
        pass

    def owner(self, path):
        relative = "/" + str(pathlib.Path(path).relative_to(self.root))
        return next((self.owners[spelling] for spelling in _spellings(relative) if spelling in self.owners), None)

    @functools.cache
    def fields(self, package):
        return _paragraph((self.control / package / "control").read_text())

    def is_intact(self, package, path):
        relative = "/" + str(pathlib.Path(path).relative_to(self.root))
        sums = {"/" + line[34:]: line[:32] for line in (self.control / package / "md5sums").read_text().splitlines()}
        wanted = next((sums[spelling] for spelling in _spellings(relative) if spelling in sums), None)
        return wanted == hashlib.md5(pathlib.Path(path).read_bytes(), usedforsecurity=False).hexdigest()
