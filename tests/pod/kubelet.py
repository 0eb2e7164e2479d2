"""What the kubelet makes of a pod's manifest: requests to the runtime (CRI). A field that this does not know is an error, so that
nothing which a chart renders goes unnoticed."""
import os
import pathlib
import re
import subprocess

from volumes import Unknown, Volumes, known

# These say where a pod runs, or what the cluster does with it; nothing in the container differs by them.
ELSEWHERE = ("tolerations", "nodeSelector", "affinity", "priorityClassName", "imagePullSecrets", "serviceAccountName", "serviceAccount",
             "topologySpreadConstraints", "nodeName")
# What the kubelet hands to the runtime for procMount: Default (as of 1.31).
MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_list", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
PROPAGATION = {"None": 0, "HostToContainer": 1, "Bidirectional": 2}
SECCOMP = {"RuntimeDefault": 0, "Unconfined": 1}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


class Pod:
    """A pod of one container that runs on `node` (node.py)."""

    def __init__(self, node, name, template, objects, namespace="cryptnono", change=None):
        """`template`: metadata and spec. `change`: called with the container's configuration before each start, to try what the
        chart does not render."""
        self.node, self.name, self.namespace, self.change = node, name, namespace, change
        self.spec = known("spec", template["spec"], *ELSEWHERE, "containers", "volumes", "hostPID", "terminationGracePeriodSeconds", "securityContext",
                          "restartPolicy", "automountServiceAccountToken", "enableServiceLinks", "hostNetwork", "dnsPolicy", "activeDeadlineSeconds")
        assert self.spec.get("automountServiceAccountToken") is False, "a token would be mounted"
        assert not self.spec.get("hostNetwork"), "hostNetwork"
        assert len(self.spec["containers"]) == 1, "one container, no init container, no sidecar"
        (self.container_spec,) = self.spec["containers"]
        self.labels = template["metadata"].get("labels") or {}
        self.grace = self.spec.get("terminationGracePeriodSeconds", 30)
        self.attempt = 0
        self.container = None
        own = self.container_spec.get("securityContext") or {}
        self.sandbox = node.pod(name, namespace, self.labels, self._sandbox(own))
        self.uid = self.sandbox[1].metadata.uid
        self.fields = {"metadata.name": name, "metadata.namespace": namespace, "metadata.uid": self.uid, "spec.nodeName": "vm",
                       "status.podIP": "127.0.0.1", "status.hostIP": "127.0.0.1"}
        self.volumes = Volumes(node.root / "volumes" / self.uid, objects, self.fields)
        for volume in self.spec.get("volumes") or []:
            self.volumes.make(volume)
        self.restart()

    def _sandbox(self, own):
        def change(config):
            security = config.linux.security_context
            security.namespace_options.pid = 2 if self.spec.get("hostPID") else 1
            security.privileged = bool(own.get("privileged"))
            security.seccomp.profile_type = SECCOMP["RuntimeDefault"]
            config.log_directory = f"/var/log/pods/{self.namespace}_{self.name}_{config.metadata.uid}"
            (self.node.root / "pods" / pathlib.Path(config.log_directory).name / self.container_spec["name"]).mkdir(parents=True)
        return change

    def restart(self):
        """Starts its container, anew if there was one: in the same sandbox, with the same volumes."""
        self.container = self.node.container(self.sandbox, self.container_spec["name"], labels=self.labels, change=self._container)
        self.attempt += 1
        return self.container

    def _container(self, config):
        spec = known("container", self.container_spec, "name", "image", "imagePullPolicy", "command", "args", "env", "ports", "volumeMounts",
                     "securityContext", "resources", "terminationMessagePolicy", *PROBES)
        known("resources", spec.get("resources") or {}, "requests", "limits")  # v2 has no controllers here: node.py leaves all out
        config.metadata.attempt = self.attempt
        config.image.image = spec["image"]
        config.log_path = f"{spec['name']}/{self.attempt}.log"
        # Of the cluster's services, which enableServiceLinks does not govern.
        environment = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
        for entry in spec.get("env") or []:
            environment[entry["name"]] = self._value(entry, environment)
        config.command[:] = [self._expand(each, environment) for each in spec.get("command") or []]
        config.args[:] = [self._expand(each, environment) for each in spec.get("args") or []]
        config.envs.extend(self.node.pb.KeyValue(key=key, value=value) for key, value in environment.items())
        for mount in spec.get("volumeMounts") or []:
            self._mount(config, mount)
        self._security(config.linux.security_context)
        if self.change:
            self.change(config)

    def _value(self, entry, environment):
        known("env", entry, "name", "value", "valueFrom")
        if "valueFrom" not in entry:
            return self._expand(entry.get("value") or "", environment)
        source = known("valueFrom", entry["valueFrom"], "fieldRef")
        known("fieldRef", source["fieldRef"], "fieldPath", "apiVersion")
        return self.fields[source["fieldRef"]["fieldPath"]]

    @staticmethod
    def _expand(text, environment):
        return re.sub(r"\$\((\w+)\)", lambda m: environment.get(m[1], m[0]), text)

    def _mount(self, config, mount):
        known(f"volumeMount {mount['name']}", mount, "name", "mountPath", "readOnly", "mountPropagation")
        path, read_only = self.volumes.made[mount["name"]]
        config.mounts.append(self.node.pb.Mount(container_path=mount["mountPath"], host_path=path, readonly=read_only or bool(mount.get("readOnly")),
                                                propagation=PROPAGATION[mount.get("mountPropagation", "None")]))

    def _security(self, out):
        pod = known("pod's securityContext", self.spec.get("securityContext") or {}, "runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile",
                    "appArmorProfile")
        own = known("securityContext", self.container_spec.get("securityContext") or {}, "runAsUser", "runAsGroup", "runAsNonRoot", "privileged",
                    "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities", "seccompProfile", "appArmorProfile")
        both = {**pod, **own}
        out.namespace_options.pid = 2 if self.spec.get("hostPID") else 1
        out.privileged = bool(own.get("privileged"))
        out.readonly_rootfs = bool(own.get("readOnlyRootFilesystem"))
        out.no_new_privs = own.get("allowPrivilegeEscalation") is False
        assert not both.get("runAsNonRoot") or both.get("runAsUser"), "the image's user is 0"
        if "runAsUser" in both:
            out.run_as_user.value = both["runAsUser"]
        if "runAsGroup" in both:
            out.run_as_group.value = both["runAsGroup"]
        capabilities = known("capabilities", own.get("capabilities") or {}, "add", "drop")
        out.capabilities.add_capabilities.extend(capabilities.get("add") or [])
        out.capabilities.drop_capabilities.extend(capabilities.get("drop") or [])
        if not out.privileged:
            out.masked_paths.extend(MASKED)
            out.readonly_paths.extend(READ_ONLY)
        # Without a word the kubelet confines nobody, unless its seccompDefault is set.
        out.seccomp.profile_type = SECCOMP[(both.get("seccompProfile") or {"type": "Unconfined"})["type"]]
        if "appArmorProfile" in both:
            out.apparmor.profile_type = SECCOMP[known("appArmorProfile", both["appArmorProfile"], "type")["type"]]

    # What kubectl shows.

    def log(self, attempt=None):
        """The lines of its container (of the newest, or of that attempt)."""
        number = self.attempt - 1 if attempt is None else attempt
        path = self.node.root / "pods" / f"{self.namespace}_{self.name}_{self.uid}" / self.container_spec["name"] / f"{number}.log"
        if not path.exists():
            return []
        return [line.split(" ", 3)[3] for line in path.read_text().splitlines() if line.count(" ") >= 3]

    def state(self):
        return self.node.status(self.container)

    def running(self):
        return self.state().state == 1

    def probe(self, kind):
        """Whether it passes, as the kubelet judges it; None if there is none. And what was answered."""
        probe = self.container_spec.get(kind)
        if probe is None:
            return None, ""
        known(kind, probe, "httpGet", "exec", "periodSeconds", "failureThreshold", "timeoutSeconds", "initialDelaySeconds", "successThreshold")
        if "exec" in probe:
            code, said = self.node.exec(self.container, *probe["exec"]["command"], timeout=probe.get("timeoutSeconds", 1))
            return code == 0, said
        get = known(f"{kind}.httpGet", probe["httpGet"], "path", "port", "scheme", "httpHeaders")
        port = get["port"]
        if isinstance(port, str):
            port = next(each["containerPort"] for each in self.container_spec["ports"] if each["name"] == port)
        status, body = self.node.get(port, get.get("path", "/"), timeout=probe.get("timeoutSeconds", 1))
        return 200 <= status < 400, body

    def stop(self):
        """As when it is deleted: seconds until its end, and its exit code."""
        took = self.node.stop(self.container, self.grace)
        return took, self.state().exit_code

    def remove(self):
        self.node.remove(self.sandbox)
        self.node.pods.remove(self.sandbox[0])


def pids_below(cgroup):
    """All processes in a cgroup and those below it."""
    out = []
    for directory, _, _ in os.walk(cgroup):
        out += [int(pid) for pid in (pathlib.Path(directory) / "cgroup.procs").read_text().split()]
    return out


def mounts_of(pid):
    """The mounts of a process: path -> options."""
    done = subprocess.run(["cat", f"/proc/{pid}/mounts"], check=True, capture_output=True, text=True).stdout
    return {fields[1]: fields[3].split(",") for fields in map(str.split, done.splitlines())}
