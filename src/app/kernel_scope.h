// A resolved scope in the form that the kernel side compares.
#pragma once

#include <vector>

#include "base/result.h"
#include "container/scope.h"
#include "kernel/scope_writer.h"

namespace cryptnono::app {

// Errors: more than SCOPE_MAX cgroups; a v1 hierarchy without a controller.
Result<std::vector<scope_entry>> kernel_scope(const std::vector<container::ScopeCgroup>& cgroups);

}  // namespace cryptnono::app
