#include "app/monero.h"

#include "app/kernel_scope.h"

namespace cryptnono::app {

Result<void> Monero::load(EventLog& log, const PodWatch& pods, Responses& responses,
                          CanaryTrap& trap) {
  std::unique_ptr<detect::FpuProgram> program = TRY(detect::FpuProgram::load());
  audit_ = std::make_unique<FpuAudit>(log, responses, trap);
  detector_ = std::make_unique<detect::FpuDetector>(
      std::move(program),
      [this](const detect::FpuFinding& finding) { return audit_->handle(finding); },
      [&pods](const std::string& cgroup, detect::Subject& out) { pods.locate(cgroup, out); });
  pods_ = &pods;
  return {};
}

Result<void> Monero::apply(const config::Config& config) {
  if (!detector_) return {};
  config::Scope wanted = config.scope;
  wanted.exclude.insert(wanted.exclude.end(), config.monero.exempt_cgroups.begin(),
                        config.monero.exempt_cgroups.end());
  const container::Scope scope = TRY(container::Scope::resolve(wanted));
  const detect::FpuSettings settings{.enabled = config.monero.enabled,
                                     .active_sampling = config.monero.active_sampling,
                                     .exempt_executables = config.monero.exempt_executables,
                                     .include = TRY(kernel_scope(scope.include())),
                                     .exclude = TRY(kernel_scope(scope.exclude()))};
  audit_->apply(config, scope, [this](pid_t pid, const std::string& cgroup) {
    return pods_->may_touch(pid, cgroup);
  });
  detector_->apply(settings);
  enabled_ = config.monero.enabled;
  return {};
}

Result<void> Monero::start() {
  if (!detector_) return {};
  TRY(detector_->start());
  up_ = true;
  return {};
}

void Monero::stop() {
  if (detector_) detector_->stop();
}

void Monero::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  if (!detector_) return;
  audit_->collect(out);
  Outcomes::collect_limit("monero", limit(), out);
  const auto counters = detector_->counters();
  out.add(Metric::kMoneroSuspects, {}, static_cast<double>(counters.suspects));
  out.add(Metric::kMoneroRealTime, {}, real_time() ? 1.0 : 0.0);
  out.add(Metric::kMoneroHighestScore, {}, counters.highest_spared_score);
  out.add(Metric::kMoneroSamples, {}, std::uint64_t{counters.program.kernel.samples});
  out.add(Metric::kEventsLost, {"monero", "events-ring-full"},
          std::uint64_t{counters.program.kernel.lost_events});
  out.add(Metric::kEventsLost, {"monero", "threads-full"},
          std::uint64_t{counters.program.kernel.lost_threads});
  out.add(Metric::kEventsLost, {"monero", "recursion"}, counters.program.recursion_misses);
}

}  // namespace cryptnono::app
