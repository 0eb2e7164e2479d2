#include "detect/flow/flow_detector.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

namespace cryptnono::detect {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kNow = 1000 * kSecond;

flow_unit unit_with(const std::vector<flow_pair>& pairs) {
  flow_unit unit{};
  unit.used = static_cast<__u32>(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) unit.pairs[i] = pairs[i];
  return unit;
}

flow_settings window_of_30_s(bool only_failed) {
  flow_settings scan{};
  scan.window_ns = 30 * kSecond;
  scan.only_failed = only_failed ? 1 : 0;
  return scan;
}

flow_pair pair_at(std::uint64_t last_ns, std::uint8_t flags = 0) {
  flow_pair pair{};
  pair.last_ns = last_ns;
  pair.flags = flags;
  return pair;
}

TEST(CountedDestinationsTest, CountsTheWindowThatEndsNow) {
  const flow_settings scan = window_of_30_s(false);
  const flow_unit unit = unit_with({pair_at(kNow), pair_at(kNow - 30 * kSecond + 1),
                                    pair_at(kNow - 30 * kSecond), pair_at(0), pair_at(kNow + 1)});
  EXPECT_EQ(counted_destinations(unit, scan, kNow), 3U);
}

TEST(CountedDestinationsTest, OnlyFailedCountsWhatFailedOrHasNotAnswered) {
  const flow_settings scan = window_of_30_s(true);
  const flow_unit unit = unit_with(
      {pair_at(kNow), pair_at(kNow, FLOW_PAIR_FAILED), pair_at(kNow - FLOW_ANSWER_NS),
       pair_at(kNow - FLOW_ANSWER_NS - 1), pair_at(kNow - 31 * kSecond, FLOW_PAIR_FAILED)});
  EXPECT_EQ(counted_destinations(unit, scan, kNow), 2U);
}

TEST(ParseFlowRecordTest, TakesTheRecordApart) {
  flow_event event{};
  event.origin.self.pid = 4;
  event.verdict = FLOW_KILLED;
  event.time_ns = 1000;
  event.signal_after_ns = 234;
  event.groups = 1U << FLOW_GROUP_SCAN;
  event.flags = FLOW_REFUSED;
  event.pairs = 2;
  event.path_bytes = 3;
  event.argv_captured = 4;
  event.argv_bytes = 9;
  event.port = 80;
  flow_pair used = pair_at(1);
  used.port = 81;
  const flow_pair free{};
  std::string record(reinterpret_cast<const char*>(&event), sizeof event);
  record.append(reinterpret_cast<const char*>(&used), sizeof used);
  record.append(reinterpret_cast<const char*>(&free), sizeof free);
  record += std::string("/x/a\0b\0", 7);
  const auto finding = parse_flow_record(std::as_bytes(std::span(record)));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->kind, FlowFinding::Kind::kKilledInKernel);
  EXPECT_EQ(finding->reason, FlowFinding::Reason::kScan);
  EXPECT_TRUE(finding->refused);
  EXPECT_EQ(finding->time_ns, 1000U);
  EXPECT_EQ(finding->signal_ns, 1234U);
  EXPECT_EQ(finding->path, "/x/");
  EXPECT_EQ(finding->argv, std::string("a\0b\0", 4));
  EXPECT_EQ(finding->argv_bytes, 9U);
  ASSERT_EQ(finding->destinations.size(), 1U) << "a free entry is none";
  EXPECT_EQ(finding->destinations[0].port, 81);
  for (std::size_t size = 0; size < record.size(); ++size)
    EXPECT_FALSE(parse_flow_record(std::as_bytes(std::span(record.data(), size)))) << size;
}

}  // namespace
}  // namespace cryptnono::detect
