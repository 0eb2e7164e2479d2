// A status for a person at a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "status/status.h"

namespace cryptnono::status {

struct TextOptions {
  bool colour = false;
  std::size_t columns = 0;  // longer lines are cut; 0: none are
  std::size_t rows = 0;     // lines beyond are left out, and a last one says so; 0: none are
  std::size_t max_kills = 10;
};

// Several lines. Whatever a status holds (command lines and names are strangers'), nothing in them
// steers a terminal: all texts go through for_terminal().
std::string status_text(const Status& status, const TextOptions& options);

// "14 us", "2.5 ms", "3 s", "4 min", "2 h", "3 days".
std::string duration_text(double seconds);

}  // namespace cryptnono::status
