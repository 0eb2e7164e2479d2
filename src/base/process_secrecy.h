// What keeps this process's memory from others: no core dump, no look by /proc or ptrace for those
// without CAP_SYS_PTRACE, and nothing of it in swap.
#pragma once

#include "base/result.h"

namespace cryptnono {

// No core dump of this process, not even to a program that collects them, and it is not dumpable:
// /proc/PID/{mem,environ,maps,fd,root,cwd}, ptrace and process_vm_readv are refused to everybody
// without CAP_SYS_PTRACE, the same user included. An exec ends it, so each program must do it by
// itself; a fork does not. Before any secret is read. Cannot fail in a way that matters: what the
// limits refuse is done by the flag.
void forbid_dumps();

// Locks all pages of this process in memory, those to come too, as they are first touched: nothing
// that was read is ever written to swap. Needs CAP_IPC_LOCK, or no limit to locked memory. An error
// leaves all as it was: only what locks itself is locked then.
Result<void> lock_memory();

}  // namespace cryptnono
