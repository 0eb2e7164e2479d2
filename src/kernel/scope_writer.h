// The scope in a BPF object's settings (bpf/lib/config.bpf.h), which every detector's object has.
#pragma once

#include <vector>

#include "bpf/api/common.h"

namespace cryptnono::kernel {

// Writes the set that is not in force and flips: a program sees the old scope or the new one. One
// thread at a time.
void write_scope(enforce_config& settings, const std::vector<scope_entry>& include,
                 const std::vector<scope_entry>& exclude);

}  // namespace cryptnono::kernel
