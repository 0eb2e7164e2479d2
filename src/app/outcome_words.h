// How an outcome of enforcement reads in the log, for every detector.
#pragma once

#include <string_view>

#include "enforce/enforcer.h"

namespace cryptnono::app {

struct OutcomeWords {
  std::string_view action;
  std::string_view event;
  std::string_view level;
};

constexpr OutcomeWords words_of(enforce::Outcome outcome) {
  switch (outcome) {
    case enforce::Outcome::kKilled:
      return {"killed", "Killed process", "info"};
    case enforce::Outcome::kGone:
      return {"missed-kill", "Process exited before we could kill it", "info"};
    case enforce::Outcome::kLimited:
      return {"limited",
              "NOT killing: the limit of containers or users is used up; it may be a bad rule",
              "critical"};
    case enforce::Outcome::kFailed:
      return {"failed", "The kernel refused to kill the process", "critical"};
    default:
      return {"reported", "Would have killed process", "info"};
  }
}

}  // namespace cryptnono::app
