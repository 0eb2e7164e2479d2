// FpuAudit: what happens to a finding of the monero detector: enforcement, log, counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "app/canary_trap.h"
#include "app/event_log.h"
#include "app/outcomes.h"
#include "app/responses.h"
#include "base/json_line.h"
#include "config/types.h"
#include "detect/fpu/fpu_finding.h"
#include "enforce/enforcer.h"
#include "enforce/window_limit.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// All methods from any thread.
class FpuAudit {
 public:
  // All must outlive the object.
  FpuAudit(EventLog& log, Responses& responses, CanaryTrap& trap);

  // What may be done: `scope` without the exempt cgroups.
  void apply(const config::Config& config, const container::Scope& scope,
             decltype(enforce::Policy::may_touch) may_touch);
  // Acts, logs and counts. Returns false if the process should be judged again.
  bool handle(const detect::FpuFinding& finding);
  void collect(metrics::Exposition& out) const;
  [[nodiscard]] enforce::LimitState limit() const { return limit_.state(); }

 private:
  void log_line(const detect::FpuFinding& finding, enforce::Outcome outcome,
                std::uint64_t signal_ns, config::Action done);
  void log_spared(const detect::FpuFinding& finding, const std::string& allowed_by);
  static EventRecord record_of(const detect::FpuFinding& finding, std::uint64_t signal_ns);
  void add_fields(JsonLine& line, const detect::FpuFinding& finding, std::string_view action,
                  const EventRecord& record, Redactor& redactor) const;

  EventLog& log_;
  Responses& responses_;
  CanaryTrap& trap_;
  std::atomic<config::Action> action_ = config::Action::kKill;
  enforce::WindowLimit limit_;
  enforce::Enforcer enforcer_{limit_};
  std::atomic<std::uint32_t> max_command_line_bytes_ = 32768;
  std::atomic<bool> dry_run_ = false;
  std::atomic<config::LogLevel> log_level_ = config::LogLevel::kInfo;
  Outcomes outcomes_;
  metrics::Histogram kill_seconds_;
};

}  // namespace cryptnono::app
