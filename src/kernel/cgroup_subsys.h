// Which element of the kernel's css_set.subsys[] is a v1 controller.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace cryptnono::kernel {

// scope_entry.hierarchy for a v1 hierarchy with these controllers ("cpu,cpuacct": the first one
// that the kernel knows decides). Read from the running kernel's BTF, because the numbers depend on
// its configuration. Errors: kUnsupported for a named hierarchy ("name=systemd"), which has no
// controller.
Result<std::uint32_t> v1_hierarchy(std::string_view controllers);

}  // namespace cryptnono::kernel
