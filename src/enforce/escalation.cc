#include "enforce/escalation.h"

#include "base/clock.h"

namespace cryptnono::enforce {

Escalation::Escalation(std::function<std::uint64_t()> now_ns) : now_ns_(std::move(now_ns)) {}
Escalation::Escalation() : Escalation(monotonic_ns) {}

void Escalation::set(const std::optional<config::Escalation>& settings) {
  const std::lock_guard lock(mutex_);
  settings_ = settings;
  if (settings_) return;
  units_.clear();
  index_.clear();
}

Escalation::Unit& Escalation::touch(std::uint64_t unit) {
  const auto known = index_.find(unit);
  if (known != index_.end()) {
    units_.splice(units_.begin(), units_, known->second);
    return units_.front();
  }
  if (units_.size() >= kMaxUnits) {
    index_.erase(units_.back().id);
    units_.pop_back();
  }
  units_.push_front({.id = unit, .kills_ns = {}});
  index_.emplace(unit, units_.begin());
  return units_.front();
}

bool Escalation::count(std::uint64_t unit) {
  const std::lock_guard lock(mutex_);
  if (!settings_) return false;
  const std::uint64_t now = now_ns_();
  const std::uint64_t window = std::uint64_t{settings_->window_s} * 1'000'000'000;
  std::vector<std::uint64_t>& kills = touch(unit).kills_ns;
  kills.push_back(now);
  std::erase_if(kills, [&](std::uint64_t at) { return now - at >= window; });
  // More than `after` of them would say no more.
  if (kills.size() > settings_->after)
    kills.erase(kills.begin(), kills.end() - static_cast<std::ptrdiff_t>(settings_->after));
  return kills.size() >= settings_->after;
}

std::size_t Escalation::units() const {
  const std::lock_guard lock(mutex_);
  return units_.size();
}

}  // namespace cryptnono::enforce
