#include "detect/exec/exec_rules.h"

#include <algorithm>

#include "base/shell_quote.h"
#include "base/utf8.h"
#include "config/groups.h"

namespace cryptnono::detect {

static_assert(config::kMaxRuleGroups == MATCH_MAX_GROUPS);

Result<std::shared_ptr<ExecRules>> ExecRules::compile(const config::Execwhacker& config,
                                                      std::uint32_t generation,
                                                      std::string_view canary) {
  std::shared_ptr<ExecRules> self(new ExecRules(TRY(AllowList::build(config.groups))));
  self->generation_ = generation;
  std::size_t bytes = 0;
  for (const config::RuleGroup& group : config.groups) {
    for (const config::RuleText& rule : group.banned_strings) bytes += rule.text.size();
    for (const config::RuleText& rule : group.banned_substrings) bytes += rule.text.size();
  }
  self->text_.reserve(bytes);  // the entries below point into it
  std::vector<match::Entry> entries;
  const auto add_all = [&](const std::vector<config::RuleText>& rules, match::Kind kind,
                           std::size_t group) {
    for (const config::RuleText& rule : rules) {
      const auto index = static_cast<std::uint32_t>(self->size());
      self->add(rule, kind, group);
      entries.push_back({.text = self->rule_text(index),
                         .kind = kind,
                         .group = self->rule_group(index),
                         .rule = index});
    }
  };
  for (std::size_t group = 0; group < config.groups.size(); ++group) {
    self->group_names_.push_back(config.groups[group].name);
    self->group_id_keys_.push_back(config.groups[group].id_key);
    self->group_begins_.push_back(static_cast<std::uint32_t>(self->size()));
    const config::Action action = config.groups[group].action.value_or(config.action);
    const config::Action would = config.groups[group].would.value_or(config::Action::kReport);
    if (group < MATCH_MAX_GROUPS) {
      self->group_actions_.push_back(action);
      self->group_would_.push_back(would);
      if (kills(would)) self->held_ |= std::uint64_t{1} << group;
    } else {
      self->group_actions_.back() = std::min(self->group_actions_.back(), action);
    }
    add_all(config.groups[group].banned_strings, match::Kind::kWord, group);
    add_all(config.groups[group].banned_substrings, match::Kind::kSubstring, group);
  }
  if (!canary.empty() && !entries.empty() && config.groups.size() < MATCH_MAX_GROUPS) {
    self->canary_groups_ = kCanaryGroups;
    // For the machine that runs anyway: words and substrings have one each.
    const auto words = std::any_of(entries.begin(), entries.end(), [](const match::Entry& each) {
      return each.kind == match::Kind::kWord;
    });
    entries.push_back({.text = canary,
                       .kind = words ? match::Kind::kWord : match::Kind::kSubstring,
                       .group = MATCH_MAX_GROUPS - 1});
  }
  for (const std::string& literal : self->allow_list_.literals()) {
    entries.push_back({.text = literal, .kind = match::Kind::kAllowLiteral});
  }
  for (const std::string& path : self->allow_list_.paths()) {
    entries.push_back({.text = path, .kind = match::Kind::kAllowPath});
  }
  auto tables = std::make_shared<match::Tables>(TRY(match::build_tables(
      entries, {.generation = generation, .always_defer = self->allow_list_.needs_no_literal()})));
  self->tables_ = tables->bytes();
  self->tables_owner_ = std::move(tables);
  return self;
}

void ExecRules::add(const config::RuleText& rule, match::Kind kind, std::size_t group) {
  text_ += rule.text;
  starts_.push_back(static_cast<std::uint32_t>(text_.size()));
  const auto bit = static_cast<std::uint8_t>(std::min<std::size_t>(group, MATCH_MAX_GROUPS - 1));
  rule_groups_.push_back(kind == match::Kind::kSubstring ? bit | kSubstringBit : bit);
  origins_.push_back(rule.origin);
}

void ExecRules::use_tables(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  tables_ = bytes;
  tables_owner_ = std::move(owner);
}

std::string_view ExecRules::rule_text(std::uint32_t rule) const {
  if (rule >= size()) return {};
  return std::string_view(text_).substr(starts_[rule], starts_[rule + 1] - starts_[rule]);
}

std::string ExecRules::rule_id(std::uint32_t rule) const {
  if (rule >= size()) return {};
  // The group itself: what rule_group() says, those beyond the mask share.
  const auto after = std::upper_bound(group_begins_.begin(), group_begins_.end(), rule);
  const auto group = static_cast<std::size_t>(after - group_begins_.begin()) - 1;
  return config::rule_id(group_id_keys_[group], rule_kind(rule), rule_text(rule),
                         group_names_[group], origins_[rule]);
}

std::string_view ExecRules::group_name(std::uint32_t group) const {
  return group < group_names_.size() ? std::string_view(group_names_[group]) : std::string_view();
}

config::Action ExecRules::action_of(std::uint64_t groups) const {
  config::Action action = config::Action::kReport;
  for (std::size_t bit = 0; bit < group_actions_.size(); ++bit) {
    if ((groups >> bit & 1) != 0) action = std::max(action, group_actions_[bit]);
  }
  return action;
}

config::Action ExecRules::would_of(std::uint64_t groups) const {
  config::Action action = config::Action::kReport;
  for (std::size_t bit = 0; bit < group_would_.size(); ++bit) {
    if ((groups >> bit & 1) != 0) action = std::max(action, group_would_[bit]);
  }
  return action;
}

std::uint64_t ExecRules::kill_groups() const {
  std::uint64_t mask = 0;
  for (std::size_t bit = 0; bit < group_actions_.size(); ++bit) {
    if (kills(group_actions_[bit])) mask |= std::uint64_t{1} << bit;
  }
  return mask;
}

Judgement ExecRules::judge(const ExecLine& line) const {
  const match::Hit hit = match::Matcher(tables_).match(line.text);
  const std::uint64_t groups = hit.groups & ~canary_groups_;
  if (groups == 0) return {};
  return judge_hit(line, groups, hit.rule);
}

Judgement ExecRules::judge_running(const ExecLine& line) const {
  const match::CommandLine arguments{.path = {}, .filename = {}, .argv = line.text.argv};
  const std::uint64_t groups = match::Matcher(tables_).match(arguments).groups & ~canary_groups_;
  return groups != 0 ? judge(line) : Judgement{};
}

Judgement ExecRules::judge_hit(const ExecLine& line, std::uint64_t groups,
                               std::uint32_t rule) const {
  Judgement judgement{
      .verdict = Judgement::Verdict::kBanned, .groups = groups, .rule = rule, .allowed_by = {}};
  const std::string quoted = quoted_line(line.text.filename, line.text.argv);
  const auto allowed =
      allow_list_.find({.quoted_line = quoted,
                        .trusted_path = line.path_trusted ? line.text.path : std::string_view()});
  if (allowed) {
    judgement.verdict = Judgement::Verdict::kSpared;
    judgement.allowed_by = allow_list_.reason(*allowed);
    judgement.allow_rule = *allowed;
  }
  return judgement;
}

std::string quoted_line(std::string_view filename, std::string_view argv) {
  std::vector<std::string_view> arguments = split_cmdline(argv);
  if (!filename.empty()) {
    if (arguments.empty()) {
      arguments.push_back(filename);
    } else {
      arguments[0] = filename;
    }
  }
  return replace_invalid_utf8(shell_join(arguments));
}

}  // namespace cryptnono::detect
