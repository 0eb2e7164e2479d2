// CanaryTrap: where the findings that are the daemon's own canaries end, instead of in counters,
// log and webhook.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>

#include "detect/subject.h"
#include "enforce/enforcer.h"

namespace cryptnono::app {

// In the order of metrics::values::kDetector.
enum class Detector : std::uint8_t { kExecwhacker, kMonero, kTcpflowkiller };
inline constexpr std::size_t kDetectors = 3;

// Any thread.
class CanaryTrap {
 public:
  // The canaries' cgroup (v2) from here on; 0: none. Those before it stay canaries': events are
  // read a while after they happened.
  void set_cgroup(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    cgroup_ = id;
    if (id != 0) all_.insert(id);
  }
  [[nodiscard]] std::uint64_t cgroup() const {
    const std::lock_guard lock(mutex_);
    return cgroup_;
  }
  // Is it a canary? By its cgroup, which nobody else gets into. A scan meets canaries too.
  [[nodiscard]] bool caught(const detect::Subject& subject) const {
    const std::lock_guard lock(mutex_);
    return all_.contains(subject.cgroup_id);
  }
  // The event of a canary that this detector found has come all the way. Kills it, unless the
  // kernel side has.
  void settle(Detector detector, const detect::Subject& canary, bool killed,
              enforce::Enforcer& enforcer) {
    if (!killed) {
      const enforce::Action action =
          enforcer.act({.pid = canary.pid, .start_ticks = canary.start_ticks, .canary = true});
      killed = action.outcome == enforce::Outcome::kKilled;
    }
    if (!killed) return;
    {
      const std::lock_guard lock(mutex_);
      ++told_.at(static_cast<std::size_t>(detector));
    }
    changed_.notify_all();
  }
  // How often a canary of this detector was dead then.
  [[nodiscard]] std::uint64_t told(Detector detector) const {
    const std::lock_guard lock(mutex_);
    return told_.at(static_cast<std::size_t>(detector));
  }
  // Waits until it was more often than that; false on time-out.
  template <typename Duration>
  bool wait_for_more(Detector detector, std::uint64_t than, Duration timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout,
                             [&] { return told_.at(static_cast<std::size_t>(detector)) > than; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All below guarded by mutex_.
  std::uint64_t cgroup_ = 0;
  std::set<std::uint64_t> all_;  // one, and one more each time that somebody removed it
  std::array<std::uint64_t, kDetectors> told_{};
};

}  // namespace cryptnono::app
