// FlowFinding: a connect that tcpflowkiller has something to say about.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace cryptnono::detect {

struct FlowDestination {
  std::array<std::uint8_t, 16> address{};  // network order, IPv4 as ::ffff:a.b.c.d
  std::uint16_t port = 0;
  std::uint8_t protocol = 0;  // IPPROTO_*
  std::uint32_t connects = 1;
};

struct FlowFinding {
  enum class Kind : std::uint8_t {
    kKilledInKernel,
    kReportedInKernel,
    kToKill,  // the kernel could not: user space must
    kSeen     // logConnects
  };
  enum class Reason : std::uint8_t { kBannedAddress, kScan };

  Kind kind = Kind::kSeen;
  Reason reason = Reason::kBannedAddress;
  bool limited = false;
  bool refused = false;       // no packet left
  std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC, of the connect; 0: found afterwards
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::uint64_t unit = 0;  // of the blast-radius limit
  std::uint64_t cgroup_id = 0;
  pid_t ppid = 0;
  uid_t uid = 0;
  std::string comm;
  std::string path;  // of the executable
  std::string argv;  // argument area
  std::uint64_t argv_bytes = 0;
  FlowDestination destination;                // the one at hand; port 0: none
  std::vector<FlowDestination> destinations;  // scans: those that were counted
};

// Returns false if the finding should be made again.
using FlowSink = std::function<bool(const FlowFinding&)>;

}  // namespace cryptnono::detect
