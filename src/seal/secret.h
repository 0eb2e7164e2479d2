// Secret: bytes that nobody else may see, for as long as they are needed.
//
// They stand in pages of their own between two that may not be touched (libsodium's guarded heap),
// locked in memory as far as the limits allow, left out of core dumps, and zeroed when they are
// freed. One is at least three pages: for keys and for whole texts, not for a rule each.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace cryptnono::seal {

// Move-only; const members may be called by any thread.
class Secret {
 public:
  Secret() = default;  // empty
  // `size` bytes whose content is arbitrary; write them all. Out of memory ends the process.
  explicit Secret(std::size_t size);
  static Secret copy_of(std::string_view bytes);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() = default;

  [[nodiscard]] unsigned char* data() { return bytes_.get(); }
  [[nodiscard]] const unsigned char* data() const { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // Valid until this is changed, moved or destroyed.
  [[nodiscard]] std::string_view view() const;

  // Forgets all but the first `size` bytes; they are zeroed.
  void shrink(std::size_t size);

 private:
  struct Free {
    void operator()(unsigned char* bytes) const;
  };
  std::unique_ptr<unsigned char, Free> bytes_;
  std::size_t size_ = 0;
};

// Zeroes what is not in a Secret; the compiler does not leave it out.
void wipe(void* bytes, std::size_t size);

}  // namespace cryptnono::seal
