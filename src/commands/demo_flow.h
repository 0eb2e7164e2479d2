// The part of `demo` that shows tcpflowkiller: connects to banned and to other addresses, in a
// network namespace of its own.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cryptnono::commands {

// What the daemon's configuration needs for it.
extern const std::string_view kDemoFlowConfig;

struct FlowShown {
  bool all_held = true;
  std::size_t killed = 0;
};

// Runs its cases in the cgroup `sandbox`, which a daemon with kDemoFlowConfig watches. Nothing
// leaves the namespaces that it makes.
Result<FlowShown> show_flows(const std::string& sandbox, std::ostream& out);

}  // namespace cryptnono::commands
