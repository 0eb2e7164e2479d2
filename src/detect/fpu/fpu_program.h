// FpuProgram: the kernel side of the monero detector (bpf/fpu_sample.bpf.c), loaded.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "bpf/api/fpu.h"
#include "kernel/loops.h"
#include "kernel/ring_buffer.h"
#include "kernel/run_statistics.h"

namespace cryptnono::detect {

// Thread-safe but for load, attach, detach and set_scope, which belong to one thread, and
// find_targets, which belongs to another.
class FpuProgram {
 public:
  // Loads and does not attach. Errors: kUnsupported, kNotPermitted.
  static Result<std::unique_ptr<FpuProgram>> load();
  // Only one of its two objects.
  static Result<std::unique_ptr<FpuProgram>> load(kernel::Loops loops);
  ~FpuProgram();

  Result<void> attach();
  void detach();
  void set_scope(const std::vector<scope_entry>& include, const std::vector<scope_entry>& exclude);
  // The cgroup (v2) of the daemon's canaries, which is always in scope; 0: none. Any thread.
  void set_canary_cgroup(std::uint64_t cgroup_id);

  // The evidence of a thread, if there is any.
  [[nodiscard]] std::optional<fpu_thread> thread(pid_t tid) const;
  // Starts a thread's evidence anew at its next sample.
  void forget(pid_t tid);
  // Says whether find_targets is to look for the thread; false if too many are.
  bool set_active(pid_t tid, bool active);

  struct Target {
    std::uint32_t cpu;
    std::uint32_t tid;  // 0: nothing is known of that CPU
  };
  // Where active threads run at this moment; with `heartbeat`, also the CPUs that are not idle and
  // were quiet (FPU_QUIET_RUNS) since the last call with it. At most FPU_MAX_TARGETS.
  std::span<const Target> find_targets(bool heartbeat);
  // Number of samples counted so far; a memory access.
  [[nodiscard]] std::uint64_t samples() const;

  struct Stats {
    fpu_stats kernel{};
    std::uint64_t recursion_misses = 0;
  };
  [[nodiscard]] Stats stats() const;
  // Of the hook.
  [[nodiscard]] kernel::ProgramRuns runs() const;
  // Which object the kernel accepted.
  [[nodiscard]] kernel::Loops loops() const;
  Result<kernel::RingBuffer> events(kernel::RingBuffer::Handler handler);

 private:
  struct State;
  explicit FpuProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cryptnono::detect
