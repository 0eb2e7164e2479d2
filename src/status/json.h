// The JSON form of a status, both ways.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "status/status.h"

namespace cryptnono::status {

// One line, ASCII only, with a newline at its end; U+FFFD for bytes that are not UTF-8. Without
// `status.details` it tells nothing about who was killed.
std::string to_json(const Status& status);

// What to_json wrote, perhaps in another version: unknown fields are skipped, missing ones keep
// their defaults. An error: it is not such a text.
Result<Status> from_json(std::string_view text);

}  // namespace cryptnono::status
