// Which of its two objects a BPF program runs as. bpf/lib/loop.bpf.h says why there are two.
#pragma once

#include <string_view>
#include <utility>

#include "base/result.h"

namespace cryptnono::kernel {

enum class Loops {
  kCallbacks,  // bpf_loop(), from Linux 5.17 on
  kPlain,      // written out
};

constexpr std::string_view name_of(Loops loops) {
  return loops == Loops::kCallbacks ? "bpf_loop" : "written-out loops";
}

// What `load` gives for the first of the two that the kernel accepts. If it accepts neither, the
// error is that of the second, which asks less of the kernel.
template <typename Load>
auto first_accepted(const Load& load) {
  auto program = load(Loops::kCallbacks);
  if (program || program.error().code == ExitCode::kNotPermitted) return program;
  return load(Loops::kPlain);
}

}  // namespace cryptnono::kernel
