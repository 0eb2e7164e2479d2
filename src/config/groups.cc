#include "config/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "config/actions.h"
#include "config/flow.h"
#include "config/report_first.h"
#include "config/rule_id.h"

namespace cryptnono::config {

namespace {

constexpr std::size_t kMaxPurposeLength = 1024;

bool has_rules(const RuleGroup& group) {
  return !group.banned_strings.empty() || !group.banned_substrings.empty() ||
         !group.allowed_patterns.empty() || !group.allowed_executables.empty();
}

}  // namespace

bool is_group_id(std::string_view text) {
  const auto first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= kMaxGroupIdLength && first(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return first(c) || c == '.' || c == '_' || c == '-'; });
}

void Groups::begin_file(std::uint16_t file) {
  file_ = file;
  file_begin_ = entries_.size();
}

void Groups::read_id_key(Fields& fields, Name name, Value value) {
  const auto text = fields.read_string(name, value, true);
  if (!text) return;
  std::string key = id_key_of(*text);
  if (key.empty()) {
    fields.error(value.position(), fmt::format("{} is {} bytes long; {} to {} are needed", name,
                                               text->size(), kMinIdKeyLength, kMaxIdKeyLength));
    return;
  }
  keys_[file_] = std::move(key);
}

void Groups::read_groups(Fields& fields, Name name, Value list) {
  bool more = true;
  fields.read_list(
      name, list,
      [&](Value item) {
        if (more) more = read_group(fields, name, item);
      },
      true);
}

bool Groups::read_group(Fields& fields, Name name, Value item) {
  if (item.kind() != Document::Kind::kMapping) {
    fields.error(item.position(),
                 fmt::format("an item of {} must be a mapping (id: ..., and so on), not {}", name,
                             fields.describe_secret(item)));
    return true;
  }
  if (named_ == kMaxNamedGroups) {
    fields.error(item.position(),
                 fmt::format("{}: more than {} are not possible; this one and those "
                             "after it were not read",
                             name, kMaxNamedGroups));
    return false;
  }
  ++named_;
  Entry entry{
      .group = {}, .addresses = {}, .file = file_, .named = true, .position = item.position()};
  RuleGroup& group = entry.group;
  bool has_id = false;
  RuleReader rules(fields, file_, group, budget_);
  std::vector<Fields::Key> keys = rules.keys();
  keys.push_back({"id", [&](Name key, Value value) {
                    has_id = true;
                    group.name = read_id(fields, key, value);
                  }});
  keys.push_back({"purpose", [&](Name key, Value value) {
                    const auto text = fields.read_string(key, value);
                    if (!text) return;
                    if (text->size() > kMaxPurposeLength) {
                      fields.error(value.position(), fmt::format("{} must have at most {} bytes",
                                                                 key, kMaxPurposeLength));
                      return;
                    }
                    group.purpose = *text;
                  }});
  keys.push_back({"action", [&](Name key, Value value) {
                    read_action(fields, key, value, group.action.emplace());
                  }});
  std::optional<Position> report_first_at;
  keys.push_back({"reportFirst", [&](Name key, Value value) {
                    report_first_at = value.position();
                    read_report_first(fields, key, value, group.report_first);
                  }});
  keys.push_back({"bannedAddresses", [&](Name key, Value value) {
                    read_banned_addresses(fields, key, value, file_, entry.addresses);
                  }});
  fields.read_mapping(name, item, keys);
  if (group.report_first && group.action == Action::kReport)
    fields.warning(*report_first_at, std::string(kReportFirstHasNoEffect));
  if (!has_id) fields.error(item.position(), fmt::format("an item of {} has no id", name));
  if (!group.name.empty() && !has_rules(group) && entry.addresses.empty())
    fields.warning(item.position(), fmt::format("the group {} has no rules", group.name));
  entries_.push_back(std::move(entry));
  return true;
}

std::string Groups::read_id(Fields& fields, Name name, Value value) {
  const auto text = fields.read_string(name, value);
  if (!text) return {};
  if (!is_group_id(*text)) {
    fields.error(
        value.position(),
        fmt::format("{} must be 1 to {} of a-z, 0-9, '.', '_' and '-', the first a letter or a "
                    "digit, not {}",
                    name, kMaxGroupIdLength, show_value(*text)));
    return {};
  }
  const auto [known, is_new] = ids_.try_emplace(std::string(*text), Place{file_, value.position()});
  if (is_new) return std::string(*text);
  const Place& first = known->second;
  fields.error(value.position(),
               fmt::format("the group {} is given twice, first at {}:{}:{}", *text,
                           files_[first.file], first.position.line, first.position.column));
  return {};
}

void Groups::add_unnamed(RuleGroup group, std::string stem, std::vector<AddressRange> addresses) {
  group.name = std::move(stem);
  entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(file_begin_),
                  {.group = std::move(group),
                   .addresses = std::move(addresses),
                   .file = file_,
                   .named = false,
                   .position = {}});
}

void Groups::check_count(Diagnostics& diagnostics) const {
  std::size_t count = 0;
  for (const Entry& entry : entries_) {
    if (!has_rules(entry.group) || ++count <= kMaxRuleGroups || !entry.named) continue;
    diagnostics.error(
        files_[entry.file], entry.position,
        fmt::format("the group {} is one too many: at most {} groups can have rules and "
                    "an action and limit of their own; put some together",
                    entry.group.name, kMaxRuleGroups));
    return;
  }
}

std::vector<RuleGroup> Groups::take(Tcpflowkiller& flow, Diagnostics& diagnostics) {
  check_count(diagnostics);
  if (!keys_.empty()) flow.id_key = keys_.begin()->second;
  std::unordered_set<std::string> taken;
  for (const auto& [id, place] : ids_) taken.insert(id);
  std::vector<RuleGroup> out;
  out.reserve(entries_.size());
  for (Entry& entry : entries_) {
    RuleGroup& group = entry.group;
    const auto own_key = keys_.find(entry.file);
    if (own_key != keys_.end())
      group.id_key = own_key->second;
    else if (!keys_.empty())
      group.id_key = keys_.begin()->second;
    const std::string stem = group.name;
    for (int number = 2; !entry.named && !taken.insert(group.name).second; ++number)
      group.name = fmt::format("{}-{}", stem, number);
    add_address_group({.name = group.name,
                       .purpose = group.purpose,
                       .id_key = group.id_key,
                       .action = group.action,
                       .report_first = group.report_first},
                      std::move(entry.addresses), flow);
    out.push_back(std::move(group));
  }
  entries_.clear();
  return out;
}

}  // namespace cryptnono::config
