#include "enforce/action_plan.h"

#include <algorithm>

namespace cryptnono::enforce {

config::Action effective_action(const ActionInputs& inputs) {
  if (inputs.dry_run) return config::Action::kReport;
  if (inputs.namespace_action) return *inputs.namespace_action;
  const config::Action action = inputs.group.value_or(inputs.detector);
  if (!kills(action) || !inputs.escalation) return action;
  return std::max(action, *inputs.escalation);
}

}  // namespace cryptnono::enforce
