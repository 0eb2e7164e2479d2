#include "seal/secret.h"

#include <sodium.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace cryptnono::seal {

namespace {

unsigned char* allocate(std::size_t size) {
  // Idempotent, and safe to call from several threads; sodium_malloc needs it.
  if (sodium_init() < 0) std::abort();
  void* const bytes = sodium_malloc(size);
  if (bytes == nullptr) std::abort();
  return static_cast<unsigned char*>(bytes);
}

}  // namespace

Secret::Secret(std::size_t size) : bytes_(size == 0 ? nullptr : allocate(size)), size_(size) {}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

Secret Secret::copy_of(std::string_view bytes) {
  Secret out(bytes.size());
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

std::string_view Secret::view() const {
  return {reinterpret_cast<const char*>(bytes_.get()), size_};
}

void Secret::shrink(std::size_t size) {
  if (size >= size_) return;
  wipe(bytes_.get() + size, size_ - size);
  size_ = size;
}

void Secret::Free::operator()(unsigned char* bytes) const { sodium_free(bytes); }

void wipe(void* bytes, std::size_t size) {
  if (size > 0) sodium_memzero(bytes, size);
}

}  // namespace cryptnono::seal
