// What `explain` needs of a configuration, whatever it is asked about.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "config/load.h"
#include "detect/exec/exec_rules.h"

namespace cryptnono::commands {

// Nothing if it is wrong: `err` then has every error.
std::optional<config::Config> load_or_say(const std::vector<std::string>& files, std::ostream& err);

// "bans.yaml:3:5".
std::string place_of(const config::Config& config, config::Origin origin);

// `banned string "xmrig" (group pools, pools.yaml:3:5)`.
std::string rule_words(const config::Config& config, const detect::ExecRules& rules,
                       std::uint32_t rule);

}  // namespace cryptnono::commands
