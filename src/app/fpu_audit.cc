#include "app/fpu_audit.h"

#include <fmt/format.h>

#include "app/event_record.h"
#include "app/outcome_words.h"
#include "base/clock.h"
#include "config/actions.h"
#include "detect/exec/exec_rules.h"

namespace cryptnono::app {

using detect::FpuFinding;
using enforce::Outcome;

FpuAudit::FpuAudit(EventLog& log, Responses& responses, CanaryTrap& trap)
    : log_(log), responses_(responses), trap_(trap) {}

void FpuAudit::apply(const config::Config& config, const container::Scope& scope,
                     decltype(enforce::Policy::may_touch) may_touch) {
  const bool kill = !config.dry_run && kills(config.monero.action);
  limit_.set(config.monero.limit);
  enforcer_.set_policy(std::make_shared<enforce::Policy>(enforce::Policy{
      .kill_groups = kill ? 1U : 0U, .scope = scope, .may_touch = std::move(may_touch)}));
  action_ = config.monero.action;
  max_command_line_bytes_ = config.log.max_command_line_bytes;
  dry_run_ = config.dry_run;
  log_level_ = config.log.level;
}

bool FpuAudit::handle(const FpuFinding& finding) {
  if (trap_.caught(finding)) {
    if (!finding.cleared) trap_.settle(Detector::kMonero, finding, false, enforcer_);
    return true;
  }
  if (finding.cleared) {
    outcomes_.count_spared();
    log_spared(finding, "");
    return true;
  }
  const enforce::Action action = enforcer_.act(
      {.pid = finding.pid, .start_ticks = finding.start_ticks, .unit = finding.unit, .groups = 1});
  outcomes_.count(action, finding.first_ns);
  if (action.outcome == Outcome::kRefused) return true;
  if (action.outcome == Outcome::kSpared) {
    log_spared(finding, protected_by(action.spared));
    return true;
  }
  config::Action done = config::Action::kKill;
  if (action.outcome == Outcome::kKilled) {
    kill_seconds_.observe(seconds_between(finding.first_ns, action.time_ns));
    done = responses_.after_kill(finding, "monero", action_);
  }
  log_line(finding, action.outcome, action.outcome == Outcome::kKilled ? action.time_ns : 0, done);
  return !to_be_tried_again(action.outcome);
}

EventRecord FpuAudit::record_of(const FpuFinding& finding, std::uint64_t signal_ns) {
  return {.detector = "monero",
          .rule = "randomx",
          .evidence = fmt::format(R"({{"kind": "rounding-modes", "score": {:.1f}, "samples": {}}})",
                                  finding.score, finding.samples),
          .event_ns = 0,
          .signal_ns = signal_ns};
}

void FpuAudit::add_fields(JsonLine& line, const FpuFinding& finding, std::string_view action,
                          const EventRecord& record, Redactor& redactor) const {
  const std::size_t limit = max_command_line_bytes_;
  std::string text = redactor.command_line(finding, {}, limit);
  const bool cut = cut_for_log(text, limit) || (!redactor.reveals() && finding.argv.size() > limit);
  line.add("pid", finding.pid).add("cmdline", text);
  if (cut) line.add("truncated", true).add("cmdline_bytes", std::uint64_t{finding.argv.size()});
  const auto& all = finding.counts.all;
  const auto& flushed = finding.counts.flushed;
  const auto histogram = [](const std::array<double, FPU_MODES>& counts) {
    return fmt::format("nearest {:.0f}, down {:.0f}, up {:.0f}, zero {:.0f}", counts[FPU_NEAREST],
                       counts[FPU_DOWN], counts[FPU_UP], counts[FPU_ZERO]);
  };
  line.add("matched", "randomx")
      .add("source", "monero.bpf")
      .add("action", action)
      .add("samples", finding.samples)
      .add("modes", histogram(all))
      .add("modes_flush_to_zero", histogram(flushed))
      .add("evidence_score", finding.score)
      .add("threads", std::uint64_t{finding.threads})
      .add("resident_bytes", finding.resident_bytes)
      .add("seconds_since_first_sample", static_cast<double>(finding.span_ns) / 1e9);
  add_record(line, finding, record, redactor);
}

void FpuAudit::log_line(const FpuFinding& finding, Outcome outcome, std::uint64_t signal_ns,
                        config::Action done) {
  const OutcomeWords words = words_of(outcome);
  const bool told = log_level_ <= config::LogLevel::kInfo || words.level != "info";
  const EventRecord record = record_of(finding, signal_ns);
  Redactor redactor = log_.redactor();
  JsonLine line;
  if (told) add_fields(line, finding, words.action, record, redactor);
  EventLog::Note note{.record = record,
                      .command_line = note_line(finding, {}, redactor),
                      .executable = redactor.text(finding.path),
                      .latency_us = std::nullopt};
  if (outcome == Outcome::kKilled) note.latency_us = static_cast<double>(finding.span_ns) / 1e3;
  if (!told) return log_.remember(words.action, finding, note);
  if (done > config::Action::kKill) line.add("response", config::action_word(done));
  if (dry_run_) line.add("dry_run", true);
  log_.write(std::move(line), words.event, words.level, finding, EventLog::Form::kFlat, note);
}

void FpuAudit::log_spared(const FpuFinding& finding, const std::string& allowed_by) {
  if (log_level_ > config::LogLevel::kInfo) return;
  JsonLine line;
  Redactor redactor = log_.redactor();
  add_fields(line, finding, "spared", record_of(finding, 0), redactor);
  if (!finding.why.empty()) line.add("reason", finding.why);
  if (!allowed_by.empty()) line.add("allowedby", allowed_by);
  log_.write(std::move(line), "Not killing process", "info", finding);
}

void FpuAudit::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  const Outcomes::Counts counts = outcomes_.collect("monero", {}, out)[0];
  out.add(Metric::kMoneroKilled, {}, counts.killed);
  out.add(Metric::kMoneroMissed, {}, counts.missed);
  out.add(Metric::kMoneroSpared, {}, counts.spared);
  out.add(Metric::kMoneroKillSeconds, {}, kill_seconds_);
}

}  // namespace cryptnono::app
