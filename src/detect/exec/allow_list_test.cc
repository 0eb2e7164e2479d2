#include "detect/exec/allow_list.h"

#include <gtest/gtest.h>

#include "base/shell_quote.h"
#include "base/utf8.h"

namespace cryptnono::detect {
namespace {

AllowList build(const std::vector<std::string>& patterns,
                std::vector<config::AllowedExecutable> executables = {}) {
  config::RuleGroup group;
  for (const std::string& pattern : patterns)
    group.allowed_patterns.push_back({.text = pattern, .origin = {}});
  group.allowed_executables = std::move(executables);
  auto list = AllowList::build({group});
  EXPECT_TRUE(list.has_value()) << (list ? "" : list.error().message);
  return std::move(*list);
}

bool spares(const AllowList& list, std::string_view line, std::string_view path = {}) {
  return list.spares({.quoted_line = line, .trusted_path = path}).has_value();
}

TEST(AllowList, matches_from_the_start_and_without_regard_to_case) {
  const AllowList list = build({"^/usr/bin/ls", "echo '?allowed"});
  EXPECT_TRUE(spares(list, "/usr/bin/ls; evil"));  // as the predecessor: open at the end
  EXPECT_TRUE(spares(list, "/USR/bin/LS"));
  EXPECT_FALSE(spares(list, "x /usr/bin/ls"));
  EXPECT_TRUE(spares(list, "echo 'allowed it"));
  EXPECT_FALSE(spares(list, "sh -c echo allowed"));
}

TEST(AllowList, says_why_by_the_rules_place) {
  config::RuleGroup group;
  group.name = "allowed";
  group.allowed_patterns.push_back({.text = "^ls", .origin = {.file = 0, .column = 5, .line = 3}});
  group.allowed_executables.push_back({.path = "/usr/bin/less",
                                       .pattern = std::nullopt,
                                       .origin = {.file = 0, .column = 5, .line = 7}});
  const AllowList list = *AllowList::build({group});
  EXPECT_EQ(list.spares({.quoted_line = "ls x", .trusted_path = {}}),
            "allowed-pattern:allowed:3:5");
  EXPECT_EQ(list.spares({.quoted_line = "x", .trusted_path = "/usr/bin/less"}),
            "allowed-executable:allowed:7:5");
  EXPECT_EQ(list.spares({.quoted_line = "x", .trusted_path = {}}), std::nullopt);
  EXPECT_EQ(list.revealed_reason(0), "allowed-pattern:^ls");
  EXPECT_EQ(list.revealed_reason(1), "allowed-executable:/usr/bin/less");
}

TEST(AllowList, says_why_by_the_id_of_what_is_written) {
  config::RuleGroup group;
  group.id_key = "a key of sixteen bytes or more";
  group.allowed_patterns.push_back({.text = "translated", .origin = {}});
  group.written_patterns.emplace_back("^/usr/bin/X ");
  group.allowed_patterns.push_back({.text = "^/usr/bin/X ", .origin = {}});
  group.allowed_executables.push_back(
      {.path = "/usr/bin/Less", .pattern = std::nullopt, .origin = {}});
  const AllowList list = *AllowList::build({group});
  // As in config/rule_id_test.cc.
  EXPECT_EQ(list.reason(0), "allowed-pattern:rvhfgy4dbhmrk3ui6");
  EXPECT_EQ(list.reason(1), "allowed-pattern:rvhfgy4dbhmrk3ui6");
  EXPECT_EQ(list.reason(2), "allowed-executable:rl5xcwh7cogurscfx");
}

TEST(AllowList, an_executable_with_a_pattern_needs_both) {
  const AllowList list =
      build({}, {{.path = "/bin/git", .pattern = "^\\S*git clone", .origin = {}}});
  EXPECT_TRUE(spares(list, "git clone x", "/bin/git"));
  EXPECT_FALSE(spares(list, "git push x", "/bin/git"));
  EXPECT_FALSE(spares(list, "git clone x", "/tmp/git"));
}

// What the kernel relies on: a line that some pattern matches holds one of the literals, in its raw
// arguments, or the list says that it needs none.
TEST(AllowList, a_line_that_matches_holds_a_literal) {
  struct Case {
    std::string pattern;
    std::vector<std::string_view> argv;
  };
  const std::vector<Case> cases = {
      {"^(/usr/bin/)?grep .*", {"/usr/bin/grep", "a b"}},
      {"^(abcdef|uvwxyz) x", {"uvwxyz", "x"}},
      {"^[a-z]+ 'two words'", {"foo", "two words"}},
      {"^git (clone|fetch) ", {"git", "fetch", "x"}},
      {"^echo 'it'\"'\"'s'", {"echo", "it's"}},
      {"^a?b*", {"b"}},
      {".*xyz|abc", {"q", "XYZ"}},
      {"^.* ok ", {"sh", "ok", "x"}},
      {"^(?:python3? -m )?pytest", {"pytest"}},
      {"^(foo.*bar|q)", {"q"}},
  };
  for (const Case& c : cases) {
    const AllowList list = build({c.pattern});
    ASSERT_TRUE(spares(list, shell_join(c.argv))) << c.pattern;
    std::string raw;
    for (const std::string_view argument : c.argv) raw += ascii_lower(argument) + '\0';
    bool found = list.needs_no_literal();
    for (const std::string& literal : list.literals()) {
      EXPECT_GE(literal.size(), config::kMinSubstringLength);
      found = found || raw.find(literal) != std::string::npos;
    }
    EXPECT_TRUE(found) << c.pattern;
  }
}

TEST(AllowList, keeps_most_hits_in_the_kernel) {
  EXPECT_FALSE(build({"^/usr/bin/grep "}).needs_no_literal());
  EXPECT_FALSE(build({"^git (clone|fetch) "}).needs_no_literal());
  EXPECT_TRUE(build({"^[a-z]+ ok"}).needs_no_literal());
  EXPECT_FALSE(build({}).needs_no_literal());
}

}  // namespace
}  // namespace cryptnono::detect
