#include "kernel/lsm.h"

#include <fcntl.h>
#include <lsm_probe.skel.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "kernel/skeleton.h"

namespace cryptnono::kernel {

namespace {

constexpr unsigned kMfdExec = 0x0010U;  // MFD_EXEC, Linux 6.3; older headers lack it

// Has the kernel look at a file that no format takes: ENOEXEC, and this process goes on.
Result<void> execute_nothing() {
  Fd file(memfd_create("nothing", MFD_CLOEXEC | kMfdExec));
  if (!file && errno == EINVAL) file.reset(memfd_create("nothing", MFD_CLOEXEC));
  if (!file) return fail_errno("memfd_create", errno);
  std::array<char*, 2> arguments{const_cast<char*>("nothing"), nullptr};
  std::array<char*, 1> environment{nullptr};
  syscall(SYS_execveat, file.get(), "", arguments.data(), environment.data(), AT_EMPTY_PATH);
  if (errno == ENOEXEC) return {};
  return fail_errno("execveat of an empty file", errno);
}

Result<void> probe_lsm() {
  auto probe = TRY(Skeleton<lsm_probe_bpf>::open());
  if (auto loaded = probe.load(); !loaded)
    return tl::unexpected(with_context("BPF LSM", std::move(loaded).error()));
  if (auto attached = probe.attach(); !attached)
    return tl::unexpected(with_context("BPF LSM", std::move(attached).error()));
  Result<void> executed = execute_nothing();
  if (probe->bss->called != 0) return {};
  TRY(std::move(executed));
  return fail("BPF LSM is not active: bpf is not in the kernel's lsm=");
}

}  // namespace

Result<void> try_lsm() {
  static const Result<void> tried = probe_lsm();
  return tried;
}

Result<std::uint64_t> page_offset_base_address() {
#ifdef __x86_64__
  constexpr std::string_view kName = " page_offset_base";
  std::ifstream symbols("/proc/kallsyms");
  for (std::string line; std::getline(symbols, line);) {
    if (!line.ends_with(kName)) continue;
    std::uint64_t address = 0;
    std::from_chars(line.data(), line.data() + line.size(), address, 16);
    if (address != 0) return address;
    return fail("/proc/kallsyms hides addresses (CAP_SYSLOG)");
  }
  return fail("/proc/kallsyms has no page_offset_base");
#else
  return fail("page tables are read on x86-64 only");
#endif
}

}  // namespace cryptnono::kernel
