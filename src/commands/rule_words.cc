#include "commands/rule_words.h"

#include <fmt/format.h>

namespace cryptnono::commands {

std::string place_of(const config::Config& config, config::Origin origin) {
  if (origin.line == 0 || origin.file >= config.files.size()) return "the embedded default";
  return fmt::format("{}:{}:{}", config.files[origin.file], origin.line, origin.column);
}

std::string rule_words(const config::Config& config, const detect::ExecRules& rules,
                       std::uint32_t rule) {
  return fmt::format("banned string \"{}\" (group {}, {})", rules.rule_text(rule),
                     rules.group_name(rules.rule_group(rule)),
                     place_of(config, rules.rule_origin(rule)));
}

}  // namespace cryptnono::commands
