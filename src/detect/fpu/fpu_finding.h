// What the monero detector says about a process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "detect/fpu/evidence.h"
#include "detect/subject.h"

namespace cryptnono::detect {

struct FpuFinding : Subject {
  bool cleared = false;  // all four modes were seen, and yet it is not RandomX
  FpuCounts counts;
  double score = 0;
  std::uint32_t samples = 0;
  std::size_t threads = 0;
  std::uint64_t first_ns = 0;  // CLOCK_MONOTONIC, of the first sample in a directed mode
  std::uint64_t span_ns = 0;   // from then to now
  std::uint64_t resident_bytes = 0;
  std::string_view why;  // cleared: what speaks against RandomX, or "exempt"
};

// Called on the detector's thread. Returns false if the process should be judged again (the limit
// was used up, say).
using FpuSink = std::function<bool(const FpuFinding&)>;

}  // namespace cryptnono::detect
