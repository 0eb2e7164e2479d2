// Flow: tcpflowkiller as part of the daemon: program, audit, settings. It is loaded when a
// configuration first asks for it. A kernel that cannot carry it costs this detector only.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "app/flow_audit.h"
#include "base/line_writer.h"
#include "base/result.h"
#include "config/types.h"
#include "detect/flow/flow_detector.h"
#include "enforce/enforcer.h"
#include "kernel/enforcement.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// The kernel's own limit, so that what it kills and what user space kills count together.
class KernelLimit : public enforce::BlastLimit {
 public:
  explicit KernelLimit(kernel::Enforcement& kernel) : kernel_(kernel) {}
  bool admit(std::uint32_t group, std::uint64_t unit) override {
    const Result<bool> answer = kernel_.admit(group, unit);
    return answer && *answer;
  }

 private:
  kernel::Enforcement& kernel_;
};

// One thread, but for collect().
class Flow {
 public:
  using CgroupPath = std::function<std::string(std::uint64_t)>;

  Flow(LineWriter& log, CgroupPath cgroup_path) : log_(log), cgroup_path_(std::move(cgroup_path)) {}

  // The rest of a configuration that is known to be good: its tables. What cannot be used is an
  // error, and nothing changes.
  struct Prepared {
    detect::FlowTables tables;
    std::size_t bans = 0;
    std::size_t allowed = 0;
  };
  static Result<Prepared> prepare(const config::Tcpflowkiller& config, std::uint32_t generation);

  // Puts a configuration in force: loads and attaches, changes, or takes away. `shared`: the
  // objects that the kernel side shares with execwhacker.
  Result<void> apply(const config::Config& config, Prepared prepared,
                     const kernel::SharedMaps& shared);
  void stop();

  [[nodiscard]] bool up() const { return up_; }
  // Of a detector that is up.
  [[nodiscard]] detect::FlowHooks hooks() const { return detector_->program().hooks(); }
  [[nodiscard]] const std::string& why_not_better() const {
    return detector_->program().why_not_better();
  }
  void collect(metrics::Exposition& out) const;

 private:
  Result<void> start(const kernel::SharedMaps& shared);

  LineWriter& log_;
  CgroupPath cgroup_path_;
  mutable std::mutex mutex_;  // guards what collect() reads against apply() taking it away
  std::unique_ptr<KernelLimit> limit_;
  std::unique_ptr<FlowAudit> audit_;
  std::unique_ptr<detect::FlowDetector> detector_;
  std::atomic<bool> up_ = false;
  std::atomic<std::size_t> bans_ = 0, allowed_ = 0;
};

}  // namespace cryptnono::app
