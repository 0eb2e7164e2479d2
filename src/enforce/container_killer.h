// Kills everything in a cgroup and below it: a container, whatever it forks and however it hides
// from its parents.
#pragma once

#include <cstdint>
#include <string>

#include "enforce/protection.h"

namespace cryptnono::enforce {

// How, from the best: the first that the kernel has is used.
enum class ContainerMeans : std::uint8_t {
  kCgroupKill,  // cgroup v2, Linux 5.14: one write
  kFreezer,     // cgroup.freeze of v2, or the freezer hierarchy of v1 at the same path: what is
                // frozen cannot fork
  kPasses       // SIGKILL to all that are listed, until none is
};

struct ContainerLimits {
  int time_ms = 2000;
  ContainerMeans best = ContainerMeans::kCgroupKill;  // try no better
};

// Kills every process in the cgroup `directory` (absolute, of any mounted hierarchy) and below.
// Blocks until it is empty, at most limits.time_ms. Not complete, with nothing done: it is no
// cgroup or gone, it is a hierarchy's root, or one of its processes is refused by `protection` or
// of a pid namespace that this one does not see; failed_why says which. A freezer is thawed in any
// case. Any thread.
[[nodiscard]] KillResult kill_container(const std::string& directory, const Protection& protection,
                                        const ContainerLimits& limits = {});

}  // namespace cryptnono::enforce
