// How commands name rules.
#pragma once

#include <string>

#include "config/types.h"
#include "detect/exec/exec_rules.h"

namespace cryptnono::commands {

// "bans.yaml:3:5".
std::string place_of(const config::Config& config, config::Origin origin);

// The rule's id; with `reveal` its text in quotes, too.
std::string rule_name(const detect::ExecRules& rules, std::uint32_t rule, bool reveal);

// `banned string rllvcuwury5aqppk6 (group pools, pools.yaml:3:5)`; with `reveal`, `banned string
// "xmrig" (group pools, pools.yaml:3:5)`.
std::string rule_words(const config::Config& config, const detect::ExecRules& rules,
                       std::uint32_t rule, bool reveal = false);

// Why it was spared: Judgement::allowed_by, or with `reveal` what it stands for.
std::string spared_words(const detect::ExecRules& rules, const detect::Judgement& judgement,
                         bool reveal);

}  // namespace cryptnono::commands
