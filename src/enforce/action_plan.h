// Which action it is, of all that the configuration says. Pure; docs/configuration.md, "Actions",
// is the contract.
#pragma once

#include <optional>

#include "config/types.h"

namespace cryptnono::enforce {

struct ActionInputs {
  config::Action detector = config::Action::kKill;
  std::optional<config::Action> group;             // of the rule file that hit, if it has one
  std::optional<config::Action> namespace_action;  // of the container's Kubernetes namespace
  std::optional<config::Action> escalation;        // if Escalation::count() said so: its action
  bool dry_run = false;
};

// A dry run reports. A namespace's action counts alone. Else the group's, or the detector's, and if
// that kills it is at least the escalation's.
[[nodiscard]] config::Action effective_action(const ActionInputs& inputs);

}  // namespace cryptnono::enforce
