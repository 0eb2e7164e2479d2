// Files of rules, seeds and bundles as the commands read and write them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "seal/identities.h"

namespace cryptnono::commands {

// The whole of a file that is no secret. Errors: it cannot be read, or is larger than a gigabyte.
Result<std::string> read_input(const std::string& path);

// The whole of a file, opened if it is sealed. Errors name it; ExitCode::kConfig if it cannot be
// opened, or is larger than a document may be.
Result<std::string> read_opened(const std::string& path, const seal::Identities& identities);

enum class Existing : std::uint8_t { kReplace, kRefuse };

// Writes a file that its owner alone may read (mode 0600), whole or not at all: a new one beside
// it, which then takes its name. Refused: ExitCode::kUsage. Errors name it.
Result<void> write_private(const std::string& path, std::string_view text, Existing existing);

// The same, or to standard output if `path` is "-" or nothing.
Result<void> write_out(const std::string& path, std::string_view text, Existing existing);

}  // namespace cryptnono::commands
