// The part of `demo` that shows the monero detector: real RandomX, and programs that round in
// directed modes without being it.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>

#include "base/result.h"

namespace cryptnono::commands {

struct RandomxShown {
  bool all_held = true;
  std::size_t killed = 0;  // miners that died
};

// Runs the programs of the folder `victims` in the cgroup `sandbox`, which a daemon watches. Takes
// about ten seconds, and half a minute more where memory allows RandomX's fast mode.
Result<RandomxShown> show_randomx(const std::string& victims, const std::string& sandbox,
                                  std::ostream& out);

}  // namespace cryptnono::commands
