// ExecProgram: the kernel side of execwhacker (bpf/exec_match.bpf.c), loaded and attached. The only
// user of its skeleton.
//
// After load() all methods may be called from any thread: they are single map operations or stores
// to mapped memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "bpf/api/exec.h"
#include "kernel/enforcement.h"
#include "kernel/loops.h"
#include "kernel/pins.h"
#include "kernel/ring_buffer.h"
#include "kernel/run_statistics.h"
#include "kernel/table_map.h"

namespace cryptnono::detect {

class ExecProgram {
 public:
  // Opens and loads the object; nothing is attached. Errors: kUnsupported if the kernel lacks what
  // it needs (BTF, the hook), kNotPermitted without the right to load BPF.
  // Where BPF LSM is active, banned execs are also refused; that it is not is no error: see
  // why_not_refused().
  static Result<std::unique_ptr<ExecProgram>> load();
  // Only one of its two objects.
  static Result<std::unique_ptr<ExecProgram>> load(kernel::Loops loops);
  ~ExecProgram();
  ExecProgram(const ExecProgram&) = delete;
  ExecProgram& operator=(const ExecProgram&) = delete;

  // From here on every exec in scope is matched. Rules and settings should be in force already.
  Result<void> attach();
  // Stops matching. What is in the ring buffers can still be read.
  void detach();

  // After attach(): banned execs are refused before they take effect if this is empty; else why
  // they are only killed.
  [[nodiscard]] const std::string& why_not_refused() const;

  // The same, from any thread.
  [[nodiscard]] bool refuses() const;

  // Atomic: an exec is judged by the old rules or by the new ones, whole.
  [[nodiscard]] Result<void> put_in_force(const kernel::TableMap& tables) const;

  // Mode, scope, limit, protected processes, containers.
  [[nodiscard]] kernel::Enforcement& enforcement();

  // To be pinned while it is attached.
  [[nodiscard]] kernel::Pinnable pinnable();

  // Sum over CPUs since load.
  [[nodiscard]] exec_stats stats() const;
  // Of the hook. Runs that the kernel skipped because another BPF program was running in its way
  // (recursion_misses) are execs that were not checked.
  [[nodiscard]] kernel::ProgramRuns runs() const;
  // Of the hook that refuses; all zeros if it is not there.
  [[nodiscard]] kernel::ProgramRuns refuse_runs() const;
  // Which object the kernel accepted.
  [[nodiscard]] kernel::Loops loops() const;

  // Readers of the two rings; each to be read by one thread.
  Result<kernel::RingBuffer> events(kernel::RingBuffer::Handler handler);
  Result<kernel::RingBuffer> decisions(kernel::RingBuffer::Handler handler);

 private:
  struct State;
  explicit ExecProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cryptnono::detect
