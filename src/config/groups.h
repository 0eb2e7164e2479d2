// The groups of all files of a configuration: the named ones (`groups:`) and, of each file, the
// rules that are in none. For load.cc; what a group may be called is for whoever writes one, too.
//
// No message quotes a rule or a key: both are secret, and messages end up in logs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/fields.h"
#include "config/rules.h"
#include "config/types.h"

namespace cryptnono::config {

// Groups with rules that one configuration may have if any of them is named: each is one bit of the
// kernel side's masks (MATCH_MAX_GROUPS), with its own action and limit. Files without `groups` may
// be more; the last ones then share a bit, as they always did.
inline constexpr std::size_t kMaxRuleGroups = 64;
// Named groups in all, those with addresses only included.
inline constexpr std::size_t kMaxNamedGroups = 1024;

// 1 to 63 of a-z, 0-9, '.', '_' and '-', the first a letter or a digit.
inline constexpr std::size_t kMaxGroupIdLength = 63;
[[nodiscard]] bool is_group_id(std::string_view text);

class Groups {
 public:
  // `files`: paths by index of file, for messages; must outlive it.
  explicit Groups(const std::vector<std::string>& files) : files_(files) {}

  // Before a file is read.
  void begin_file(std::uint16_t file);
  // The keys `groups` and `ruleIdKey` of the file that was begun.
  void read_groups(Fields& fields, std::string_view name, Document::Value list);
  void read_id_key(Fields& fields, std::string_view name, Document::Value value);
  // The rules of this file that are in no group. It is called `stem`, or `stem`-2 and so on if that
  // name is taken; a group that says itself what it is called has the first choice.
  void add_unnamed(RuleGroup group, std::string stem, std::vector<AddressRange> addresses);
  // Shared by all lists of banned strings.
  [[nodiscard]] RuleBudget& budget() { return budget_; }

  // All groups, in the order of files; within a file those without a name first. Each has its name
  // and its key: that of its file, or else that of the first file that has one. Groups without any
  // rule may be among them.
  // Those that ban addresses are added to `flow`, with their bans.
  [[nodiscard]] std::vector<RuleGroup> take(Tcpflowkiller& flow, Diagnostics& diagnostics);

 private:
  using Name = std::string_view;
  using Value = Document::Value;

  struct Entry {
    RuleGroup group;
    std::vector<AddressRange> addresses;
    std::uint16_t file = 0;
    bool named = false;
    Position position;  // of a named one
  };
  struct Place {
    std::uint16_t file = 0;
    Position position;
  };

  // False: no further group is wanted.
  bool read_group(Fields& fields, Name name, Value item);
  // "": it is wrong, and an error.
  std::string read_id(Fields& fields, Name name, Value value);
  void check_count(Diagnostics& diagnostics) const;

  const std::vector<std::string>& files_;
  std::uint16_t file_ = 0;
  std::size_t file_begin_ = 0;  // where the entries of that file begin
  std::vector<Entry> entries_;
  std::size_t named_ = 0;  // read, good or not
  std::unordered_map<std::string, Place> ids_;
  std::map<std::uint16_t, std::string> keys_;  // by file
  RuleBudget budget_;
};

}  // namespace cryptnono::config
