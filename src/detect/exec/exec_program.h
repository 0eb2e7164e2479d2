// ExecProgram: the kernel side of execwhacker (bpf/exec_match.bpf.c), loaded and attached. The only
// user of its skeleton.
//
// After load() all methods may be called from any thread: they are single map operations or stores
// to mapped memory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "bpf/api/exec.h"
#include "config/types.h"
#include "kernel/ring_buffer.h"
#include "kernel/table_map.h"

namespace cryptnono::detect {

// A limit unit: the cgroup of a container or of a user's session.
struct UnitCgroup {
  std::uint64_t cgroup_id = 0;
  std::uint64_t unit = 0;
};

class ExecProgram {
 public:
  // Opens and loads the object; nothing is attached. Errors: kUnsupported if the kernel lacks what
  // it needs (BTF, bpf_loop, the hook), kNotPermitted without the right to load BPF.
  static Result<std::unique_ptr<ExecProgram>> load();
  ~ExecProgram();
  ExecProgram(const ExecProgram&) = delete;
  ExecProgram& operator=(const ExecProgram&) = delete;

  // From here on every exec in scope is matched. Rules and settings should be in force already.
  Result<void> attach();
  // Stops matching. What is in the ring buffers can still be read.
  void detach();

  // Atomic: an exec is judged by the old rules or by the new ones, whole.
  [[nodiscard]] Result<void> put_in_force(const kernel::TableMap& tables) const;

  // Which groups kill, and the limit. A group that is not in the mask reports.
  void set_enforcement(std::uint64_t kill_groups, const config::Limit& limit);
  // At most SCOPE_MAX entries each. Takes effect at once and as a whole.
  void set_scope(const std::vector<scope_entry>& include, const std::vector<scope_entry>& exclude);
  // The hierarchy in which containers are told apart (scope_entry.hierarchy).
  void set_unit_hierarchy(std::uint32_t hierarchy);

  // Never to be touched: this process, as long as it is the one that started then.
  Result<void> protect(pid_t pid, std::uint64_t start_boottime_ns);
  // Replaces the set of known containers. Units that stay are never missing in between.
  Result<void> set_units(const std::vector<UnitCgroup>& units);

  // Asks the kernel's blast-radius limit whether `group` may act on `unit`, and takes a slot if so.
  Result<bool> admit(std::uint32_t group, std::uint64_t unit);

  // Sum over CPUs since load.
  [[nodiscard]] exec_stats stats() const;
  // Runs of the hook that the kernel skipped because another BPF program was running in its way.
  // Each is an exec that was not checked.
  [[nodiscard]] std::uint64_t recursion_misses() const;

  // Readers of the two rings; each to be read by one thread.
  Result<kernel::RingBuffer> events(kernel::RingBuffer::Handler handler);
  Result<kernel::RingBuffer> decisions(kernel::RingBuffer::Handler handler);

 private:
  struct State;
  explicit ExecProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cryptnono::detect
