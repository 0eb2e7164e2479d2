// History: how much was killed, reported and lost in each ten seconds of the last hour.
//
// It is filled from the counters, whose increase since the last sample belongs to the step of this
// one. So samples should come once a step while something happens: they are made at each scan of
// all processes, at each kill, and whenever somebody asks. Nothing wakes up for it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "status/status.h"

namespace cryptnono::app {

// Any thread. `now_s`: seconds on a clock that never goes back (CLOCK_BOOTTIME).
class History {
 public:
  static constexpr std::uint32_t kStepS = 10;
  static constexpr std::size_t kSteps = 360;

  // Since the start; by detector.
  struct Totals {
    std::uint64_t killed = 0, reported = 0, lost = 0;
  };
  using ByDetector = std::map<std::string, Totals>;

  explicit History(std::uint64_t now_s) : newest_(now_s / kStepS) {}

  // Has there been no sample in this step yet?
  [[nodiscard]] bool due(std::uint64_t now_s) const;
  void sample(std::uint64_t now_s, const ByDetector& totals);
  // Up to and with the step that `now_s` is in; `unix_s` is the same moment. A detector that was
  // never in a sample is not there.
  [[nodiscard]] status::History read(std::uint64_t now_s, std::int64_t unix_s);

 private:
  struct Line {
    Totals seen;
    std::deque<Totals> steps;  // increments; the newest last
  };
  void advance(std::uint64_t step);

  mutable std::mutex mutex_;
  // All below guarded by mutex_.
  std::uint64_t newest_;  // step
  bool sampled_ = false;  // in that step
  std::size_t length_ = 1;
  std::map<std::string, Line> lines_;
};

}  // namespace cryptnono::app
