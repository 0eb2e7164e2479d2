// Outcomes: what became of the findings of one detector, each counted once in every series that it
// belongs to.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "enforce/enforcer.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// Any thread.
class Outcomes {
 public:
  // Findings are of one or two kinds, which the predecessor's series tell apart: by source, by
  // reason.
  static constexpr std::size_t kKinds = 2;

  // `event_ns`, CLOCK_MONOTONIC: of the exec or connect, of the first suspicious sample, or of when
  // a scan found it. From there to action.time_ns is the latency of a kill.
  void count(const enforce::Action& action, std::uint64_t event_ns, std::size_t kind = 0);
  // A rule hit, and an exception let the process live.
  void count_spared(std::size_t kind = 0) { ++kinds_.at(kind).spared; }

  // What the kernel side counts and sends no record of.
  struct Untold {
    std::array<std::uint64_t, kKinds> kills{};  // the ring was full
    std::uint64_t refused = 0;
  };
  struct Counts {
    std::uint64_t killed = 0, missed = 0, spared = 0, reported = 0, limited = 0, refused = 0,
                  protects = 0, failed = 0;

    Counts& operator+=(const Counts& other);
  };
  using ByKind = std::array<Counts, kKinds>;
  // Adds the series that every detector has. Returns what they are the sums of, for the series of
  // the detector alone.
  ByKind collect(std::string_view detector, const Untold& untold, metrics::Exposition& out) const;
  // The series of a detector's limit.
  static void collect_limit(std::string_view detector, const enforce::LimitState& limit,
                            metrics::Exposition& out);

 private:
  struct Kind {
    std::atomic<std::uint64_t> killed = 0, missed = 0, spared = 0, reported = 0, limited = 0,
                               refused = 0, protects = 0, failed = 0;

    [[nodiscard]] Counts read() const;
  };
  static std::atomic<std::uint64_t>& counter_of(Kind& kind, enforce::Outcome outcome);

  std::array<Kind, kKinds> kinds_;
  metrics::Histogram latency_;
};

}  // namespace cryptnono::app
