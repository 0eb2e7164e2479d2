#include "app/outcomes.h"

#include "base/clock.h"

namespace cryptnono::app {

using enforce::Outcome;

Outcomes::Counts& Outcomes::Counts::operator+=(const Counts& other) {
  killed += other.killed;
  missed += other.missed;
  spared += other.spared;
  reported += other.reported;
  limited += other.limited;
  refused += other.refused;
  protects += other.protects;
  failed += other.failed;
  return *this;
}

Outcomes::Counts Outcomes::Kind::read() const {
  return {.killed = killed,
          .missed = missed,
          .spared = spared,
          .reported = reported,
          .limited = limited,
          .refused = refused,
          .protects = protects,
          .failed = failed};
}

std::atomic<std::uint64_t>& Outcomes::counter_of(Kind& kind, Outcome outcome) {
  switch (outcome) {
    case Outcome::kKilled:
      return kind.killed;
    case Outcome::kGone:
      return kind.missed;
    case Outcome::kReported:
      return kind.reported;
    case Outcome::kLimited:
      return kind.limited;
    case Outcome::kRefused:
      return kind.refused;
    case Outcome::kSpared:
      return kind.protects;
    case Outcome::kFailed:
      return kind.failed;
  }
  return kind.failed;
}

void Outcomes::count(const enforce::Action& action, std::uint64_t event_ns, std::size_t kind) {
  ++counter_of(kinds_.at(kind), action.outcome);
  if (action.outcome == Outcome::kKilled)
    latency_.observe(seconds_between(event_ns, action.time_ns));
}

Outcomes::ByKind Outcomes::collect(std::string_view detector, const Untold& untold,
                                   metrics::Exposition& out) const {
  using metrics::Metric;
  ByKind by_kind;
  Counts all;
  for (std::size_t i = 0; i < kKinds; ++i) {
    by_kind.at(i) = kinds_.at(i).read();
    by_kind.at(i).killed += untold.kills.at(i);
    all += by_kind.at(i);
  }
  out.add(Metric::kDetectorKilled, {detector}, all.killed);
  out.add(Metric::kDetectorMissed, {detector}, all.missed);
  out.add(Metric::kDetectorSpared, {detector}, all.spared);
  out.add(Metric::kKillLatency, {detector}, latency_);
  out.add(Metric::kReported, {detector}, all.reported + all.limited);
  out.add(Metric::kRefused, {detector}, all.refused + untold.refused);
  out.add(Metric::kProtected, {detector}, all.protects);
  out.add(Metric::kLimitSuppressed, {detector}, all.limited);
  out.add(Metric::kKillFailed, {detector}, all.failed);
  return by_kind;
}

void Outcomes::collect_limit(std::string_view detector, const enforce::LimitState& limit,
                             metrics::Exposition& out) {
  out.add(metrics::Metric::kLimitTargets, {detector}, static_cast<double>(limit.targets));
  out.add(metrics::Metric::kLimitReached, {detector}, limit.reached() ? 1.0 : 0.0);
}

}  // namespace cryptnono::app
