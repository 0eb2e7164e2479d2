// Files of rules and seeds as the commands read and write them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace cryptnono::commands {

// The whole of a file. Errors: it cannot be read, or is larger than a gigabyte.
Result<std::string> read_input(const std::string& path);

// Writes a file that its owner alone may read (mode 0600), whole or not at all: a new one beside
// it, which then takes its name. "-" or nothing: standard output.
Result<void> write_private(const std::string& path, std::string_view text);

}  // namespace cryptnono::commands
