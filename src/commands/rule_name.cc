#include "commands/rule_name.h"

#include <fmt/format.h>

namespace cryptnono::commands {

std::string rule_name(const detect::ExecRules& rules, std::uint32_t rule, bool reveal) {
  if (rule >= rules.size()) return "no rule";
  const std::string id = rules.rule_id(rule);
  return reveal ? fmt::format("{} \"{}\"", id, rules.rule_text(rule)) : id;
}

}  // namespace cryptnono::commands
