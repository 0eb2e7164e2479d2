// What the daemon last proved about a detector.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cryptnono::canary {

enum class Outcome : std::uint8_t {
  kOff,          // the detector is off, or canaries are
  kPending,      // none has been run yet since the start, or since the detector was switched on
  kPassed,       // it died in time, and the event of its death arrived
  kSurvived,     // it did not die in time
  kUntold,       // it died in time, and no event told of it
  kFailed,       // it could not be run, although this machine lets canaries be run
  kUnavailable,  // canaries cannot be run on this machine
};

struct State {
  std::string_view detector;  // "execwhacker", "monero" or "tcpflowkiller"
  Outcome result = Outcome::kOff;
  std::int64_t at = 0;         // Unix time of the last run; 0: never
  std::int64_t passed_at = 0;  // Unix time of the last one that passed; 0: never
  double lived_s = 0;          // how long the last one lived
  std::string why;             // other than kPassed, kPending and kOff: the reason, in words

  // Says nothing against the detector.
  [[nodiscard]] bool good() const {
    return result != Outcome::kSurvived && result != Outcome::kUntold && result != Outcome::kFailed;
  }
};

// "passed" and so on.
constexpr std::string_view result_word(Outcome result) {
  switch (result) {
    case Outcome::kOff:
      return "off";
    case Outcome::kPending:
      return "pending";
    case Outcome::kPassed:
      return "passed";
    case Outcome::kSurvived:
      return "survived";
    case Outcome::kUntold:
      return "untold";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kUnavailable:
      return "unavailable";
  }
  return "";
}

}  // namespace cryptnono::canary
