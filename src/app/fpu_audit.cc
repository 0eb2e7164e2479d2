#include "app/fpu_audit.h"

#include <fmt/format.h>

#include "app/outcome_words.h"
#include "detect/exec/exec_rules.h"

namespace cryptnono::app {

using detect::FpuFinding;
using enforce::Outcome;

FpuAudit::FpuAudit(EventLog& log) : log_(log) {}

void FpuAudit::apply(const config::Config& config, const container::Scope& scope) {
  const bool kill = !config.dry_run && kills(config.monero.action);
  limit_.set(config.monero.limit);
  enforcer_.set_policy(std::make_shared<enforce::Policy>(
      enforce::Policy{.kill_groups = kill ? 1U : 0U, .scope = scope}));
  max_command_line_bytes_ = config.log.max_command_line_bytes;
  dry_run_ = config.dry_run;
  log_level_ = config.log.level;
}

bool FpuAudit::handle(const FpuFinding& finding) {
  if (finding.spared) {
    ++spared_;
    log_spared(finding);
    return true;
  }
  const enforce::Action action = enforcer_.act(
      {.pid = finding.pid, .start_ticks = finding.start_ticks, .unit = finding.unit, .groups = 1});
  counts_.count(action.outcome);
  if (action.outcome == Outcome::kRefused) return true;
  if (action.outcome == Outcome::kKilled)
    kill_seconds_.observe(static_cast<double>(finding.span_ns) / 1e9);
  log_line(finding, action.outcome);
  return !to_be_tried_again(action.outcome);
}

void FpuAudit::add_fields(JsonLine& line, const FpuFinding& finding,
                          std::string_view action) const {
  std::string text = detect::quoted_line("", finding.command_line);
  const bool cut = cut_for_log(text, max_command_line_bytes_);
  line.add("pid", finding.pid).add("cmdline", text);
  if (cut)
    line.add("truncated", true).add("cmdline_bytes", std::uint64_t{finding.command_line.size()});
  const auto& all = finding.counts.all;
  const auto& flushed = finding.counts.flushed;
  const auto histogram = [](const std::array<double, FPU_MODES>& counts) {
    return fmt::format("nearest {:.0f}, down {:.0f}, up {:.0f}, zero {:.0f}", counts[FPU_NEAREST],
                       counts[FPU_DOWN], counts[FPU_UP], counts[FPU_ZERO]);
  };
  line.add("matched", "randomx")
      .add("source", "monero.bpf")
      .add("action", action)
      .add("detector", "monero")
      .add("uid", std::uint64_t{finding.uid})
      .add("ppid", finding.ppid)
      .add("comm", finding.comm)
      .add("exe", finding.path)
      .add("samples", finding.samples)
      .add("modes", histogram(all))
      .add("modes_flush_to_zero", histogram(flushed))
      .add("evidence_score", finding.score)
      .add("threads", std::uint64_t{finding.threads})
      .add("resident_bytes", finding.resident_bytes)
      .add("seconds_since_first_sample", static_cast<double>(finding.span_ns) / 1e9);
}

void FpuAudit::log_line(const FpuFinding& finding, Outcome outcome) {
  const OutcomeWords words = words_of(outcome);
  if (log_level_ > config::LogLevel::kInfo && words.level == "info") return;
  JsonLine line;
  add_fields(line, finding, words.action);
  if (dry_run_) line.add("dry_run", true);
  log_.write(std::move(line), words.event, words.level, finding.cgroup_id);
}

void FpuAudit::log_spared(const FpuFinding& finding) {
  if (log_level_ > config::LogLevel::kInfo) return;
  JsonLine line;
  add_fields(line, finding, "spared");
  line.add("reason", finding.why);
  log_.write(std::move(line), "Not killing process", "info", finding.cgroup_id);
}

void FpuAudit::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  out.add(Metric::kMoneroKilled, {}, counts_.killed);
  out.add(Metric::kMoneroMissed, {}, counts_.missed);
  out.add(Metric::kMoneroSpared, {}, spared_);
  out.add(Metric::kReported, {"monero"}, counts_.reported + counts_.limited);
  out.add(Metric::kRefused, {"monero"}, counts_.refused);
  out.add(Metric::kLimitSuppressed, {"monero"}, counts_.limited);
  out.add(Metric::kKillFailed, {"monero"}, counts_.errors);
  out.add(Metric::kMoneroKillSeconds, kill_seconds_);
}

}  // namespace cryptnono::app
