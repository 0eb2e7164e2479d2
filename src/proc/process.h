// ProcessHandle: one process, held so that a reused pid is never taken for it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace cryptnono::proc {

// What /proc/PID/stat says.
struct ProcStat {
  std::string comm;
  char state = '?';
  pid_t ppid = 0;
  std::uint32_t flags = 0;        // PF_*
  std::uint64_t start_ticks = 0;  // clock ticks since boot: with the pid, the identity of a process
};

// Copes with any name: it ends at the last parenthesis. Nothing if `text` has not the form of
// proc(5).
std::optional<ProcStat> parse_stat(std::string_view text);

enum class OpenError : std::uint8_t {
  kGone,          // no such process
  kOtherProcess,  // the pid belongs to another one now
  kFailed         // no permission, no more descriptors
};

// A pidfd, and the start time of what it refers to. One thread at a time.
class ProcessHandle {
 public:
  // Takes the process `pid` that started at `start_ticks`. The pidfd is opened before the start
  // time is compared, so it refers to the process that was compared or to none.
  static tl::expected<ProcessHandle, OpenError> open(pid_t pid, std::uint64_t start_ticks);

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Sends a signal through the pidfd; false if the process is gone or the kernel refuses.
  [[nodiscard]] bool signal(int number) const;
  // Waits until the process has ended; false on time-out. 0 asks only.
  [[nodiscard]] bool wait_end(int timeout_ms) const;

 private:
  ProcessHandle(pid_t pid, Fd fd) : pid_(pid), fd_(std::move(fd)) {}
  pid_t pid_;
  Fd fd_;
};

// Does this process see the pids that the kernel side sees? Not in a container without hostPID.
bool in_initial_pid_namespace();

}  // namespace cryptnono::proc
