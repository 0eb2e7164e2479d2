// How an outcome of enforcement reads in the log, for every detector.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "app/recent_kills.h"
#include "app/redactor.h"
#include "base/json_line.h"
#include "config/actions.h"
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
    case enforce::Outcome::kSpared:
      return {"spared", "Not killing process", "info"};
    case enforce::Outcome::kFailed:
      return {"failed", "The kernel refused to kill the process", "critical"};
    default:
      return {"reported", "Would have killed process", "info"};
  }
}

// Whether the process is to be found again, until it may be killed.
constexpr bool to_be_tried_again(enforce::Outcome outcome) {
  return outcome == enforce::Outcome::kLimited || outcome == enforce::Outcome::kFailed;
}

// The log's `allowedby` of a process that is protected.
inline std::string protected_by(container::Spared why) {
  return "protected:" + std::string(container::word_of(why));
}

// Of a process that lives because a group reports first: what would have happened to it.
inline void add_held(JsonLine& line, config::Action would) {
  line.add("report_first", true).add("would", config::action_word(would));
}

// Cuts `text` at `limit` bytes; true if something is missing now.
inline bool cut_for_log(std::string& text, std::size_t limit) {
  if (text.size() <= limit) return false;
  text.resize(limit);
  return true;
}

// What a note needs of a command line (EventLog::Note), which may be 6 MiB.
inline std::string_view beginning_of(std::string_view argv) {
  return argv.substr(0, RecentKills::kMaxText + 1);
}

// The same, as it may be shown.
inline std::string note_line(const detect::Subject& who, std::string_view filename,
                             Redactor& redactor) {
  if (redactor.reveals()) return detect::quoted_line(filename, beginning_of(who.argv));
  return redactor.command_line(who, filename, RecentKills::kMaxText + 1);
}

}  // namespace cryptnono::app
