#include "app/history.h"

#include <algorithm>

namespace cryptnono::app {

namespace {

// Samples of two threads may come in the other order: then the later one is smaller.
std::uint64_t take_increase(std::uint64_t& seen, std::uint64_t total) {
  if (total <= seen) return 0;
  const std::uint64_t increase = total - seen;
  seen = total;
  return increase;
}

}  // namespace

bool History::due(std::uint64_t now_s) const {
  const std::lock_guard lock(mutex_);
  return now_s / kStepS > newest_ || !sampled_;
}

void History::advance(std::uint64_t step) {
  if (step <= newest_) return;
  const std::size_t missing = std::min<std::uint64_t>(step - newest_, kSteps);
  newest_ = step;
  sampled_ = false;
  length_ = std::min(length_ + missing, kSteps);
  for (auto& [name, line] : lines_) {
    line.steps.resize(line.steps.size() + missing);
    while (line.steps.size() > kSteps) line.steps.pop_front();
  }
}

void History::sample(std::uint64_t now_s, const ByDetector& totals) {
  const std::lock_guard lock(mutex_);
  advance(now_s / kStepS);
  sampled_ = true;
  for (const auto& [name, total] : totals) {
    Line& line = lines_[name];
    if (line.steps.empty()) line.steps.resize(length_);
    Totals& step = line.steps.back();
    step.killed += take_increase(line.seen.killed, total.killed);
    step.reported += take_increase(line.seen.reported, total.reported);
    step.lost += take_increase(line.seen.lost, total.lost);
  }
}

status::History History::read(std::uint64_t now_s, std::int64_t unix_s) {
  const std::lock_guard lock(mutex_);
  advance(now_s / kStepS);
  status::History out;
  out.step_s = kStepS;
  out.until = unix_s + static_cast<std::int64_t>(kStepS - now_s % kStepS);
  for (const auto& [name, line] : lines_) {
    status::Series& series = out.series[name];
    for (const Totals& step : line.steps) {
      series.killed.push_back(step.killed);
      series.reported.push_back(step.reported);
      series.lost.push_back(step.lost);
    }
  }
  return out;
}

}  // namespace cryptnono::app
