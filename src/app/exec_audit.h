// ExecAudit: what happens to a finding of execwhacker: enforcement, log, counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "app/canary_trap.h"
#include "app/event_log.h"
#include "app/outcomes.h"
#include "app/responses.h"
#include "base/json_line.h"
#include "config/types.h"
#include "detect/exec/finding.h"
#include "enforce/enforcer.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// All methods from any thread.
class ExecAudit {
 public:
  // The references must outlive the object.
  ExecAudit(enforce::Enforcer& enforcer, EventLog& log, Responses& responses, CanaryTrap& trap);

  // Acts on the finding if it is still to be acted on, logs and counts. Returns false if a later
  // scan should come back to it.
  bool handle(const detect::Finding& finding);

  // Called with the name of each group that only reports at first and would have killed; from any
  // thread. `sink` is set before the first finding.
  using HeldSink = std::function<void(std::string_view group)>;
  void when_held(HeldSink sink) { held_ = std::move(sink); }

  void set_max_command_line_bytes(std::uint32_t bytes) { max_command_line_bytes_ = bytes; }
  void set_dry_run(bool dry_run) { dry_run_ = dry_run; }
  // Lines of kills, of sparing and of reports are written at kInfo and below only.
  void set_log_level(config::LogLevel level) { log_level_ = level; }
  // Adds what was counted, here and by the kernel side, to a scrape.
  void collect(const Outcomes::Untold& untold, metrics::Exposition& out) const;

 private:
  void log_line(const detect::Finding& finding, enforce::Outcome outcome, std::uint64_t signal_ns,
                config::Action done);
  // `allowed_by` empty: what the rules say.
  void log_spared(const detect::Finding& finding, std::string allowed_by);
  void add_command_line(JsonLine& line, const detect::Finding& finding, bool lower,
                        Redactor& redactor) const;
  static EventRecord record_of(const detect::Finding& finding, std::uint64_t signal_ns);
  static void add_process(JsonLine& line, const detect::Finding& finding, const EventRecord& record,
                          Redactor& redactor);
  // The log's `matched`: the rule's id, or revealed, its text.
  static std::string matched(const detect::Finding& finding, const EventRecord& record,
                             const Redactor& redactor);

  void tell_held(const detect::Finding& finding) const;

  HeldSink held_;
  enforce::Enforcer& enforcer_;
  EventLog& log_;
  Responses& responses_;
  CanaryTrap& trap_;
  std::atomic<std::uint32_t> max_command_line_bytes_ = 32768;
  std::atomic<bool> dry_run_ = false;
  std::atomic<config::LogLevel> log_level_ = config::LogLevel::kInfo;

  enforce::Action act_on(const detect::Finding& finding);

  Outcomes outcomes_;  // by detect::Source
  metrics::Histogram act_seconds_, verdict_seconds_, decision_seconds_;
};

// The label and log value of a source.
std::string_view source_name(detect::Source source);

}  // namespace cryptnono::app
