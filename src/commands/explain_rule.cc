#include "commands/explain_rule.h"

#include <fmt/format.h>

#include <string_view>

#include "base/result.h"
#include "base/utf8.h"
#include "commands/rule_words.h"
#include "config/actions.h"
#include "config/address_range.h"
#include "config/rule_id.h"

namespace cryptnono::commands {

namespace {

using config::RuleKind;

// The reasons of AllowList::reason are pasted as they stand in the log.
std::string_view without_reason(std::string_view id) {
  for (const std::string_view prefix : {"allowed-pattern:", "allowed-executable:"}) {
    if (id.starts_with(prefix)) return id.substr(prefix.size());
  }
  return id;
}

class Search {
 public:
  Search(const config::Config& config, std::string_view id, bool reveal, std::ostream& out)
      : config_(config), id_(id), reveal_(reveal), out_(out) {}

  // How many rules have the id.
  int run() {
    for (const config::RuleGroup& group : config_.execwhacker.groups) look_in(group);
    const config::Tcpflowkiller& flow = config_.tcpflowkiller;
    for (const config::AddressRange& ban : flow.bans) {
      const bool grouped = ban.group < flow.groups.size();
      if (!grouped && flow.id_key.empty()) continue;  // has no id
      const config::AddressGroup whole{.name = "tcpflowkiller",
                                       .purpose = {},
                                       .id_key = flow.id_key,
                                       .action = flow.action,
                                       .report_first = {}};
      look_at(grouped ? flow.groups[ban.group] : whole, RuleKind::kAddress, config::range_text(ban),
              ban.origin);
    }
    return found_;
  }

 private:
  void look_in(const config::RuleGroup& group) {
    for (const config::RuleText& rule : group.banned_strings)
      look_at(group, RuleKind::kWord, rule.text, rule.origin);
    for (const config::RuleText& rule : group.banned_substrings)
      look_at(group, RuleKind::kSubstring, rule.text, rule.origin);
    for (std::size_t i = 0; i < group.allowed_patterns.size(); ++i) {
      const config::RuleText& pattern = group.allowed_patterns[i];
      const bool written = i < group.written_patterns.size();
      look_at(group, RuleKind::kAllowPattern, written ? group.written_patterns[i] : pattern.text,
              pattern.origin);
    }
    for (const config::AllowedExecutable& each : group.allowed_executables)
      look_at(group, RuleKind::kAllowExecutable, each.path, each.origin);
  }

  // Group: config::RuleGroup or config::AddressGroup.
  template <typename Group>
  void look_at(const Group& group, RuleKind kind, std::string_view text, config::Origin origin) {
    // Without the key of the file it stands in, a rule is called by its place.
    if (config::rule_id(group.id_key, kind, text, group.name, origin) != id_) return;
    ++found_;
    out_ << fmt::format("rule: {}\nkind: {}\ngroup: {}\n", for_terminal(id_),
                        config::kind_words(kind), for_terminal(group.name));
    if (!group.purpose.empty()) out_ << "purpose: " << for_terminal(group.purpose) << '\n';
    if (kind == RuleKind::kWord || kind == RuleKind::kSubstring || kind == RuleKind::kAddress) {
      const config::Action detectors =
          kind == RuleKind::kAddress ? config_.tcpflowkiller.action : config_.execwhacker.action;
      out_ << "action: " << config::action_word(group.action.value_or(detectors)) << '\n';
    }
    out_ << "place: " << for_terminal(place_of(config_, origin)) << '\n';
    if (reveal_) out_ << "text: " << for_terminal(text) << '\n';
  }

  const config::Config& config_;
  std::string_view id_;
  bool reveal_;
  std::ostream& out_;
  int found_ = 0;
};

}  // namespace

int run_explain_rule(const Inputs& inputs, const std::string& id, std::ostream& out,
                     std::ostream& err) {
  const std::optional<config::Config> config = inputs.load_or_say(err);
  if (!config) return static_cast<int>(ExitCode::kConfig);
  if (Search(*config, without_reason(id), inputs.reveal, out).run() > 0)
    return static_cast<int>(ExitCode::kOk);
  err << "explain: no rule of these files has the id " << for_terminal(id)
      << "; has the rule, or the key (ruleIdKey), changed since?\n";
  return static_cast<int>(ExitCode::kFailure);
}

}  // namespace cryptnono::commands
