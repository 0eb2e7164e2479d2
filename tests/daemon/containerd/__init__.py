"""A real containerd with runc, of the test's own: root, state, socket and image are below one temporary directory.

Pods and containers are made as the kubelet makes them, by the CRI.
"""
import contextlib
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from conftest import die_with_parent
from image import IMAGE, oci_archive

HERE = pathlib.Path(__file__).parent


def missing():
    """Why it cannot run here; None if it can."""
    for tool in ("containerd", "runc", "ctr", "protoc"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    try:
        import google.protobuf  # noqa: F401
        import grpc  # noqa: F401
    except ImportError as error:
        return f"python3-grpcio or python3-protobuf is not installed: {error}"
    return None


class Containerd:
    instances = 0

    def __init__(self, root, programs, procs=None):
        """`programs`: name in the image -> path of a static program; one is "pause", which waits for ever. `procs`: cgroup.procs of
        the cgroup that its own processes are to be in."""
        self.procs = procs
        self.root = pathlib.Path(root)
        self.socket = self.root / "containerd.sock"
        Containerd.instances += 1
        # Below the root of each hierarchy.
        self.cgroup = f"cryptnono-test-{os.getpid()}-pods{Containerd.instances}"
        self.pods = []
        self.uids = itertools.count()
        self.write_configuration(self.socket)
        self.start()
        self.load(oci_archive(programs))
        sys.path.insert(0, str(self.root))
        subprocess.run(["protoc", f"-I{HERE}", f"--python_out={self.root}", "cri.proto"], check=True)
        import cri_pb2
        self.pb = cri_pb2
        sys.path.remove(str(self.root))

    def write_configuration(self, socket, runc="runc"):
        """`socket`: its path as containerd sees it."""
        (self.root / "config.toml").write_text(f"""version = 2
root = "{self.root}/root"
state = "{self.root}/state"
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      options = {{ BinaryName = "{runc}" }}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{self.root}/none"
    conf_dir = "{self.root}/none"
""")

    def load(self, archive):
        """An OCI archive, as its path or as bytes."""
        path = archive
        if isinstance(archive, bytes):
            path = self.root / "image.tar"
            path.write_bytes(archive)
        self.ctr("images", "import", str(path))

    # In namespaces of its own: when the test dies, so does everything that it started, and its mounts go, and with them what
    # shims and runc keep in /run/containerd, wherever the configuration puts the rest.
    NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

    def prepare(self):
        """What the shell does there before it becomes containerd."""
        return "mkdir -p /run/containerd && mount -t tmpfs cryptnono-test /run/containerd"

    def start(self):
        import grpc
        log = open(self.root / "containerd.log", "ab")

        def prepare():
            die_with_parent()
            if self.procs:
                pathlib.Path(self.procs).write_text("0")
        program = self.prepare() + ' && exec containerd -c "$0"'
        self.holder = subprocess.Popen(["unshare", *self.NAMESPACES, "sh", "-c", program, str(self.root / "config.toml")],
                                       stdout=log, stderr=log, preexec_fn=prepare)
        self.channel = grpc.insecure_channel(f"unix://{self.socket}")
        grpc.channel_ready_future(self.channel).result(timeout=30)
        self.pid = self.pid_of_holder()

    def pid_of_holder(self):
        return int(pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text())

    def ctr(self, *arguments):
        return subprocess.run(["ctr", "-a", str(self.socket), "-n", "k8s.io", *arguments], check=True, capture_output=True, text=True).stdout

    def call(self, method, request, reply="Empty"):
        stub = self.channel.unary_unary(f"/runtime.v1.RuntimeService/{method}", request_serializer=lambda m: m.SerializeToString(),
                                        response_deserializer=getattr(self.pb, reply).FromString)
        return stub(request, timeout=30)

    def pod(self, name, namespace="default", labels=None, change=None):
        """A sandbox in the node's network, and its configuration, which its containers need. `change` as for container()."""
        uid = f"{next(self.uids):08x}-0000-4000-8000-{os.getpid():012x}"
        options = self.pb.NamespaceOption(network=2, pid=1)
        config = self.pb.PodSandboxConfig(
            metadata=self.pb.PodSandboxMetadata(name=name, uid=uid, namespace=namespace), log_directory=str(self.root / "logs"),
            labels={"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": namespace, "io.kubernetes.pod.uid": uid, **(labels or {})},
            linux=self.pb.LinuxPodSandboxConfig(cgroup_parent=f"/{self.cgroup}/kubepods/burstable/pod{uid}", security_context=self.pb.LinuxSandboxSecurityContext(
                namespace_options=options)))
        if change:
            change(config)
        sandbox = self.call("RunPodSandbox", self.pb.RunPodSandboxRequest(config=config), "RunPodSandboxResponse").pod_sandbox_id
        self.pods.append(sandbox)
        return sandbox, config

    def container(self, pod, name, command=(), environment=None, labels=None, change=None):
        """Starts a container; its id. `change` is called with its configuration (ContainerConfig of cri.proto) before."""
        sandbox, pod_config = pod
        meta = pod_config.metadata
        config = self.pb.ContainerConfig(
            metadata=self.pb.ContainerMetadata(name=name), image=self.pb.ImageSpec(image=IMAGE), command=command,
            envs=[self.pb.KeyValue(key=k, value=v) for k, v in (environment or {}).items()],
            labels={"io.kubernetes.container.name": name, "io.kubernetes.pod.name": meta.name, "io.kubernetes.pod.namespace": meta.namespace,
                    "io.kubernetes.pod.uid": meta.uid, **(labels or {})},
            linux=self.pb.LinuxContainerConfig(security_context=self.pb.LinuxContainerSecurityContext(
                namespace_options=self.pb.NamespaceOption(network=2, pid=1))))
        if change:
            change(config)
        request = self.pb.CreateContainerRequest(pod_sandbox_id=sandbox, config=config, sandbox_config=pod_config)
        container = self.call("CreateContainer", request, "CreateContainerResponse").container_id
        self.call("StartContainer", self.pb.ContainerRequest(container_id=container))
        return container

    def remove(self, pod):
        """A pod and all that is in it. Tried again as the kubelet does: a shim that ends at this moment refuses what it is asked."""
        for method in ("StopPodSandbox", "RemovePodSandbox"):
            for attempt in range(5):
                try:
                    self.call(method, self.pb.PodSandboxRequest(pod_sandbox_id=pod[0]))
                    break
                except Exception:
                    if attempt == 4:
                        raise
                    time.sleep(0.2)

    def runs(self, container):
        """Whether any process is in its cgroup."""
        for path in pathlib.Path("/proc").glob("[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                if container in path.read_text():
                    return True
        return False

    def pid_of(self, container):
        """Of the first process of a container, as the node sees it."""
        pids = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                if container in path.read_text():
                    pids.append(int(path.parent.name))
        return min(pids)

    def signal(self, number):
        os.kill(self.pid, number)

    def close(self):
        self.signal(signal.SIGCONT)
        for sandbox in self.pods:
            for method in ("StopPodSandbox", "RemovePodSandbox"):
                with contextlib.suppress(Exception):
                    self.call(method, self.pb.PodSandboxRequest(pod_sandbox_id=sandbox))
        self.channel.close()
        self.signal(signal.SIGTERM)
        self.holder.wait(timeout=20)
        for path in pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.cgroup}"):
            for directory, _, _ in os.walk(path, topdown=False):
                for _ in range(50):
                    with contextlib.suppress(OSError):
                        os.rmdir(directory)
                        break
                    time.sleep(0.02)
