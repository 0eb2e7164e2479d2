// ProcReader: what /proc says about processes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "proc/process.h"

namespace cryptnono::proc {

// Stateless but for one open directory; a reader per thread. Every answer may be stale when it
// arrives: act through a ProcessHandle, and ask again once that is open.
class ProcReader {
 public:
  // `root` is another tree in tests.
  explicit ProcReader(const std::string& root = "/proc");

  // All processes, in no order.
  [[nodiscard]] std::vector<pid_t> pids() const;
  [[nodiscard]] std::optional<ProcStat> read_stat(pid_t pid) const;
  // The argument area, whole, into `out`, whose memory is reused. False if the process is gone.
  // Empty for kernel threads and zombies.
  bool read_cmdline(pid_t pid, std::string& out) const;
  // The same in two steps, for who reads it again and again: the descriptor saves the look-up, and
  // reads as long as the process it was opened for is there, never another one.
  [[nodiscard]] Fd open_cmdline(pid_t pid) const;
  static bool read_cmdline_again(int fd, std::string& out);
  // The same of a thread of `pid` that is alive. A process whose main thread has ended shows an
  // empty command line while its other threads run on.
  bool read_thread_cmdline(pid_t pid, std::string& out) const;
  // As the node writes it (cgroup_view.h); "" if it cannot be read.
  [[nodiscard]] std::string read_cgroup(pid_t pid) const;
  [[nodiscard]] std::string read_exe(pid_t pid) const;
  // Only root could have written the file that `pid` runs: it is root's, nobody else may write it,
  // and it is not on FUSE, whose server can claim any owner. The same test as in
  // bpf/lib/path.bpf.h.
  [[nodiscard]] bool executable_trusted(pid_t pid) const;
  // Memory that is in RAM, huge pages of hugetlbfs included; 0 if the process is gone.
  [[nodiscard]] std::uint64_t read_resident_bytes(pid_t pid) const;
  // The real user id; nothing if the process is gone.
  [[nodiscard]] std::optional<uid_t> read_uid(pid_t pid) const;
  // Its pid in each pid namespace that it is in, from the reader's inwards; empty if it is gone.
  [[nodiscard]] std::vector<pid_t> read_namespace_pids(pid_t pid) const;

  // The process that the thread `tid` belongs to; of a process, itself.
  [[nodiscard]] std::optional<pid_t> read_process_of(pid_t tid) const;

  // `pid`, its parent, and so on up to 1.
  [[nodiscard]] std::vector<pid_t> with_ancestors(pid_t pid) const;

 private:
  [[nodiscard]] std::vector<pid_t> numbers_in(const char* path) const;
  bool read_file(pid_t pid, const char* name, std::string& out) const;
  Fd directory_;
};

}  // namespace cryptnono::proc
