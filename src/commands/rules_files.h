// Files of rules, seeds and bundles as the commands read and write them.
#pragma once

#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "seal/identities.h"

namespace cryptnono::commands {

// The whole of a file that is no secret. Errors: it cannot be read, or is larger than a gigabyte.
Result<std::string> read_input(const std::string& path);

// The whole of a file, opened if it is sealed. Errors name it; ExitCode::kConfig if it cannot be
// opened, or is larger than a document may be.
Result<std::string> read_opened(const std::string& path, const seal::Identities& identities);

// write_private_file() of base/file.h; errors name the file.
Result<void> write_private(const std::string& path, std::string_view text, Existing existing);

// The same, or to standard output if `path` is "-" or nothing.
Result<void> write_out(const std::string& path, std::string_view text, Existing existing);

}  // namespace cryptnono::commands
