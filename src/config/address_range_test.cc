#include "config/address_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cryptnono::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// "first-last:port", or what is wrong.
std::string parsed(std::string_view text) {
  AddressRange range;
  const std::string wrong = parse_address_range(text, range);
  if (!wrong.empty()) return "wrong: " + wrong;
  std::string out = address_text(range.first);
  if (range.first != range.last) out += "-" + address_text(range.last);
  return out + ":" + std::to_string(range.port);
}

TEST(AddressRangeTest, ReadsEveryForm) {
  EXPECT_EQ(parsed("192.0.2.1"), "192.0.2.1:0");
  EXPECT_EQ(parsed("192.0.2.1:3333"), "192.0.2.1:3333");
  EXPECT_EQ(parsed("192.0.2.0/24"), "192.0.2.0-192.0.2.255:0");
  EXPECT_EQ(parsed("192.0.2.0/24:25"), "192.0.2.0-192.0.2.255:25");
  EXPECT_EQ(parsed("0.0.0.0/0"), "0.0.0.0-255.255.255.255:0");
  EXPECT_EQ(parsed("2001:db8::1"), "2001:db8::1:0");
  EXPECT_EQ(parsed("2001:db8::/126"), "2001:db8::-2001:db8::3:0");
  EXPECT_EQ(parsed("[2001:db8::1]:65535"), "2001:db8::1:65535");
  EXPECT_EQ(parsed("[2001:db8::1]"), "2001:db8::1:0");
  EXPECT_EQ(parsed("[2001:db8::/127]:25"), "2001:db8::-2001:db8::1:25");
  EXPECT_EQ(parsed("::ffff:192.0.2.1"), "192.0.2.1:0");
  EXPECT_EQ(parsed("::ffff:192.0.2.0/120"), "192.0.2.0-192.0.2.255:0");
}

TEST(AddressRangeTest, SaysWhatIsWrong) {
  for (const char* text :
       {"", "pool.example", "192.0.2", "192.0.2.256", "192.0.02.1", "192.0.2.1.1", "2001:db8",
        "2001:::1", "-1", "192.0.2.1 192.0.2.2", "1.2.3.4/"})
    EXPECT_THAT(parsed(text), testing::StartsWith("wrong: ")) << text;
  for (const char* text : {"192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:http",
                           "[2001:db8::1]:", "[2001:db8::1]x", "[2001:db8::1"})
    EXPECT_THAT(parsed(text), HasSubstr("port")) << text;
  for (const char* text : {"192.0.2.0/33", "192.0.2.0/-1", "2001:db8::/129", "192.0.2.0/24x"})
    EXPECT_THAT(parsed(text), HasSubstr("prefix")) << text;
  EXPECT_EQ(parsed("192.0.2.1/24"), "wrong: an address within a range; the range is 192.0.2.0/24");
  EXPECT_EQ(parsed(std::string_view("192.0.2.1\0", 10)).substr(0, 6), "wrong:");
}

TEST(AddressRangeTest, KeepsOutWhenItIsWrong) {
  AddressRange range;
  ASSERT_EQ(parse_address_range("192.0.2.1:80", range), "");
  ASSERT_NE(parse_address_range("192.0.2.2:x", range), "");
  EXPECT_EQ(address_text(range.first), "192.0.2.1");
  EXPECT_EQ(range.port, 80);
}

TEST(AddressRangeTest, NamesAddressesOfItsFamily) {
  const auto range = [](std::string_view text) {
    AddressRange out;
    EXPECT_EQ(parse_address_range(text, out), "");
    return out;
  };
  EXPECT_TRUE(names(range("192.0.2.0/24:25"), range("192.0.2.9").first, 25));
  EXPECT_FALSE(names(range("192.0.2.0/24:25"), range("192.0.2.9").first, 26));
  EXPECT_FALSE(names(range("::/0"), range("192.0.2.9").first, 25));
  EXPECT_TRUE(names(range("::/0"), range("2001:db8::9").first, 25));
}

TEST(AddressListTest, ReadsAListAsThePredecessorDid) {
  Diagnostics diagnostics;
  std::vector<AddressRange> out;
  parse_address_list(
      "bans.txt", "\xEF\xBB\xBF# pools\n192.0.2.1\r\n\n  \t192.0.2.2  # seen in May\n#\n192.0.2.3",
      7, diagnostics, out);
  EXPECT_THAT(diagnostics.take_errors(), IsEmpty());
  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(out[1].origin.line, 4U);
  EXPECT_EQ(out[1].origin.column, 4U);
  EXPECT_EQ(out[1].origin.file, 7U);
  EXPECT_EQ(address_text(out[2].first), "192.0.2.3");
}

TEST(AddressListTest, NamesTheLineOfEachMistake) {
  Diagnostics diagnostics;
  std::vector<AddressRange> out;
  parse_address_list("bans.txt", "192.0.2.1\nnonsense\n192.0.2.2\n  192.0.2.300\n", 0, diagnostics,
                     out);
  std::vector<std::string> errors;
  for (const Diagnostic& each : diagnostics.take_errors()) errors.push_back(to_string(each));
  EXPECT_THAT(errors, ElementsAre(testing::StartsWith("bans.txt:2:1: \"nonsense\" is neither"),
                                  testing::StartsWith("bans.txt:4:3: \"192.0.2.300\" is neither")));
}

TEST(PrivateRangesTest, AreAllReadable) { EXPECT_EQ(private_ranges().size(), 20U); }

TEST(AddressRangeTest, TheShortestFormMeansTheSame) {
  for (const auto& [written, shortest] : std::vector<std::pair<std::string, std::string>>{
           {"192.0.2.1", "192.0.2.1"},
           {"192.0.2.1/32", "192.0.2.1"},
           {"::ffff:192.0.2.1", "192.0.2.1"},
           {"192.0.2.0/24:3333", "192.0.2.0/24:3333"},
           {"0.0.0.0/0", "0.0.0.0/0"},
           {"2001:DB8:0::1", "2001:db8::1"},
           {"[2001:db8::1]", "2001:db8::1"},
           {"[2001:db8::/32]:25", "[2001:db8::/32]:25"},
           {"::/0", "::/0"}}) {
    AddressRange range;
    AddressRange again;
    ASSERT_EQ(parse_address_range(written, range), "") << written;
    EXPECT_EQ(range_text(range), shortest);
    ASSERT_EQ(parse_address_range(range_text(range), again), "") << written;
    EXPECT_EQ(again.first, range.first);
    EXPECT_EQ(again.last, range.last);
    EXPECT_EQ(again.port, range.port);
  }
}

TEST(AddressRangeTest, FewerAddressesAreNarrowerThenAPort) {
  const auto range = [](const char* text) {
    AddressRange out;
    EXPECT_EQ(parse_address_range(text, out), "");
    return out;
  };
  EXPECT_TRUE(narrower(range("192.0.2.1"), range("192.0.2.0/24:80")));
  EXPECT_FALSE(narrower(range("192.0.2.0/24:80"), range("192.0.2.1")));
  EXPECT_TRUE(narrower(range("192.0.2.1:80"), range("192.0.2.1")));
  EXPECT_FALSE(narrower(range("192.0.2.1"), range("192.0.2.1")));
}

}  // namespace
}  // namespace cryptnono::config
