#include "detect/flow/flow_tables.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "config/address_range.h"
#include "config/flow.h"

namespace cryptnono::detect {
namespace {

using config::AddressRange;
using config::Tcpflowkiller;

AddressRange range(const std::string& text) {
  AddressRange out;
  EXPECT_EQ(config::parse_address_range(text, out), "") << text;
  return out;
}

std::vector<AddressRange> ranges(const std::vector<std::string>& texts) {
  std::vector<AddressRange> out;
  for (const std::string& text : texts) out.push_back(range(text));
  return out;
}

Tcpflowkiller lists(const std::vector<std::string>& bans,
                    const std::vector<std::string>& allowed = {},
                    const std::vector<std::string>& ignored = {}) {
  Tcpflowkiller out;
  out.bans = ranges(bans);
  out.allowed = ranges(allowed);
  out.scan.ignore = ranges(ignored);
  return out;
}

FlowVerdict look_up(const Tcpflowkiller& config, const std::string& address, std::uint16_t port) {
  const auto tables = FlowTables::build(config, 1);
  EXPECT_TRUE(tables) << tables.error().message;
  return tables->look_up(range(address).first, port);
}

bool banned(const Tcpflowkiller& config, const std::string& address, std::uint16_t port = 80) {
  return look_up(config, address, port).banned();
}

TEST(FlowTablesTest, NothingIsBannedByNothing) {
  EXPECT_EQ(look_up(lists({}), "192.0.2.1", 80), FlowVerdict());
  EXPECT_EQ(look_up(lists({}), "2001:db8::1", 80), FlowVerdict());
}

TEST(FlowTablesTest, AddressesAndRangesOfBothFamilies) {
  const auto config = lists({"192.0.2.1", "198.51.100.0/24", "2001:db8::1", "2001:db8:1::/48"});
  for (const char* yes : {"192.0.2.1", "198.51.100.0", "198.51.100.255", "::ffff:192.0.2.1",
                          "2001:db8::1", "2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff"})
    EXPECT_TRUE(banned(config, yes)) << yes;
  for (const char* no :
       {"192.0.2.0", "192.0.2.2", "198.51.99.255", "198.51.101.0", "2001:db8::", "2001:db8::2",
        "2001:db8:2::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", "::192.0.2.1", "::", "ffff::"})
    EXPECT_FALSE(banned(config, no)) << no;
}

TEST(FlowTablesTest, TheEndsOfTheAddressSpace) {
  const auto config =
      lists({"0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"});
  for (const char* yes :
       {"0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"})
    EXPECT_TRUE(banned(config, yes)) << yes;
  EXPECT_FALSE(banned(config, "0.0.0.1"));
  EXPECT_FALSE(banned(config, "::1"));
  EXPECT_TRUE(banned(lists({"0.0.0.0/0"}), "203.0.113.9"));
  EXPECT_FALSE(banned(lists({"0.0.0.0/0"}), "2001:db8::1"));
  EXPECT_TRUE(banned(lists({"::/0"}), "2001:db8::1"));
  EXPECT_FALSE(banned(lists({"::/0"}), "203.0.113.9")) << "IPv4 has a list of its own";
}

TEST(FlowTablesTest, Ports) {
  const auto config =
      lists({"192.0.2.1:3333", "192.0.2.1:3334", "192.0.2.0/24:25", "[2001:db8::/32]:25"});
  EXPECT_TRUE(banned(config, "192.0.2.1", 3333));
  EXPECT_TRUE(banned(config, "192.0.2.1", 3334));
  EXPECT_TRUE(banned(config, "192.0.2.1", 25));
  EXPECT_FALSE(banned(config, "192.0.2.1", 3332));
  EXPECT_FALSE(banned(config, "192.0.2.1", 3335));
  EXPECT_FALSE(banned(config, "192.0.2.2", 3333));
  EXPECT_TRUE(banned(config, "192.0.2.2", 25));
  EXPECT_TRUE(banned(config, "2001:db8::9", 25));
  EXPECT_FALSE(banned(config, "2001:db8::9", 26));
}

TEST(FlowTablesTest, AllowedWins) {
  const auto config = lists({"192.0.2.0/24", "192.0.2.7", "203.0.113.1:25"},
                            {"192.0.2.7", "192.0.2.8:443", "203.0.113.0/24"});
  EXPECT_FALSE(banned(config, "192.0.2.7"));
  EXPECT_TRUE(banned(config, "192.0.2.6"));
  EXPECT_FALSE(banned(config, "192.0.2.8", 443));
  for (const std::uint16_t port : std::initializer_list<std::uint16_t>{1, 442, 444, 65535})
    EXPECT_TRUE(banned(config, "192.0.2.8", port));
  EXPECT_FALSE(banned(config, "203.0.113.1", 25));
}

TEST(FlowTablesTest, WhatDoesNotCountMayStillBeBanned) {
  const auto config = lists({"192.0.2.1"}, {}, {"192.0.2.0/24"});
  EXPECT_EQ(look_up(config, "192.0.2.1", 80), (FlowVerdict{.groups = 1, .counted = false}));
  EXPECT_EQ(look_up(config, "192.0.2.2", 80), (FlowVerdict{.groups = 0, .counted = false}));
  EXPECT_EQ(look_up(config, "192.0.3.2", 80), (FlowVerdict{.groups = 0, .counted = true}));
}

TEST(FlowTablesTest, TooManyPortRangesAtOneAddressIsAnError) {
  Tcpflowkiller config;
  for (std::uint16_t port = 1; port <= 2 * FLOW_PORT_RANGES_MAX + 1; port += 2) {
    config.bans.push_back(range("192.0.2.1"));
    config.bans.back().port = port;
  }
  EXPECT_FALSE(FlowTables::build(config, 1));
  config.bans.pop_back();
  const auto tables = FlowTables::build(config, 1);
  ASSERT_TRUE(tables);
  EXPECT_TRUE(tables->look_up(config.bans[0].first, 127).banned());
}

config::AddressGroup named(const std::string& name) {
  config::AddressGroup out;
  out.name = name;
  return out;
}

Tcpflowkiller grouped(const std::vector<std::pair<int, std::string>>& bans) {
  Tcpflowkiller out;
  for (const auto& [group, text] : bans) {
    out.bans.push_back(range(text));
    if (group < 0) continue;
    out.bans.back().group = static_cast<std::uint16_t>(group);
    while (out.groups.size() <= static_cast<std::size_t>(group))
      out.groups.push_back(named("g" + std::to_string(out.groups.size())));
  }
  return out;
}

// Masks: FLOW_GROUP_BANNED, and the first two named groups.
constexpr std::uint64_t kBanned = 1, kA = 4, kB = 8;

std::uint64_t groups(const Tcpflowkiller& config, const std::string& address, std::uint16_t port) {
  return look_up(config, address, port).groups;
}

TEST(FlowTablesTest, SaysWhichGroupsBan) {
  const auto config = grouped({{-1, "192.0.2.0/25"},
                               {0, "192.0.2.0/24"},
                               {1, "192.0.2.7:3333"},
                               {1, "192.0.2.8"},
                               {0, "[2001:db8::/32]:25"},
                               {1, "2001:db8:1::/48"}});
  EXPECT_EQ(groups(config, "192.0.2.1", 80), kBanned | kA);
  EXPECT_EQ(groups(config, "192.0.2.200", 80), kA);
  EXPECT_EQ(groups(config, "192.0.2.7", 3333), kBanned | kA | kB);
  EXPECT_EQ(groups(config, "192.0.2.7", 3332), kBanned | kA);
  EXPECT_EQ(groups(config, "192.0.2.8", 1), kBanned | kA | kB);
  EXPECT_EQ(groups(config, "192.0.3.1", 80), 0U);
  EXPECT_EQ(groups(config, "2001:db8:1::1", 25), kA | kB);
  EXPECT_EQ(groups(config, "2001:db8:1::1", 26), kB);
  EXPECT_EQ(groups(config, "2001:db8:2::1", 26), 0U);
}

TEST(FlowTablesTest, AllowedWinsOverGroups) {
  auto config = grouped({{0, "192.0.2.0/24"}, {1, "192.0.2.1:25"}});
  config.allowed = ranges({"192.0.2.1:25", "192.0.2.2"});
  EXPECT_EQ(groups(config, "192.0.2.1", 25), 0U);
  EXPECT_EQ(groups(config, "192.0.2.1", 26), kA);
  EXPECT_EQ(groups(config, "192.0.2.1", 24), kA);
  EXPECT_EQ(groups(config, "192.0.2.2", 24), 0U);
}

TEST(FlowTablesTest, TheLastBitOfTheMask) {
  const auto config = grouped({{config::kMaxAddressGroups - 1, "192.0.2.1"}});
  EXPECT_EQ(groups(config, "192.0.2.1", 80), std::uint64_t{1} << 63);
}

// Against the plainest possible search, with ranges that overlap in every way.
TEST(FlowTablesTest, AgreesWithAPlainSearch) {
  std::mt19937 random(20231031);
  const auto number = [&random](std::uint32_t below) {
    return static_cast<std::uint32_t>(random()) % below;
  };
  for (int round = 0; round < 60; ++round) {
    Tcpflowkiller config;
    constexpr std::uint32_t kGroups = 5;
    for (std::uint32_t i = 0; i < kGroups; ++i) config.groups.push_back(named(std::to_string(i)));
    const bool v6 = round % 2 != 0;
    const auto address = [&] {
      std::array<std::uint8_t, 16> out{};
      if (!v6) out[10] = out[11] = 0xff;
      for (std::size_t i = v6 ? (round % 3 == 0 ? 0 : 6) : 12; i < 16; ++i)
        out[i] = static_cast<std::uint8_t>(number(round % 5 == 0 ? 256 : 4));
      return out;
    };
    for (std::uint32_t i = 0, n = number(round % 7 == 0 ? 3000 : 60); i < n; ++i) {
      AddressRange one;
      one.first = one.last = address();
      for (std::uint32_t bit = 128 - number(v6 ? 80 : 20); bit < 128; ++bit) {
        one.first[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
        one.last[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
      }
      if (number(3) == 0) one.port = static_cast<std::uint16_t>(1 + number(5));
      if (number(2) == 0) one.group = static_cast<std::uint16_t>(number(kGroups));
      auto& list = number(4) == 0 ? config.allowed : config.bans;
      if (number(5) == 0) {
        one.port = 0;
        config.scan.ignore.push_back(one);
      } else {
        list.push_back(one);
      }
    }
    const auto tables = FlowTables::build(config, 1);
    ASSERT_TRUE(tables);
    const auto holds = [](const std::vector<AddressRange>& list, const auto& wanted, int port) {
      return std::any_of(list.begin(), list.end(), [&](const AddressRange& one) {
        return one.first <= wanted && wanted <= one.last && (one.port == 0 || one.port == port);
      });
    };
    for (int i = 0; i < 2000; ++i) {
      const auto wanted = address();
      const auto port = static_cast<std::uint16_t>(1 + number(6));
      FlowVerdict expected{.counted = !holds(config.scan.ignore, wanted, port)};
      for (const AddressRange& one : config.bans) {
        if (holds({one}, wanted, port))
          expected.groups |= one.group == config::kNoGroup ? 1U : 4U << one.group;
      }
      if (holds(config.allowed, wanted, port)) expected.groups = 0;
      ASSERT_EQ(tables->look_up(wanted, port), expected)
          << "round " << round << ' ' << config::address_text(wanted) << ' ' << port;
    }
  }
}

}  // namespace
}  // namespace cryptnono::detect
