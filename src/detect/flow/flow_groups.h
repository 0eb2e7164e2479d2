// FlowGroups: the groups that ban addresses, as the bits of masks (FLOW_GROUP_*, bpf/api/flow.h):
// what each is called, what it does, and which of its bans names an address.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/api/flow.h"
#include "config/types.h"
#include "detect/flow/ban_index.h"

namespace cryptnono::detect {

// The mask with only this bit.
constexpr std::uint64_t bit_mask(unsigned bit) { return std::uint64_t{1} << bit; }

// Immutable; any number of threads may read.
class FlowGroups {
 public:
  FlowGroups() = default;
  // `before`: what is in force, if anything. A group that is in both keeps its bit, so that the
  // limit, which counts by bit, and records that are under way still mean the same group.
  FlowGroups(const config::Tcpflowkiller& config, std::uint32_t generation,
             const FlowGroups* before);

  // Of each of Tcpflowkiller::groups.
  [[nodiscard]] const std::vector<std::uint8_t>& bits() const { return bits_; }
  [[nodiscard]] std::uint32_t generation() const { return generation_; }

  // The bits of the named groups that are in `names`.
  [[nodiscard]] std::uint64_t mask_of(const std::set<std::string>& names) const;
  // The groups whose action kills, less `reporting`.
  [[nodiscard]] std::uint64_t kill_groups(std::uint64_t reporting = 0) const;
  // The harshest action of these groups; of no groups: report.
  [[nodiscard]] config::Action action_of(std::uint64_t groups) const;
  [[nodiscard]] std::string_view name(unsigned bit) const { return groups_.at(bit).name; }

  // A ban and the group that it is of.
  struct Named {
    unsigned bit = 0;
    config::AddressRange ban;
  };
  // Of the bans of `groups` the one that names this address and port most narrowly; of two that are
  // as narrow that of the group that stands first. Bans of no group are known if there is a key for
  // their ids; what only they ban is named by nothing otherwise.
  [[nodiscard]] std::optional<Named> narrowest(const BanIndex::Address& address, std::uint16_t port,
                                               std::uint64_t groups) const;
  // What logs call it: its id, config/rule_id.h, or without a key for ids GROUP:LINE:COLUMN. Never
  // its text. Empty: a ban of no group, without a key.
  [[nodiscard]] std::string rule_of(const Named& named) const;
  // Memory of what narrowest() searches.
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct Group {
    std::string name;
    std::string id_key;
    config::Action action = config::Action::kReport;
    BanIndex bans;
  };

  std::array<Group, MATCH_MAX_GROUPS> groups_;  // by bit
  std::vector<std::uint8_t> bits_;
  std::uint32_t generation_ = 0;
};

}  // namespace cryptnono::detect
