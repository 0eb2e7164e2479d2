#include "kernel/scope_writer.h"

#include <algorithm>
#include <cstdint>

namespace cryptnono::kernel {

void write_scope(enforce_config& settings, const std::vector<scope_entry>& include,
                 const std::vector<scope_entry>& exclude) {
  const std::uint32_t inactive = 1 - (settings.active_scope & 1);
  scope_set& set = settings.scope[inactive];
  set.includes = static_cast<std::uint32_t>(std::min<std::size_t>(include.size(), SCOPE_MAX));
  set.excludes = static_cast<std::uint32_t>(std::min<std::size_t>(exclude.size(), SCOPE_MAX));
  std::copy_n(include.begin(), set.includes, set.include);
  std::copy_n(exclude.begin(), set.excludes, set.exclude);
  __atomic_store_n(&settings.active_scope, inactive, __ATOMIC_RELEASE);
}

}  // namespace cryptnono::kernel
