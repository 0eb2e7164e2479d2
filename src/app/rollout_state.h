// What is remembered of groups that report first, across restarts of the daemon: one small JSON
// file in state.directory. It has groups' ids, hashes and times, and no rule.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"

namespace cryptnono::app {

struct CleanTime {
  std::string content;        // hash of the group's rules and of its reportFirst
  std::uint64_t clean_s = 0;  // that have passed, with a daemon, since it last would have killed
  bool over = false;          // it had enough of them once

  bool operator==(const CleanTime&) const = default;
};
using RolloutState = std::map<std::string, CleanTime>;  // by group

inline constexpr const char* kRolloutFile = "rollout.json";

// No such file: nothing is known. Error: the file cannot be read, others than the daemon's user may
// write it, it is from the future (Unix times; kMaxAheadS is forgiven), or is not what write_state
// wrote.
inline constexpr double kMaxAheadS = 300;
Result<RolloutState> read_state(const std::string& directory, double now);
// At once or not at all, and durable; makes the directory if need be. Readable by the daemon's user
// alone.
Result<void> write_state(const std::string& directory, const RolloutState& state, double now);

}  // namespace cryptnono::app
