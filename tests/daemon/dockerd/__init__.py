"""A real Docker Engine of the test's own: data, state, socket and image are below one temporary directory."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

from conftest import die_with_parent
from image import IMAGE, layer

DOCKER = "/usr/bin/docker"


def missing():
    """Why it cannot run here; None if it can."""
    for tool in ("dockerd", "containerd", "runc", DOCKER):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin"):
            return f"{tool} is not installed"
    return None


class Dockerd:
    def __init__(self, root, programs):
        """`programs`: name in the image -> path of a static program."""
        self.root = pathlib.Path(root)
        self.socket = self.root / "docker.sock"
        self.cgroup = f"cryptnono-test-{os.getpid()}-docker"  # below the root of each hierarchy
        self.start()
        try:
            self.docker("import", "-", IMAGE, input=layer(programs))
        except BaseException:
            self.close()
            raise

    def start(self):
        """In namespaces of its own: when the test dies, so does everything that it started, and its mounts go. Its /run and
        /etc are empty: it starts a containerd of its own whatever runs here, and leaves no key behind."""
        arguments = [f"--data-root={self.root}/data", f"--exec-root={self.root}/state", f"--pidfile={self.root}/pid", f"--host=unix://{self.socket}",
                     "--config-file=", "--storage-driver=vfs", "--bridge=none", "--iptables=false",
                     "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--oom-score-adjust=0", "--exec-opt=native.cgroupdriver=cgroupfs",
                     f"--cgroup-parent=/{self.cgroup}"]
        self.log = self.root / "dockerd.log"
        with open(self.log, "ab") as log:
            self.holder = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc && exec dockerd "$@"', "sh", *arguments],
                stdout=log, stderr=log, preexec_fn=die_with_parent, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
        deadline = time.monotonic() + 30
        while not self.up():
            if self.holder.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"dockerd does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)
        self.pid = int(pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text())

    def up(self):
        return subprocess.run([DOCKER, "-H", f"unix://{self.socket}", "version"], capture_output=True).returncode == 0

    def docker(self, *arguments, input=None):
        done = subprocess.run([DOCKER, "-H", f"unix://{self.socket}", *arguments], input=input, capture_output=True, timeout=60)
        assert done.returncode == 0, (done.stderr.decode(), self.log.read_text()[-2000:])
        return done.stdout.decode().strip()

    def container(self, name, command, environment=None, labels=None):
        """Starts a container; its id."""
        options = [f"--env={k}={v}" for k, v in (environment or {}).items()] + [f"--label={k}={v}" for k, v in (labels or {}).items()]
        return self.docker("run", "--detach", "--network=none", f"--name={name}", *options, IMAGE, *command)

    def image_id(self):
        return self.docker("image", "inspect", "--format={{.Id}}", IMAGE)

    def signal(self, number):
        os.kill(self.pid, number)

    def close(self):
        """Its first process in its namespace dies, and the kernel ends the rest."""
        if self.holder.poll() is None:
            with contextlib.suppress(Exception):
                for container in self.docker("ps", "--quiet").split():
                    self.docker("kill", container)
                self.signal(signal.SIGTERM)
                self.holder.wait(timeout=20)
        self.holder.kill()
        self.holder.wait()
        for path in [*pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.cgroup}"), pathlib.Path("/sys/fs/cgroup") / self.cgroup]:
            for directory, _, _ in os.walk(path, topdown=False):
                for _ in range(50):
                    with contextlib.suppress(OSError):
                        os.rmdir(directory)
                        break
                    time.sleep(0.02)
