#include "kernel/obstacle.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace cryptnono::kernel {

Result<void> has_btf() {
  constexpr const char* kBtf = "/sys/kernel/btf/vmlinux";
  if (access(kBtf, R_OK) == 0) return {};
  if (errno != ENOENT) return fail_errno(kBtf, errno);
  return fail(std::string("this kernel has no BTF: ") + kBtf + " is not there",
              ExitCode::kUnsupported);
}

Result<void> may_read_kernel() {
  std::string levels;
  std::getline(std::ifstream("/sys/kernel/security/lockdown"), levels);
  if (levels.find("[confidentiality]") == std::string::npos) return {};
  return fail("the kernel is locked down for confidentiality: no BPF program may read its memory",
              ExitCode::kUnsupported);
}

std::string obstacles() {
  std::string out;
  for (const Result<void>& each : {has_btf(), may_read_kernel()}) {
    if (!each) out += ": " + each.error().message;
  }
  return out;
}

}  // namespace cryptnono::kernel
