#include "base/process_secrecy.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/capability.h"
#include "base/fd.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CRYPTNONO_LEAK_CHECK 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CRYPTNONO_LEAK_CHECK 1
#endif

namespace cryptnono {

namespace {

bool may_lock_without_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY) return true;
  return has_capability(CAP_IPC_LOCK);
}

}  // namespace

void forbid_dumps() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &none);
  // The limit does not hold where core_pattern is a pipe; that nothing is worth dumping does.
  constexpr std::string_view kNothing = "0";
  const Fd filter(::open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC));
  if (filter) static_cast<void>(!::write(filter.get(), kNothing.data(), kNothing.size()));
#ifndef CRYPTNONO_LEAK_CHECK  // which attaches to its own process by ptrace
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

Result<void> lock_memory() {
  // With a limit the call may succeed, and an allocation fail later.
  if (!may_lock_without_limit())
    return fail("no CAP_IPC_LOCK, and locked memory is limited", ExitCode::kNotPermitted);
  if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) return fail_errno("mlockall", errno);
  return {};
}

}  // namespace cryptnono
