// The capabilities that the daemon uses, and no others: what `doctor` checks and prints, what
// docs/privileges.md explains, and what the chart grants. tests/pod compares the three, and takes
// each away in turn.
#pragma once

#include <linux/capability.h>

#include <array>
#include <string_view>

#include "base/capability.h"
#include "status/lacks.h"

namespace cryptnono::status {

struct Privilege {
  unsigned number;        // CAP_*
  std::string_view name;  // as Kubernetes writes it
  Lack lack;              // what is missing without it
  bool required;          // without it the daemon cannot do its main job
  bool in_sys_admin;      // CAP_SYS_ADMIN gives it too, as it did before Linux 5.8
};

// Not among them: SYS_RESOURCE, for no kernel that can run the programs (5.17) counts BPF's memory
// against RLIMIT_MEMLOCK (until 5.11); SYS_ADMIN, which only the kernel's statistics of BPF
// programs need.
inline constexpr std::array<Privilege, 7> kPrivileges{{
    {CAP_BPF, "BPF", Lack::kBpf, true, true},
    {CAP_PERFMON, "PERFMON", Lack::kPerfmon, true, true},
    {CAP_KILL, "KILL", Lack::kKill, true, false},
    {CAP_SYS_PTRACE, "SYS_PTRACE", Lack::kOtherProcesses, false, false},
    {CAP_NET_ADMIN, "NET_ADMIN", Lack::kNetAdmin, false, true},
    {CAP_SYS_NICE, "SYS_NICE", Lack::kRealTime, false, false},
    {CAP_IPC_LOCK, "IPC_LOCK", Lack::kLockedMemory, false, false},
}};

// Whether this process has it. Any thread.
inline bool granted(const Privilege& privilege) {
  return has_capability(privilege.number) ||
         (privilege.in_sys_admin && has_capability(CAP_SYS_ADMIN));
}

// The same of that of kPrivileges whose lack this is; true if there is none.
inline bool granted(Lack lack) {
  for (const Privilege& each : kPrivileges) {
    if (each.lack == lack) return granted(each);
  }
  return true;
}

}  // namespace cryptnono::status
