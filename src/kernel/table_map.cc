#include "kernel/table_map.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace cryptnono::kernel {

Result<TableMap> TableMap::create(std::span<const std::byte> bytes, std::uint32_t page_bytes) {
  const auto pages = static_cast<std::uint32_t>(bytes.size() / page_bytes);
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
  TableMap self;
  self.fd_.reset(bpf_map_create(BPF_MAP_TYPE_ARRAY, "cryptnono_rules", sizeof(std::uint32_t),
                                page_bytes, pages, &options));
  if (!self.fd_) return fail_errno("cannot create the map of the rules", errno);

  void* writable =
      mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_SHARED, self.fd_.get(), 0);
  if (writable == MAP_FAILED) return fail_errno("cannot map the rules", errno);
  std::memcpy(writable, bytes.data(), bytes.size());
  munmap(writable, bytes.size());

  void* readable = mmap(nullptr, bytes.size(), PROT_READ, MAP_SHARED, self.fd_.get(), 0);
  if (readable == MAP_FAILED) return fail_errno("cannot map the rules", errno);
  self.bytes_ = {static_cast<const std::byte*>(readable), bytes.size()};
  return self;
}

TableMap::TableMap(TableMap&& other) noexcept
    : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})) {}

TableMap& TableMap::operator=(TableMap&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

TableMap::~TableMap() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<void> TableMap::put_in_force(int outer_fd) const {
  const std::uint32_t slot = 0;
  const int inner = fd_.get();
  if (bpf_map_update_elem(outer_fd, &slot, &inner, BPF_ANY) != 0) {
    return fail_errno("cannot put the rules in force", errno);
  }
  return {};
}

}  // namespace cryptnono::kernel
