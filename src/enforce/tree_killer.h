// Kills a tree of processes: what goes on where a process has been killed.
//
// A tree is found by parents in /proc. Who has let its parent end (a daemon) belongs to no tree any
// more; only a container holds such processes together.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "enforce/protection.h"
#include "proc/proc_reader.h"

namespace cryptnono::enforce {

// One step of a line of ancestors.
struct Ancestor {
  ProcessId id;
  std::string cgroup;       // all of /proc/PID/cgroup
  std::uint32_t level = 0;  // depth of its pid namespace
  pid_t innermost_pid = 0;  // its pid there
};

// Where a tree ends upwards. `line` is a process, its parent, its parent's parent and so on, at
// least the process; the result is the index of the topmost that is in the same cgroups and the
// same pid namespace as the process, less that namespace's init: as tree_of_current() of
// bpf/lib/flow_count.bpf.h, but of every hierarchy, so that cgroup v1 tells services apart too.
[[nodiscard]] std::size_t top_of_tree(std::span<const Ancestor> line);

// `process`, its parent and so on up to the top of its tree, as /proc has them now. Only `process`
// if it is gone: take it before it is killed, or take what was recorded when it lived.
[[nodiscard]] std::vector<ProcessId> tree_line(const proc::ProcReader& reader,
                                               const ProcessId& process);

struct TreeLimits {
  int time_ms = 2000;
};

// Kills the `roots` that are alive and everything below them. Stops each process first, so that it
// forks no more, looks for children until there is no new one, and then kills them all; again until
// a look finds nothing alive. Descends into nothing that `protection` refuses, and passes it by;
// that is no failure. Blocks until all have ended, at most limits.time_ms; what it had stopped by
// then is killed all the same. Any thread.
[[nodiscard]] KillResult kill_tree(std::span<const ProcessId> roots, const Protection& protection,
                                   const TreeLimits& limits = {});

}  // namespace cryptnono::enforce
