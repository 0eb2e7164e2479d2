// The keys of webhook. For load.cc.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/fields.h"
#include "config/read_file.h"
#include "config/types.h"

namespace cryptnono::config {

// Reads the mapping `webhook`, and the file of its secret. No message quotes the secret.
void read_webhook(Fields& fields, std::string_view name, Document::Value value,
                  const ReadFile& read_file, Webhook& out);

// Warns of a webhook that can tell nothing, or less than it is asked to. For a whole configuration.
void check_webhook(const Config& config, Diagnostics& diagnostics);

}  // namespace cryptnono::config
