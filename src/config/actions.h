// The keys that say what happens to a process that is found: `action` wherever it stands,
// `namespaces` and `escalation`. For load.cc and flow.cc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/fields.h"
#include "config/types.h"

namespace cryptnono::config {

// Reads one of the words report, kill, kill-tree, kill-container.
void read_action(Fields& fields, std::string_view name, Document::Value value, Action& out);

// The word for an action, as the configuration writes it.
[[nodiscard]] std::string_view action_word(Action action);

// Reads the mapping `namespaces`: a Kubernetes namespace -> {action: ...}. A namespace that `out`
// has already is replaced, the others stay.
void read_namespaces(Fields& fields, std::string_view name, Document::Value value,
                     std::map<std::string, Action>& out);

// Reads the mapping `escalation` over what `out` has, or over the defaults.
void read_escalation(Fields& fields, std::string_view name, Document::Value value,
                     std::optional<Escalation>& out);

}  // namespace cryptnono::config
