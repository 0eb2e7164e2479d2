// A process in words, for `explain --pid`: who it is and where.
#pragma once

#include <ostream>
#include <string_view>

#include "app/redactor.h"
#include "commands/process_facts.h"
#include "config/types.h"

namespace cryptnono::commands {

// One line. Nobody's text gets past it unescaped.
void say(std::ostream& out, std::string_view what, std::string_view text);

// A longer command line than the log would hold is cut, and what it shows is what a log would.
void say_who(const ProcessFacts& facts, const config::Log& log, app::Redactor& redactor,
             std::ostream& out);
void say_where(const ProcessFacts& facts, std::ostream& out);

}  // namespace cryptnono::commands
