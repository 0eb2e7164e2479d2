// The key `protect`, and what belongs to it. For load.cc.
#pragma once

#include <string_view>

#include "config/fields.h"
#include "config/types.h"

namespace cryptnono::config {

// Reads the mapping `protect`.
void read_protect(Fields& fields, std::string_view name, Document::Value value, Protect& out);

}  // namespace cryptnono::config
