// FlowTables: banned, allowed and uncounted addresses as the tables of bpf/api/flow.h, which the
// kernel searches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "bpf/api/flow.h"
#include "config/types.h"
#include "detect/flow/flow_groups.h"

namespace cryptnono::detect {

struct FlowVerdict {
  std::uint64_t groups = 0;  // FLOW_GROUP_*: those that ban it, as a mask
  bool counted = true;       // as a destination of a scan
  [[nodiscard]] bool banned() const { return groups != 0; }
  bool operator==(const FlowVerdict&) const = default;
};

// Immutable; any number of threads may read.
class FlowTables {
 public:
  // An address and port is banned if some ban names it and no allowed range does, by the groups of
  // all bans that do. No group kills yet. Errors: more than FLOW_SEGMENTS_MAX segments, more than
  // FLOW_PORT_RANGES_MAX port ranges at one address. `canary`: one ban more, that of the daemon's
  // canaries.
  static Result<FlowTables> build(const config::Tcpflowkiller& config, const FlowGroups& groups,
                                  const std::optional<config::AddressRange>& canary = {});
  // The same, in bits of groups that nobody else knows.
  static Result<FlowTables> build(const config::Tcpflowkiller& config, std::uint32_t generation) {
    return build(config, FlowGroups(config, generation, nullptr));
  }

  // The mask of the groups that kill, flow_header::kill_groups.
  void set_kill_groups(std::uint64_t groups);

  // Whole pages of FLOW_PAGE.
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return std::as_bytes(std::span(words_));
  }
  // The kernel's own search, in user space.
  [[nodiscard]] FlowVerdict look_up(const std::array<std::uint8_t, 16>& address,
                                    std::uint16_t port) const;
  [[nodiscard]] std::size_t segments() const;

 private:
  friend class FlowTableWriter;
  std::vector<std::uint32_t> words_;
};

}  // namespace cryptnono::detect
