#include "app/exec_audit.h"

#include <fmt/format.h>

#include "app/event_record.h"
#include "app/outcome_words.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "config/actions.h"

namespace cryptnono::app {

using detect::Finding;
using enforce::Outcome;

std::string_view source_name(detect::Source source) {
  return source == detect::Source::kExec ? "execwhacker.bpf" : "psutil.process_iter";
}

ExecAudit::ExecAudit(enforce::Enforcer& enforcer, EventLog& log, Responses& responses)
    : enforcer_(enforcer), log_(log), responses_(responses) {}

bool ExecAudit::handle(const Finding& finding) {
  PerSource& counts = counts_[static_cast<std::size_t>(finding.source)];
  enforce::Action action;
  switch (finding.kind) {
    case Finding::Kind::kSpared:
      ++counts.spared;
      if (finding.exec_ns != 0)
        decision_seconds_.observe(static_cast<double>(monotonic_ns() - finding.exec_ns) / 1e9);
      log_spared(finding, finding.judgement.allowed_by);
      return true;
    case Finding::Kind::kProtected:
      action = {.outcome = Outcome::kSpared,
                .time_ns = finding.exec_ns,
                .refused_why = {},
                .spared = finding.spared};
      break;
    case Finding::Kind::kKilledInKernel:
      action = {.outcome = Outcome::kKilled, .time_ns = finding.exec_ns, .refused_why = {}};
      break;
    case Finding::Kind::kReportedInKernel:
      action = {.outcome = finding.limited ? Outcome::kLimited : Outcome::kReported,
                .time_ns = finding.exec_ns,
                .refused_why = {}};
      break;
    case Finding::Kind::kBanned: {
      const std::uint64_t begin = monotonic_ns();
      action = enforcer_.act({.pid = finding.pid,
                              .start_ticks = finding.start_ticks,
                              .unit = finding.unit,
                              .groups = finding.judgement.groups},
                             finding.still_holds);
      act_seconds_.observe(static_cast<double>(action.time_ns - begin) / 1e9);
      if (finding.exec_ns != 0) {
        verdict_seconds_.observe(static_cast<double>(begin - finding.exec_ns) / 1e9);
        decision_seconds_.observe(static_cast<double>(action.time_ns - finding.exec_ns) / 1e9);
      }
    }
  }
  counts.outcomes.count(action.outcome);
  // Not worth a line at each scan: it is in nobody's scope.
  if (action.outcome == Outcome::kRefused) return true;
  if (action.outcome == Outcome::kSpared) {
    log_spared(finding, protected_by(action.spared));
    return true;
  }
  config::Action done = config::Action::kKill;
  if (action.outcome == Outcome::kKilled) {
    const config::Action said =
        finding.rules ? finding.rules->action_of(finding.judgement.groups) : config::Action::kKill;
    done = responses_.after_kill(finding, "execwhacker", said);
  }
  log_line(finding, action.outcome, action.time_ns, done);
  return !to_be_tried_again(action.outcome);
}

void ExecAudit::add_command_line(JsonLine& line, const Finding& finding, bool lower) const {
  std::string text = detect::quoted_line(finding.filename, finding.argv);
  const bool cut =
      cut_for_log(text, max_command_line_bytes_) || finding.argv.size() < finding.argv_bytes;
  line.add("pid", finding.pid).add("cmdline", lower ? ascii_lower(text) : text);
  if (cut) line.add("truncated", true).add("cmdline_bytes", finding.argv_bytes);
}

EventRecord ExecAudit::record_of(const Finding& finding, std::uint64_t signal_ns) {
  EventRecord record{.detector = "execwhacker",
                     .rule = {},
                     .evidence = R"({"kind": "string"})",
                     .event_ns = finding.exec_ns,
                     .signal_ns = signal_ns};
  if (finding.rules) {
    const std::string_view group =
        finding.rules->group_name(finding.rules->rule_group(finding.judgement.rule));
    const config::Origin origin = finding.rules->rule_origin(finding.judgement.rule);
    record.rule = fmt::format("{}:{}:{}", group, origin.line, origin.column);
  }
  return record;
}

void ExecAudit::add_process(JsonLine& line, const Finding& finding, const EventRecord& record) {
  if (finding.rules)
    line.add("group", finding.rules->group_name(finding.rules->rule_group(finding.judgement.rule)));
  add_record(line, finding, record);
}

void ExecAudit::log_line(const Finding& finding, Outcome outcome, std::uint64_t signal_ns,
                         config::Action done) {
  const OutcomeWords words = words_of(outcome);
  EventLog::Note note{
      .record = record_of(finding, outcome == Outcome::kKilled ? signal_ns : 0),
      .command_line = detect::quoted_line(finding.filename, beginning_of(finding.argv)),
      .latency_us = std::nullopt};
  if (finding.exec_ns != 0 && outcome == Outcome::kKilled)
    note.latency_us = static_cast<double>(signal_ns - finding.exec_ns) / 1e3;
  if (log_level_ > config::LogLevel::kInfo && words.level == "info")
    return log_.remember(words.action, finding, note);
  JsonLine line;
  add_command_line(line, finding, true);
  line.add("matched", finding.rules ? ascii_lower(finding.rules->rule_text(finding.judgement.rule))
                                    : std::string())
      .add("source", source_name(finding.source))
      .add("action", words.action);
  add_process(line, finding, note.record);
  if (finding.exec_ns != 0 && outcome == Outcome::kKilled) {
    line.add("exec_to_signal_us", static_cast<double>(signal_ns - finding.exec_ns) / 1e3);
    line.add("in_kernel", finding.kind == Finding::Kind::kKilledInKernel);
  }
  if (done > config::Action::kKill) line.add("response", config::action_word(done));
  if (dry_run_) line.add("dry_run", true);
  log_.write(std::move(line), words.event, words.level, finding, EventLog::Form::kFlat, note);
}

void ExecAudit::log_spared(const Finding& finding, const std::string& allowed_by) {
  if (log_level_ > config::LogLevel::kInfo) return;
  JsonLine line;
  add_command_line(line, finding, false);
  line.add("source", source_name(finding.source))
      .add("matched", finding.rules ? ascii_lower(finding.rules->rule_text(finding.judgement.rule))
                                    : std::string())
      .add("allowedby", allowed_by)
      .add("action", "spared");
  add_process(line, finding, record_of(finding, 0));
  log_.write(std::move(line), "Not killing process", "info", finding);
}

void ExecAudit::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  std::uint64_t reported = 0;
  std::uint64_t limited = 0;
  std::uint64_t errors = 0;
  std::uint64_t spared = 0;
  for (const detect::Source source : {detect::Source::kExec, detect::Source::kScan}) {
    const PerSource& counts = counts_[static_cast<std::size_t>(source)];
    const std::string_view name = source_name(source);
    out.add(Metric::kKilled, {name}, counts.outcomes.killed);
    out.add(Metric::kMissed, {name}, counts.outcomes.missed);
    out.add(Metric::kAllowed, {name, "allowed-pattern"}, counts.spared);
    reported += counts.outcomes.reported + counts.outcomes.limited;
    limited += counts.outcomes.limited;
    errors += counts.outcomes.errors;
    spared += counts.outcomes.spared;
  }
  out.add(Metric::kUnexpectedErrors, {}, errors);
  out.add(Metric::kReported, {"execwhacker"}, reported);
  out.add(Metric::kProtected, {"execwhacker"}, spared);
  out.add(Metric::kLimitSuppressed, {"execwhacker"}, limited);
  out.add(Metric::kKillFailed, {"execwhacker"}, errors);
  out.add(Metric::kLogAndKillSeconds, act_seconds_);
  out.add(Metric::kKillIfNeededSeconds, verdict_seconds_);
  out.add(Metric::kDecisionSeconds, decision_seconds_);
}

}  // namespace cryptnono::app
