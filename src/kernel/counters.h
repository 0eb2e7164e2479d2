// Counters of the kernel side: structs of nothing but u64 that only grow.
#pragma once

#include <bpf/libbpf.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace cryptnono::kernel {

template <typename T>
void add_counters(T& sum, const T& more) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::uint64_t) == 0);
  auto* total = reinterpret_cast<std::uint64_t*>(&sum);
  const auto* value = reinterpret_cast<const std::uint64_t*>(&more);
  for (std::size_t i = 0; i < sizeof(T) / sizeof *total; ++i) total[i] += value[i];
}

// Of a per-CPU array with one element, over `cpus` possible CPUs. Any thread.
template <typename T>
T sum_of_cpus(const bpf_map* map, int cpus) {
  T sum{};
  const std::uint32_t key = 0;
  std::vector<T> per_cpu(static_cast<std::size_t>(cpus));
  if (bpf_map__lookup_elem(map, &key, sizeof key, per_cpu.data(), per_cpu.size() * sizeof(T), 0) ==
      0) {
    for (const T& one : per_cpu) add_counters(sum, one);
  }
  return sum;
}

}  // namespace cryptnono::kernel
