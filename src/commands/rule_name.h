// How `replay` and `rules test` name a rule.
#pragma once

#include <string>

#include "detect/exec/exec_rules.h"

namespace cryptnono::commands {

// The rule's id; with `reveal` its text in quotes, too.
std::string rule_name(const detect::ExecRules& rules, std::uint32_t rule, bool reveal);

}  // namespace cryptnono::commands
