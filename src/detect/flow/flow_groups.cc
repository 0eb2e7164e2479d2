#include "detect/flow/flow_groups.h"

#include <algorithm>

#include "config/address_range.h"
#include "config/flow.h"
#include "config/rule_id.h"

namespace cryptnono::detect {

namespace {

static_assert(config::kMaxAddressGroups == MATCH_MAX_GROUPS - FLOW_GROUP_NAMED);

}  // namespace

FlowGroups::FlowGroups(const config::Tcpflowkiller& config, std::uint32_t generation,
                       const FlowGroups* before)
    : generation_(generation) {
  groups_.at(FLOW_GROUP_BANNED).action = groups_.at(FLOW_GROUP_SCAN).action = config.action;
  if (!config.id_key.empty()) {
    groups_.at(FLOW_GROUP_BANNED).id_key = config.id_key;
    groups_.at(FLOW_GROUP_BANNED).bans = BanIndex(config.bans, config::kNoGroup, false);
  }
  constexpr unsigned kNone = MATCH_MAX_GROUPS;
  const auto bit_before = [&](const std::string& name) {
    if (before == nullptr) return kNone;
    for (unsigned bit = FLOW_GROUP_NAMED; bit < MATCH_MAX_GROUPS; ++bit) {
      if (before->groups_.at(bit).name == name) return bit;
    }
    return kNone;
  };
  const auto free_bit = [&](bool also_before) {
    for (unsigned bit = FLOW_GROUP_NAMED; bit < MATCH_MAX_GROUPS; ++bit) {
      const bool was = before != nullptr && !before->groups_.at(bit).name.empty();
      if (groups_.at(bit).name.empty() && (also_before || !was)) return bit;
    }
    return kNone;
  };
  bits_.resize(config.groups.size());
  const auto take = [&](std::size_t index, unsigned bit) {
    bits_[index] = static_cast<std::uint8_t>(bit);
    groups_.at(bit).name = config.groups[index].name;
  };
  std::vector<std::size_t> fresh;
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    const unsigned bit = bit_before(config.groups[i].name);
    if (bit == kNone) {
      fresh.push_back(i);
    } else {
      take(i, bit);
    }
  }
  for (const std::size_t i : fresh) {
    unsigned bit = free_bit(false);
    if (bit == kNone) bit = free_bit(true);
    // There are no more than kMaxAddressGroups.
    take(i, std::min<unsigned>(bit, MATCH_MAX_GROUPS - 1));
  }
  for (std::size_t i = 0; i < config.groups.size(); ++i) {
    const config::AddressGroup& from = config.groups[i];
    Group& to = groups_.at(bits_[i]);
    to.id_key = from.id_key;
    to.action = from.action.value_or(config.action);
    to.bans = BanIndex(config.bans, static_cast<std::uint16_t>(i), from.id_key.empty());
  }
}

std::uint64_t FlowGroups::mask_of(const std::set<std::string>& names) const {
  std::uint64_t mask = 0;
  for (const std::uint8_t bit : bits_) {
    if (names.contains(groups_.at(bit).name)) mask |= bit_mask(bit);
  }
  return mask;
}

std::uint64_t FlowGroups::kill_groups(std::uint64_t reporting) const {
  std::uint64_t mask = 0;
  for (unsigned bit = 0; bit < MATCH_MAX_GROUPS; ++bit) {
    if (kills(groups_.at(bit).action)) mask |= bit_mask(bit);
  }
  return mask & ~reporting;
}

config::Action FlowGroups::action_of(std::uint64_t groups) const {
  config::Action action = config::Action::kReport;
  for (unsigned bit = 0; bit < MATCH_MAX_GROUPS; ++bit) {
    if ((groups & bit_mask(bit)) != 0) action = std::max(action, groups_.at(bit).action);
  }
  return action;
}

std::optional<FlowGroups::Named> FlowGroups::narrowest(const BanIndex::Address& address,
                                                       std::uint16_t port,
                                                       std::uint64_t groups) const {
  std::optional<Named> best;
  const auto look = [&](unsigned bit) {
    if ((groups & bit_mask(bit)) == 0) return;
    const auto found = groups_.at(bit).bans.narrowest(address, port);
    if (found && (!best || config::narrower(*found, best->ban)))
      best = Named{.bit = bit, .ban = *found};
  };
  for (const std::uint8_t bit : bits_) look(bit);
  look(FLOW_GROUP_BANNED);
  return best;
}

std::string FlowGroups::rule_of(const Named& named) const {
  const Group& group = groups_.at(named.bit);
  if (group.name.empty() && group.id_key.empty()) return {};
  return config::rule_id(group.id_key, config::RuleKind::kAddress, config::range_text(named.ban),
                         group.name, named.ban.origin);
}

std::size_t FlowGroups::bytes() const {
  std::size_t sum = 0;
  for (const Group& each : groups_) sum += each.bans.bytes();
  return sum;
}

}  // namespace cryptnono::detect
