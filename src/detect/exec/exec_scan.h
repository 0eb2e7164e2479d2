// ExecScan: looks through /proc for banned command lines that no exec showed: what ran before the
// start, and what rewrote its own arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "detect/exec/finding.h"
#include "proc/proc_reader.h"

namespace cryptnono::detect {

// One thread.
class ExecScan {
 public:
  ExecScan(FindingSink sink, Locate locate) : sink_(std::move(sink)), locate_(std::move(locate)) {}

  // One pass over all processes. A process is told to the sink once, and again when its command
  // line, its identity or the rules have changed, or when the sink was not done with it. Returns
  // how many processes were checked.
  std::size_t run(const std::shared_ptr<const ExecRules>& rules);

 private:
  struct Told {
    std::uint64_t start_ticks = 0;
    std::size_t cmdline_hash = 0;
    std::uint32_t generation = 0;
  };
  bool read(pid_t pid);
  void close_files_of_the_gone();
  bool read_without_main_thread(pid_t pid);
  bool tell(pid_t pid, const std::shared_ptr<const ExecRules>& rules, Told& told);

  FindingSink sink_;
  Locate locate_;
  proc::ProcReader reader_;
  std::string cmdline_;  // reused
  std::unordered_map<pid_t, Told> told_;
  std::unordered_set<pid_t> kernel_threads_;
  struct OpenFile {
    Fd fd;
    std::uint64_t last_scan = 0;
  };
  std::unordered_map<pid_t, OpenFile>
      files_;  // of /proc/PID/cmdline: half of a scan's time would be to look these up
  std::uint64_t scan_ = 0;
};

}  // namespace cryptnono::detect
