#include "commands/rule_name.h"

#include <fmt/format.h>

#include "commands/rule_words.h"

namespace cryptnono::commands {

std::string rule_name(const config::Config& config, const detect::ExecRules& rules,
                      std::uint32_t rule, bool reveal) {
  if (rule >= rules.size()) return "no rule";
  const std::string id = place_of(config, rules.rule_origin(rule));
  return reveal ? fmt::format("{} \"{}\"", id, rules.rule_text(rule)) : id;
}

}  // namespace cryptnono::commands
