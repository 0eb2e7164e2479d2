// Where a cgroup namespace of one's own hides the beginning of paths: /proc/PID/cgroup then writes
// them from the root of that namespace, "/../../pod1/c1", and here they become what the node calls
// them.
#pragma once

#include <string>
#include <string_view>

namespace cryptnono::proc {

// `path` of v2 as a process whose cgroup namespace begins at `root` (absolute, "" for none: the
// node's) reads it, as the node writes it. Pure; nothing leads above the hierarchy's root.
std::string absolute_cgroup(std::string_view root, std::string_view path);

// The text of a /proc/PID/cgroup with the line of v2 so written; those of v1 stay, for runtimes
// give no namespaces to them.
std::string absolute_cgroups(std::string_view root, std::string text);

// What ProcReader::read_cgroup of all threads goes by; "" at first. Call once, before there are
// other threads.
void set_cgroup_namespace_root(std::string root);
const std::string& cgroup_namespace_root();

}  // namespace cryptnono::proc
