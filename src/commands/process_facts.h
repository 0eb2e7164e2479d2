// ProcessFacts: what can be found out about a running process without the daemon.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "config/types.h"
#include "container/scope.h"
#include "container/standing_book.h"
#include "detect/subject.h"
#include "runtime/container_details.h"

namespace cryptnono::commands {

// Why the daemon touches a process in no case.
enum class Untouchable : std::uint8_t { kNot, kPid1, kKernelThread, kDaemon };

struct ProcessFacts {
  detect::Subject who;
  std::string cgroup;  // its /proc/PID/cgroup
  bool executable_trusted = false;
  Untouchable untouchable = Untouchable::kNot;

  // What there is to know of its cgroup, and of the pods and containers.
  container::StandingBook book;
  container::Person person;
  // Docker in a pod makes its containers outside of it: the uid of the pod that an ancestor is in.
  std::string outer_pod;
  bool runtimes_answered = false;  // all that there are
  std::optional<runtime::ContainerDetails> details;
};

// A runtime is waited for so long: for its lists, and for a container's details.
inline constexpr int kRuntimeTimeoutMs = 500;

// Errors: kFailure (no such process), kUsage (a thread's id), kNotPermitted.
Result<ProcessFacts> read_facts(const config::Config& config, pid_t pid);

}  // namespace cryptnono::commands
