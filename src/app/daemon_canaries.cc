// How the daemon proves itself.
#include "app/daemon.h"

namespace cryptnono::app {

void Daemon::prove(const config::Config& config, Bait bait) {
  // A detector that has just been loaded knows nothing of it yet.
  tell_canary_cgroup(trap_.cgroup());
  using Detection = Canaries::Detection;
  const auto detection = [](bool wanted, bool there) {
    return !wanted ? Detection::kOff : there ? Detection::kThere : Detection::kMissing;
  };
  canaries_.use({.interval_s = config.canary.interval_s,
                 .log_level = config.log.level,
                 .bait = std::move(bait),
                 .detectors = {detection(config.execwhacker.enabled, up_),
                               detection(config.monero.enabled, monero_.up()),
                               detection(config.tcpflowkiller.enabled, flow_->up())}});
}

// On any thread.
void Daemon::tell_canary_cgroup(std::uint64_t cgroup_id) {
  if (exec_) exec_->program().enforcement().set_canary_cgroup(cgroup_id);
  monero_.set_canary_cgroup(cgroup_id);
  if (flow_) flow_->set_canary_cgroup(cgroup_id);
  takeover_.set_canary_cgroup(cgroup_id);
}

bool Daemon::is_up(Detector detector) const {
  const bool there = detector == Detector::kExecwhacker ? up_ && enabled_[0]
                     : detector == Detector::kMonero    ? monero_.up()
                                                        : flow_ && flow_->up();
  return there && canaries_.good(detector);
}

}  // namespace cryptnono::app
