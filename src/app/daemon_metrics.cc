// What a scrape gets.
#include <array>
#include <utility>

#include "app/daemon.h"
#include "app/outcomes.h"
#include "app/process_metrics.h"

#ifndef CRYPTNONO_VERSION
#define CRYPTNONO_VERSION "unknown"
#endif

namespace cryptnono::app {

using metrics::Metric;

// What the status shows too.
void Daemon::collect_detectors(metrics::Exposition& out) const {
  for (std::size_t i = 0; i < kDetectors; ++i) {
    const std::string_view name = metrics::values::kDetector.at(i);
    out.add(Metric::kDetectorEnabled, {name}, enabled_.at(i) ? 1.0 : 0.0);
    out.add(Metric::kDetectorUp, {name}, is_up(static_cast<Detector>(i)) ? 1.0 : 0.0);
  }
  canaries_.collect(out);
  if (exec_) collect_exec(out);
  monero_.collect(out);
  if (flow_) flow_->collect(out);
  rollout_.collect(out);
  takeover_.collect(out);
  out.add(Metric::kReloadSuccessful, {}, reload_ok_ ? 1.0 : 0.0);
  out.add(Metric::kReloadTimestamp, {}, static_cast<double>(loaded_at_));
  out.add(Metric::kReloads, {"success"}, reloads_ok_);
  out.add(Metric::kReloads, {"failure"}, reloads_failed_);
  out.add(Metric::kGeneration, {}, static_cast<double>(generation_));
}

void Daemon::collect(metrics::Exposition& out) const {
  collect_detectors(out);
  notifications_.collect(out);
  out.add(Metric::kLogLinesDropped, {}, log_.dropped());
  const PodWatch::Counters cgroups = pods_.counters();
  out.add(Metric::kCgroups, {"container"}, static_cast<double>(cgroups.containers));
  out.add(Metric::kCgroups, {"pod"}, static_cast<double>(cgroups.pods));
  out.add(Metric::kCgroups, {"protected"}, static_cast<double>(cgroups.protected_cgroups));
  out.add(Metric::kCgroups, {"unclassified"}, static_cast<double>(cgroups.unclassified));
  const runtime::ContainerLookup::Counters lookups = events_.counters();
  out.add(Metric::kContainerLookups, {"found"}, lookups.found);
  out.add(Metric::kContainerLookups, {"unknown"}, lookups.unknown);
  out.add(Metric::kContainerLookups, {"failed"}, lookups.failed);
  out.add(Metric::kContainerLookups, {"dropped"}, lookups.dropped);
  if (responses_) responses_->collect(out);
  collect_guard(out);
  collect_runs(out);
  collect_process(out);
  out.add(Metric::kBuildInfo, {CRYPTNONO_VERSION}, 1.0);
}

void Daemon::collect_exec(metrics::Exposition& out) const {
  const auto counters = exec_->counters();
  const exec_stats& kernel = counters.kernel;
  out.add(Metric::kChecked, {"execwhacker.bpf"}, std::uint64_t{kernel.checked});
  out.add(Metric::kChecked, {"psutil.process_iter"}, counters.scanned);
  audit_->collect(
      {.kills = {kernel.lost_kills + takeover_.lost_kills()[0], 0}, .refused = kernel.refused},
      out);
  Outcomes::collect_limit("execwhacker", limit_.state(), out);
  const bool refuses = std::as_const(*exec_).program().refuses();
  out.add(Metric::kLsmActive, {"execwhacker"}, refuses ? 1.0 : 0.0);
  out.add(Metric::kLsmRefused, {"execwhacker"}, std::uint64_t{kernel.prevented});
  out.add(Metric::kLsmSkipped, {"execwhacker"}, std::uint64_t{kernel.unproven});
  const std::array<std::pair<std::string_view, std::uint64_t>, 4> losses{
      {{"events-ring-full", kernel.lost_events},
       {"decisions-ring-full", kernel.lost_decisions},
       {"recursion", counters.recursion_misses},
       {"unreadable-arguments", kernel.unreadable}}};
  for (const auto& [reason, count] : losses)
    out.add(Metric::kEventsLost, {"execwhacker", reason}, count);
  out.add(Metric::kRulesLoaded, {"execwhacker", "banned"}, static_cast<double>(rules_));
  out.add(Metric::kRulesLoaded, {"execwhacker", "allowed-pattern"}, static_cast<double>(patterns_));
  out.add(Metric::kRulesLoaded, {"execwhacker", "allowed-executable"},
          static_cast<double>(executables_));
  out.add(Metric::kScanSeconds, {"execwhacker"}, counters.last_scan_s);
}

void Daemon::collect_runs(metrics::Exposition& out) const {
  const kernel::RunStatistics::Totals totals = run_statistics_.totals();
  out.add(Metric::kBpfStatisticsSeconds, {}, static_cast<double>(totals.on_ns) / 1e9);
  for (const std::string_view program : metrics::values::kProgram) {
    const auto found = totals.programs.find(std::string(program));
    if (found == totals.programs.end()) continue;
    out.add(Metric::kBpfRunSeconds, {program}, static_cast<double>(found->second.run_ns) / 1e9);
    out.add(Metric::kBpfRuns, {program}, found->second.runs);
  }
}

std::vector<kernel::ProgramRuns> Daemon::program_runs() const {
  std::vector<kernel::ProgramRuns> out;
  if (exec_) {
    out.push_back(std::as_const(*exec_).program().runs());
    if (std::as_const(*exec_).program().refuses())
      out.push_back(std::as_const(*exec_).program().refuse_runs());
  }
  monero_.add_runs(out);
  if (flow_) flow_->add_runs(out);
  pods_.add_runs(out);
  return out;
}

}  // namespace cryptnono::app
