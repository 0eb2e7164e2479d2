#include "detect/exec/exec_record.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace cryptnono::detect {
namespace {

std::vector<std::byte> record(exec_event event, std::string_view payload) {
  std::vector<std::byte> out(sizeof event + payload.size());
  std::memcpy(out.data(), &event, sizeof event);
  std::memcpy(out.data() + sizeof event, payload.data(), payload.size());
  return out;
}

TEST(ParseExecRecord, takes_the_three_texts_apart) {
  exec_event event = {};
  event.filename_bytes = 2;
  event.path_bytes = 3;
  event.argv_captured = 4;
  event.argv_bytes = 9;
  event.origin.self.pid = 12;
  event.origin.self.cgroup_id = 77;
  event.origin.ppid = 11;
  event.time_ns = 1000;
  event.signal_after_ns = 234;
  event.verdict = EXEC_KILLED;
  auto& comm = event.origin.self.comm;
  std::memcpy(comm, "0123456789abcdef", sizeof comm);  // as long as it can be: no NUL
  const auto bytes = record(event, std::string_view("ab/cdx\0y\0", 9));
  const auto parsed = parse_exec_record(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->filename, "ab");
  EXPECT_EQ(parsed->path, "/cd");
  EXPECT_EQ(parsed->argv, std::string_view("x\0y\0", 4));
  const Finding finding = finding_of(*parsed, nullptr);
  EXPECT_EQ(finding.pid, 12);
  EXPECT_EQ(finding.ppid, 11);
  EXPECT_EQ(finding.cgroup_id, 77U);
  EXPECT_EQ(finding.exec_ns, 1000U);
  EXPECT_EQ(finding.signal_ns, 1234U);
  EXPECT_EQ(finding.argv_bytes, 9U);
  EXPECT_EQ(finding.comm, "0123456789abcdef");
}

TEST(ParseExecRecord, refuses_what_does_not_add_up) {
  exec_event event = {};
  event.argv_captured = 5;
  EXPECT_FALSE(parse_exec_record(record(event, "abcd")));
  EXPECT_FALSE(parse_exec_record({}));
  EXPECT_TRUE(parse_exec_record(record(event, "abcde")));
}

}  // namespace
}  // namespace cryptnono::detect
