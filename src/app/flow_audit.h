// FlowAudit: what happens to a finding of tcpflowkiller: enforcement, log, counters.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <tuple>

#include "app/canary_trap.h"
#include "app/event_log.h"
#include "app/outcomes.h"
#include "app/responses.h"
#include "base/json_line.h"
#include "config/types.h"
#include "detect/flow/flow_finding.h"
#include "enforce/enforcer.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// All methods from any thread.
class FlowAudit {
 public:
  // The references must outlive the object.
  FlowAudit(enforce::BlastLimit& limit, EventLog& log, Responses& responses, CanaryTrap& trap);

  void apply(const config::Config& config, enforce::Policy policy);
  // Acts on the finding if it is still to be acted on, logs and counts. False: it should be made
  // again.
  bool handle(const detect::FlowFinding& finding);
  // Adds what was counted, here and by the kernel side, to a scrape.
  void collect(const Outcomes::Untold& untold, metrics::Exposition& out) const;

 private:
  enforce::Action act_on(const detect::FlowFinding& finding);
  bool first_time(const detect::FlowFinding& finding);
  static EventRecord record_of(const detect::FlowFinding& finding, std::uint64_t signal_ns);
  void add_fields(JsonLine& line, const detect::FlowFinding& finding, std::string_view action,
                  const EventRecord& record, Redactor& redactor) const;
  void log_seen(const detect::FlowFinding& finding);

  enforce::Enforcer enforcer_;
  EventLog& log_;
  Responses& responses_;
  CanaryTrap& trap_;
  std::atomic<config::Action> action_ = config::Action::kKill;
  std::atomic<std::uint32_t> max_command_line_bytes_ = 32768;
  std::atomic<bool> dry_run_ = false;
  std::atomic<config::LogLevel> log_level_ = config::LogLevel::kInfo;

  Outcomes outcomes_;  // by FlowFinding::Reason
  static constexpr std::size_t kMaxTold = 4096;
  std::mutex told_mutex_;
  // Protected processes that have been told of; guarded by told_mutex_.
  std::set<std::tuple<pid_t, std::uint64_t, detect::FlowFinding::Reason>> told_;
  metrics::Histogram log_and_kill_seconds_;
};

}  // namespace cryptnono::app
