// FlowProgram: the kernel side of tcpflowkiller (bpf/flow_watch.bpf.c). The only user of its
// skeleton.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/api/flow.h"
#include "config/types.h"
#include "kernel/enforcement.h"
#include "kernel/loops.h"
#include "kernel/pins.h"
#include "kernel/ring_buffer.h"
#include "kernel/run_statistics.h"
#include "kernel/table_map.h"

namespace cryptnono::detect {

// After attach() all methods may be called from any thread, but attach, detach and set_scan from
// one.
class FlowProgram {
 public:
  using ConnectHooks = config::ConnectHooks;

  struct Options {
    kernel::SharedMaps shared;  // of the object whose containers and protected it uses
    ConnectHooks best = ConnectHooks::kKill;  // try no better
  };
  // Loads the best that the kernel takes (programs of cgroups may signal since 6.16); nothing is
  // attached. Errors: kUnsupported,
  // kNotPermitted.
  static Result<std::unique_ptr<FlowProgram>> load(const Options& options);
  // Only one of its two objects.
  static Result<std::unique_ptr<FlowProgram>> load(const Options& options, kernel::Loops loops);
  ~FlowProgram();

  // Tables and settings should be in force already. A hook of cgroups that is refused is no error:
  // see hooks().
  Result<void> attach();
  void detach();

  // To be pinned while it is attached, and again after set_scan(), which may attach one more hook.
  [[nodiscard]] kernel::Pinnable pinnable();

  // After attach(): what is in force; and why not more, if not.
  [[nodiscard]] ConnectHooks hooks() const;
  [[nodiscard]] const std::string& why_not_better() const;

  // After attach(): bans are also enforced by BPF LSM if this is empty; else why not. Any thread.
  [[nodiscard]] const std::string& why_not_lsm() const;

  // Atomic: a connect is judged by the old tables or by the new ones.
  [[nodiscard]] Result<void> put_in_force(const kernel::TableMap& tables) const;
  // All but `hooked` and `counting`, which it sets itself. Errors: the hook that `only_failed`
  // needs is refused.
  Result<void> set_scan(const flow_settings& settings);
  [[nodiscard]] kernel::Enforcement& enforcement();

  // Calls `judge` with a copy of each unit that is counted; a unit for which it returns false is
  // forgotten.
  void for_each_unit(const std::function<bool(const flow_unit_key&, const flow_unit&)>& judge);
  // Forgets all.
  void forget_units();

  struct Stats {
    flow_counters kernel{};
    std::uint64_t recursion_misses = 0;
  };
  [[nodiscard]] Stats stats() const;
  // Which object the kernel accepted.
  [[nodiscard]] kernel::Loops loops() const;
  // Of all programs that are loaded.
  [[nodiscard]] std::vector<kernel::ProgramRuns> runs() const;
  Result<kernel::RingBuffer> events(kernel::RingBuffer::Handler handler);
  Result<kernel::RingBuffer> decisions(kernel::RingBuffer::Handler handler);

 private:
  struct State;
  explicit FlowProgram(std::unique_ptr<State> state);
  Result<void> attach_state();
  std::unique_ptr<State> state_;
};

}  // namespace cryptnono::detect
