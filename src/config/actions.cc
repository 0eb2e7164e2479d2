#include "config/actions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace cryptnono::config {

namespace {

using Value = Document::Value;
using Name = std::string_view;

struct ActionWord {
  Name word;
  Action action;
};

constexpr std::array<ActionWord, 4> kWords{{{"report", Action::kReport},
                                            {"kill", Action::kKill},
                                            {"kill-tree", Action::kKillTree},
                                            {"kill-container", Action::kKillContainer}}};

// A label of RFC 1123, which is what Kubernetes lets a namespace be called.
bool is_namespace_name(Name text) {
  constexpr std::size_t kMaxLabel = 63;
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= kMaxLabel && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [&](char c) {
           return is_alphanumeric(c) || c == '-';
         });
}

}  // namespace

void read_action(Fields& fields, Name name, Value value, Action& out) {
  std::vector<std::pair<Name, Action>> choices;
  for (const ActionWord& each : kWords) choices.emplace_back(each.word, each.action);
  fields.read_choice<Action>(name, value, choices, out);
}

std::string_view action_word(Action action) {
  const auto* const found =
      std::find_if(kWords.begin(), kWords.end(),
                   [action](const ActionWord& each) { return each.action == action; });
  return found == kWords.end() ? Name() : found->word;
}

void read_namespaces(Fields& fields, Name name, Value value, std::map<std::string, Action>& out) {
  if (value.kind() != Document::Kind::kMapping) {
    fields.read_mapping(name, value, {});
    return;
  }
  value.for_each_entry([&](Value key, Value item) {
    if (!is_namespace_name(key.text())) {
      fields.error(key.position(), fmt::format("a key of {} must be the name of a Kubernetes "
                                               "namespace, not {}",
                                               name, show_value(key.text())));
      return;
    }
    const std::string full_name = fmt::format("{}.{}", name, key.text());
    std::optional<Action> action;
    bool has_action = false;
    fields.read_mapping(full_name, item, {{"action", [&](Name action_name, Value word) {
                                             has_action = true;
                                             // What is wrong keeps the value it had.
                                             Action read = Action::kReport;
                                             read_action(fields, action_name, word, read);
                                             action = read;
                                           }}});
    if (item.kind() == Document::Kind::kMapping && !has_action)
      fields.error(key.position(), fmt::format("{} has no action", full_name));
    if (action) out[std::string(key.text())] = *action;
  });
}

void read_escalation(Fields& fields, Name name, Value value, std::optional<Escalation>& out) {
  constexpr std::uint32_t kMaxKills = 1000;
  constexpr std::uint32_t kMaxWindow = 24 * 3600;
  Escalation read = out.value_or(Escalation());
  fields.read_mapping(
      name, value,
      {{"after", [&](Name key,
                     Value item) { fields.read_integer(key, item, 1, kMaxKills, "", read.after); }},
       {"window",
        [&](Name key, Value item) {
          fields.read_integer(key, item, 1, kMaxWindow, " seconds", read.window_s);
        }},
       {"action", [&](Name key, Value item) {
          fields.read_choice<Action>(
              key, item,
              {{"kill-tree", Action::kKillTree}, {"kill-container", Action::kKillContainer}},
              read.action);
        }}});
  out = read;
}

}  // namespace cryptnono::config
