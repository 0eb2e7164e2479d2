// Whole files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cryptnono {

// Appends what `fd` gives to `text`, until it ends or `text` has `most` bytes: who wants to know
// whether a file is larger than a bound asks for one byte more. Errors: errno's words.
Result<void> read_up_to(int fd, std::size_t most, std::string& text);

Result<void> write_all(int fd, std::string_view text);

enum class Existing : std::uint8_t { kReplace, kRefuse };

// Writes a file that its owner alone may read (mode 0600), whole or not at all, and durable: a new
// one beside it, which then takes its name. Errors do not name it; that it is there already and
// kRefuse said so is ExitCode::kUsage.
Result<void> write_private_file(const std::string& path, std::string_view text, Existing existing);

}  // namespace cryptnono
