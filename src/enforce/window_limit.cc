#include "enforce/window_limit.h"

#include <algorithm>

#include "base/clock.h"

namespace cryptnono::enforce {

WindowLimit::WindowLimit(std::function<std::uint64_t()> now_ns) : now_ns_(std::move(now_ns)) {}
WindowLimit::WindowLimit() : WindowLimit(monotonic_ns) {}

void WindowLimit::set(const config::Limit& limit) {
  const std::lock_guard lock(mutex_);
  limit_ = limit;
}

bool WindowLimit::admit(std::uint32_t /*group*/, std::uint64_t unit) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t now = now_ns_();
  const std::uint64_t window = std::uint64_t{limit_.window_s} * 1'000'000'000;
  std::erase_if(admitted_, [&](const auto& entry) { return now - entry.second >= window; });
  const auto known = std::find_if(admitted_.begin(), admitted_.end(),
                                  [unit](const auto& entry) { return entry.first == unit; });
  if (known != admitted_.end()) {
    known->second = now;
    return true;
  }
  if (admitted_.size() >= limit_.max_targets) return false;
  admitted_.emplace_back(unit, now);
  return true;
}

LimitState WindowLimit::state() const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t now = now_ns_();
  const std::uint64_t window = std::uint64_t{limit_.window_s} * 1'000'000'000;
  const auto used = std::count_if(admitted_.begin(), admitted_.end(), [&](const auto& entry) {
    return elapsed_ns(now, entry.second) < window;
  });
  return {.targets = static_cast<std::uint32_t>(used), .max_targets = limit_.max_targets};
}

}  // namespace cryptnono::enforce
