// Monero: the monero detector as part of the daemon: program, audit, settings. A kernel that cannot
// carry it costs this detector only.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "app/event_log.h"
#include "app/fpu_audit.h"
#include "app/pod_watch.h"
#include "base/result.h"
#include "config/types.h"
#include "container/scope.h"
#include "detect/fpu/fpu_detector.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// One thread, but for collect().
class Monero {
 public:
  // Loads the kernel side; an error means that the detector is not there, and everything below does
  // nothing. All must outlive the object.
  Result<void> load(EventLog& log, const PodWatch& pods, Responses& responses, CanaryTrap& trap);
  Result<void> apply(const config::Config& config);
  // An error means the same as one of load().
  Result<void> start();
  void stop();
  // After start(): without real-time priority, active sampling preempts less surely.
  [[nodiscard]] bool real_time() const { return !detector_ || detector_->real_time(); }
  [[nodiscard]] bool up() const { return up_ && enabled_; }
  // Any thread, after load().
  void set_canary_cgroup(std::uint64_t id) {
    if (detector_) detector_->set_canary_cgroup(id);
  }
  void collect(metrics::Exposition& out) const;
  // Any thread.
  [[nodiscard]] enforce::LimitState limit() const {
    return audit_ ? audit_->limit() : enforce::LimitState{};
  }
  // Of the kernel side's program, if it is loaded. Any thread.
  void add_runs(std::vector<kernel::ProgramRuns>& out) const {
    if (detector_) out.push_back(detector_->program().runs());
  }

 private:
  const PodWatch* pods_ = nullptr;  // set with detector_
  std::unique_ptr<FpuAudit> audit_;
  std::unique_ptr<detect::FpuDetector> detector_;
  std::atomic<bool> up_ = false, enabled_ = false;
};

}  // namespace cryptnono::app
