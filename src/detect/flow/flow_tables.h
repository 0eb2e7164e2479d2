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

namespace cryptnono::detect {

struct FlowVerdict {
  bool banned = false;
  bool counted = true;  // as a destination of a scan
  bool operator==(const FlowVerdict&) const = default;
};

// Immutable; any number of threads may read.
class FlowTables {
 public:
  // An address and port is banned if some ban names it and no allowed range does. Errors: more than
  // FLOW_SEGMENTS_MAX segments, more than FLOW_PORT_RANGES_MAX port ranges at one address.
  // `canary`: one ban more, that of the daemon's canaries.
  static Result<FlowTables> build(const config::Tcpflowkiller& config, std::uint32_t generation,
                                  const std::optional<config::AddressRange>& canary = {});

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
