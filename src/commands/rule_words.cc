#include "commands/rule_words.h"

#include <fmt/format.h>

#include "config/rule_id.h"

namespace cryptnono::commands {

std::string place_of(const config::Config& config, config::Origin origin) {
  if (origin.line == 0 || origin.file >= config.files.size()) return "the embedded default";
  return fmt::format("{}:{}:{}", config.files[origin.file], origin.line, origin.column);
}

std::string rule_name(const detect::ExecRules& rules, std::uint32_t rule, bool reveal) {
  if (rule >= rules.size()) return "no rule";
  const std::string id = rules.rule_id(rule);
  return reveal ? fmt::format("{} \"{}\"", id, rules.rule_text(rule)) : id;
}

std::string rule_words(const config::Config& config, const detect::ExecRules& rules,
                       std::uint32_t rule, bool reveal) {
  return fmt::format("{} {} (group {}, {})", config::kind_words(rules.rule_kind(rule)),
                     reveal ? fmt::format("\"{}\"", rules.rule_text(rule)) : rules.rule_id(rule),
                     rules.group_name(rules.rule_group(rule)),
                     place_of(config, rules.rule_origin(rule)));
}

std::string spared_words(const detect::ExecRules& rules, const detect::Judgement& judgement,
                         bool reveal) {
  return reveal ? rules.allow_list().revealed_reason(judgement.allow_rule) : judgement.allowed_by;
}

}  // namespace cryptnono::commands
