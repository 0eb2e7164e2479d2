// WindowLimit: the blast-radius limit of a detector whose kills are all user space's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "config/types.h"
#include "enforce/enforcer.h"

namespace cryptnono::enforce {

// At most `max_targets` distinct units within `window_s`; a unit that was admitted within the
// window is admitted again. The groups are one. Thread-safe.
class WindowLimit : public BlastLimit {
 public:
  // `now_ns` is another clock in tests.
  explicit WindowLimit(std::function<std::uint64_t()> now_ns);
  WindowLimit();

  void set(const config::Limit& limit);
  bool admit(std::uint32_t group, std::uint64_t unit) override;
  [[nodiscard]] LimitState state() const override;

 private:
  std::function<std::uint64_t()> now_ns_;
  mutable std::mutex mutex_;
  config::Limit limit_;                                           // guarded by mutex_
  std::deque<std::pair<std::uint64_t, std::uint64_t>> admitted_;  // unit, when; guarded by mutex_
};

}  // namespace cryptnono::enforce
