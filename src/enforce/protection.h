// What the parts that kill more than one process share.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace cryptnono::enforce {

struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat
  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

// Why a process may not be signalled: "protected", "kernel thread", "out of scope"; "" if it may.
// Asked of a process that is held open, so the answer is about this one. Any thread.
using Protection = std::function<std::string_view(const ProcessId& process)>;

struct KillResult {
  std::uint32_t killed = 0;  // processes that were signalled, at least
  bool complete = false;     // nothing is left alive that may be killed
  std::string failed_why;    // if not complete
};

}  // namespace cryptnono::enforce
