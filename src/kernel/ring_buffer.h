// RingBuffer: reader of one BPF ring buffer map. Used by one thread at a time.
#pragma once

#include <bpf/libbpf.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"

namespace cryptnono::kernel {

class RingBuffer {
 public:
  // Called for each record, in order, with memory that is valid during the call.
  using Handler = std::function<void(std::span<const std::byte>)>;

  // Reads the map `map_fd`, which must stay open.
  static Result<RingBuffer> create(int map_fd, Handler handler);

  // Hands all records that are there to the handler; returns their number.
  std::size_t consume();
  // Readable when there are records; for an outer epoll.
  [[nodiscard]] int epoll_fd() const { return ring_buffer__epoll_fd(ring_.get()); }

 private:
  struct Free {
    void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
  };
  RingBuffer() = default;

  std::unique_ptr<Handler> handler_;  // at a fixed address, which libbpf holds
  std::unique_ptr<ring_buffer, Free> ring_;
};

}  // namespace cryptnono::kernel
