#include "detect/flow/ban_index.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "config/address_range.h"

namespace cryptnono::detect {
namespace {

using config::AddressRange;

AddressRange range(const std::string& text, std::uint32_t line = 0) {
  AddressRange out;
  EXPECT_EQ(config::parse_address_range(text, out), "") << text;
  out.group = 0;
  out.origin.line = line;
  return out;
}

std::string narrowest(const BanIndex& index, const std::string& address, std::uint16_t port) {
  const auto found = index.narrowest(range(address).first, port);
  return found ? config::range_text(*found) : "";
}

TEST(BanIndexTest, NamesTheNarrowest) {
  const BanIndex index(
      {range("192.0.2.0/24"), range("192.0.2.1"), range("192.0.2.1:25"), range("192.0.2.0/28:25"),
       range("0.0.0.0/0:7"), range("2001:db8::/32"), range("[2001:db8::1]:443"), range("::/0")},
      0, false);
  EXPECT_EQ(narrowest(index, "192.0.2.1", 25), "192.0.2.1:25");
  EXPECT_EQ(narrowest(index, "192.0.2.1", 80), "192.0.2.1");
  EXPECT_EQ(narrowest(index, "192.0.2.2", 25), "192.0.2.0/28:25");
  EXPECT_EQ(narrowest(index, "192.0.2.2", 26), "192.0.2.0/24");
  EXPECT_EQ(narrowest(index, "198.51.100.1", 7), "0.0.0.0/0:7");
  EXPECT_EQ(narrowest(index, "198.51.100.1", 8), "") << "::/0 names no IPv4 address";
  EXPECT_EQ(narrowest(index, "2001:db8::1", 443), "[2001:db8::1]:443");
  EXPECT_EQ(narrowest(index, "2001:db8::1", 444), "2001:db8::/32");
  EXPECT_EQ(narrowest(index, "2001:db9::1", 444), "::/0");
}

TEST(BanIndexTest, KnowsOnlyItsGroup) {
  std::vector<AddressRange> bans{range("192.0.2.1"), range("192.0.2.2")};
  bans[1].group = config::kNoGroup;
  const BanIndex index(bans, config::kNoGroup, false);
  EXPECT_EQ(narrowest(index, "192.0.2.1", 80), "");
  EXPECT_EQ(narrowest(index, "192.0.2.2", 80), "192.0.2.2");
  EXPECT_EQ(narrowest(BanIndex(), "192.0.2.2", 80), "");
}

TEST(BanIndexTest, KeepsPlaces) {
  const BanIndex index({range("192.0.2.9", 1), range("192.0.2.1", 2), range("192.0.2.1", 3),
                        range("[2001:db8::/32]:1", 4)},
                       0, true);
  EXPECT_EQ(index.narrowest(range("192.0.2.1").first, 80)->origin.line, 2U) << "the first";
  EXPECT_EQ(index.narrowest(range("2001:db8::9").first, 1)->origin.line, 4U);
}

TEST(BanIndexTest, AMillionAddressesAreFourMegabytes) {
  std::vector<AddressRange> bans(1'000'000, range("192.0.2.1"));
  for (std::size_t i = 0; i < bans.size(); ++i)
    bans[i].first[13] = bans[i].last[13] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(BanIndex(bans, 0, false).bytes(), 4'000'000U);
}

// Against the plainest possible search.
TEST(BanIndexTest, AgreesWithAPlainSearch) {
  std::mt19937 random(20241126);
  const auto number = [&random](std::uint32_t below) {
    return static_cast<std::uint32_t>(random()) % below;
  };
  std::size_t found_some = 0;
  for (int round = 0; round < 40; ++round) {
    const bool v6 = round % 2 != 0;
    const auto address = [&] {
      std::array<std::uint8_t, 16> out{};
      if (!v6) out[10] = out[11] = 0xff;
      for (std::size_t i = v6 ? 6 : 12; i < 16; ++i) out[i] = static_cast<std::uint8_t>(number(3));
      return out;
    };
    std::vector<AddressRange> bans;
    for (int i = 0; i < 60; ++i) {
      AddressRange one;
      one.group = 0;
      one.first = one.last = address();
      for (std::uint32_t bit = 128 - number(v6 ? 80 : 33); bit < 128; ++bit) {
        one.first[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
        one.last[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
      }
      one.port = static_cast<std::uint16_t>(number(4));
      one.origin.line = static_cast<std::uint32_t>(i);
      bans.push_back(one);
    }
    const BanIndex index(bans, 0, true);
    for (int i = 0; i < 500; ++i) {
      const auto wanted = address();
      const auto port = static_cast<std::uint16_t>(1 + number(4));
      const AddressRange* best = nullptr;
      for (const AddressRange& one : bans) {
        if (config::names(one, wanted, port) && (best == nullptr || config::narrower(one, *best)))
          best = &one;
      }
      const auto found = index.narrowest(wanted, port);
      ASSERT_EQ(found.has_value(), best != nullptr) << config::address_text(wanted) << ' ' << port;
      if (best == nullptr) continue;
      ++found_some;
      ASSERT_EQ(config::range_text(*found), config::range_text(*best));
      ASSERT_EQ(found->origin.line, best->origin.line);
    }
  }
  EXPECT_GT(found_some, 1000U);
}

}  // namespace
}  // namespace cryptnono::detect
