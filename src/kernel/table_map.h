// TableMap: one generation of rule tables in the kernel, and the same memory read-only in user
// space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"
#include "bpf/api/match.h"

namespace cryptnono::kernel {

// An array map of pages, filled once through mmap: one copy instead of a system call for each page.
// Movable; the mapping lives as long as the object, the kernel's copy as long as anything uses it.
// Any number of threads may read.
class TableMap {
 public:
  // `bytes` must be whole pages of `page_bytes`, which is the size of the map's values.
  static Result<TableMap> create(std::span<const std::byte> bytes,
                                 std::uint32_t page_bytes = MATCH_PAGE);

  TableMap(TableMap&& other) noexcept;
  TableMap& operator=(TableMap&& other) noexcept;
  TableMap(const TableMap&) = delete;
  TableMap& operator=(const TableMap&) = delete;
  ~TableMap();

  // Puts this map into slot 0 of the map-in-map `outer_fd`, atomically. When it returns, no running
  // program uses the former map any more (the kernel waits for them: maybe_wait_bpf_programs,
  // kernel/bpf/syscall.c).
  [[nodiscard]] Result<void> put_in_force(int outer_fd) const;

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  TableMap() = default;

  Fd fd_;
  std::span<const std::byte> bytes_;
};

}  // namespace cryptnono::kernel
