// Whether BPF LSM is active on this kernel, and what programs at its hooks need.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace cryptnono::kernel {

// Tries: loads and attaches a program, executes a file that is none, and looks whether the program
// was called. Errors, with the reason: it is refused, or attached and never called. Takes some
// milliseconds once: the first answer is the one of this process. Any thread.
Result<void> try_lsm();

// Where the kernel keeps the virtual address of physical address 0 (bpf/lib/page_walk.bpf.h).
// Errors: not x86-64, or /proc/kallsyms does not say, for want of CAP_SYSLOG mostly.
Result<std::uint64_t> page_offset_base_address();

}  // namespace cryptnono::kernel
