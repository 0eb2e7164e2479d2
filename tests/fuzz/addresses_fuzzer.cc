// libFuzzer target: lists of addresses, and the tables that are made of them. What the tables say
// of the ends of each range is compared with a plain search through the list.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "config/address_range.h"
#include "detect/flow/flow_tables.h"

namespace {

using cryptnono::config::AddressRange;

bool names(const std::vector<AddressRange>& list, const std::array<std::uint8_t, 16>& address,
           std::uint16_t port) {
  return std::any_of(list.begin(), list.end(), [&](const AddressRange& each) {
    return cryptnono::config::names(each, address, port);
  });
}

}  // namespace

// The text is split by the first NUL: bans before it, allowed entries behind.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t split = std::min(text.find('\0'), size);
  cryptnono::config::Diagnostics diagnostics;
  cryptnono::config::Tcpflowkiller config;
  cryptnono::config::parse_address_list("bans", text.substr(0, split), 0, diagnostics, config.bans);
  cryptnono::config::parse_address_list("allow", text.substr(std::min(split + 1, size)), 1,
                                        diagnostics, config.allowed);
  const auto tables = cryptnono::detect::FlowTables::build(config, 1);
  if (!tables) return 0;
  for (const auto* list : {&config.bans, &config.allowed}) {
    for (const AddressRange& each : *list) {
      if (each.first > each.last || cryptnono::config::address_text(each.first).empty())
        std::abort();
      for (const auto& address : {each.first, each.last}) {
        for (const auto port : {each.port, static_cast<std::uint16_t>(each.port + 1)}) {
          const bool banned =
              names(config.bans, address, port) && !names(config.allowed, address, port);
          if (tables->look_up(address, port).banned() != banned) std::abort();
        }
      }
    }
  }
  return 0;
}
