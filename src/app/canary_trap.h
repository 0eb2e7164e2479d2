// CanaryTrap: where the findings that are the daemon's own canaries end, instead of in counters,
// log and webhook.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "detect/subject.h"

namespace cryptnono::app {

// In the order of metrics::values::kDetector.
enum class Detector : std::uint8_t { kExecwhacker, kMonero, kTcpflowkiller };
inline constexpr std::size_t kDetectors = 3;

// Any thread.
class CanaryTrap {
 public:
  // The canaries' cgroup (v2); 0: none.
  void set_cgroup(std::uint64_t id) { cgroup_ = id; }
  [[nodiscard]] std::uint64_t cgroup() const { return cgroup_; }
  // Is it a canary? By its cgroup, which nobody else gets into. A scan meets canaries too.
  [[nodiscard]] bool caught(const detect::Subject& subject) const {
    const std::uint64_t id = cgroup_;
    return id != 0 && subject.cgroup_id == id;
  }
  // A canary was killed because of this detector, and its event has come all the way.
  void tell(Detector detector) {
    {
      const std::lock_guard lock(mutex_);
      ++told_.at(static_cast<std::size_t>(detector));
    }
    changed_.notify_all();
  }
  // How often that was.
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
  std::atomic<std::uint64_t> cgroup_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::uint64_t, kDetectors> told_{};  // guarded by mutex_
};

}  // namespace cryptnono::app
