// FlowFinding: a connect that tcpflowkiller has something to say about.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "detect/subject.h"

namespace cryptnono::detect {

struct FlowDestination {
  std::array<std::uint8_t, 16> address{};  // network order, IPv4 as ::ffff:a.b.c.d
  std::uint16_t port = 0;
  std::uint8_t protocol = 0;  // IPPROTO_*
  std::uint32_t connects = 1;
};

struct FlowFinding : Subject {
  enum class Kind : std::uint8_t {
    kKilledInKernel,
    kReportedInKernel,
    kToKill,    // the kernel could not: user space must
    kSeen,      // logConnects
    kProtected  // `spared`
  };
  enum class Reason : std::uint8_t { kBannedAddress, kScan };

  Kind kind = Kind::kSeen;
  Reason reason = Reason::kBannedAddress;
  // FLOW_GROUP_*, as a mask: those that ban the destination, or FLOW_GROUP_SCAN. Of this
  // generation.
  std::uint64_t groups = 0;
  std::uint32_t generation = 0;
  bool limited = false;
  bool refused = false;         // no packet left
  std::uint64_t time_ns = 0;    // CLOCK_MONOTONIC, of the connect; 0: found afterwards
  std::uint64_t signal_ns = 0;  // kKilledInKernel: when
  FlowDestination destination;  // the one at hand; port 0: none
  std::vector<FlowDestination> destinations;  // scans: those that were counted
};

// Returns false if the finding should be made again.
using FlowSink = std::function<bool(const FlowFinding&)>;

}  // namespace cryptnono::detect
