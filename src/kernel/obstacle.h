// What keeps a kernel from loading any program at all, in words, because what it says itself is an
// error number that stands for much ("No such process", "Invalid argument").
#pragma once

#include <string>

#include "base/result.h"

namespace cryptnono::kernel {

// Error: the kernel has no type information.
Result<void> has_btf();

// Error: the kernel is locked down for confidentiality (kernel_lockdown(7)), in which BPF programs
// may not call bpf_probe_read_kernel. No error where it cannot be seen (securityfs).
Result<void> may_read_kernel();

// ": " and the error of those that hold; empty if there is none.
std::string obstacles();

}  // namespace cryptnono::kernel
