#include "detect/flow/flow_groups.h"

#include <gtest/gtest.h>

#include <string>

#include "config/address_range.h"
#include "config/flow.h"

namespace cryptnono::detect {
namespace {

using config::Action;
using config::AddressGroup;
using config::AddressRange;
using config::Tcpflowkiller;

AddressRange range(const std::string& text, std::uint16_t group) {
  AddressRange out;
  EXPECT_EQ(config::parse_address_range(text, out), "") << text;
  out.group = group;
  out.origin = {.file = 0, .column = 5, .line = group + 10U};
  return out;
}

AddressGroup group(const std::string& name, std::optional<Action> action = {}) {
  AddressGroup out;
  out.name = name;
  out.action = action;
  return out;
}

Tcpflowkiller with(const std::vector<AddressGroup>& groups) {
  Tcpflowkiller out;
  out.groups = groups;
  return out;
}

TEST(FlowGroupsTest, EachGroupHasItsAction) {
  Tcpflowkiller config = with({group("reports", Action::kReport), group("as-detector"),
                               group("harsh", Action::kKillContainer)});
  const FlowGroups groups(config, 1, nullptr);
  EXPECT_EQ(groups.kill_groups(), 0b11011U);
  EXPECT_EQ(groups.kill_groups(groups.mask_of({"harsh", "unknown"})), 0b01011U);
  EXPECT_EQ(groups.action_of(0b00100), Action::kReport);
  EXPECT_EQ(groups.action_of(0b01100), Action::kKill);
  EXPECT_EQ(groups.action_of(0b11101), Action::kKillContainer);
  EXPECT_EQ(groups.action_of(0), Action::kReport);
  config.action = Action::kReport;
  EXPECT_EQ(FlowGroups(config, 1, nullptr).kill_groups(), 0b10000U) << "its own action";
}

TEST(FlowGroupsTest, AGroupKeepsItsBit) {
  const FlowGroups first(with({group("a"), group("b"), group("c")}), 1, nullptr);
  const FlowGroups second(with({group("d"), group("c"), group("a")}), 2, &first);
  EXPECT_EQ(second.bits(), (std::vector<std::uint8_t>{5, 4, 2}));
  EXPECT_EQ(second.name(3), "");
  EXPECT_EQ(second.mask_of({"a", "d"}), 0b100100U);
  const FlowGroups third(with({group("e")}), 3, &second);
  EXPECT_EQ(third.bits(), (std::vector<std::uint8_t>{3}));
}

TEST(FlowGroupsTest, AllBitsMayBeTaken) {
  const auto many = [](const std::string& prefix) {
    std::vector<AddressGroup> out;
    for (std::size_t i = 0; i < config::kMaxAddressGroups; ++i)
      out.push_back(group(prefix + std::to_string(i)));
    return with(out);
  };
  const FlowGroups before(many("a"), 1, nullptr);
  const FlowGroups after(many("b"), 2, &before);
  std::uint64_t taken = 0;
  for (const std::uint8_t bit : after.bits()) taken |= std::uint64_t{1} << bit;
  EXPECT_EQ(taken, ~std::uint64_t{3});
}

TEST(FlowGroupsTest, NamesTheNarrowestBanOfTheGroupsAskedFor) {
  Tcpflowkiller config = with({group("wide"), group("narrow")});
  config.bans = {range("192.0.2.0/24", 0), range("192.0.2.1:25", 1), range("192.0.2.2", 0),
                 range("192.0.2.2", 1)};
  const FlowGroups groups(config, 1, nullptr);
  const auto rule = [&](const std::string& address, std::uint16_t port, std::uint64_t mask) {
    const auto named = groups.narrowest(range(address, 0).first, port, mask);
    return named ? groups.rule_of(*named) : "";
  };
  EXPECT_EQ(rule("192.0.2.1", 25, 0b1100), "narrow:11:5");
  EXPECT_EQ(rule("192.0.2.1", 25, 0b0100), "wide:10:5");
  EXPECT_EQ(rule("192.0.2.1", 26, 0b1100), "wide:10:5");
  EXPECT_EQ(rule("192.0.2.2", 26, 0b1100), "wide:10:5") << "as narrow: the first group";
  EXPECT_EQ(rule("192.0.2.1", 25, 0b0001), "") << "bans of no group, without a key";
}

TEST(FlowGroupsTest, BansOfNoGroupAreKeptOnlyIfTheyHaveIds) {
  Tcpflowkiller config;
  config.bans = {range("192.0.2.1", config::kNoGroup)};
  EXPECT_EQ(FlowGroups(config, 1, nullptr).bytes(), 0U);
  config.id_key = "a key of sixteen bytes";
  const FlowGroups groups(config, 1, nullptr);
  EXPECT_EQ(groups.bytes(), 4U);
  const auto named = groups.narrowest(config.bans[0].first, 80, 1);
  ASSERT_TRUE(named);
  EXPECT_EQ(config::range_text(named->ban), "192.0.2.1");
}

}  // namespace
}  // namespace cryptnono::detect
