// Files that somebody made to hurt: each is refused, with one clear place, in bounded time and
// memory. They are read in a process of their own, whose peak is asked of the kernel.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>

#include "base/fd.h"
#include "config/load.h"

namespace cryptnono::config {
namespace {

using testing::HasSubstr;

constexpr std::size_t kMiB = std::size_t{1} << 20;

// About three times what was measured on an idle machine, and more for the time.
constexpr long kMaxMiB = 768;
constexpr double kMaxSeconds = 30;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kMeasure = false;  // the sanitizer's own memory counts too
#else
constexpr bool kMeasure = true;
#endif

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  while (times-- > 0) out += text;
  return out;
}

// The first error, or "good"; what a load took is checked against the bounds.
std::string load(const std::string& text) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const Fd out(ends[0]);
  const auto begin = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    const LoadResult result = load_text("f.yaml", text);
    const std::string said = result ? "good" : to_string(result.error().front());
    _exit(write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string said;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(out.get(), buffer.data(), buffer.size())) > 0;)
    said.append(buffer.data(), static_cast<std::size_t>(got));
  int status = 0;
  rusage usage{};
  EXPECT_EQ(wait4(child, &status, 0, &usage), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_LT(seconds, kMaxSeconds);
  if (kMeasure) {
    EXPECT_LT(usage.ru_maxrss / 1024, kMaxMiB);
  }
  return said;
}

TEST(Hostile, too_large_a_file) {
  EXPECT_EQ(load(std::string(100 * kMiB, ' ')), "f.yaml: larger than 64 MiB");
}

TEST(Hostile, a_million_groups) {
  std::string text = "groups:\n";
  for (int i = 0; i < 1'000'000; ++i) text += fmt::format("- {{id: g{}}}\n", i);
  EXPECT_THAT(load(text), HasSubstr("f.yaml:699051:"));  // three values each
  text.resize(text.find("- {id: g5000}"));
  EXPECT_THAT(load(text), HasSubstr("f.yaml:1026:3: groups: more than 1024 are not possible"));
  EXPECT_THAT(load("groups: [" + repeat("{},", 1'000'000) + "]"), HasSubstr("f.yaml:1:10: "));
}

TEST(Hostile, a_bomb_of_aliases) {
  EXPECT_EQ(load("a: &a [x, x]\nb: &b [*a, *a]\ngroups: [*b, *b]\n"),
            "f.yaml:1:4: anchors are not supported");
  EXPECT_THAT(load("groups: *a\n"), HasSubstr("f.yaml:1:9: aliases are not supported"));
}

TEST(Hostile, deep_nesting) {
  EXPECT_EQ(load("groups: " + std::string(16 * kMiB, '[')),
            "f.yaml:1:40: nested deeper than 32 levels");
  EXPECT_EQ(load(repeat("- ", 8 * kMiB)), "f.yaml:1:65: nested deeper than 32 levels");
  EXPECT_EQ(load("{\"groups\": " + std::string(16 * kMiB, '[')),
            "f.yaml:1:43: nested deeper than 32 levels");
  EXPECT_THAT(load("groups: [{id: a, allowedCommandPatterns: ['" + std::string(kMiB, '(') + "']}]"),
              HasSubstr("f.yaml:1:"));
}

TEST(Hostile, no_text) {
  EXPECT_EQ(load("groups:\n" + repeat("- id: a\n", 100'000) + '\0'),
            "f.yaml:100002:1: a NUL byte; is this a text file?");
  EXPECT_EQ(
      load("groups:\n- id: a\n  bannedCommandStrings: [\"a\\0b\"]\n"),
      "f.yaml:3:26: an item of groups.bannedCommandStrings contains a NUL character, which no "
      "command line can");
  EXPECT_EQ(load("groups:\n- id: \xff\n"), "f.yaml:2:7: not UTF-8 (byte 0xff)");
  EXPECT_THAT(load(std::string(16 * kMiB, '\t')), HasSubstr("f.yaml:1:1: "));
}

TEST(Hostile, a_million_rules) {
  EXPECT_EQ(load("bannedCommandStrings:\n" + repeat("- a\n", 1'000'000)), "good");
  EXPECT_EQ(
      load("bannedCommandStrings:\n" + repeat("- a\n", 1'000'001)),
      "f.yaml:2:1: bannedCommandStrings has 1000001 items; all files together may have 1000000");
  EXPECT_EQ(load("bannedCommandStrings: [" + repeat("a,", 30 * kMiB) + "]"),
            "f.yaml:1:4194322: more than 2097152 values");
  EXPECT_EQ(load("{\"bannedCommandStrings\": [" + repeat("\"a\",", 15 * kMiB) + "\"a\"]}"),
            "f.yaml:1:8388623: more than 2097152 values");
}

TEST(Hostile, patterns_that_are_too_many_or_too_large) {
  EXPECT_THAT(load("allowedCommandPatterns:\n" + repeat("- '^a'\n", 1'000'000)),
              HasSubstr("f.yaml:2:1: allowedCommandPatterns has 1000000 items"));
  EXPECT_THAT(load("allowedExecutables:\n" + repeat("- /usr/bin/x\n", 1'000'000)),
              HasSubstr("f.yaml:2:1: allowedExecutables has 1000000 items"));
  EXPECT_THAT(load("allowedCommandPatterns:\n" + repeat("- '[^x]{1000}'\n", 10'000)),
              HasSubstr("too large together"));
}

TEST(Hostile, one_value_of_64_mib) {
  EXPECT_EQ(load("bannedCommandStrings: [" + std::string(60 * kMiB, 'a') + "]"),
            "f.yaml:1:24: an item of bannedCommandStrings is 62914560 bytes long; at most 4096 are "
            "possible");
  EXPECT_EQ(load("ruleIdKey: " + std::string(32 * kMiB, 'a')),
            "f.yaml:1:12: ruleIdKey is 33554432 bytes long; 16 to 1024 are needed");
  EXPECT_EQ(load("groups: [{id: " + std::string(32 * kMiB, 'a') + "}]").substr(0, 16),
            "f.yaml:1:15: gro");
  EXPECT_THAT(load("groups: [{id: a, purpose: " + std::string(32 * kMiB, 'a') + "}]"),
              HasSubstr("f.yaml:1:27: groups.purpose must have at most 1024 bytes"));
}

}  // namespace
}  // namespace cryptnono::config
