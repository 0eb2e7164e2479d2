// What the daemon does about the guard: containers are kept from tampering with it.
#include <utility>

#include "app/daemon.h"
#include "metrics/catalog.h"

namespace cryptnono::app {

using status::Lack;

void Daemon::load_guard(const config::Config& config) {
  if (!config.guard.enabled) return;
  Result<std::unique_ptr<kernel::Guard>> loaded =
      kernel::Guard::load(exec_->program().enforcement().shared());
  if (!loaded) return lack(Lack::kGuard, "", loaded.error().message);
  guard_ = *std::move(loaded);
  pods_.also(guard_->enforcement());
}

void Daemon::attach_guard() {
  if (!guard_) return;
  if (const Result<void> closed = takeover_.before_attach(guard_->pinnable()); !closed)
    cannot_pin(closed.error());
  if (const Result<void> attached = guard_->attach(); !attached) {
    takeover_.detaching(guard_->pinnable());
    return lack(Lack::kGuard, "", attached.error().message);
  }
  guarded_ = true;
  if (const std::string missing = guard_->missing(); !missing.empty())
    lack(Lack::kGuard, "", "not all of its hooks could be had: " + missing);
}

void Daemon::tell_guard() {
  if (!guarded_) return;
  guard_->guard_directories(takeover_.directories());
  if (const Result<void> told = guard_->guard_objects(); !told)
    lack(Lack::kGuard, "", told.error().message);
}

void Daemon::collect_guard(metrics::Exposition& out) const {
  using metrics::Metric;
  const auto refused = [&](guard_target target) {
    return guarded_ ? guard_->refused(target) : std::uint64_t{0};
  };
  out.add(Metric::kGuardActive, {}, guarded_ ? 1.0 : 0.0);
  out.add(Metric::kGuardRefused, {"process"}, refused(GUARD_PROCESS));
  out.add(Metric::kGuardRefused, {"object"}, refused(GUARD_OBJECT));
  out.add(Metric::kGuardRefused, {"pin"}, refused(GUARD_PIN));
}

}  // namespace cryptnono::app
