// ExecRules: one generation of execwhacker's rules, and the verdict they give. Pure: no kernel, no
// /proc, no clock.
//
// `explain`, the scans and the decisions that the kernel leaves to user space all ask judge(), so
// they agree.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/types.h"
#include "detect/exec/allow_list.h"
#include "match/matcher.h"
#include "match/tables.h"

namespace cryptnono::detect {

// A command line as it is judged; see match::CommandLine.
struct ExecLine {
  match::CommandLine text;
  bool path_trusted =
      false;  // `text.path` is the executable's, and only root could have written it
};

struct Judgement {
  enum class Verdict : std::uint8_t {
    kNothing,  // no banned string
    kSpared,   // banned, but allowed
    kBanned
  };
  Verdict verdict = Verdict::kNothing;
  std::uint64_t groups = 0;  // that hit
  std::uint32_t rule = MATCH_NO_RULE;
  std::string allowed_by = {};   // kSpared: the reason, without what is secret
  std::uint32_t allow_rule = 0;  // kSpared: for AllowList::revealed_reason
};

// Immutable after compile(), but for use_tables(); any number of threads may ask.
class ExecRules {
 public:
  // `canary`: a word of letters and digits that is banned for the daemon's canaries alone
  // (kCanaryGroups); "": none. It is no rule of the configuration: it is not counted, has no text,
  // and says nothing to judge(). Without rules it is left out, for then an exec is to cost nothing.
  // Errors: kConfig when the rules are too large.
  static Result<std::shared_ptr<ExecRules>> compile(const config::Execwhacker& config,
                                                    std::uint32_t generation,
                                                    std::string_view canary = {});
  // The group of that word: the last one, which a configuration with as many groups needs itself.
  static constexpr std::uint64_t kCanaryGroups = std::uint64_t{1} << (MATCH_MAX_GROUPS - 1);
  // kCanaryGroups if that word is in these rules, else 0.
  [[nodiscard]] std::uint64_t canary_groups() const { return canary_groups_; }

  [[nodiscard]] Judgement judge(const ExecLine& line) const;
  // Of a process that runs already: a banned string counts if it is in the arguments. One that is
  // only in the path of the executable was judged at the exec.
  [[nodiscard]] Judgement judge_running(const ExecLine& line) const;
  // The same when the kernel has found the hit already.
  [[nodiscard]] Judgement judge_hit(const ExecLine& line, std::uint64_t groups,
                                    std::uint32_t rule) const;

  [[nodiscard]] std::uint32_t generation() const { return generation_; }
  [[nodiscard]] std::size_t size() const { return starts_.size() - 1; }
  // The text of a rule, as written; "" for MATCH_NO_RULE.
  [[nodiscard]] std::string_view rule_text(std::uint32_t rule) const;
  // What logs call it by (config/rule_id.h); "" for MATCH_NO_RULE. Computed anew at each call.
  [[nodiscard]] std::string rule_id(std::uint32_t rule) const;
  // Below size(), like that of rule_origin().
  [[nodiscard]] std::uint8_t rule_group(std::uint32_t rule) const {
    return static_cast<std::uint8_t>(rule_groups_[rule] & kGroupBits);
  }
  [[nodiscard]] config::RuleKind rule_kind(std::uint32_t rule) const {
    return (rule_groups_[rule] & kSubstringBit) != 0 ? config::RuleKind::kSubstring
                                                     : config::RuleKind::kWord;
  }
  // Where the rule was written.
  [[nodiscard]] config::Origin rule_origin(std::uint32_t rule) const { return origins_[rule]; }
  [[nodiscard]] std::string_view group_name(std::uint32_t group) const;
  // What a hit of these groups comes to: the harshest of their own actions. Groups beyond the mask
  // share its last bit, where the mildest counts.
  [[nodiscard]] config::Action action_of(std::uint64_t groups) const;
  // Of these groups those that only report as yet (config::RuleGroup::would), and would kill.
  [[nodiscard]] std::uint64_t held_groups(std::uint64_t groups) const { return groups & held_; }
  // The harshest of what they would do.
  [[nodiscard]] config::Action would_of(std::uint64_t groups) const;
  // The groups that kill, as a mask.
  [[nodiscard]] std::uint64_t kill_groups() const;
  [[nodiscard]] const AllowList& allow_list() const { return allow_list_; }

  [[nodiscard]] std::span<const std::byte> tables() const { return tables_; }
  // From here on reads the same tables from `bytes`, which `owner` keeps alive, and frees its own.
  // Call before other threads see the object.
  void use_tables(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

 private:
  explicit ExecRules(AllowList allow_list) : allow_list_(std::move(allow_list)) {}
  void add(const config::RuleText& rule, match::Kind kind, std::size_t group);

  // A rule's byte: the bit of its group in a mask, and its kind.
  static constexpr std::uint8_t kGroupBits = MATCH_MAX_GROUPS - 1;
  static constexpr std::uint8_t kSubstringBit = 0x80;

  AllowList allow_list_;
  std::uint32_t generation_ = 0;
  std::uint64_t canary_groups_ = 0;
  std::vector<std::string> group_names_;
  std::vector<std::string> group_id_keys_;
  std::vector<std::uint32_t> group_begins_;    // index of the first rule of each group
  std::vector<config::Action> group_actions_;  // by bit of a mask of groups
  std::vector<config::Action> group_would_;    // the same for groups that report first
  std::uint64_t held_ = 0;
  // The rules' texts one behind the other: 50,000 std::strings would take three times as much.
  std::string text_;
  std::vector<std::uint32_t> starts_{0};
  std::vector<std::uint8_t> rule_groups_;
  std::vector<config::Origin> origins_;
  std::shared_ptr<const void> tables_owner_;
  std::span<const std::byte> tables_;
};

// The shell-quoted command line on which allowed patterns are matched: the arguments, argv[0]
// replaced by `filename` unless that is empty. Bytes that are not UTF-8 become U+FFFD, one for
// each.
std::string quoted_line(std::string_view filename, std::string_view argv);

}  // namespace cryptnono::detect
