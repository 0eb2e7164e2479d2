// FlowAudit: what happens to a finding of tcpflowkiller: enforcement, log, counters.
#pragma once

#include <array>
#include <atomic>
#include <string>

#include "app/event_log.h"
#include "app/outcome_words.h"
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
  FlowAudit(enforce::BlastLimit& limit, EventLog& log);

  void apply(const config::Config& config, const container::Scope& scope,
             std::uint64_t kill_groups);
  // Acts on the finding if it is still to be acted on, logs and counts. False: it should be made
  // again.
  bool handle(const detect::FlowFinding& finding);
  void collect(metrics::Exposition& out) const;

 private:
  void add_fields(JsonLine& line, const detect::FlowFinding& finding,
                  std::string_view action) const;
  void log_seen(const detect::FlowFinding& finding);

  enforce::Enforcer enforcer_;
  EventLog& log_;
  std::atomic<std::uint32_t> max_command_line_bytes_ = 32768;
  std::atomic<bool> dry_run_ = false;
  std::atomic<config::LogLevel> log_level_ = config::LogLevel::kInfo;

  std::array<OutcomeCounters, 2> counts_;  // by FlowFinding::Reason
  metrics::Histogram log_and_kill_seconds_;
};

}  // namespace cryptnono::app
