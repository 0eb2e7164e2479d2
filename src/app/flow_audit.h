// FlowAudit: what happens to a finding of tcpflowkiller: enforcement, log, counters.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "app/canary_trap.h"
#include "app/event_log.h"
#include "app/outcomes.h"
#include "app/responses.h"
#include "base/json_line.h"
#include "config/types.h"
#include "detect/flow/flow_finding.h"
#include "detect/flow/flow_groups.h"
#include "enforce/enforcer.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// All methods from any thread.
class FlowAudit {
 public:
  // The references must outlive the object.
  FlowAudit(enforce::BlastLimit& limit, EventLog& log, Responses& responses, CanaryTrap& trap);

  // The groups that findings are of, those that only report at this time (a mask), and what may be
  // done.
  struct Rules {
    std::shared_ptr<const detect::FlowGroups> groups;
    std::uint64_t reporting = 0;
    enforce::Policy policy;
  };
  void apply(const config::Config& config, Rules rules);

  // Lets go of what only findings from before the last apply() need, when they have long been read.
  void tidy();

  // Called with each connect for which a group that only reports at first would have killed: the
  // group's name, the connect, and what became of it, which may be a kill for another group. From
  // any thread; `sink` is set before the first finding.
  using HeldSink =
      std::function<void(std::string_view group, const detect::FlowFinding&, enforce::Outcome)>;
  void when_held(HeldSink sink) { held_ = std::move(sink); }

  // Acts on the finding if it is still to be acted on, logs and counts. False: it should be made
  // again.
  bool handle(const detect::FlowFinding& finding);
  // Adds what was counted, here and by the kernel side, to a scrape.
  void collect(const Outcomes::Untold& untold, metrics::Exposition& out) const;

 private:
  enforce::Action act_on(const detect::FlowFinding& finding);
  bool first_time(const detect::FlowFinding& finding);
  // How the groups stood when the finding was made.
  struct Standing {
    std::shared_ptr<const detect::FlowGroups> groups;
    std::uint64_t reporting = 0;
  };
  [[nodiscard]] Standing standing_of(const detect::FlowFinding& finding) const;
  static std::optional<detect::FlowGroups::Named> ban_of(const detect::FlowFinding& finding,
                                                         const Standing& standing,
                                                         enforce::Outcome outcome);
  static void add_ban(JsonLine& line, const Standing& standing,
                      const detect::FlowGroups::Named& ban, const Redactor& redactor);
  static std::uint64_t held_groups(const detect::FlowFinding& finding, const Standing& standing);
  void tell_held(const detect::FlowFinding& finding, const Standing& standing,
                 enforce::Outcome outcome) const;
  static EventRecord record_of(const detect::FlowFinding& finding, std::uint64_t signal_ns);
  void add_fields(JsonLine& line, const detect::FlowFinding& finding, std::string_view action,
                  const EventRecord& record, Redactor& redactor) const;
  void log_seen(const detect::FlowFinding& finding);

  enforce::Enforcer enforcer_;
  EventLog& log_;
  Responses& responses_;
  CanaryTrap& trap_;
  std::atomic<std::uint32_t> max_command_line_bytes_ = 32768;
  std::atomic<bool> dry_run_ = false;
  std::atomic<config::LogLevel> log_level_ = config::LogLevel::kInfo;

  HeldSink held_;
  mutable std::mutex rules_mutex_;
  Standing now_;     // guarded by rules_mutex_
  Standing before_;  // of findings from before the last apply(); guarded by rules_mutex_
  std::uint64_t applied_ns_ = 0;  // CLOCK_MONOTONIC; guarded by rules_mutex_

  Outcomes outcomes_;  // by FlowFinding::Reason
  static constexpr std::size_t kMaxTold = 4096;
  std::mutex told_mutex_;
  // Protected processes that have been told of; guarded by told_mutex_.
  std::set<std::tuple<pid_t, std::uint64_t, detect::FlowFinding::Reason>> told_;
  metrics::Histogram log_and_kill_seconds_;
};

}  // namespace cryptnono::app
