#include "enforce/action_plan.h"

#include <algorithm>

namespace cryptnono::enforce {

using config::Action;

Action effective_action(const ActionInputs& inputs) {
  if (inputs.dry_run) return Action::kReport;
  if (inputs.namespace_action) return *inputs.namespace_action;
  const Action action = inputs.group.value_or(inputs.detector);
  if (!kills(action) || !inputs.escalation) return action;
  return std::max(action, *inputs.escalation);
}

}  // namespace cryptnono::enforce
