// The rule lists of a file, and what holds for all rules of a configuration together. Only for
// load.cc.
//
// No message quotes a rule: the list is secret, and messages end up in logs.
#pragma once

#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/fields.h"
#include "config/types.h"

namespace cryptnono::config {

// Banned strings and substrings that all files of a configuration may have together: about a
// hundred bytes each while they are loaded, so no list, however short its lines, takes a node's
// memory.
inline constexpr std::size_t kMaxRules = 1'000'000;

// Allowed patterns, and allowed executables: each pattern is asked in turn about each command line
// that is hit, and takes some KiB.
inline constexpr std::size_t kMaxAllowRules = 10'000;

// What is left of them.
struct RuleBudget {
  std::size_t banned = kMaxRules;
  std::size_t patterns = kMaxAllowRules;
  std::size_t executables = kMaxAllowRules;
  // RE2's instructions, of all patterns together: 16 bytes each. An honest pattern has a hundred,
  // but \pL{1000} has half a million.
  std::size_t program = 4'000'000;
};

// Reads the rule keys of one file, or of one of its groups, into one group.
class RuleReader {
 public:
  // `fields`, `group` and `budget` must outlive it. `file`: the index that the rules' origins get.
  RuleReader(Fields& fields, std::size_t file, RuleGroup& group, RuleBudget& budget)
      : fields_(fields), file_(file), group_(group), budget_(budget) {}

  // bannedCommandStrings, bannedCommandSubstrings, allowedCommandPatterns, allowedExecutables.
  [[nodiscard]] std::vector<Fields::Key> keys();

 private:
  using Value = Document::Value;

  // False: there are too many in it, and an error.
  bool take(std::string_view name, Value list, std::size_t& left, std::size_t all);
  void read_banned(std::string_view name, Value list, std::size_t min_bytes,
                   std::vector<RuleText>& out);
  void read_banned_item(std::string_view name, Value item, std::size_t min_bytes,
                        std::vector<RuleText>& out);
  void read_pattern_item(std::string_view name, Value item);
  void read_executable_item(std::string_view name, Value item);
  std::optional<std::string> read_pattern(std::string_view name, Value value);
  [[nodiscard]] Origin origin(Value value) const;

  Fields& fields_;
  std::size_t file_;
  RuleGroup& group_;
  RuleBudget& budget_;
};

// Drops each banned string, and each banned substring, that stands in an earlier group or earlier
// in its own, whatever its case: the matcher sees no difference, and a kill is counted once. Then
// drops the groups without any rule.
void remove_duplicate_rules(std::vector<RuleGroup>& groups);

}  // namespace cryptnono::config
