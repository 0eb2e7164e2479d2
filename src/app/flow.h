// Flow: tcpflowkiller as part of the daemon: program, audit, settings. It is loaded when a
// configuration first asks for it. A kernel that cannot carry it costs this detector only.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>

#include "app/event_log.h"
#include "app/flow_audit.h"
#include "app/kernel_limit.h"
#include "app/pod_watch.h"
#include "app/takeover.h"
#include "base/result.h"
#include "config/types.h"
#include "detect/flow/flow_detector.h"
#include "kernel/enforcement.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// One thread, but for collect().
class Flow {
 public:
  // All must outlive the object.
  // `cannot_pin`: told why, where it runs and is not pinned.
  Flow(EventLog& log, PodWatch& pods, Responses& responses, CanaryTrap& trap, Takeover& takeover,
       std::function<void(const Error&)> cannot_pin)
      : pods_(pods),
        takeover_(takeover),
        cannot_pin_(std::move(cannot_pin)),
        audit_(limit_, log, responses, trap) {}

  // The rest of a configuration that is known to be good: its tables. What cannot be used is an
  // error, and nothing changes.
  struct Prepared {
    detect::FlowTables tables;
    std::shared_ptr<const detect::FlowGroups> groups;
    // Names of groups that only report at this time, whatever their action is. At first those that
    // report first; whoever knows that their time is over takes them out before apply(), so that
    // there is no moment at which they only report again.
    std::set<std::string> reporting;
    std::optional<config::AddressRange> canary;  // banned for canaries alone
    std::size_t bans = 0;
    std::size_t allowed = 0;
  };
  // `now`: what is in force, or null.
  static Result<Prepared> prepare(const config::Tcpflowkiller& config, std::uint32_t generation,
                                  const std::optional<config::AddressRange>& canary,
                                  const Flow* now);

  // Puts a configuration in force: loads and attaches, changes, or takes away. `shared`: the
  // objects that the kernel side shares with execwhacker.
  Result<void> apply(const config::Config& config, Prepared prepared,
                     const kernel::SharedMaps& shared);
  // FlowAudit::when_held().
  void when_held(FlowAudit::HeldSink sink) { audit_.when_held(std::move(sink)); }
  void stop();
  // A record that an earlier daemon's kernel side wrote; as detect::ExecDetector::take_over().
  void take_over(std::span<const std::byte> record, const detect::EarlierDaemon& earlier);

  [[nodiscard]] bool up() const { return up_; }
  // Of a detector that is up.
  [[nodiscard]] config::ConnectHooks hooks() const { return detector_->program().hooks(); }
  // While up(): bans are also enforced by BPF LSM if this is empty.
  [[nodiscard]] const std::string& why_not_lsm() const {
    return detector_->program().why_not_lsm();
  }
  [[nodiscard]] const std::string& why_not_better() const {
    return detector_->program().why_not_better();
  }
  void set_canary_cgroup(std::uint64_t cgroup_id);  // any thread
  void collect(metrics::Exposition& out) const;
  [[nodiscard]] enforce::LimitState limit() const { return limit_.state(); }  // any thread
  // Of the kernel side's programs, if they are loaded. Any thread.
  void add_runs(std::vector<kernel::ProgramRuns>& out) const;

 private:
  Result<void> start(config::ConnectHooks best, const kernel::SharedMaps& shared);
  [[nodiscard]] detect::FlowProgram::Stats total() const;  // mutex_ is held

  PodWatch& pods_;
  Takeover& takeover_;
  const std::function<void(const Error&)> cannot_pin_;
  KernelLimit limit_;
  FlowAudit audit_;
  mutable std::mutex mutex_;  // for detector_: collect() reads what apply() may take away
  std::unique_ptr<detect::FlowDetector> detector_;
  std::shared_ptr<const detect::FlowGroups> groups_;  // in force, or those that were last
  detect::FlowProgram::Stats past_;  // of programs that are gone; guarded by mutex_
  config::ConnectHooks best_hooks_ = config::ConnectHooks::kKill;  // as asked for
  std::atomic<bool> up_ = false;
  std::atomic<std::size_t> bans_ = 0, allowed_ = 0;
};

}  // namespace cryptnono::app
