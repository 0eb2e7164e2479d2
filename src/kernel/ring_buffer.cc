#include "kernel/ring_buffer.h"

namespace cryptnono::kernel {

namespace {

int deliver(void* context, void* data, std::size_t size) {
  (*static_cast<RingBuffer::Handler*>(context))({static_cast<const std::byte*>(data), size});
  return 0;
}

}  // namespace

Result<RingBuffer> RingBuffer::create(int map_fd, Handler handler) {
  RingBuffer self;
  self.handler_ = std::make_unique<Handler>(std::move(handler));
  self.ring_.reset(ring_buffer__new(map_fd, deliver, self.handler_.get(), nullptr));
  if (!self.ring_) return fail_errno("cannot map the ring buffer", errno);
  return self;
}

std::size_t RingBuffer::consume() {
  const int consumed = ring_buffer__consume(ring_.get());
  return consumed > 0 ? static_cast<std::size_t>(consumed) : 0;
}

}  // namespace cryptnono::kernel
