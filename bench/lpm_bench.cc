// The kernel's own trie of prefixes with the same bans, for comparison: time to fill it, and its
// memory. Usage: lpm_bench FILE (IPv4 addresses, one a line). Prints JSON.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace {

struct Key {
  std::uint32_t prefix_bits;
  std::uint32_t address;
};

// What the kernel charges for kernel memory and cannot be asked of the map: available memory before
// and after.
double available_mib() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  double kib = 0;
  for (std::string rest; meminfo >> key >> kib; std::getline(meminfo, rest))
    if (key == "MemAvailable:") break;
  return kib / 1024;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 64;
  std::vector<Key> keys;
  std::ifstream file(arguments[1]);
  for (std::string line; std::getline(file, line);) {
    in_addr address{};
    if (inet_pton(AF_INET, line.c_str(), &address) == 1) keys.push_back({32, address.s_addr});
  }
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
  const double before = available_mib();
  const auto begin = std::chrono::steady_clock::now();
  const int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "lpm_bench", sizeof(Key), 4,
                                static_cast<std::uint32_t>(keys.size()), &options);
  if (fd < 0) {
    std::perror("lpm_bench");
    return 1;
  }
  const std::uint32_t value = 1;
  for (const Key& key : keys) {
    if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) != 0) {
      std::perror("lpm_bench");
      return 1;
    }
  }
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
  std::printf("{\"load_ms\": %.1f, \"mib\": %.1f}\n", taken.count(), before - available_mib());
  close(fd);
  return 0;
}
