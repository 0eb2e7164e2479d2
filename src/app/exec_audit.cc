#include "app/exec_audit.h"

#include "app/event_record.h"
#include "app/outcome_words.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "config/actions.h"

namespace cryptnono::app {

using detect::Finding;
using enforce::Outcome;

namespace {

// It is known which rule it was: its generation has not been forgotten.
bool has_rule(const Finding& finding) {
  return finding.rules && finding.judgement.rule < finding.rules->size();
}

}  // namespace

std::string_view source_name(detect::Source source) {
  return source == detect::Source::kExec ? "execwhacker.bpf" : "psutil.process_iter";
}

ExecAudit::ExecAudit(enforce::Enforcer& enforcer, EventLog& log, Responses& responses,
                     CanaryTrap& trap)
    : enforcer_(enforcer), log_(log), responses_(responses), trap_(trap) {}

// What was done by the kernel side, or what is done now.
enforce::Action ExecAudit::act_on(const Finding& finding) {
  enforce::Action action;
  switch (finding.kind) {
    case Finding::Kind::kBanned: {
      const std::uint64_t begin = monotonic_ns();
      action = enforcer_.act({.pid = finding.pid,
                              .start_ticks = finding.start_ticks,
                              .unit = finding.unit,
                              .groups = finding.judgement.groups},
                             finding.still_holds);
      act_seconds_.observe(seconds_between(begin, action.time_ns));
      if (finding.exec_ns != 0) {
        verdict_seconds_.observe(seconds_between(finding.exec_ns, begin));
        decision_seconds_.observe(seconds_between(finding.exec_ns, action.time_ns));
      }
      return action;
    }
    case Finding::Kind::kProtected:
      action.outcome = Outcome::kSpared;
      action.spared = finding.spared;
      break;
    case Finding::Kind::kKilledInKernel:
      action.outcome = Outcome::kKilled;
      action.time_ns = finding.signal_ns;
      return action;
    default:
      action.outcome = finding.limited ? Outcome::kLimited : Outcome::kReported;
  }
  action.time_ns = finding.exec_ns;
  return action;
}

bool ExecAudit::handle(const Finding& finding) {
  if (trap_.caught(finding)) {
    // One that a scan meets is another detector's.
    if (finding.source != detect::Source::kScan)
      trap_.settle(Detector::kExecwhacker, finding, finding.kind == Finding::Kind::kKilledInKernel,
                   enforcer_);
    return true;
  }
  const auto source = static_cast<std::size_t>(finding.source);
  const std::uint64_t since = finding.exec_ns != 0 ? finding.exec_ns : monotonic_ns();
  if (finding.kind == Finding::Kind::kSpared) {
    outcomes_.count_spared(source);
    if (finding.exec_ns != 0) decision_seconds_.observe(seconds_between(since, monotonic_ns()));
    log_spared(finding, {});
    return true;
  }
  const enforce::Action action = act_on(finding);
  outcomes_.count(action, since, source);
  // Not worth a line at each scan: it is in nobody's scope.
  if (action.outcome == Outcome::kRefused) return true;
  if (action.outcome == Outcome::kSpared) {
    log_spared(finding, protected_by(action.spared));
    return true;
  }
  tell_held(finding);
  config::Action done = config::Action::kKill;
  if (action.outcome == Outcome::kKilled) {
    const config::Action said =
        finding.rules ? finding.rules->action_of(finding.judgement.groups) : config::Action::kKill;
    done = responses_.after_kill(finding, "execwhacker", said);
  }
  log_line(finding, action.outcome, action.time_ns, done);
  return !to_be_tried_again(action.outcome);
}

void ExecAudit::tell_held(const Finding& finding) const {
  if (!held_ || !finding.rules) return;
  const std::uint64_t held = finding.rules->held_groups(finding.judgement.groups);
  for (unsigned bit = 0; bit < MATCH_MAX_GROUPS; ++bit) {
    if ((held >> bit & 1) != 0) held_(finding.rules->group_name(bit));
  }
}

void ExecAudit::add_command_line(JsonLine& line, const Finding& finding, bool lower,
                                 Redactor& redactor) const {
  const std::size_t limit = max_command_line_bytes_;
  std::string text = redactor.command_line(finding, finding.filename, limit, lower);
  const bool cut = cut_for_log(text, limit) || finding.argv.size() < finding.argv_bytes ||
                   (!redactor.reveals() && finding.argv.size() > limit);
  line.add("pid", finding.pid).add("cmdline", text);
  if (cut) line.add("truncated", true).add("cmdline_bytes", finding.argv_bytes);
}

EventRecord ExecAudit::record_of(const Finding& finding, std::uint64_t signal_ns) {
  EventRecord record{.detector = "execwhacker",
                     .rule = {},
                     .evidence = R"({"kind": "string"})",
                     .event_ns = finding.exec_ns,
                     .signal_ns = signal_ns};
  if (has_rule(finding)) record.rule = finding.rules->rule_id(finding.judgement.rule);
  return record;
}

void ExecAudit::add_process(JsonLine& line, const Finding& finding, const EventRecord& record,
                            Redactor& redactor) {
  if (has_rule(finding))
    line.add("group", finding.rules->group_name(finding.rules->rule_group(finding.judgement.rule)));
  add_record(line, finding, record, redactor);
}

std::string ExecAudit::matched(const Finding& finding, const EventRecord& record,
                               const Redactor& redactor) {
  if (!redactor.reveals()) return record.rule;
  return finding.rules ? ascii_lower(finding.rules->rule_text(finding.judgement.rule))
                       : std::string();
}

void ExecAudit::log_line(const Finding& finding, Outcome outcome, std::uint64_t signal_ns,
                         config::Action done) {
  const OutcomeWords words = words_of(outcome);
  const bool told = log_level_ <= config::LogLevel::kInfo || words.level != "info";
  Redactor redactor = log_.redactor(finding.rules);
  JsonLine line;
  // The longest text first: what is found in it is masked in the others too.
  if (told) add_command_line(line, finding, true, redactor);
  EventLog::Note note{.record = record_of(finding, outcome == Outcome::kKilled ? signal_ns : 0),
                      .command_line = note_line(finding, finding.filename, redactor),
                      .executable = redactor.text(finding.path),
                      .latency_us = std::nullopt};
  if (finding.exec_ns != 0 && outcome == Outcome::kKilled)
    note.latency_us = seconds_between(finding.exec_ns, signal_ns) * 1e6;
  if (!told) return log_.remember(words.action, finding, note);
  line.add("matched", matched(finding, note.record, redactor))
      .add("source", source_name(finding.source))
      .add("action", words.action);
  add_process(line, finding, note.record, redactor);
  if (note.latency_us) {
    line.add("exec_to_signal_us", *note.latency_us);
    line.add("in_kernel", finding.kind == Finding::Kind::kKilledInKernel);
    line.add("refused", finding.refused);
  }
  if (done > config::Action::kKill) line.add("response", config::action_word(done));
  if (outcome == Outcome::kReported && finding.rules) {
    const std::uint64_t held = finding.rules->held_groups(finding.judgement.groups);
    if (held != 0) add_held(line, finding.rules->would_of(held));
  }
  if (dry_run_) line.add("dry_run", true);
  log_.write(std::move(line), words.event, words.level, finding, EventLog::Form::kFlat, note);
}

void ExecAudit::log_spared(const Finding& finding, std::string allowed_by) {
  if (log_level_ > config::LogLevel::kInfo) return;
  Redactor redactor = log_.redactor(finding.rules);
  if (allowed_by.empty()) {
    const bool reveal = finding.rules && redactor.reveals();
    allowed_by = reveal ? finding.rules->allow_list().revealed_reason(finding.judgement.allow_rule)
                        : finding.judgement.allowed_by;
  }
  const EventRecord record = record_of(finding, 0);
  JsonLine line;
  add_command_line(line, finding, false, redactor);
  line.add("source", source_name(finding.source))
      .add("matched", matched(finding, record, redactor))
      .add("allowedby", allowed_by)
      .add("action", "spared");
  add_process(line, finding, record, redactor);
  log_.write(std::move(line), "Not killing process", "info", finding);
}

void ExecAudit::collect(const Outcomes::Untold& untold, metrics::Exposition& out) const {
  using metrics::Metric;
  const auto counts = outcomes_.collect("execwhacker", untold, out);
  std::uint64_t failed = 0;
  for (const detect::Source source : {detect::Source::kExec, detect::Source::kScan}) {
    const Outcomes::Counts& each = counts.at(static_cast<std::size_t>(source));
    const std::string_view name = source_name(source);
    out.add(Metric::kKilled, {name}, each.killed);
    out.add(Metric::kMissed, {name}, each.missed);
    out.add(Metric::kAllowed, {name, "allowed-pattern"}, each.spared);
    failed += each.failed;
  }
  out.add(Metric::kUnexpectedErrors, {}, failed);
  out.add(Metric::kLogAndKillSeconds, {}, act_seconds_);
  out.add(Metric::kKillIfNeededSeconds, {}, verdict_seconds_);
  out.add(Metric::kDecisionSeconds, {}, decision_seconds_);
}

}  // namespace cryptnono::app
