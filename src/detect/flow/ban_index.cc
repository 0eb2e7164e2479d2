#include "detect/flow/ban_index.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "config/address_range.h"

namespace cryptnono::detect {

namespace {

using Address = BanIndex::Address;

std::uint64_t half_of(const Address& address, std::size_t half) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) out = out << 8 | address[8 * half + i];
  return out;
}

Address address_of(std::uint64_t high, std::uint64_t low) {
  Address out{};
  for (std::size_t i = 0; i < 8; ++i) {
    out[7 - i] = static_cast<std::uint8_t>(high >> (8 * i));
    out[15 - i] = static_cast<std::uint8_t>(low >> (8 * i));
  }
  return out;
}

// The bits below the first `length` of 64.
std::uint64_t below(unsigned length) { return length >= 64 ? 0 : ~std::uint64_t{0} >> length; }

// Of the 128 bits; a range is what has them in common.
unsigned prefix_of(const config::AddressRange& range) {
  const std::uint64_t high = half_of(range.first, 0) ^ half_of(range.last, 0);
  if (high != 0) return static_cast<unsigned>(std::countl_zero(high));
  return 64 +
         static_cast<unsigned>(std::countl_zero(half_of(range.first, 1) ^ half_of(range.last, 1)));
}

constexpr unsigned kMappedBits = 96;  // of ::ffff:0:0, before the IPv4 address

}  // namespace

BanIndex::BanIndex(const std::vector<config::AddressRange>& bans, std::uint16_t group,
                   bool places) {
  const auto put = [places](auto& sorted, auto key, const config::AddressRange& ban) {
    sorted.keys.push_back(key);
    if (places) sorted.places.push_back(ban.origin);
  };
  for (const config::AddressRange& ban : bans) {
    if (ban.group != group) continue;
    const unsigned prefix = prefix_of(ban);
    const std::uint64_t low = half_of(ban.first, 1);
    const auto host = static_cast<std::uint32_t>(low);
    if (!config::is_v4(ban.first)) {
      put(ranges6_,
          Range6{.high = half_of(ban.first, 0),
                 .low = low,
                 .prefix = static_cast<std::uint16_t>(prefix),
                 .port = ban.port},
          ban);
    } else if (prefix == 128 && ban.port == 0) {
      put(hosts4_, host, ban);
    } else {
      put(ranges4_, Range4{host} << 32 | std::uint64_t{prefix - kMappedBits} << 16 | ban.port, ban);
    }
  }
  hosts4_.sort();
  ranges4_.sort();
  ranges6_.sort();
}

template <typename Key>
void BanIndex::Sorted<Key>::sort() {
  if (places.empty()) {
    std::sort(keys.begin(), keys.end());
  } else {
    std::vector<std::uint32_t> order(keys.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; });
    Sorted sorted;
    sorted.keys.reserve(keys.size());
    sorted.places.reserve(keys.size());
    for (const std::uint32_t each : order) {
      sorted.keys.push_back(keys[each]);
      sorted.places.push_back(places[each]);
    }
    *this = std::move(sorted);
  }
  keys.shrink_to_fit();
}

template <typename Key>
std::optional<config::Origin> BanIndex::Sorted<Key>::find(const Key& key) const {
  const auto found = std::lower_bound(keys.begin(), keys.end(), key);
  if (found == keys.end() || *found != key) return std::nullopt;
  if (places.empty()) return config::Origin{};
  return places[static_cast<std::size_t>(found - keys.begin())];
}

std::optional<config::AddressRange> BanIndex::narrowest4(const Address& address,
                                                         std::uint16_t port) const {
  const auto host = static_cast<std::uint32_t>(half_of(address, 1));
  const std::uint64_t mapped = std::uint64_t{0xffff} << 32;
  for (unsigned prefix = 33; prefix-- > 0;) {
    const auto open = static_cast<std::uint32_t>(below(32 + prefix));
    for (const std::uint16_t wanted : {port, std::uint16_t{0}}) {
      const std::uint32_t first = host & ~open;
      const auto place =
          prefix == 32 && wanted == 0
              ? hosts4_.find(first)
              : ranges4_.find(Range4{first} << 32 | std::uint64_t{prefix} << 16 | wanted);
      if (!place) continue;
      return config::AddressRange{.first = address_of(0, mapped | first),
                                  .last = address_of(0, mapped | first | open),
                                  .origin = *place,
                                  .port = wanted};
    }
  }
  return std::nullopt;
}

std::optional<config::AddressRange> BanIndex::narrowest6(const Address& address,
                                                         std::uint16_t port) const {
  if (ranges6_.keys.empty()) return std::nullopt;
  for (unsigned prefix = 129; prefix-- > 0;) {
    const std::uint64_t open_high = below(prefix);
    const std::uint64_t open_low = prefix <= 64 ? ~std::uint64_t{0} : below(prefix - 64);
    Range6 key{.high = half_of(address, 0) & ~open_high,
               .low = half_of(address, 1) & ~open_low,
               .prefix = static_cast<std::uint16_t>(prefix),
               .port = 0};
    for (const std::uint16_t wanted : {port, std::uint16_t{0}}) {
      key.port = wanted;
      const auto place = ranges6_.find(key);
      if (!place) continue;
      return config::AddressRange{.first = address_of(key.high, key.low),
                                  .last = address_of(key.high | open_high, key.low | open_low),
                                  .origin = *place,
                                  .port = wanted};
    }
  }
  return std::nullopt;
}

std::optional<config::AddressRange> BanIndex::narrowest(const Address& address,
                                                        std::uint16_t port) const {
  return config::is_v4(address) ? narrowest4(address, port) : narrowest6(address, port);
}

std::size_t BanIndex::bytes() const {
  const auto of = [](const auto& sorted) {
    return sorted.keys.size() * sizeof(sorted.keys[0]) +
           sorted.places.size() * sizeof(config::Origin);
  };
  return of(hosts4_) + of(ranges4_) + of(ranges6_);
}

}  // namespace cryptnono::detect
