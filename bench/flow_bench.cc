// What tcpflowkiller is compared with.
//   flow_bench trie FILE     the kernel's own trie of prefixes with the same bans (IPv4 addresses,
//   one
//                            a line): time to fill it, and its memory, as JSON.
//   flow_bench hook CGROUP   a program that does nothing, as a connect hook of that cgroup, until
//                            standard input ends: what any hook costs.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
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

int fill_trie(const char* path) {
  std::vector<Key> keys;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    in_addr address{};
    if (inet_pton(AF_INET, line.c_str(), &address) == 1) keys.push_back({32, address.s_addr});
  }
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
  const double before = available_mib();
  const auto begin = std::chrono::steady_clock::now();
  const int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "flow_bench", sizeof(Key), 4,
                                static_cast<std::uint32_t>(keys.size()), &options);
  if (fd < 0) {
    std::perror("flow_bench");
    return 1;
  }
  const std::uint32_t value = 1;
  for (const Key& key : keys) {
    if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) != 0) {
      std::perror("flow_bench");
      return 1;
    }
  }
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
  std::printf("{\"load_ms\": %.1f, \"mib\": %.1f}\n", taken.count(), before - available_mib());
  close(fd);
  return 0;
}

int hook(const char* cgroup) {
  // r0 = 1; exit
  const bpf_insn instructions[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 1},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
  const int program =
      bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "flow_bench", "GPL", instructions, 2, &options);
  const int directory = open(cgroup, O_RDONLY | O_DIRECTORY);
  // A link, so that the hook ends with this process.
  if (bpf_link_create(program, directory, BPF_CGROUP_INET4_CONNECT, nullptr) < 0) {
    std::perror("flow_bench");
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  return std::getchar() == EOF ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view what = count == 3 ? arguments[1] : "";
  if (what == "trie") return fill_trie(arguments[2]);
  if (what == "hook") return hook(arguments[2]);
  return 64;
}
