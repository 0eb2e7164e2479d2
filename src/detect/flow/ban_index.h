// BanIndex: which ban names an address, for people; the kernel's tables (flow_tables.h) decide.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "config/types.h"

namespace cryptnono::detect {

// The bans of one group, sorted. For each ban 4 bytes (one IPv4 address, all ports), 8 (other IPv4)
// or 24 (IPv6), and 8 more if places are kept. Immutable; any number of threads may read.
class BanIndex {
 public:
  using Address = std::array<std::uint8_t, 16>;

  // Empty.
  BanIndex() = default;
  // The bans of `group` among `bans`. Without `places` the origins that narrowest() returns are
  // empty.
  BanIndex(const std::vector<config::AddressRange>& bans, std::uint16_t group, bool places);

  // Of the bans that name this address and port the one with the fewest addresses; of two with the
  // same addresses the one with a port; of two that say the same the first.
  [[nodiscard]] std::optional<config::AddressRange> narrowest(const Address& address,
                                                              std::uint16_t port) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  // Other IPv4: address << 32 | prefix length << 16 | port.
  using Range4 = std::uint64_t;
  struct Range6 {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::uint16_t prefix = 0;
    std::uint16_t port = 0;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads the comparison
    auto operator<=>(const Range6&) const = default;
  };
  template <typename Key>
  struct Sorted {
    std::vector<Key> keys;
    std::vector<config::Origin> places;  // as keys, or none

    void sort();
    [[nodiscard]] std::optional<config::Origin> find(const Key& key) const;
  };

  [[nodiscard]] std::optional<config::AddressRange> narrowest4(const Address& address,
                                                               std::uint16_t port) const;
  [[nodiscard]] std::optional<config::AddressRange> narrowest6(const Address& address,
                                                               std::uint16_t port) const;

  Sorted<std::uint32_t> hosts4_;
  Sorted<Range4> ranges4_;
  Sorted<Range6> ranges6_;
};

}  // namespace cryptnono::detect
