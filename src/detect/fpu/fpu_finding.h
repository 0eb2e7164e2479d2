// What the monero detector says about a process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "detect/fpu/evidence.h"

namespace cryptnono::detect {

struct FpuFinding {
  bool spared = false;  // all four modes were seen, and yet it is not RandomX
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
  pid_t ppid = 0;
  uid_t uid = 0;
  std::string comm;
  std::string path;          // of the executable
  std::string command_line;  // NUL after each argument
  std::uint64_t cgroup_id = 0;
  std::uint64_t unit = 0;  // of the blast-radius limit
  FpuCounts counts;
  double score = 0;
  std::uint32_t samples = 0;
  std::size_t threads = 0;
  std::uint64_t span_ns = 0;  // from the first sample to now
  std::uint64_t resident_bytes = 0;
  std::string_view why;  // spared: what speaks against RandomX, or "exempt"
};

// Called on the detector's thread. Returns false if the process should be judged again (the limit
// was used up, say).
using FpuSink = std::function<bool(const FpuFinding&)>;

}  // namespace cryptnono::detect
