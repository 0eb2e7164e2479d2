// Whether this process sees cgroups as the node does, and if not, from where.
#pragma once

#include <string>

namespace cryptnono::container {

// Where in cgroup v2 the cgroup namespace of this process begins, as the node calls it; "" in the
// node's own. A container runtime gives a namespace to each container that is not privileged; what
// the node calls its root is found by looking for this process in what is mounted, so "" too where
// that is not the node's hierarchy. Reads each cgroup.procs up to its own: 10 us each.
std::string find_cgroup_namespace_root();

}  // namespace cryptnono::container
