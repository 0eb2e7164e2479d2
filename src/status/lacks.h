// What a machine may not give: what it is, what is lost without it, and what to do. The words of
// `doctor`, of the daemon's log and of the status.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace cryptnono::status {

// In the order of kLacks, which is the order in which they are told.
enum class Lack : std::uint8_t {
  kBtf,
  kKernelMemory,
  kBpf,
  kPerfmon,
  kKill,
  kAppArmor,
  kPidNamespace,
  kFpuHook,
  kConnectState,
  kNetAdmin,
  kConnectRefusal,
  kConnectKill,
  kExecRefusal,   // an addition, see doctor.cc
  kConnectByLsm,  // another
  kOtherProcesses,
  kCgroup2,
  kCgroupWrite,
  kCgroupEvents,
  kPins,
  kGuard,  // wanted with guard.enabled; an addition too
  kRealTime,
  kLockedMemory,
  kCount
};

struct LackWords {
  std::string_view what;
  std::string_view effect;  // without it
  std::string_view remedy;
};

// The hook is another one on each processor; see bpf/fpu_sample.bpf.c.
inline constexpr std::string_view kRoundingModes =
#ifdef __aarch64__
    "monero: rounding modes at context switches (tp_btf/sched_switch)";
#else
    "monero: rounding modes at context switches (tp_btf/x86_fpu_regs_deactivated)";
#endif

inline constexpr std::array<LackWords, static_cast<std::size_t>(Lack::kCount)> kLacks{{
    {"kernel type information (BTF)", "no detector runs",
     "a kernel that is built with CONFIG_DEBUG_INFO_BTF"},
    {"read the kernel's memory (lockdown)", "no detector runs",
     "start the kernel with lockdown=integrity, or without lockdown"},
    {"load BPF programs (CAP_BPF)", "no detector runs", "add CAP_BPF"},
    {"trace the kernel by BPF (CAP_PERFMON)", "no detector runs", "add CAP_PERFMON"},
    {"signal the processes of other users (CAP_KILL)",
     "what user space decides is not killed: RandomX, what scans find, what no allowed pattern "
     "spares, and trees and containers; "
     "what the kernel side decides is",
     "add CAP_KILL"},
    {"no AppArmor profile",
     "signals to processes of other profiles, and a look at them, are refused, such as to "
     "privileged containers; what the kernel side "
     "decides is killed",
     "set appArmorProfile: {type: Unconfined}, before Kubernetes 1.30 by the annotation"},
    {"initial pid namespace",
     "scans, allowed patterns and RandomX are without effect: other pids are seen than the "
     "kernel's",
     "set hostPID: true"},
    {kRoundingModes, "RandomX is not detected",
     "an x86-64 or arm64 kernel with BTF; the reason says what it refused"},
    {"tcpflowkiller: see connects (tp_btf/inet_sock_set_state)", "connects are not watched",
     "a kernel with BTF; the reason says what it refused"},
    {"tcpflowkiller: attach to cgroups (CAP_NET_ADMIN)",
     "a process that connects is killed, but its first packet leaves; UDP is not seen",
     "add CAP_NET_ADMIN"},
    {"tcpflowkiller: refuse connects (cgroup/connect4|6, sendmsg4|6)",
     "a process that connects is killed, but its first packet leaves; UDP is not seen",
     "mount cgroup v2, in a container all of the node's, and let no other program hold these hooks "
     "of the root cgroup alone"},
    {"tcpflowkiller: kill where it refuses (6.16)",
     "what is refused is killed by user space, a moment later", "Linux 6.16 or newer"},
    {"execwhacker: refuse execs (lsm/bprm_check_security)",
     "a banned program is killed before its first instruction, but not before it is there",
     "an x86-64 kernel with bpf in lsm= on its command line, and CAP_SYSLOG"},
    {"tcpflowkiller: refuse and kill in one (lsm/socket_connect)",
     "bans are enforced by the hooks of cgroups alone",
     "a kernel with bpf in lsm= on its command line"},
    {"read other processes (CAP_SYS_PTRACE)",
     "user space does not know executables: allowed, protected and exempt ones do not count in "
     "scans and for RandomX",
     "add CAP_SYS_PTRACE"},
    {"cgroup v2", "scope by cgroup v1 only; connects cannot be refused", "mount cgroup v2"},
    {"write to cgroups (cgroup.kill, a cgroup for canaries)",
     "containers are killed process by process, without a freeze; no canary can be run",
     "mount /sys without recursiveReadOnly, or /sys/fs/cgroup to be written to"},
    {"new cgroups are told (tp_btf/cgroup_mkdir)",
     "a new container is known at the next scan only, and is what its pod is until then",
     "a kernel with BTF; the reason says what it refused"},
    {"pins in a BPF file system that is root's alone",
     "enforcement ends with the daemon: between its crash and the next start nothing is enforced",
     "mount a BPF file system at /sys/fs/bpf, in a container the node's; the reason says what is "
     "wrong with what is there"},
    {"guard: refuse containers that tamper with it (lsm/task_kill, bpf_map and others)",
     "a container with the node's pids and privileges can signal it, read its maps and remove its "
     "pins",
     "a kernel with bpf in lsm= on its command line"},
    {"real-time priority (CAP_SYS_NICE)",
     "RandomX is found later on a busy node, and decisions about allowed patterns may take "
     "milliseconds there",
     "add CAP_SYS_NICE"},
    {"locked memory (CAP_IPC_LOCK)",
     "rules may be written to swap; keys and texts that are being opened are locked as far as the "
     "limit goes",
     "add CAP_IPC_LOCK, or run where there is no swap"},
}};

constexpr const LackWords& words_of(Lack lack) { return kLacks[static_cast<std::size_t>(lack)]; }

}  // namespace cryptnono::status
