// FpuDetector: monero. Finds RandomX by its rounding modes; says what it finds, and acts on
// nothing.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "detect/fpu/evidence.h"
#include "detect/fpu/fpu_finding.h"
#include "detect/fpu/fpu_program.h"
#include "detect/fpu/sampler.h"
#include "kernel/ring_buffer.h"
#include "proc/proc_reader.h"

namespace cryptnono::detect {

struct FpuSettings {
  bool enabled = true;
  bool active_sampling = true;
  std::vector<std::string> exempt_executables;  // absolute; of root's, and only root's to write
  std::vector<scope_entry> include;
  std::vector<scope_entry> exclude;  // exempt cgroups too
};

// apply(), start() and stop() belong to one thread; the rest may be called from any.
class FpuDetector {
 public:
  FpuDetector(std::unique_ptr<FpuProgram> program, FpuSink sink, Locate locate);
  ~FpuDetector();
  FpuDetector(const FpuDetector&) = delete;
  FpuDetector& operator=(const FpuDetector&) = delete;

  void apply(const FpuSettings& settings);
  // Attaches the hook and starts the threads. Call after apply().
  Result<void> start();
  void stop();
  // After start(): may the sampler preempt whatever runs?
  [[nodiscard]] bool real_time() const { return sampler_.real_time(); }

  struct Counters {
    FpuProgram::Stats program;
    std::size_t suspects = 0;
    double highest_spared_score = 0;  // of processes that were not taken for RandomX; never falls
  };
  [[nodiscard]] Counters counters() const;
  [[nodiscard]] const FpuProgram& program() const { return *program_; }
  // See FpuProgram. Any thread.
  void set_canary_cgroup(std::uint64_t cgroup_id) {
    canary_cgroup_ = cgroup_id;
    program_->set_canary_cgroup(cgroup_id);
  }

 private:
  struct Suspect;
  struct Process;
  struct Inherited;
  using ProcessKey = std::pair<std::uint32_t, std::uint64_t>;  // pid, start time
  using Heir = std::pair<std::uint64_t, std::uint32_t>;        // cgroup id, user

  void run();
  void on_event(std::span<const std::byte> record);
  void judge_all();
  void judge_process(Process& process, std::uint64_t now);
  bool read_threads(Process& process, std::uint64_t now);
  void found(Process& process, const FpuJudgement& judgement, std::uint64_t now);
  void cleared(Process& process, const FpuJudgement& judgement, std::uint64_t now);
  void bequeath(const Process& process, std::uint64_t now);
  [[nodiscard]] FpuCounts inherited_by(const Process& process, std::uint64_t now);
  [[nodiscard]] FpuFinding describe(const Process& process, const FpuJudgement& judgement,
                                    std::uint64_t now) const;
  [[nodiscard]] bool exempt(const FpuFinding& finding) const;
  void set_active(Process& process, bool active);
  void forget(Process& process);
  void pause(Process& process, std::uint64_t now);
  void remember_score(const Process& process);
  void drop_weakest_thread(Process& process);
  void drop_oldest_process();

  std::unique_ptr<FpuProgram> program_;
  FpuSink sink_;
  Locate locate_;
  Sampler sampler_;
  proc::ProcReader reader_;
  std::unique_ptr<kernel::RingBuffer> events_;
  Fd stop_fd_;
  std::thread thread_;

  mutable std::mutex mutex_;
  FpuSettings settings_;  // guarded by mutex_

  // Of the detector's thread.
  std::map<ProcessKey, Process> processes_;
  std::map<Heir, Inherited> inherited_;

  std::atomic<bool> enabled_ = true, sampling_ = true;  // of settings_
  std::atomic<std::uint64_t> canary_cgroup_ = 0;
  std::atomic<std::size_t> suspects_ = 0;
  std::atomic<double> highest_spared_score_ = 0;
};

}  // namespace cryptnono::detect
